package page

import (
	"net/url"
	"testing"
)

// TestLocalPaths: after a sign-in the browser goes to a page of ours, whatever
// the address asked for.
func TestLocalPaths(t *testing.T) {
	for next, want := range map[string]string{
		"/portal": "/portal", "/portal/consents?x=1": "/portal/consents?x=1", "/console?type=a": "/console?type=a",
		"": "/portal", "https://evil.example": "/portal", "//evil.example": "/portal", "/\\evil.example": "/portal", "///evil.example/portal": "/portal",
		"\\\\evil.example": "/portal", "/portal\r\nLocation: https://evil.example": "/portal", "javascript:alert(1)": "/portal", "portal": "/portal",
		"https:/portal": "/portal", "/authorize?client_id=x": "/portal", "/logout": "/portal", "/\t/evil.example/portal": "/portal", "/%2fevil.example": "/portal",
		"/portal/../logout": "/portal", "/portal/%2e%2e/logout": "/portal", "/portal/\\..\\logout": "/portal", "/portal/..%2flogout": "/portal", "/portal/./x": "/portal", "/portal//x": "/portal", "/console/../../x": "/portal",
		"/portalx": "/portal", "/consoles": "/portal", "/portal/": "/portal", "/console/events/%2e%2e": "/portal", "/portal/releases/a%20b": "/portal/releases/a%20b",
	} {
		if got := Local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

// FuzzLocal: whatever an address asks for, a browser that follows it stays in the portal
// or the console of this host.
func FuzzLocal(f *testing.F) {
	for _, seed := range []string{"/portal", "//evil.example/portal", "/portal/../x", "/console?a=//b", `/portal\@evil`, "/portal#x", "/portal/%2e%2e/x"} {
		f.Add(seed)
	}
	base, err := url.Parse("https://id.example/signin")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, next string) {
		got := Local(next)
		u, err := base.Parse(got)
		if err != nil || u.Scheme != "https" || u.Host != "id.example" || u.User != nil ||
			!within(u.Path, PortalPath) && !within(u.Path, ConsolePath) {
			t.Fatalf("%q leads to %v, %v", next, u, err)
		}
		if Local(got) != got {
			t.Fatalf("%q leads to %q, and that to %q", next, got, Local(got))
		}
	})
}

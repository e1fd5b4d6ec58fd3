package page

import "testing"

// TestLocalPaths: after a sign-in the browser goes to a page of ours, whatever
// the address asked for.
func TestLocalPaths(t *testing.T) {
	for next, want := range map[string]string{
		"/portal": "/portal", "/portal/consents?x=1": "/portal/consents?x=1", "/console?type=a": "/console?type=a",
		"": "/portal", "https://evil.example": "/portal", "//evil.example": "/portal", "/\\evil.example": "/portal", "///evil.example/portal": "/portal",
		"\\\\evil.example": "/portal", "/portal\r\nLocation: https://evil.example": "/portal", "javascript:alert(1)": "/portal", "portal": "/portal",
		"https:/portal": "/portal", "/authorize?client_id=x": "/portal", "/logout": "/portal", "/\t/evil.example/portal": "/portal", "/%2fevil.example": "/portal",
		"/portal/../logout": "/portal", "/portal/%2e%2e/logout": "/portal", "/portal/..%2flogout": "/portal", "/portal/./x": "/portal", "/portal//x": "/portal", "/console/../../x": "/portal",
		"/portalx": "/portal", "/consoles": "/portal", "/portal/": "/portal", "/console/events/%2e%2e": "/portal", "/portal/releases/a%20b": "/portal/releases/a%20b",
	} {
		if got := Local(next); got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
	}
}

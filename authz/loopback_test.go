package authz_test

import (
	"strings"
	"testing"

	"hopnhat/authz"
)

func TestLoopback(t *testing.T) {
	native := &authz.Client{Profile: authz.Native, Requests: authz.Requests{RedirectURIs: []string{"http://127.0.0.1/cb", "http://[::1]:8080/cb?a=1", "https://app.example.vn/cb"}}}
	web := &authz.Client{Profile: authz.FAPI2, Requests: authz.Requests{RedirectURIs: native.RedirectURIs}}
	for _, row := range []struct {
		name, uri   string
		native, web bool
	}{
		{"registered", "http://127.0.0.1/cb", true, true},
		{"RFC 8252 §7.3: another port", "http://127.0.0.1:51004/cb", true, false},
		{"RFC 8252 §7.3: IPv6, another port", "http://[::1]:51004/cb?a=1", true, false},
		{"RFC 8252 §7.3: IPv6, no port where one was registered", "http://[::1]/cb?a=1", true, false},
		{"RFC 8252 §7.2: a claimed https address", "https://app.example.vn/cb", true, true},
		{"a claimed https address has no free port", "https://app.example.vn:8443/cb", false, false},
		{"the other family", "http://[::1]:51004/cb", false, false},
		{"RFC 8252 §8.3: the name", "http://localhost:51004/cb", false, false},
		{"another path", "http://127.0.0.1:51004/cb/", false, false},
		{"another query", "http://127.0.0.1:51004/cb?b=1", false, false},
		{"a fragment", "http://127.0.0.1:51004/cb#x", false, false},
		{"a port beyond all", "http://127.0.0.1:65536/cb", false, false},
		{"port 0", "http://127.0.0.1:0/cb", false, false},
		{"a port with a zero before it", "http://127.0.0.1:051004/cb", false, false},
		{"an empty port", "http://127.0.0.1:/cb", false, false},
		{"a user that looks like a host", "http://127.0.0.1:80@evil.example/cb", false, false},
		{"a host that goes on", "http://127.0.0.1.evil.example/cb", false, false},
		{"another loopback address", "http://127.0.0.2:51004/cb", false, false},
		{"https on loopback", "https://127.0.0.1:51004/cb", false, false},
		{"another case", "HTTP://127.0.0.1:51004/cb", false, false},
		{"a backslash", `http://127.0.0.1:51004\cb`, false, false},
		{"a line that goes on", "http://127.0.0.1:51004/cb\nhttp://evil.example", false, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := native.HasRedirectURI(row.uri); got != row.native {
				t.Errorf("native: got %t, want %t", got, row.native)
			}
			if got := web.HasRedirectURI(row.uri); got != row.web {
				t.Errorf("fapi2: got %t, want %t", got, row.web)
			}
		})
	}
}

// TestOnDevice: people know an app by its host, and one that is answered on their own
// device by none.
func TestOnDevice(t *testing.T) {
	for _, row := range []struct {
		profile authz.ProfileName
		uri     string
		on      bool
		site    string
	}{
		{authz.Native, "http://127.0.0.1/cb", true, ""},
		{authz.Native, "https://app.example.vn/cb", false, "app.example.vn"},
		{authz.FAPI2, "http://127.0.0.1:8500/cb", false, "127.0.0.1:8500"}, // of a demonstration
	} {
		c := &authz.Client{Profile: row.profile, Requests: authz.Requests{RedirectURIs: []string{row.uri}}}
		if c.OnDevice() != row.on || c.Site() != row.site {
			t.Errorf("%s at %s: got %t, %q", row.profile, row.uri, c.OnDevice(), c.Site())
		}
	}
}

// FuzzLoopback: what is answered is what was registered, but for the digits of a port
// of this very device.
func FuzzLoopback(f *testing.F) {
	const registered = "http://127.0.0.1/cb"
	c := &authz.Client{Profile: authz.Native, Requests: authz.Requests{RedirectURIs: []string{registered}}}
	for _, uri := range []string{registered, "http://127.0.0.1:1/cb", "http://127.0.0.1:80@x/cb", "http://127.0.0.1:1/cb/..", "//127.0.0.1:1/cb"} {
		f.Add(uri)
	}
	f.Fuzz(func(t *testing.T, uri string) {
		if !c.HasRedirectURI(uri) || uri == registered {
			return
		}
		rest, ok := strings.CutPrefix(uri, "http://127.0.0.1:")
		port, there := strings.CutSuffix(rest, "/cb")
		if !ok || !there || port == "" || len(port) > 5 || strings.Trim(port, "0123456789") != "" {
			t.Fatalf("an answer would go to %q", uri)
		}
	})
}

package federation_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"hopnhat/federation"
)

// TestParseEntityID: the name of an entity is a URL with https, a host, and neither query,
// fragment nor credentials (OpenID Federation 1.0 §1.2).
func TestParseEntityID(t *testing.T) {
	for text, good := range map[string]bool{
		"https://a.gov.vn": true, "https://a.gov.vn/": true, "https://a.gov.vn:8443/x/y": true,
		"https://" + strings.Repeat("a/", federation.MaxEntityID/2-8): true,
		"https://" + strings.Repeat("a/", federation.MaxEntityID/2):   false,
		"http://a.gov.vn": false, "HTTPS://a.gov.vn": false, "ftp://a.gov.vn": false, "a.gov.vn": false, "": false, "https://": false, "https:///x": false,
		"https://a.gov.vn?x": false, "https://a.gov.vn/#x": false, "https://u@a.gov.vn": false, "https://u:p@a.gov.vn": false,
		"https://a.gov.vn/ế": false, "https://a.gov.vn/\x00": false,
	} {
		if id, err := federation.ParseEntityID(text); (err == nil) != good || err == nil && string(id) != text {
			t.Errorf("%q: %q, %v", text, id, err)
		}
	}
}

// TestEntityIDHost: naming constraints see the host alone (§6.2.2).
func TestEntityIDHost(t *testing.T) {
	for id, want := range map[federation.EntityID]string{
		"https://App.Example.vn:8443/a/b": "app.example.vn", "https://xn--vit-nam-2l9b.vn": "xn--vit-nam-2l9b.vn",
		"https://[2001:db8::1]/": "2001:db8::1",
	} {
		if got := id.Host(); got != want {
			t.Errorf("%s has the host %q, want %q", id, got, want)
		}
	}
}

// TestHostIsWrittenOneWay: a host that is dialled as another than naming constraints read is
// no host of an entity (§6.2.2).
func TestHostIsWrittenOneWay(t *testing.T) {
	for text, good := range map[string]bool{
		"https://a.gov.vn": true, "https://trust_anchor.example.vn/x/": true, "https://127.0.0.1:8443": true, "https://[::1]:8443": true,
		"https://A.gov.vn": true, "https://xn--bo-1ja.gov.vn": true,
		"https://evil.gov.vn./": false, "https://evil%EF%BC%8Egov.vn": false, "https://evil%2egov.vn": false, "https://a gov.vn": false,
		"https://%E2%91%A0.gov.vn": false, "https://a!b.vn": false,
	} {
		id, err := federation.ParseEntityID(text)
		if (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
		if host := id.Host(); err == nil && (strings.HasSuffix(host, ".") || strings.ContainsAny(host, "%")) {
			t.Errorf("%s has the host %q", text, host)
		}
	}
}

// FuzzParseEntityID: what is read is the text itself, with https and a host that is written in
// one way, and is read the same again.
func FuzzParseEntityID(f *testing.F) {
	for _, text := range []string{
		"https://a.gov.vn", "https://a.gov.vn:8443/x", "https://a.gov.vn?x", "https://A.gov.vn.", "https://[2001:db8::1]/", "x",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := federation.ParseEntityID(text)
		if err != nil {
			if id != "" || !errors.Is(err, federation.ErrEntityID) {
				t.Errorf("%q: %q, %v", text, id, err)
			}
			return
		}
		u, err := url.Parse(text)
		if err != nil || string(id) != text || u.Scheme != "https" || id.Host() == "" || strings.HasSuffix(id.Host(), ".") ||
			u.User != nil || u.RawQuery != "" || u.Fragment != "" || len(text) > federation.MaxEntityID {
			t.Errorf("%q is taken: %+v, %v", text, u, err)
		}
		if again, err := federation.ParseEntityID(string(id)); err != nil || again != id {
			t.Errorf("%q is read again as %q, %v", id, again, err)
		}
	})
}

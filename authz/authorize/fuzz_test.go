package authorize_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz/authztest"
	"hopnhat/authz/grant"
)

// FuzzAuthorizationEndpoint: whatever a browser brings, it is sent to our own pages
// or to the redirect URI that is registered (RFC 9700 §4.11).
func FuzzAuthorizationEndpoint(f *testing.F) {
	w := authztest.New(f)
	w.OptIn()
	f.Add(authztest.Authorization().Encode(), "a.b")
	f.Add(
		authztest.Authorization(
			"response_type", "code id_token", "nonce", "n", "response_mode", "form_post", "claims",
			`{"id_token":{"acr":{"essential":true}}}`,
		).Encode(), "",
	)
	f.Add(authztest.Authorization("request", "eyJhbGciOiJub25lIn0.e30.").Encode(), "")
	pushed := authztest.Authorization("request_uri", "urn:ietf:params:oauth:request_uri:x", "prompt", "none login", "max_age", "-1")
	f.Add(pushed.Encode(), "")
	f.Fuzz(func(t *testing.T, query, handle string) {
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/authorize", RawQuery: query}, Header: http.Header{}}
		next, err := w.Authorize(r.WithContext(t.Context()))
		to := next.Location
		if next.Form != nil {
			to = next.Form.Action
		}
		if err == nil && !strings.HasPrefix(to, "https://app.example/cb") && !strings.HasPrefix(to, "https://id.example/") {
			t.Fatalf("sent to %q", to)
		}
		if strings.ContainsAny(to, "\r\n") {
			t.Fatalf("a line break in %q", to)
		}
		if u, err := url.Parse(to); err != nil || u.User != nil {
			t.Fatalf("not a URL: %q", to)
		}
		if _, err := w.Resume(r.WithContext(t.Context()), grant.Handle(handle)); err == nil {
			t.Fatalf("a handle that was never given out: %q", handle)
		}
		clear(w.Memory.Requests)
		clear(w.Memory.Grants)
	})
}

package authorize_test

import (
	"testing"

	"hopnhat/authz/authztest"
)

// TestLoopbackIsNoProof: RFC 8252 §8.6, what any program of the device could ask for is
// never answered without the person, even where she is signed in.
func TestLoopbackIsNoProof(t *testing.T) {
	w := authztest.WithNative(t)
	for _, row := range []struct {
		name, redirect, prompt, path, code string
	}{
		{"a claimed address, signed in", "https://app.example/cb", "", "/cb", ""},
		{"a claimed address, silently", "https://app.example/cb", "none", "/cb", ""},
		{"loopback on another port, signed in", "http://127.0.0.1:51004/cb", "", "/signin", ""},
		{"loopback on another port, silently", "http://127.0.0.1:51004/cb", "none", "/cb", "login_required"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := authztest.Authorization("redirect_uri", row.redirect)
			if row.prompt != "" {
				f.Set("prompt", row.prompt)
			}
			q, path, err := w.Open(t, f)
			if err != nil || path != row.path || q.Get("error") != row.code ||
				(row.path == "/cb" && row.code == "") != (q.Get("code") != "") {
				t.Errorf("got %s %v, %v", path, q, err)
			}
		})
	}
}

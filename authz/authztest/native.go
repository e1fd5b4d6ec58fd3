package authztest

import (
	"crypto/ecdsa"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
)

// WithNative makes the app one that has no secret.
func WithNative(t *testing.T) *World {
	t.Helper()
	w := New(t)
	w.App.Profile, w.App.Method, w.App.SecretHash = authz.Native, authz.PublicClient, nil
	w.App.RedirectURIs = append(w.App.RedirectURIs, "http://127.0.0.1/cb")
	return w
}

// Public makes a form request of an app that says who it is and proves nothing but, by
// a key, that it has one.
func (w *World) Public(t testing.TB, h http.HandlerFunc, path string, k *ecdsa.PrivateKey, f url.Values) *httptest.ResponseRecorder {
	t.Helper()
	if f.Get("client_id") == "" {
		f.Set("client_id", "app")
	}
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if k != nil {
		r.Header.Set("DPoP", w.DPoP(t, k, http.MethodPost, path, ""))
	}
	out := httptest.NewRecorder()
	h(out, r)
	return out
}

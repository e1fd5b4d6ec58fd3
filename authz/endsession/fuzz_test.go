package endsession_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hopnhat/authz/authztest"
)

// FuzzEndSession: after a logout the browser goes to a registered URI or nowhere
// (RP-Initiated Logout §3), and nobody's word but an ID token of
// ours spares the question.
func FuzzEndSession(f *testing.F) {
	w := authztest.New(f)
	w.App.PostLogoutRedirectURIs = []string{"https://app.example/bye?x=1"}
	f.Add("client_id=app&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye%3Fx%3D1&state=%22%0a")
	f.Add("id_token_hint=e30.e30.AA")
	f.Fuzz(func(t *testing.T, raw string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, "/logout", strings.NewReader(raw))
			if method == http.MethodGet {
				r.URL.RawQuery = raw
			}
			out, err := w.EndSession(r, nil)
			if err != nil {
				continue
			}
			if out.Confirmed || out.Return != "" && !strings.HasPrefix(out.Return, "https://app.example/bye?x=1") ||
				strings.ContainsAny(out.Return, "\r\n\"") {
				t.Fatalf("%+v", out)
			}
		}
	})
}

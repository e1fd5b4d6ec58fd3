package redeem_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz/authztest"
	"hopnhat/authz/provider"
)

// proved sends a form with a proof that was made before.
func proved(h http.HandlerFunc, path, proof string, f url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("DPoP", proof)
	r.SetBasicAuth("app", "secret")
	out := httptest.NewRecorder()
	h(out, r)
	return out
}

// TestProofsAtSeveralNodes: a nonce is good at every node, and where the endpoint
// writes, a proof is good once in the nation (RFC 9449 §8, §11.1).
func TestProofsAtSeveralNodes(t *testing.T) {
	w := authztest.WithBackend(t)
	k := authztest.NewKey(t)
	nodes := []*provider.Provider{w.Provider, w.Node(t)}
	for _, row := range []struct {
		name, path string
		endpoint   func(p *provider.Provider) http.HandlerFunc
		form       func() url.Values
		status     int
		elsewhere  string // the error at the other node, with another form
	}{
		{"PAR", "/par", func(p *provider.Provider) http.HandlerFunc { return p.PAR }, func() url.Values { return authztest.Authorization() }, http.StatusCreated, "invalid_dpop_proof"},
		{"a code", "/token", func(p *provider.Provider) http.HandlerFunc { return p.Token }, func() url.Values {
			return url.Values{"grant_type": {"authorization_code"}, "code": {w.Code(t)}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {authztest.Verifier}}
		}, http.StatusOK, "invalid_dpop_proof"},
		{"a refresh token that rotates", "/token", func(p *provider.Provider) http.HandlerFunc { return p.Token }, func() url.Values {
			return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {w.ViaCode(t, k).Refresh}}
		}, http.StatusOK, "invalid_dpop_proof"},
		{"client credentials: nothing is written", "/token", func(p *provider.Provider) http.HandlerFunc { return p.Token }, func() url.Values {
			return url.Values{"grant_type": {"client_credentials"}}
		}, http.StatusOK, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			first, second := row.form(), row.form()
			proof := w.DPoP(t, k, http.MethodPost, row.path, "") // its nonce is of node 0
			if a := proved(row.endpoint(nodes[1]), row.path, proof, first); a.Code != row.status {
				t.Fatalf("at the node that did not give the nonce: %d %s", a.Code, a.Body)
			}
			if a := proved(row.endpoint(nodes[1]), row.path, proof, second); authztest.ErrorOf(t, a) != "invalid_dpop_proof" {
				t.Errorf("again at this node: %d %s", a.Code, a.Body)
			}
			a := proved(row.endpoint(nodes[0]), row.path, proof, second)
			if row.elsewhere == "" && a.Code != row.status || row.elsewhere != "" && authztest.ErrorOf(t, a) != row.elsewhere {
				t.Errorf("at another node: %d %s", a.Code, a.Body)
			}
		})
	}
}

// TestForeignProofsUseNoShare: who holds a token and not its key uses up nothing of
// the memory for its app's proofs: the key is compared first.
func TestForeignProofsUseNoShare(t *testing.T) {
	w := authztest.WithBackend(t)
	mine, foreign := authztest.NewKey(t), authztest.NewKey(t)
	given := w.ViaCode(t, mine)
	proof := w.DPoP(t, foreign, http.MethodGet, "/userinfo", given.Access)
	for range 2 { // had it been remembered, the second would be called used
		r := httptest.NewRequest(http.MethodGet, "/userinfo", nil)
		r.Header.Set("Authorization", "DPoP "+given.Access)
		r.Header.Set("DPoP", proof)
		out := httptest.NewRecorder()
		w.UserInfo(out, r)
		if text := out.Header().Get("WWW-Authenticate"); out.Code != http.StatusUnauthorized || !strings.Contains(text, "not by the key") {
			t.Errorf("%d %s", out.Code, text)
		}
	}
}

// TestRefusalsAreCounted by their code.
func TestRefusalsAreCounted(t *testing.T) {
	w := authztest.WithBackend(t)
	before := w.Refused()["unsupported_grant_type"]
	w.AskToken(t, "app", nil, url.Values{"grant_type": {"password"}})
	if got := w.Refused()["unsupported_grant_type"]; got != before+1 {
		t.Errorf("%d, want %d", got, before+1)
	}
}

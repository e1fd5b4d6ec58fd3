package redeem_test

import (
	"crypto/ecdsa"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
	"hopnhat/authz/provider"
)

// signedBy makes apps of a world ones that authenticate with signed assertions, all by one key.
func signedBy(t *testing.T, w *authztest.World, k *ecdsa.PrivateKey) {
	t.Helper()
	for _, c := range w.Clients {
		c.Method, c.SecretHash, c.JWKS = authz.PrivateKeyJWT, nil, []byte(`{"keys":[`+authztest.PublicJWK(t, k)+`]}`)
	}
}

// asserted is a client assertion with a jti of its own (RFC 7523 §3).
func asserted(t *testing.T, w *authztest.World, k *ecdsa.PrivateKey, client string) string {
	t.Helper()
	return authztest.Handmade(t, k, `{"alg":"ES256"}`, map[string]any{
		"iss": client, "sub": client, "aud": "https://id.example", "jti": authz.NewSecret(), "iat": w.Now.Unix(), "exp": w.Now.Add(time.Minute).Unix(),
	})
}

// proven makes a token request at a node with a client assertion and a proof.
func proven(node *provider.Provider, assertion, proof string, f url.Values) *httptest.ResponseRecorder {
	f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	f.Set("client_assertion", assertion)
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("DPoP", proof)
	out := httptest.NewRecorder()
	node.Token(out, r)
	return out
}

// TestALateRefusalGivesNothingBack: what came with a request that is refused in the transaction
// which spends it is spent in the nation all the same.
func TestALateRefusalGivesNothingBack(t *testing.T) {
	for _, row := range []struct {
		name, client string
		// ask prepares a request, and what becomes of it on the way.
		ask  func(t *testing.T, w *authztest.World, k *ecdsa.PrivateKey) url.Values
		code string
	}{
		{"Grant Management §5.5.2: a code whose grant goes on from one that has ended", "app", func(t *testing.T, w *authztest.World, k *ecdsa.PrivateKey) url.Values {
			first := w.ViaCode(t, k, "grant_management_action", "create")
			f := url.Values{
				"grant_type": {"authorization_code"}, "code": {w.Code(t, "grant_management_action", "replace", "grant_id", first.GrantID)},
				"redirect_uri": {"https://app.example/cb"}, "code_verifier": {authztest.Verifier},
			}
			authztest.PostAs("app", w.Revoke, url.Values{"token": {first.Refresh}})
			return f
		}, "invalid_grant"},
		{"RFC 8693 §2.2.2: a token whose grant ends on the way", "backend", func(t *testing.T, w *authztest.World, k *ecdsa.PrivateKey) url.Values {
			given := w.ViaCode(t, k, "resource", authztest.AtLand, "scope", "openid land.read")
			w.BeforeHold = func() {
				for id, g := range w.Memory.Grants {
					g.Revoked = w.Now
					w.Memory.Grants[id] = g
				}
			}
			return authztest.ExchangeForm(given.Access)
		}, "invalid_request"},
		{"RFC 7523 §3: the assertion of a service, used before", "backend", func(t *testing.T, w *authztest.World, k *ecdsa.PrivateKey) url.Values {
			w.Clients["backend"].TrustedIssuers = []authz.TrustedIssuer{{
				Issuer: "https://ci.example", JWKS: []byte(`{"keys":[` + authztest.PublicJWK(t, k) + `]}`), Subjects: []string{"nightly"},
				Audience: []string{authztest.AtTax}, Scope: []string{"land.read"},
			}}
			f := url.Values{"grant_type": {authz.GrantJWTBearer}, "assertion": {authztest.Handmade(t, k, `{"alg":"ES256"}`, map[string]any{
				"iss": "https://ci.example", "sub": "nightly", "aud": "https://id.example", "jti": "1", "exp": w.Now.Add(time.Minute).Unix(),
			})}}
			authztest.TokensOf(t, w.AskToken(t, "backend", k, f))
			return f
		}, "invalid_grant"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.WithBackend(t)
			k := authztest.NewKey(t)
			f := row.ask(t, w, k)
			signedBy(t, w, k)
			node, other := w.Node(t), w.Node(t) // which know the apps as they are now
			assertion, proof := asserted(t, w, k, row.client), w.DPoP(t, k, http.MethodPost, "/token", "")
			if a := proven(node, assertion, proof, f); authztest.ErrorOf(t, a) != row.code {
				t.Fatalf("got %d %s", a.Code, a.Body)
			}
			own := func() url.Values { return url.Values{"grant_type": {"client_credentials"}} }
			again := proven(other, assertion, w.DPoP(t, k, http.MethodPost, "/token", ""), own())
			if authztest.ErrorOf(t, again) != "invalid_client" {
				t.Errorf("RFC 7523 §3: its assertion once more: %d %s", again.Code, again.Body)
			}
			if a := proven(other, asserted(t, w, k, row.client), proof, own()); authztest.ErrorOf(t, a) != "invalid_dpop_proof" {
				t.Errorf("RFC 9449 §11.1: its proof once more: %d %s", a.Code, a.Body)
			}
		})
	}
}

package token_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
	"hopnhat/keys/jose"
)

// What goes to whom: each place that tells of a person, and how the token is bound. A
// bearer gets name and contact, which scopes ask for, and nothing that the broker
// serves, no verified claim and no mandate.
func TestWhatGoesToWhom(t *testing.T) {
	const all = `{"userinfo":{"urn:vn:gov:eid:mandates":null,"email":null,"verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null}}},
		"id_token":{"urn:vn:gov:eid:mandates":null,"email":null,"verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null}}}}`
	scoped, beyond := []string{`"email"`}, []string{`"verified_claims"`, `"urn:vn:gov:eid:mandates"`}
	for _, binding := range []string{"bearer", "DPoP, by registration", "DPoP, by dpop_jkt", "RFC 8705 §4: a certificate, whoever issued it"} {
		t.Run(binding, func(t *testing.T) {
			w := authztest.New(t)
			w.Declare()
			f := authztest.Authorization("scope", "openid profile", "claims", all)
			switch binding {
			case "DPoP, by registration":
				w.Bind(t)
			case "DPoP, by dpop_jkt":
				w.Holder = authztest.NewKey(t)
				id, err := jose.Thumbprint(&w.Holder.PublicKey)
				if err != nil {
					t.Fatal(err)
				}
				f.Set("dpop_jkt", string(id))
			case "RFC 8705 §4: a certificate, whoever issued it":
				w.App.CertificateBound, w.Presents = true, w.Certificate(t)
			}
			bound := binding != "bearer"
			answer := w.SignIn(t, f)
			for place, text := range map[string]string{"the ID token": answer.ID, "UserInfo": answer.About} {
				for _, name := range scoped {
					if !strings.Contains(text, name) {
						t.Errorf("%s has no %s: %s", place, name, text)
					}
				}
				for _, name := range beyond {
					if strings.Contains(text, name) != bound {
						t.Errorf("%s and %s: %s", place, name, text)
					}
				}
			}
			if !bound && w.WasReleased("eid.mandates") {
				t.Error("what no bearer gets was released")
			}
			r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", nil)
			token := answer.Tokens["access_token"].(string)
			if r.Header.Set("Authorization", "Bearer "+token); w.Holder != nil {
				r.Header.Set("Authorization", "DPoP "+token)
				r.Header.Set("DPoP", w.DPoP(t, w.Holder, http.MethodPost, "/broker/v1/releases", token))
			}
			_, err := w.BrokerAccess(w.Connected(r))
			if bound && err != nil {
				t.Errorf("the broker refuses a bound token: %v", err)
			}
			if told := authz.AsError(err); !bound &&
				(told == nil || told.Code != authz.InvalidToken || !strings.Contains(told.Description, "bearer")) {
				t.Errorf("the broker and a bearer token: got %v (RFC 6750 §3.1)", err)
			}
		})
	}
}

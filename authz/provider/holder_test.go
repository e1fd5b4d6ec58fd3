package provider_test

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/keys/jose"
)

// What goes to whom: each place that tells of a person, and how the token is bound. A
// bearer gets name and contact, which scopes ask for, and nothing that the broker
// serves, no verified claim and no mandate.
func TestWhatGoesToWhom(t *testing.T) {
	const all = `{"userinfo":{"urn:vn:gov:eid:mandates":null,"email":null,"verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null}}},
		"id_token":{"urn:vn:gov:eid:mandates":null,"email":null,"verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null}}}}`
	scoped, beyond := []string{`"email"`}, []string{`"verified_claims"`, `"urn:vn:gov:eid:mandates"`}
	for _, binding := range []string{"bearer", "DPoP, by registration", "DPoP, by dpop_jkt", "certificate"} {
		t.Run(binding, func(t *testing.T) {
			w := newWorld(t)
			w.declare()
			f := authorization("scope", "openid profile", "claims", all)
			switch binding {
			case "DPoP, by registration":
				w.bound(t)
			case "DPoP, by dpop_jkt":
				w.holder = newKey(t)
				id, err := jose.Thumbprint(&w.holder.PublicKey)
				if err != nil {
					t.Fatal(err)
				}
				f.Set("dpop_jkt", string(id))
			case "certificate":
				w.app.CertificateBound, w.presents = true, w.certificate(t)
			}
			bound := binding != "bearer"
			answer := w.signIn(t, f)
			for place, text := range map[string]string{"the ID token": answer.id, "UserInfo": answer.about} {
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
			if !bound && w.recorded("eid.mandates") {
				t.Error("what no bearer gets was released")
			}
			r := httptest.NewRequest(http.MethodPost, "/broker/v1/releases", nil)
			token := answer.tokens["access_token"].(string)
			if r.Header.Set("Authorization", "Bearer "+token); w.holder != nil {
				r.Header.Set("Authorization", "DPoP "+token)
				r.Header.Set("DPoP", w.dpop(t, w.holder, http.MethodPost, "/broker/v1/releases", token))
			}
			_, err := w.BrokerAccess(w.connected(r))
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

// What could not be delivered is not asked of the person: the request is refused, or the
// claim left out of it before she is asked.
func TestNobodyIsAskedForWhatCannotBeDelivered(t *testing.T) {
	details := []authz.Release{{Type: authz.ReleaseType, Registry: "eid", Purpose: "authn.represent", Basis: "LB-LAW", Attributes: []authz.AttributeID{"eid.mandates"}}}
	for _, row := range []struct {
		name  string
		set   func(w *world)
		asks  []string
		code  string
		kept  []authz.AttributeID // of the pending request's wishes
		leave []authz.AttributeID
	}{
		{"RFC 9396 §5: releases, and nothing binds the token", func(w *world) { w.details = details }, []string{"authorization_details", "[]"}, "invalid_authorization_details", nil, nil},
		{"releases, bound by registration", func(w *world) { w.details, w.app.DPoPBound = details, true }, []string{"authorization_details", "[]"}, "", []authz.AttributeID{"eid.mandates"}, nil},
		{"releases, bound by certificate", func(w *world) { w.details, w.app.CertificateBound = details, true }, []string{"authorization_details", "[]"}, "", []authz.AttributeID{"eid.mandates"}, nil},
		{
			"releases, bound by dpop_jkt", func(w *world) { w.details = details },
			[]string{"authorization_details", "[]", "dpop_jkt", strings.Repeat("a", 43)},
			"",
			[]authz.AttributeID{"eid.mandates"},
			nil,
		},
		{
			"a key that an answer through the browser has no use for", nil,
			[]string{"response_type", "id_token", "nonce", "n", "dpop_jkt", strings.Repeat("a", 43), "claims", `{"id_token":{"urn:vn:gov:eid:mandates":null,"email":null}}`},
			"",
			[]authz.AttributeID{"eid.email"},
			[]authz.AttributeID{"eid.mandates"},
		},
		{
			"mandates and verified claims of a bearer are left out", nil,
			[]string{"claims", `{"userinfo":{"urn:vn:gov:eid:mandates":null,"email":null},"id_token":{"verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null}}}}`},
			"",
			[]authz.AttributeID{"eid.email"},
			[]authz.AttributeID{"eid.mandates", "population.birth_date"},
		},
		{
			"and asked for where the token is bound", func(w *world) { w.app.DPoPBound = true },
			[]string{"claims", `{"userinfo":{"urn:vn:gov:eid:mandates":null,"email":null},"id_token":{"verified_claims":{"verification":{"trust_framework":null},"claims":{"birthdate":null}}}}`},
			"",
			[]authz.AttributeID{"eid.email", "eid.mandates", "population.birth_date"},
			nil,
		},
		{
			"what only they ask for leaves nothing to ask", nil,
			[]string{"claims", `{"userinfo":{"urn:vn:gov:eid:mandates":null}}`},
			"", nil,
			[]authz.AttributeID{"eid.mandates"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld(t)
			w.opt()
			w.declare()
			w.app.CertificateBound, w.app.DPoPBound = false, false
			if row.set != nil {
				row.set(w)
			}
			next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+authorization(row.asks...).Encode(), nil))
			if err != nil {
				t.Fatal(err)
			}
			if refused := strings.Contains(next.Location, "error="); refused != (row.code != "") ||
				!strings.Contains(next.Location, row.code) {
				t.Fatalf("sent to %s", next.Location)
			}
			for _, id := range row.kept {
				if !w.asked(id) {
					t.Errorf("%s was not asked for: %+v", id, w.wanted)
				}
			}
			for _, id := range row.leave {
				if w.asked(id) {
					t.Errorf("%s was asked for: %+v", id, w.wanted)
				}
			}
		})
	}
}

// asked reports whether the person was asked for an attribute.
func (w *world) asked(id authz.AttributeID) bool {
	return slices.ContainsFunc(w.wanted, func(r authz.Release) bool { return slices.Contains(r.Attributes, id) })
}

// certificate is a client's own, in force at the time of the world.
func (w *world) certificate(t testing.TB) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "app"}, NotBefore: w.now.Add(-time.Hour),
		NotAfter: w.now.Add(time.Hour),
	}
	k := newKey(t)
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

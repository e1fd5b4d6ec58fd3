package scenario_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// member is an entity of a federation that has nothing of the product's: what it states is
// made here.
type member struct {
	id  string
	key *ecdsa.PrivateKey
}

func newMember(t *testing.T, id string) *member {
	t.Helper()
	return &member{id, newKey(t)}
}

func (m *member) jwks() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: m.key.Public(), KeyID: "liên đoàn 1", Use: "sig", Algorithm: "ES256"}}}
}

// states is an entity statement about a member, with more claims.
func (m *member) states(t *testing.T, about *member, more map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": m.id, "sub": about.id, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(), "jwks": about.jwks(),
	}
	maps.Copy(claims, more)
	return sign(t, jose.JSONWebKey{Key: m.key, KeyID: "liên đoàn 1"}, (&jose.SignerOptions{}).WithType("entity-statement+jwt"), claims)
}

// federated is an app that nobody registered: a party by its protocol keys, and a member by
// its federation key.
type federated struct {
	*party
	anchor, province, member *member
	// metadata are those of the app; owner is what the province says who runs it.
	metadata map[string]any
}

// chain is the app's way up to the anchor, issued now.
func (f *federated) chain(t *testing.T) []string {
	t.Helper()
	return []string{
		f.member.states(t, f.member, map[string]any{
			"authority_hints": []string{f.province.id}, "metadata": map[string]any{"openid_relying_party": f.metadata},
		}),
		f.province.states(t, f.member, map[string]any{
			"metadata": map[string]any{"openid_relying_party": map[string]any{
				"organization_name": "Sở Nội vụ tỉnh Mẫu", "organization_name#en": "Sample Department of Home Affairs",
			}},
		}),
		f.anchor.states(t, f.province, nil),
	}
}

// introducing is an assertion with a trust chain in its header (OpenID Federation 1.0 §4.3).
func (f *federated) introducing(t *testing.T, chain []string, with map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": f.id, "sub": f.id, "aud": f.n.base, "jti": random(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	maps.Copy(claims, with)
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("trust_chain", chain)
	return sign(t, jose.JSONWebKey{Key: f.key, KeyID: f.kid}, options, claims)
}

// push pushes a right request with an assertion.
func (f *federated) push(t *testing.T, verifier, assertion string) answer {
	t.Helper()
	form := f.request(verifier, "")
	form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	form.Set("client_assertion", assertion)
	return f.call(t, "/par", form)
}

// TestFederation: an app that stands in no table here signs a person in, since a province
// vouches for it and an anchor for the province. It is told of her sign-out like any other;
// nobody gets in who is not vouched for; an operator can keep it out.
func TestFederation(t *testing.T) {
	anchor, province := newMember(t, "https://neo.example.vn"), newMember(t, "https://tinh.example.vn")
	rules, err := json.Marshal(map[string]any{
		"trust_anchors": []map[string]any{{"entity_id": anchor.id, "jwks": anchor.jwks()}}, "profile": "fapi2", "minimum_level": 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "federation.json")
	if err := os.WriteFile(file, rules, 0o600); err != nil {
		t.Fatal(err)
	}
	n := begin(t, usual(), "--federation-apps", file)
	ears := listen(t)
	app := func(id string) *federated {
		f := &federated{party: newParty(t, n, id), anchor: anchor, province: province, member: newMember(t, id)}
		f.redirect = "http://localhost/cong-tinh/callback"
		f.metadata = map[string]any{
			"client_registration_types": []string{"automatic"}, "client_name": "Cổng tỉnh Mẫu", "jwks": json.RawMessage(f.public),
			"redirect_uris": []string{f.redirect}, "backchannel_logout_uri": ears.URL + "/out", "post_logout_redirect_uris": []string{goodbye},
			"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "private_key_jwt",
		}
		return f
	}
	f := app("https://cong.tinh.example.vn")

	t.Run("OpenID Federation 1.0 §5.1.3: the metadata say that apps register automatically", func(t *testing.T) {
		a := page(t, browser(t), n.base+"/.well-known/openid-configuration")
		if !strings.Contains(a.raw, `"client_registration_types_supported":["automatic"]`) {
			t.Errorf("got %s", a.raw)
		}
	})
	refused := func(t *testing.T, a answer, code string) {
		t.Helper()
		if a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized || a.text("error") != code {
			t.Errorf("got %d %s, want %s", a.status, a.raw, code)
		}
	}
	verifier := random() + random()
	t.Run("OpenID Federation 1.0 §12.1.3: nobody gets in without a chain", func(t *testing.T) {
		refused(t, f.call(t, "/par", f.request(verifier, "")), "invalid_trust_chain")
		b := browser(t)
		a := page(t, b, n.base+"/authorize?"+f.request(verifier, "").Encode())
		if a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
			t.Errorf("at the browser: %d to %q", a.status, a.header.Get("Location"))
		}
	})
	t.Run("OpenID Federation 1.0 §10.2: nor with the chain of another anchor", func(t *testing.T) {
		g := *f
		g.anchor = newMember(t, "https://la.example.vn")
		refused(t, f.push(t, verifier, f.introducing(t, g.chain(t), nil)), "invalid_trust_anchor")
	})
	t.Run("OpenID Federation 1.0 §4: nor with keys of the anchor that it brings itself", func(t *testing.T) {
		g := *f
		g.anchor = newMember(t, anchor.id)
		refused(t, f.push(t, verifier, f.introducing(t, g.chain(t), nil)), "invalid_trust_chain")
	})
	t.Run("OpenID Federation 1.0 §12.1: nor with metadata that this provider does not take", func(t *testing.T) {
		g := *f
		g.metadata = maps.Clone(f.metadata)
		g.metadata["scope"] = "openid phone"
		refused(t, f.push(t, verifier, f.introducing(t, g.chain(t), nil)), "invalid_metadata")
	})
	t.Run("OpenID Federation 1.0 §12.1.1: nor with the chain of an app whose key it does not hold", func(t *testing.T) {
		thief := *f
		thief.party = newParty(t, n, f.id)
		thief.redirect = f.redirect
		refused(t, thief.push(t, verifier, thief.introducing(t, f.chain(t), nil)), "invalid_client")
	})
	t.Run("OpenID Federation 1.0 §12.1.1.2: nor for another audience", func(t *testing.T) {
		both := map[string]any{"aud": []string{n.base, "https://khac.example.vn"}}
		refused(t, f.push(t, verifier, f.introducing(t, f.chain(t), both)), "invalid_client")
	})

	who, b := n.someone(t), browser(t)
	pushed := f.push(t, verifier, f.introducing(t, f.chain(t), nil))
	if pushed.status != http.StatusCreated {
		t.Fatalf("PAR with a trust chain answered %d: %s", pushed.status, pushed.raw)
	}
	if a := f.call(t, "/par", f.request(verifier, "")); a.status != http.StatusCreated {
		t.Errorf("once it is known it needs no chain: %d %s", a.status, a.raw)
	}
	tokens := f.tokens(t, b, who, "")
	claims := n.opened(t, tokens.text("id_token"))
	if claims["aud"] != f.id || claims["acr"] == nil {
		t.Errorf("the ID token says %v", claims)
	}
	if a := f.refresh(t, tokens.text("refresh_token")); a.status != http.StatusOK {
		t.Errorf("refresh: %d %s", a.status, a.raw)
	}

	t.Run("an operator sees by which chain it came", func(t *testing.T) {
		shown := n.run(t, "client", "show", f.id)
		for _, want := range []string{anchor.id, province.id, "Sở Nội vụ tỉnh Mẫu", "federation:" + province.id} {
			if !strings.Contains(shown, want) {
				t.Errorf("client show lacks %q:\n%s", want, shown)
			}
		}
		operator := n.someone(t)
		n.run(t, "account", "role", "grant", operator.Number, "operator")
		desk := signedIn(t, n, operator)
		if a := page(t, desk, n.base+"/console/apps"); !strings.Contains(a.raw, "Cổng tỉnh Mẫu") {
			t.Errorf("the list of apps lacks it: %d", a.status)
		}
	})
	t.Run("it is told of a sign-out", func(t *testing.T) {
		out := page(t, b, n.base+"/logout?"+url.Values{"id_token_hint": {tokens.text("id_token")}}.Encode())
		if out.status != http.StatusSeeOther {
			t.Fatalf("got %d", out.status)
		}
		if told := ears.told(t, n); told["aud"] != f.id || told["sub"] != claims["sub"] {
			t.Errorf("got %v", told)
		}
	})
	t.Run("an operator keeps it out, with a newer chain too", func(t *testing.T) {
		n.run(t, "client", "disable", f.id)
		n.forgets(t, func() bool { return f.call(t, "/par", f.request(verifier, "")).text("error") == "invalid_client" })
		refused(t, f.push(t, verifier, f.introducing(t, f.chain(t), nil)), "invalid_client")
	})
}

// forgets waits until each node has read a registration anew.
func (n *nation) forgets(t *testing.T, done func() bool) {
	t.Helper()
	again, over := time.NewTicker(200*time.Millisecond), ctx(t)
	defer again.Stop()
	for in := 0; in < 2; { // of two nodes each answers every other request
		if done() {
			in++
			continue
		}
		in = 0
		select {
		case <-again.C:
		case <-over.Done():
			t.Fatal("a node still knows the app")
		}
	}
}

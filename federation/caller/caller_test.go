package caller_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/caller"
	"hopnhat/federation/federationtest"
	"hopnhat/keys/jose"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

type claims = federationtest.Claims

const (
	self   = federation.EntityID("https://neo.example.vn")
	bearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// gate is one of an entity that knows one other.
func gate(t *testing.T, db *store.DB, app *federationtest.Entity) caller.Gate {
	return caller.Gate{
		Self: self, Once: db.Proofs, Now: func() time.Time { return federationtest.Now },
		Keys: func(_ context.Context, id federation.EntityID) (*jose.Set, error) {
			if id != app.ID {
				return nil, caller.ErrUnknown
			}
			return app.Set(t), nil
		},
	}
}

// proof is an assertion that is good, with changes.
func proof(t *testing.T, e *federationtest.Entity, id string, header, changes claims) url.Values {
	t.Helper()
	now := federationtest.Now
	all := claims{"iss": e.ID, "sub": e.ID, "aud": self, "jti": id, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix()}
	for name, v := range changes {
		all[name] = v
	}
	head := claims{"typ": "JWT"}
	for name, v := range header {
		head[name] = v
	}
	return url.Values{"client_assertion": {e.Sign(t, head, all)}, "client_assertion_type": {bearer}}
}

// TestCheck: who asks is believed by a JWT that is signed with its federation key, for this entity
// alone, once (OpenID Federation 1.0 §8.8, RFC 7523 §3).
func TestCheck(t *testing.T) {
	app, other := federationtest.New(t, "https://app.example.vn"), federationtest.New(t, "https://app.example.vn")
	stranger, now := federationtest.New(t, "https://la.example.vn"), federationtest.Now
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		g := gate(t, db, app)
		with := func(form url.Values, name string, values ...string) url.Values { form[name] = values; return form }
		for _, row := range []struct {
			name, want string // want: in the refusal; empty if it is believed
			form       url.Values
		}{
			{"§8.8: signed with its federation key", "", proof(t, app, "1", nil, nil)},
			{"RFC 7519 §4.1.3: an audience as an array of one", "", proof(t, app, "2", nil, claims{"aud": []string{string(self)}})},
			{"RFC 7523 §2.2: with client_id", "", with(proof(t, app, "3", nil, nil), "client_id", string(app.ID))},
			{"no typ", "", proof(t, app, "4", claims{"typ": nil}, nil)},
			{"RFC 7523 §3: a jti that was used", "used before", proof(t, app, "1", nil, nil)},
			{"§8.8: an audience besides this entity", "nothing else", proof(t, app, "a", nil, claims{"aud": []string{string(self), "https://x.example.vn"}})},
			{"§8.8: the endpoint as the audience", "nothing else", proof(t, app, "a", nil, claims{"aud": string(self) + "/federation/fetch"})},
			{"no audience", "nothing else", proof(t, app, "a", nil, claims{"aud": nil})},
			{"§8.8: another key of the name", "federation key", proof(t, other, "a", nil, nil)},
			{"§8.9: nobody who is known", "trusted here", proof(t, stranger, "a", nil, nil)},
			{"§8.8: no kid", "kid", proof(t, app, "a", claims{"kid": nil}, nil)},
			{"RFC 8725 §3.11: a statement as the assertion", "typ", proof(t, app, "a", claims{"typ": "entity-statement+jwt"}, nil)},
			{"RFC 8725 §3.1: alg none", "typ", proof(t, app, "a", claims{"alg": "none"}, nil)},
			{"iss and sub differ", "iss and sub", proof(t, app, "a", nil, claims{"sub": "https://x.example.vn"})},
			{"no iss", "iss and sub", proof(t, app, "a", nil, claims{"iss": nil})},
			{"client_id of another", "iss and sub", with(proof(t, app, "a", nil, nil), "client_id", "https://x.example.vn")},
			{"RFC 7523 §3: no exp", "exp", proof(t, app, "a", nil, claims{"exp": nil})},
			{"RFC 7523 §3: past", "exp", proof(t, app, "a", nil, claims{"exp": now.Unix() - 10})},
			{"far ahead", "ahead", proof(t, app, "a", nil, claims{"exp": now.Add(time.Hour).Unix()})},
			{"an exp that is no time", "ahead", proof(t, app, "a", nil, claims{"exp": 1e300})},
			{"RFC 7523 §3: nbf ahead", "nbf", proof(t, app, "a", nil, claims{"nbf": now.Add(time.Minute).Unix()})},
			{"iat ahead", "iat", proof(t, app, "a", nil, claims{"iat": now.Add(time.Minute).Unix()})},
			{"OpenID Connect Core §9: no jti", "jti", proof(t, app, "", nil, nil)},
			{"a long jti", "jti", proof(t, app, strings.Repeat("x", 257), nil, nil)},
			{"a type of another", "client_assertion_type", with(proof(t, app, "a", nil, nil), "client_assertion_type", "x")},
			{"two assertions", "more than once", with(proof(t, app, "a", nil, nil), "client_assertion", "a", "b")},
			{"a secret", "not by a secret", url.Values{"client_id": {string(app.ID)}, "client_secret": {"x"}}},
			{"nothing", "Send client_assertion", url.Values{}},
			{"no JWT", "is not a JWT", url.Values{"client_assertion": {"x"}, "client_assertion_type": {bearer}}},
		} {
			t.Run(row.name, func(t *testing.T) {
				id, err := g.Check(t.Context(), row.form)
				var refusal *caller.Refusal
				switch {
				case row.want == "" && (err != nil || id != app.ID):
					t.Errorf("got %s, %v", id, err)
				case row.want != "" && (!errors.As(err, &refusal) || !strings.Contains(refusal.Text, row.want) || id != ""):
					t.Errorf("got %s, %v, want %q", id, err, row.want)
				}
			})
		}
		if _, err := g.Check(t.Context(), proof(t, app, "a", nil, nil)); err != nil {
			t.Errorf("what was refused was spent: %v", err)
		}
	})
}

// TestProve: what this server sends is believed by another.
func TestProve(t *testing.T) {
	ring, set := federationtest.Ring(t)
	const province = "https://danang.example.vn"
	now := func() time.Time { return federationtest.Now }
	keysOf := func(context.Context, federation.EntityID) (*jose.Set, error) { return set, nil }
	g := caller.Gate{Self: self, Once: storetest.SQLite(t, nil).Proofs, Now: now, Keys: keysOf}
	form := url.Values{"sub": {"https://app.example.vn"}}
	if err := (caller.Prover{Self: province, Ring: ring, Now: now}).Prove(t.Context(), self, form); err != nil {
		t.Fatal(err)
	}
	if id, err := g.Check(t.Context(), form); err != nil || id != province || !caller.Tried(form) {
		t.Errorf("got %s, %v", id, err)
	}
}

// FuzzCheck: nobody is believed by what nobody signed.
func FuzzCheck(f *testing.F) {
	g := caller.Gate{Self: self, Now: time.Now, Keys: func(context.Context, federation.EntityID) (*jose.Set, error) {
		return &jose.Set{}, nil
	}}
	f.Add("eyJhbGciOiJFUzI1NiIsImtpZCI6IjEifQ.e30.AAAA")
	f.Fuzz(func(t *testing.T, assertion string) {
		if id, err := g.Check(t.Context(), url.Values{"client_assertion": {assertion}, "client_assertion_type": {bearer}}); err == nil {
			t.Errorf("believed to be %s", id)
		}
	})
}

package signedset_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/clientauth/signedset"
	"hopnhat/federation/federationtest"
)

type claims = federationtest.Claims

// TestRead: each refusal by the sentence of OpenID Federation 1.0 §5.2.1 that it breaks.
func TestRead(t *testing.T) {
	app, other := federationtest.New(t, "https://app.example.vn"), federationtest.New(t, "https://app.example.vn")
	now := federationtest.Now
	keys := []any{map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}
	sign := func(e *federationtest.Entity, header, changes claims) string {
		h := claims{"typ": signedset.Type}
		for name, v := range header {
			h[name] = v
		}
		c := claims{"iss": "https://app.example.vn", "sub": "https://app.example.vn", "iat": now.Unix(), "keys": keys}
		for name, v := range changes {
			c[name] = v
		}
		for name, v := range c {
			if v == nil {
				delete(c, name)
			}
		}
		return e.Sign(t, h, c)
	}
	private := []any{map[string]any{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "d": "AA"}}
	for _, row := range []struct{ name, token, want string }{ // want: in the refusal; empty if it is taken
		{"a good one", sign(app, nil, nil), ""},
		{"iat may be missing", sign(app, nil, claims{"iat": nil}), ""},
		{"an empty set", sign(app, nil, claims{"keys": []any{}}), ""},
		{"exp is kept", sign(app, nil, claims{"exp": now.Add(time.Hour).Unix()}), ""},
		{"not a JWT", `{"keys":[]}`, "three parts"},
		{"no typ", sign(app, claims{"typ": nil}, nil), "typ"},
		{"another typ", sign(app, claims{"typ": "entity-statement+jwt"}, nil), "typ"},
		{"typ with its prefix", sign(app, claims{"typ": "application/jwk-set+jwt"}, nil), "typ"},
		{"no kid", sign(app, claims{"kid": nil}, nil), "kid"},
		{"a kid that nobody has", sign(app, claims{"kid": "x"}, nil), "no federation key"},
		{"alg none", sign(app, claims{"alg": "none"}, nil), "its alg"},
		{"another's key", sign(other, nil, nil), "no federation key"},
		{"iss is missing", sign(app, nil, claims{"iss": nil}), "iss and sub"},
		{"iss of another", sign(app, nil, claims{"iss": "https://khac.example.vn"}), "iss and sub"},
		{"sub is missing", sign(app, nil, claims{"sub": nil}), "iss and sub"},
		{"sub of another", sign(app, nil, claims{"sub": "https://khac.example.vn"}), "iss and sub"},
		{"iat in the future", sign(app, nil, claims{"iat": now.Add(2 * time.Minute).Unix()}), "future"},
		{"iat is no time", sign(app, nil, claims{"iat": 1e20}), "iat is no time"},
		{"exp is over", sign(app, nil, claims{"exp": now.Unix()}), "expired"},
		{"exp is no number", sign(app, nil, claims{"exp": "mai"}), "wrong type"},
		{"keys is missing", sign(app, nil, claims{"keys": nil}), "keys is missing"},
		{"keys is no list", sign(app, nil, claims{"keys": "a"}), "list of keys"},
		{"a private key", sign(app, nil, claims{"keys": private}), "private"},
		{"too long", sign(app, nil, claims{"more": strings.Repeat("x", 64<<10)}), "longer than"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := signedset.Read([]byte(row.token), app.Set(t), "https://app.example.vn", now)
			if row.want == "" {
				if err != nil || got.Keys == nil || got.End.IsZero() == strings.HasPrefix(row.name, "exp") {
					t.Errorf("got %+v, %v", got, err)
				}
				return
			}
			if got.Keys != nil || !errors.Is(err, signedset.ErrInvalid) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}

// FuzzRead: whatever an app serves, nothing is taken that its federation key did not sign.
func FuzzRead(f *testing.F) {
	app := federationtest.New(f, "https://app.example.vn")
	set, now := app.Set(f), federationtest.Now
	good := app.Sign(f, claims{"typ": signedset.Type}, claims{"iss": app.ID, "sub": app.ID, "keys": []any{}})
	f.Add([]byte(good))
	f.Add([]byte(`{"keys":[]}`))
	f.Add([]byte("e30.e30.e30"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if _, err := signedset.Read(raw, set, "https://app.example.vn", now); err == nil && strings.TrimSpace(string(raw)) != good {
			t.Fatalf("taken: %q", raw)
		}
	})
}

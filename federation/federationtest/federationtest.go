// Package federationtest makes entities and signed statements for tests.
package federationtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/enrol"
	"hopnhat/federation/statement"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/jose"
	"hopnhat/keys/keytest"
)

// Now is the time of tests.
var Now = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// Claims are the members of a payload. A nil one is left out, so that a test takes away
// what is there by default.
type Claims map[string]any

// Entity is an entity with one federation key.
type Entity struct {
	ID  federation.EntityID
	key *ecdsa.PrivateKey
	kid string
}

// New makes an entity.
func New(t testing.TB, id federation.EntityID) *Entity {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	kid, err := jose.Thumbprint(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return &Entity{id, key, string(kid)}
}

// JWKS are the entity's public keys as a claim.
func (e *Entity) JWKS(t testing.TB) json.RawMessage {
	t.Helper()
	raw, err := jose.MarshalSet([]keys.PublicKey{{
		Handle: keys.Handle{KeyID: keys.KeyID(e.kid), Algorithm: keys.ES256}, Key: e.key.Public(),
	}})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// Set are the entity's public keys.
func (e *Entity) Set(t testing.TB) *jose.Set {
	t.Helper()
	set, err := jose.ParseSet(e.JWKS(t))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// Sign signs a payload with a header. Of the header, typ, alg and kid are there unless the
// test says otherwise.
func (e *Entity) Sign(t testing.TB, header, payload Claims) string {
	t.Helper()
	encode := func(base, changes Claims) string {
		all := maps.Clone(base)
		maps.Copy(all, changes)
		maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
		raw, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	input := encode(Claims{"typ": statement.Type, "alg": "ES256", "kid": e.kid}, header) + "." + encode(Claims{}, payload)
	return input + "." + base64.RawURLEncoding.EncodeToString(e.signature(t, input))
}

// SignRaw signs a payload that no map can hold.
func (e *Entity) SignRaw(t testing.TB, payload string) string {
	t.Helper()
	header, err := json.Marshal(Claims{"typ": statement.Type, "alg": "ES256", "kid": e.kid})
	if err != nil {
		t.Fatal(err)
	}
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload))
	return input + "." + base64.RawURLEncoding.EncodeToString(e.signature(t, input))
}

func (e *Entity) signature(t testing.TB, input string) []byte {
	t.Helper()
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, e.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

// Configuration is what the entity says about itself, with changes to what is there by
// default: a day of life, its keys, and nothing else.
func (e *Entity) Configuration(t testing.TB, changes Claims) string {
	t.Helper()
	return e.Sign(t, nil, e.claims(t, e, changes))
}

// About is a statement about a subordinate.
func (e *Entity) About(t testing.TB, subordinate *Entity, changes Claims) string {
	t.Helper()
	return e.Sign(t, nil, e.claims(t, subordinate, changes))
}

func (e *Entity) claims(t testing.TB, subject *Entity, changes Claims) Claims {
	all := Claims{
		"iss": e.ID, "sub": subject.ID, "iat": Now.Unix(), "exp": Now.Add(24 * time.Hour).Unix(), "jwks": subject.JWKS(t),
	}
	maps.Copy(all, changes)
	return all
}

// Parse reads a statement that is good.
func Parse(t testing.TB, token string) statement.Statement {
	t.Helper()
	s, err := statement.Parse(token)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Unheld is a registry that nobody holds against evidence: who writes into it in a test takes no
// steps at a desk.
type Unheld struct{ authority.Registry }

// CheckSubordinate finds every record in order.
func (Unheld) CheckSubordinate(context.Context, enrol.Subordinate) error { return nil }

// CheckMark finds every record in order.
func (Unheld) CheckMark(context.Context, enrol.Mark) error { return nil }

// Ring makes a ring with federation keys, and the set that verifies what they sign.
func Ring(t testing.TB) (keys.Ring, *jose.Set) {
	t.Helper()
	store, err := file.Open(file.Options{Dir: t.TempDir(), Make: true, Algorithms: []keys.Algorithm{keys.ES256}})
	if err != nil {
		t.Fatal(err)
	}
	ring := keytest.Ring(t, store, &keytest.Ledger{})
	published, err := ring.Published(keys.EntityStatement)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalSet(published)
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(raw)
	if err != nil {
		t.Fatal(err)
	}
	return ring, set
}

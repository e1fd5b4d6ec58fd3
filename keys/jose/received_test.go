package jose

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"testing"

	"hopnhat/keys"
)

// TestVerifiedOnce: a signature is verified once with a key, and only that key is remembered.
func TestVerifiedOnce(t *testing.T) {
	pair := func() (*ecdsa.PrivateKey, *Set) {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := MarshalSet([]keys.PublicKey{{Handle: keys.Handle{KeyID: "a", Algorithm: keys.ES256}, Key: private.Public()}})
		if err != nil {
			t.Fatal(err)
		}
		set, err := ParseSet(raw)
		if err != nil {
			t.Fatal(err)
		}
		return private, set
	}
	private, set := pair()
	_, other := pair()
	encode := base64.RawURLEncoding.EncodeToString
	input := encode([]byte(`{"alg":"ES256","typ":"JWT","kid":"a"}`)) + "." + encode([]byte(`{}`))
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, private, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	received, err := Receive(input+"."+encode(signature), Rule{Algorithms: []keys.Algorithm{keys.ES256}})
	if err != nil {
		t.Fatal(err)
	}
	refused := func(when string) {
		t.Helper()
		if err := received.VerifyNamed(other); !errors.Is(err, ErrNoKey) {
			t.Errorf("%s: another key of the same kid: %v", when, err)
		}
	}
	refused("before")
	if err := received.VerifyNamed(set); err != nil {
		t.Fatal(err)
	}
	refused("after")
	clear(received.p.signature) // which would fail now
	if err := received.VerifyNamed(set); err != nil {
		t.Errorf("verified again: %v", err)
	}
	refused("in the end")
	received.made.Store(nil)
	if err := received.VerifyNamed(set); !errors.Is(err, ErrNoKey) {
		t.Errorf("a signature of nothing: %v", err)
	}
}

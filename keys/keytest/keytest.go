// Package keytest is what a key store promises, as tests that every one passes.
package keytest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/lifecycle"
)

// Algorithms every store is opened with in these tests.
var Algorithms = keys.OpenIDSignatures

// Ring makes a ring of a store, with a ledger of its own, as a command has it.
func Ring(t testing.TB, store keys.Store, ledger *Ledger) *lifecycle.Keeper {
	t.Helper()
	ring, err := lifecycle.Open(t.Context(), lifecycle.Options{Store: store, Ledger: ledger, Algorithms: Algorithms, Begin: true})
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// Run holds a store to its promises. open gives a fresh one; reopen another
// handle on the same keys.
func Run(t *testing.T, open func(t *testing.T) (store keys.Store, reopen func() keys.Store)) {
	store, reopen := open(t)
	ledger := &Ledger{}
	ring := Ring(t, store, ledger)
	ctx := t.Context()
	for _, alg := range Algorithms {
		t.Run("signs and verifies "+string(alg), func(t *testing.T) { signs(t, ring, alg) })
	}
	t.Run("one call signs many, each with its own input", func(t *testing.T) { signsMany(t, ring) })
	t.Run("every key there should be is there", func(t *testing.T) {
		for _, spec := range keys.Specs(Algorithms) {
			if _, err := ring.Active(spec.Use, spec.Algorithm); spec.Public() && err != nil {
				t.Errorf("%s: %v", spec.Name(), err)
			}
		}
	})
	t.Run("an unknown algorithm has no key", func(t *testing.T) {
		if _, err := ring.Active(keys.LogCheckpoint, keys.ES256); !errors.Is(err, keys.ErrNoKey) {
			t.Fatalf("got %v, want ErrNoKey", err)
		}
		if err := store.Create(ctx, keys.LogCheckpoint, keys.ES256); !errors.Is(err, keys.ErrNoKey) {
			t.Fatalf("creating: got %v, want ErrNoKey", err)
		}
	})
	t.Run("a version that is not there signs nothing", func(t *testing.T) {
		gone := keys.Handle{Use: keys.TokenSigning, Algorithm: keys.ES256, KeyID: "gone", Name: "token-es256", Version: 99}
		_, err := store.SignBatch(ctx, gone, [][]byte{[]byte("x")})
		if cause, _ := keys.CauseOf(err); cause != keys.KeyMissing {
			t.Fatalf("got %v, want key-missing", err)
		}
	})
	t.Run("a cancelled caller signs nothing", func(t *testing.T) {
		key := active(t, ring, keys.TokenSigning, keys.ES256)
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := store.SignBatch(gone, key, [][]byte{[]byte("x")}); !errors.Is(err, context.Canceled) || errors.Is(err, keys.ErrUnavailable) {
			t.Fatalf("got %v, want cancelled", err)
		}
	})
	t.Run("what was encrypted to us is decrypted", func(t *testing.T) { unwraps(t, ring) })
	t.Run("derived keys are stable and apart", func(t *testing.T) { derives(t, store, reopen()) })
	t.Run("secrets open only as they were sealed", func(t *testing.T) { seals(t, store, reopen()) })
	t.Run("a new version keeps the old one good", func(t *testing.T) { rotates(t, store, reopen) })
	t.Run("a destroyed version signs no more", func(t *testing.T) { destroys(t, store) })
	t.Run("a rotated secrets key wraps anew", func(t *testing.T) { rewraps(t, store) })
	t.Run("it is well", func(t *testing.T) {
		if err := store.Health(ctx); err != nil {
			t.Fatal(err)
		}
	})
}

func active(t *testing.T, ring keys.Ring, use keys.Use, alg keys.Algorithm) keys.Handle {
	t.Helper()
	key, err := ring.Active(use, alg)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func published(t *testing.T, ring keys.Ring, use keys.Use) []keys.PublicKey {
	t.Helper()
	set, err := ring.Published(use)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func token(alg keys.Algorithm) jose.Token {
	return jose.Token{Use: keys.TokenSigning, Algorithm: alg, Type: "at+jwt", Claims: map[string]string{"sub": "someone"}}
}

func rule(alg keys.Algorithm) jose.Rule {
	return jose.Rule{Type: "at+jwt", Algorithms: []keys.Algorithm{alg}}
}

func signs(t *testing.T, ring keys.Ring, alg keys.Algorithm) {
	signed, err := jose.Sign(t.Context(), ring, token(alg))
	if err != nil {
		t.Fatal(err)
	}
	if alg == keys.ES256 {
		_, last, _ := strings.Cut(signed[0], ".")
		_, last, _ = strings.Cut(last, ".")
		if raw, err := base64.RawURLEncoding.DecodeString(last); err != nil || len(raw) != 64 {
			t.Fatalf("RFC 7518 §3.4: a signature of %d bytes, %v", len(raw), err)
		}
	}
	set := published(t, ring, keys.TokenSigning)
	if _, err := jose.VerifyPublished(signed[0], set, rule(alg)); err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalSet(set)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := jose.ParseSet(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.Verify(signed[0], parsed, rule(alg)); err != nil {
		t.Fatalf("against the published JWK Set: %v", err)
	}
	if strings.Contains(string(raw), `"d"`) {
		t.Fatal("the JWK Set holds a private key")
	}
}

func signsMany(t *testing.T, ring keys.Ring) {
	before := ring.Stats().Calls
	var tokens []jose.Token
	for i := range 20 {
		one := token(keys.ES256)
		one.Claims = map[string]int{"i": i}
		tokens = append(tokens, one)
	}
	signed, err := jose.Sign(t.Context(), ring, tokens...)
	if err != nil {
		t.Fatal(err)
	}
	if calls := ring.Stats().Calls - before; calls != 1 {
		t.Fatalf("%d calls for one request", calls)
	}
	for i, s := range signed {
		v, err := jose.VerifyPublished(s, published(t, ring, keys.TokenSigning), rule(keys.ES256))
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]int
		if err := json.Unmarshal(v.Claims, &got); err != nil || got["i"] != i {
			t.Fatalf("result %d is for %v", i, got)
		}
	}
}

func unwraps(t *testing.T, ring keys.Ring) {
	key := active(t, ring, keys.RequestDecryption, keys.RSAOAEP256)
	var public *rsa.PublicKey
	for _, k := range published(t, ring, keys.RequestDecryption) {
		if k.KeyID == key.KeyID {
			public, _ = k.Key.(*rsa.PublicKey)
		}
	}
	if public == nil {
		t.Fatal("no RSA key to encrypt to is published")
	}
	encrypted, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public, []byte("a content encryption key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ring.Unwrap(t.Context(), key, encrypted); err != nil || string(got) != "a content encryption key" {
		t.Fatalf("got %q, %v", got, err)
	}
	encrypted[9] ^= 1
	for name, altered := range map[string][]byte{"altered": encrypted, "short": encrypted[:10], "nothing": nil} {
		if _, err := ring.Unwrap(t.Context(), key, altered); !errors.Is(err, keys.ErrNotOurs) ||
			errors.Is(err, keys.ErrUnavailable) && !errors.Is(err, keys.ErrNotOurs) {
			t.Fatalf("%s: got %v, want ErrNotOurs", name, err)
		}
	}
	if _, err := ring.Unwrap(t.Context(), active(t, ring, keys.TokenSigning, keys.ES256), encrypted); err == nil {
		t.Fatal("a signing key decrypted")
	}
}

func derives(t *testing.T, store, again keys.Store) {
	derive := func(s keys.Store, use keys.Use, label string) []byte {
		out, err := s.Derive(t.Context(), use, label)
		if err != nil || len(out) != 32 {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		return out
	}
	one := derive(store, keys.PairwiseSubject, "a")
	if !bytes.Equal(one, derive(again, keys.PairwiseSubject, "a")) {
		t.Fatal("another handle derives another key")
	}
	if bytes.Equal(one, derive(store, keys.PairwiseSubject, "b")) || bytes.Equal(one, derive(store, keys.Secrets, "a")) {
		t.Fatal("another label or use derives the same key")
	}
	if _, err := store.Derive(t.Context(), keys.TokenSigning, "a"); !errors.Is(err, keys.ErrNoKey) {
		t.Fatalf("derived with a signing key: %v", err)
	}
}

func seals(t *testing.T, store, again keys.Store) {
	ctx := t.Context()
	sealed, err := store.Seal(ctx, []byte("seed"), []byte("for an"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, stale, err := again.Open(ctx, sealed, []byte("for an")); err != nil || stale || string(plain) != "seed" {
		t.Fatalf("got %q, stale %v, %v", plain, stale, err)
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	inside := bytes.Clone(sealed)
	inside[20] ^= 1 // the wrapped data key
	for name, open := range map[string]func() error{
		"for another":           func() error { _, _, err := store.Open(ctx, sealed, []byte("for binh")); return err },
		"altered":               func() error { _, _, err := store.Open(ctx, altered, []byte("for an")); return err },
		"with another data key": func() error { _, _, err := again.Open(ctx, inside, []byte("for an")); return err },
	} {
		if err := open(); !errors.Is(err, keys.ErrNotOurs) {
			t.Fatalf("%s: got %v, want ErrNotOurs", name, err)
		}
	}
}

func rotates(t *testing.T, store keys.Store, reopen func() keys.Store) {
	ledger := &Ledger{}
	ring := Ring(t, store, ledger)
	before := active(t, ring, keys.TokenSigning, keys.ES256)
	if err := store.Create(t.Context(), keys.TokenSigning, keys.ES256); err != nil {
		t.Fatal(err)
	}
	for _, s := range []keys.Store{store, reopen()} {
		ring := Ring(t, s, ledger)
		if now := active(t, ring, keys.TokenSigning, keys.ES256); now.KeyID != before.KeyID {
			t.Fatal("a new version signs because it is there")
		}
		if _, err := jose.Sign(t.Context(), ring, token(keys.ES256)); err != nil {
			t.Fatal(err)
		}
		versions, err := s.Versions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		newest := 0
		for _, v := range versions {
			if v.Use == keys.TokenSigning && v.Algorithm == keys.ES256 {
				newest = max(newest, v.Version)
			}
		}
		if newest != before.Version+1 {
			t.Fatalf("the newest version is %d, want %d", newest, before.Version+1)
		}
	}
}

func destroys(t *testing.T, store keys.Store) {
	ctx := t.Context()
	key := active(t, Ring(t, store, &Ledger{}), keys.TokenSigning, keys.EdDSA)
	if err := store.Create(ctx, keys.TokenSigning, keys.EdDSA); err != nil {
		t.Fatal(err)
	}
	if err := store.Destroy(ctx, key); err != nil {
		t.Fatal(err)
	}
	if _, err := store.SignBatch(ctx, key, [][]byte{[]byte("x")}); !errors.Is(err, keys.ErrUnavailable) {
		t.Fatalf("got %v, want an outage", err)
	}
	next := active(t, Ring(t, store, &Ledger{}), keys.TokenSigning, keys.EdDSA)
	if next.Version != key.Version+1 {
		t.Fatalf("version %d follows %d", next.Version, key.Version)
	}
	if _, err := store.SignBatch(ctx, next, [][]byte{[]byte("x")}); err != nil {
		t.Fatal(err)
	}
}

func rewraps(t *testing.T, store keys.Store) {
	ctx := t.Context()
	old, err := store.Seal(ctx, []byte("seed"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(ctx, keys.Secrets, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Versions(ctx); err != nil {
		t.Fatal(err)
	}
	if _, stale, err := store.Open(ctx, old, nil); err != nil || !stale {
		t.Fatalf("stale %v, %v", stale, err)
	}
	fresh, err := store.Rewrap(ctx, old)
	if err != nil {
		t.Fatal(err)
	}
	if plain, stale, err := store.Open(ctx, fresh, nil); err != nil || stale || string(plain) != "seed" {
		t.Fatalf("got %q, stale %v, %v", plain, stale, err)
	}
}

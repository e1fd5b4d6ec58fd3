// Package keytest is what a key store promises, as tests that every one passes.
package keytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Algorithms every store is opened with in these tests.
var Algorithms = []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256, keys.RS256}

// Run holds a store to its promises. open gives a fresh one; reopen another
// handle on the same keys.
func Run(t *testing.T, open func(t *testing.T) (ring keys.Ring, reopen func() keys.Ring)) {
	ring, reopen := open(t)
	ctx := t.Context()
	for _, alg := range Algorithms {
		t.Run("signs and verifies "+string(alg), func(t *testing.T) { signs(t, ring, alg) })
	}
	t.Run("one call signs many, each with its own input", func(t *testing.T) { signsMany(t, ring) })
	t.Run("an unknown algorithm has no key", func(t *testing.T) {
		if _, err := ring.Active(keys.LogCheckpoint, keys.ES256); !errors.Is(err, keys.ErrNoKey) {
			t.Fatalf("got %v, want ErrNoKey", err)
		}
	})
	t.Run("a key that is not there signs nothing", func(t *testing.T) {
		_, err := ring.Sign(ctx, keys.Job{Key: keys.Handle{Use: keys.TokenSigning, Algorithm: keys.ES256, KeyID: "gone", Name: "gone", Version: 1}, Input: []byte("x")})
		if !errors.Is(err, keys.ErrUnavailable) {
			t.Fatalf("got %v, want ErrUnavailable", err)
		}
	})
	t.Run("a cancelled caller signs nothing", func(t *testing.T) {
		key, err := ring.Active(keys.TokenSigning, keys.ES256)
		if err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := ring.Sign(gone, keys.Job{Key: key, Input: []byte("x")}); err == nil {
			t.Fatal("signed for nobody")
		}
	})
	t.Run("derived keys are stable and apart", func(t *testing.T) { derives(t, ring, reopen()) })
	t.Run("secrets open only as they were sealed", func(t *testing.T) { seals(t, ring, reopen()) })
	t.Run("rotation keeps old signatures good", func(t *testing.T) { rotates(t, ring, reopen) })
	t.Run("counts what it does", func(t *testing.T) {
		if s := ring.Stats(); s.Signatures == 0 || s.Calls == 0 || s.Failures == 0 {
			t.Fatalf("%+v", s)
		}
	})
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
	if _, err := jose.VerifyPublished(signed[0], ring.Published(keys.TokenSigning), rule(alg)); err != nil {
		t.Fatal(err)
	}
	raw, err := jose.MarshalSet(ring.Published(keys.TokenSigning))
	if err != nil {
		t.Fatal(err)
	}
	set, err := jose.ParseSet(raw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jose.Verify(signed[0], set, rule(alg)); err != nil {
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
		v, err := jose.VerifyPublished(s, ring.Published(keys.TokenSigning), rule(keys.ES256))
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]int
		if err := json.Unmarshal(v.Claims, &got); err != nil || got["i"] != i {
			t.Fatalf("result %d is for %v", i, got)
		}
	}
}

func derives(t *testing.T, ring, again keys.Ring) {
	derive := func(r keys.Ring, use keys.Use, label string) []byte {
		out, err := r.Derive(t.Context(), use, label)
		if err != nil || len(out) != 32 {
			t.Fatalf("%d bytes, %v", len(out), err)
		}
		return out
	}
	one := derive(ring, keys.PairwiseSubject, "a")
	if !bytes.Equal(one, derive(again, keys.PairwiseSubject, "a")) {
		t.Fatal("another handle derives another key")
	}
	if bytes.Equal(one, derive(ring, keys.PairwiseSubject, "b")) || bytes.Equal(one, derive(ring, keys.Secrets, "a")) {
		t.Fatal("another label or use derives the same key")
	}
}

func seals(t *testing.T, ring, again keys.Ring) {
	ctx := t.Context()
	sealed, err := ring.Seal(ctx, []byte("seed"), []byte("for an"))
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open(ctx, sealed, []byte("for an")); err != nil || string(plain) != "seed" {
		t.Fatalf("got %q, %v", plain, err)
	}
	if _, err := ring.Open(ctx, sealed, []byte("for binh")); err == nil {
		t.Fatal("opened for another")
	}
	sealed[len(sealed)-1] ^= 1
	if _, err := ring.Open(ctx, sealed, []byte("for an")); err == nil {
		t.Fatal("opened what was altered")
	}
}

func rotates(t *testing.T, ring keys.Ring, reopen func() keys.Ring) {
	old, err := jose.Sign(t.Context(), ring, token(keys.ES256))
	if err != nil {
		t.Fatal(err)
	}
	before, err := ring.Active(keys.TokenSigning, keys.ES256)
	if err != nil {
		t.Fatal(err)
	}
	if err := ring.Rotate(t.Context(), keys.TokenSigning, keys.ES256); err != nil {
		t.Fatal(err)
	}
	after, err := ring.Active(keys.TokenSigning, keys.ES256)
	if err != nil || after.KeyID == before.KeyID || after.Version != before.Version+1 {
		t.Fatalf("before %+v, after %+v, %v", before, after, err)
	}
	fresh, err := jose.Sign(t.Context(), ring, token(keys.ES256))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []keys.Ring{ring, reopen()} {
		for _, s := range []string{old[0], fresh[0]} {
			if _, err := jose.VerifyPublished(s, r.Published(keys.TokenSigning), rule(keys.ES256)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

package provider_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"hopnhat/authz/authztest"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/provider"
	"hopnhat/keys"
	"hopnhat/keys/seal"
)

// turning is a ring whose published keys change.
type turning struct {
	keys.Ring
	hidden int
}

func (r *turning) Published(use keys.Use) ([]keys.PublicKey, error) {
	all, err := r.Ring.Published(use)
	if use != keys.TokenSigning {
		return all, err
	}
	return all[r.hidden:], err
}

// TestJWKSFollowsTheKeys: the set is written once and kept, but only while the keys
// are the same (RFC 7517 §5).
func TestJWKSFollowsTheKeys(t *testing.T) {
	w := authztest.Empty()
	clock := func() time.Time { return w.Now }
	r := &turning{Ring: authztest.Ring()}
	p, err := provider.New(t.Context(), provider.Options{
		Issuer: "https://id.example", SignInPath: "/signin", ConsentPath: "/consent", Ring: r, Grants: w.Memory, Sessions: w, Consents: w,
		Pseudonyms: w,
		Directory:  clientauth.NewDirectory(w, 0, clock), Proofs: clientauth.NewProofs(seal.New(seal.Nonces, []byte("nonces")), clock),
		Now: clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []int{0, 0, 1, 1, 0} {
		r.hidden = hidden
		raw, err := p.JWKS()
		if err != nil {
			t.Fatal(err)
		}
		var set struct{ Keys []struct{ Kid keys.KeyID } }
		if err := json.Unmarshal(raw, &set); err != nil {
			t.Fatal(err)
		}
		published, err := r.Published(keys.TokenSigning)
		if err != nil || len(published) == 0 {
			t.Fatal(len(published), err)
		}
		for i, k := range published {
			if !slices.ContainsFunc(set.Keys, func(s struct{ Kid keys.KeyID }) bool { return s.Kid == k.KeyID }) {
				t.Fatalf("with %d hidden, key %d is missing", hidden, i)
			}
		}
		if encrypting, err := authztest.Ring().Published(keys.RequestDecryption); err != nil ||
			len(set.Keys) != len(published)+len(encrypting) {
			t.Fatalf("with %d hidden the set has %d keys, want %d", hidden, len(set.Keys), len(published)+len(encrypting))
		}
	}
}

package vault_test

import (
	"bytes"
	"strings"
	"testing"

	"hopnhat/conformance/harness/vaulttest"
	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/jose"
	"hopnhat/keys/keytest"
	"hopnhat/keys/vault"
)

// TestMove: keys that began in a folder go on in Vault: the same key ids sign, the
// same pseudonyms are derived, and what was sealed opens; a second attempt changes
// nothing, and another key of the same name is not touched.
func TestMove(t *testing.T) {
	ctx := t.Context()
	from, err := file.Open(file.Options{Dir: t.TempDir(), Algorithms: keytest.Algorithms, Make: true})
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	sealed, err := from.Seal(ctx, []byte("a seed"), []byte("for an"))
	if err != nil {
		t.Fatal(err)
	}
	for _, alg := range []keys.Algorithm{keys.ES256, keys.EdDSA, ""} { // two versions of these
		use := keys.TokenSigning
		if alg == "" {
			use = keys.Secrets
		}
		if err := from.Create(ctx, use, alg); err != nil {
			t.Fatal(err)
		}
	}
	all, err := from.Export()
	if err != nil {
		t.Fatal(err)
	}
	s := vaulttest.Start(t)
	o := options(s)
	o.TokenFile = ""
	o.RoleID, o.SecretIDFile = s.Role("move", o.Policies().Move)
	mover := open(t, o)
	moved := 0
	s.Must(mover.Import(ctx, all[:], func(string, int) { moved++ }))
	if moved != len(all) {
		t.Fatalf("%d versions moved, want %d", moved, len(all))
	}
	s.Must(mover.Import(ctx, all, func(name string, version int) { t.Errorf("moved again: %s %d", name, version) }))

	o.RoleID, o.SecretIDFile = s.Role("serving", o.Policies().Serving)
	to := open(t, o)
	before, err := from.Versions(ctx)
	s.Must(err)
	after, err := to.Versions(ctx)
	s.Must(err)
	if len(before) != len(after) {
		t.Fatalf("%d versions became %d", len(before), len(after))
	}
	ids := map[keys.KeyID]keys.PublicKey{}
	for _, k := range before {
		ids[k.KeyID] = k
	}
	ledger := &keytest.Ledger{} // the ledger does not change when keys move
	old, fresh := keytest.Ring(t, from, ledger), keytest.Ring(t, to, ledger)
	for _, k := range after {
		if _, ok := ids[k.KeyID]; !ok {
			t.Fatalf("%s version %d is another key", k.Name, k.Version)
		}
	}
	for _, alg := range keytest.Algorithms {
		token := jose.Token{Use: keys.TokenSigning, Algorithm: alg, Type: "JWT", Claims: map[string]int{}}
		signed, err := jose.Sign(ctx, fresh, token)
		s.Must(err)
		set, err := old.Published(keys.TokenSigning)
		s.Must(err)
		if _, err := jose.VerifyPublished(signed[0], set, jose.Rule{Type: "JWT", Algorithms: []keys.Algorithm{alg}}); err != nil {
			t.Fatalf("a node still on the folder does not take what one on Vault signed with %s: %v", alg, err)
		}
	}
	for _, use := range []keys.Use{keys.PairwiseSubject, keys.Secrets} {
		one, err1 := from.Derive(ctx, use, "a label")
		two, err2 := to.Derive(ctx, use, "a label")
		if err1 != nil || err2 != nil || !bytes.Equal(one, two) {
			t.Fatalf("%s derives something else: %v, %v", use, err1, err2)
		}
	}
	if plain, stale, err := to.Open(ctx, sealed, []byte("for an")); err != nil || !stale || string(plain) != "a seed" {
		t.Fatalf("what the folder sealed: %q, stale %v, %v", plain, stale, err)
	}
	again, err := to.Seal(ctx, []byte("another"), nil)
	s.Must(err)
	if plain, _, err := from.Open(ctx, again, nil); err != nil || string(plain) != "another" {
		t.Fatalf("a node still on the folder does not open what one on Vault sealed: %q, %v", plain, err)
	}
	s.Must(s.Call("POST", "transit/keys/hopnhat-token-es256/rotate", map[string]any{}, nil)) // imported keys rotate as others do

	other, err := file.Open(file.Options{Dir: t.TempDir(), Algorithms: keytest.Algorithms, Make: true})
	s.Must(err)
	defer other.Close()
	foreign, err := other.Export()
	s.Must(err)
	if err := mover.Import(ctx, foreign, func(string, int) { t.Error("moved over another key") }); err == nil ||
		!strings.Contains(err.Error(), "nothing was moved") {
		t.Fatalf("got %v", err)
	}
	exportable := s.Status(s.Root, "GET", "transit/export/signing-key/hopnhat-token-es256", nil)
	if exportable < 400 {
		t.Fatal("the imported key can be exported")
	}
}

var _ keys.Store = (*vault.Store)(nil)

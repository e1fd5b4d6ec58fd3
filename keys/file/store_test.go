package file_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/keytest"
)

func open(t *testing.T, o file.Options) *file.Store {
	t.Helper()
	store, err := file.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// TestPromises: what a key store promises, with each algorithm of RFC 7518 §3.1 and RFC 8037 §3.1
// that is offered.
func TestPromises(t *testing.T) {
	for name, passphrase := range map[string]string{"machine secret": "", "passphrase": "một câu dài"} {
		t.Run(name, func(t *testing.T) {
			keytest.Run(t, func(t *testing.T) (keys.Store, func() keys.Store) {
				o := file.Options{Dir: t.TempDir(), Passphrase: passphrase, Algorithms: keytest.Algorithms, Make: true}
				return open(t, o), func() keys.Store { return open(t, o) }
			})
		})
	}
}

func TestWhatIsRefused(t *testing.T) {
	keyFile := func(t *testing.T, dir string) string {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, "token-ES256-*.key"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%v, %v", found, err)
		}
		return found[0]
	}
	for _, row := range []struct {
		name  string
		spoil func(t *testing.T, dir string) error
		want  error
	}{
		{"a secret that others can read", func(_ *testing.T, dir string) error {
			return os.Chmod(filepath.Join(dir, "machine.secret"), 0o644)
		}, file.ErrExposed},
		{"a key that others can read", func(t *testing.T, dir string) error { return os.Chmod(keyFile(t, dir), 0o640) }, file.ErrExposed},
		{"a half-written key", func(t *testing.T, dir string) error { return os.Truncate(keyFile(t, dir), 20) }, nil},
		{"a key under another name", func(t *testing.T, dir string) error {
			return os.Rename(keyFile(t, dir), filepath.Join(dir, "token-ES256-9.key"))
		}, nil},
		{"keys without their secret", func(_ *testing.T, dir string) error { return os.Remove(filepath.Join(dir, "machine.secret")) }, nil},
		{"another secret", func(_ *testing.T, dir string) error {
			return os.WriteFile(filepath.Join(dir, "machine.secret"), []byte("00000000000000000000000000000000000000000000000000000000000000ff\n"), 0o600)
		}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			open(t, file.Options{Dir: dir, Make: true})
			if err := row.spoil(t, dir); err != nil {
				t.Fatal(err)
			}
			_, err := file.Open(file.Options{Dir: dir})
			if err == nil || row.want != nil && !errors.Is(err, row.want) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
		})
	}
	t.Run("a wrong passphrase, even with keys to make", func(t *testing.T) {
		dir := t.TempDir()
		open(t, file.Options{Dir: dir, Passphrase: "right", Make: true})
		before, _ := filepath.Glob(filepath.Join(dir, "*"))
		if _, err := file.Open(file.Options{Dir: dir, Passphrase: "wrong", Algorithms: keytest.Algorithms, Make: true}); err == nil {
			t.Fatal("opened")
		}
		if after, _ := filepath.Glob(filepath.Join(dir, "*")); len(after) != len(before) {
			t.Fatalf("%d files before, %d after", len(before), len(after))
		}
	})
}

// TestProcessesShareAFolder: two that create at once make two versions, and each
// sees the other's.
func TestProcessesShareAFolder(t *testing.T) {
	dir := t.TempDir()
	stores := []*file.Store{open(t, file.Options{Dir: dir, Make: true}), open(t, file.Options{Dir: dir})}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := stores[i%2].Create(context.Background(), keys.TokenSigning, keys.ES256); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, s := range stores {
		versions, err := s.Versions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ids, n := map[keys.KeyID]bool{}, 0
		for _, v := range versions {
			if v.Use == keys.TokenSigning {
				ids[v.KeyID], n = true, n+1
			}
		}
		if n != 9 || len(ids) != 9 {
			t.Fatalf("%d versions with %d ids, want 9", n, len(ids))
		}
	}
}

func TestClosedGivesNothing(t *testing.T) {
	s := open(t, file.Options{Dir: t.TempDir(), Make: true})
	sealed, err := s.Seal(t.Context(), []byte("x"), nil)
	if err != nil {
		t.Fatal(err)
	}
	versions, err := s.Versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, signed := s.SignBatch(t.Context(), versions[0].Handle, [][]byte{nil})
	_, derived := s.Derive(t.Context(), keys.Secrets, "x")
	_, sealing := s.Seal(t.Context(), nil, nil)
	_, _, opened := s.Open(t.Context(), sealed, nil)
	_, listed := s.Versions(t.Context())
	for what, err := range map[string]error{"sign": signed, "derive": derived, "seal": sealing, "open": opened, "list": listed} {
		if err == nil {
			t.Errorf("%s worked on a closed store", what)
		}
	}
}

// TestNothingIsMadeUnlessAsked: who opens a folder without keys makes none, nor the
// folder, nor a secret.
func TestNothingIsMadeUnlessAsked(t *testing.T) {
	parent := t.TempDir()
	for _, dir := range []string{parent, filepath.Join(parent, "keys")} {
		if _, err := file.Open(file.Options{Dir: dir}); !errors.Is(err, file.ErrNoKeys) {
			t.Errorf("%s: got %v, want ErrNoKeys", dir, err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(parent, "*")); len(left) > 0 {
		t.Errorf("made %v", left)
	}
	dir := filepath.Join(parent, "own")
	open(t, file.Options{Dir: dir, Make: true})
	pairwise, _ := filepath.Glob(filepath.Join(dir, "pairwise*.key"))
	if len(pairwise) != 1 || os.Remove(pairwise[0]) != nil {
		t.Fatalf("%v", pairwise)
	}
	if _, err := file.Open(file.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "backup") {
		t.Errorf("a keyring without its pseudonyms was opened: %v", err)
	}
}

// TestCompleteMakesWhatWasAdded: a signing algorithm that came into the
// configuration later.
func TestCompleteMakesWhatWasAdded(t *testing.T) {
	dir := t.TempDir()
	open(t, file.Options{Dir: dir, Make: true})
	s := open(t, file.Options{Dir: dir, Algorithms: []keys.Algorithm{keys.ES256, keys.PS256}})
	has := func() bool {
		versions, err := s.Versions(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(versions, func(v keys.PublicKey) bool { return v.Algorithm == keys.PS256 })
	}
	if has() {
		t.Fatal("opening made it")
	}
	if err := s.Complete(t.Context()); err != nil || !has() {
		t.Fatalf("not made: %v", err)
	}
}

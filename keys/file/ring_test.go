package file_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hopnhat/keys"
	"hopnhat/keys/file"
	"hopnhat/keys/keytest"
)

func open(t *testing.T, o file.Options) keys.Ring {
	t.Helper()
	ring, err := file.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ring.Close() })
	return ring
}

func TestPromises(t *testing.T) {
	for name, passphrase := range map[string]string{"machine secret": "", "passphrase": "một câu dài"} {
		t.Run(name, func(t *testing.T) {
			keytest.Run(t, func(t *testing.T) (keys.Ring, func() keys.Ring) {
				o := file.Options{Dir: t.TempDir(), Passphrase: passphrase, Algorithms: keytest.Algorithms}
				return open(t, o), func() keys.Ring { return open(t, o) }
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
			open(t, file.Options{Dir: dir})
			if err := row.spoil(t, dir); err != nil {
				t.Fatal(err)
			}
			_, err := file.Open(file.Options{Dir: dir})
			if err == nil || row.want != nil && !errors.Is(err, row.want) {
				t.Fatalf("got %v, want %v", err, row.want)
			}
		})
	}
	t.Run("a wrong passphrase", func(t *testing.T) {
		dir := t.TempDir()
		open(t, file.Options{Dir: dir, Passphrase: "right"})
		if _, err := file.Open(file.Options{Dir: dir, Passphrase: "wrong"}); err == nil {
			t.Fatal("opened")
		}
	})
}

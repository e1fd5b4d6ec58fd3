package file

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// TestTheKeyOfAPassphrase: RFC 9106 §4, the second recommended option, as another implementation
// computes it (argon2-cffi 25.1: Argon2id, 3 passes, 64 MiB, 4 lanes, 32 bytes). Other parameters
// would not open a folder that is there.
func TestTheKeyOfAPassphrase(t *testing.T) {
	const phrase, want = "một câu dài", "5d31118938da9a963effda917de970dd3e8f5d399191dae35556daa8d4675eb4"
	dir, salt := t.TempDir(), make([]byte, 32)
	for i := range salt {
		salt[i] = byte(i)
	}
	if err := os.WriteFile(filepath.Join(dir, "passphrase.salt"), []byte(hex.EncodeToString(salt)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := wrappingKey(dir, phrase, false)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := hex.DecodeString(want)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := newAEAD(secret)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := seal(expected, []byte("a key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := open(got, sealed, nil); err != nil || string(text) != "a key" {
		t.Errorf("what the passphrase's key seals is opened as %q, %v", text, err)
	}
}

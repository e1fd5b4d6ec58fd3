package file

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/crypto/argon2"

	"hopnhat/keys"
	"hopnhat/keys/durable"
)

// record is one file: a key version, its private part sealed.
type record struct {
	Use       keys.Use       `json:"use"`
	Algorithm keys.Algorithm `json:"alg"`
	Version   int            `json:"version"`
	Created   time.Time      `json:"created"`
	Destroyed time.Time      `json:"destroyed,omitzero"` // the private part is gone
	Sealed    []byte         `json:"sealed"`
}

func (r record) fileName() string {
	return fmt.Sprintf("%s-%s-%d.key", r.Use, r.Algorithm, r.Version)
}

// aad binds the sealed key to what the file says it is for.
func (r record) aad() []byte {
	return fmt.Appendf(nil, "hopnhat key %s %s %d", r.Use, r.Algorithm, r.Version)
}

// ErrExposed means that others on this machine can read a secret.
var ErrExposed = errors.New("readable by others")

// private refuses a file that group or others can read.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s is %w (mode %04o): run chmod 600 on it, and replace the keys if others may have read it",
			path, ErrExposed, info.Mode().Perm())
	}
	return nil
}

// wrappingKey gives the key that seals all others: from the passphrase and a
// salt beside the keys, or from a machine secret; either is made with the first
// keys.
func wrappingKey(dir, passphrase string, create bool) (cipher.AEAD, error) {
	name := "machine.secret"
	if passphrase != "" {
		name = "passphrase.salt"
	}
	path := filepath.Join(dir, name)
	if err := private(path); errors.Is(err, fs.ErrNotExist) {
		if existing, _ := filepath.Glob(filepath.Join(dir, "*.key")); len(existing) > 0 || !create {
			return nil, fmt.Errorf("%s is missing but %d keys are there: restore it, or give the passphrase they were made with", path, len(existing))
		}
		var fresh [32]byte
		if _, err := rand.Read(fresh[:]); err != nil {
			return nil, err
		}
		if err := durable.Replace(path, []byte(hex.EncodeToString(fresh[:])+"\n"), 0o600); err != nil {
			return nil, err
		}
	} else if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	secret, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(secret) != 32 {
		return nil, fmt.Errorf("%s is damaged: it must hold 64 hexadecimal digits", path)
	}
	if passphrase != "" {
		// RFC 9106 §4, second recommended option: 64 MiB, three passes.
		secret = argon2.IDKey([]byte(passphrase), secret, 3, 64<<10, 4, 32)
	}
	return newAEAD(secret)
}

func seal(aead cipher.AEAD, plaintext, aad []byte) ([]byte, error) {
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plaintext)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return aead.Seal(nonce, nonce, plaintext, aad), nil
}

func open(aead cipher.AEAD, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < aead.NonceSize() {
		return nil, errors.New("too short")
	}
	return aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], aad)
}

// readRecords reads every key file; one that is half-written or exposed is an
// error, since signing without a key that others may still rely on is worse.
func readRecords(dir string) ([]record, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.key"))
	if err != nil {
		return nil, err
	}
	var records []record
	for _, path := range paths {
		if err := private(path); err != nil {
			return nil, err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var r record
		if err := json.Unmarshal(raw, &r); err != nil || r.fileName() != filepath.Base(path) {
			return nil, fmt.Errorf("key file %s is damaged: restore it from the backup", path)
		}
		records = append(records, r)
	}
	return records, nil
}

func makeFolder(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("making the key folder: %w", err)
	}
	return nil
}

// look tells what the folder holds, cheaply: names, sizes and times of the keys.
func look(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var seen strings.Builder
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) != ".key" {
			continue
		}
		info, err := entry.Info()
		if err != nil {
			return "", err
		}
		fmt.Fprintln(&seen, info.Name(), info.Size(), info.Mode(), info.ModTime().UnixNano())
	}
	return seen.String(), nil
}

// lock makes this process the only one that changes the folder. The lock is on
// the folder itself and ends with the process, so none is left behind.
func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("locking the key folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("locking the key folder: %w", err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}

func writeRecord(dir string, r record) error {
	raw, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(dir, r.fileName()), append(raw, '\n'), 0o600)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

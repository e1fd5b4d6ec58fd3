package authn

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
)

// Argon2 are the parameters of Argon2id, RFC 9106.
type Argon2 struct {
	MemoryKiB uint32
	Passes    uint32
	Lanes     uint8
}

// DefaultArgon2 takes about 30 ms of one core and 19 MiB.
var DefaultArgon2 = Argon2{MemoryKiB: 19 << 10, Passes: 2, Lanes: 1}

// Limits of a password, in bytes after NFC.
const (
	MinPassword = 8
	MaxPassword = 256
)

// Hasher is the factor of passwords. It hashes as many at a time as there are cores (see
// queue), so that a flood of sign-ins waits instead of eating the memory.
type Hasher struct {
	params Argon2
	queue  *queue
	// dummy is checked for accounts that do not exist, at the same cost.
	dummy string
}

// NewHasher makes a hasher with the parameters for new hashes.
func NewHasher(params Argon2) *Hasher {
	h := &Hasher{params: params, queue: newQueue(max(2, runtime.GOMAXPROCS(0)))}
	h.dummy = h.encode([]byte("no such account!"), h.derive("no such account", []byte("no such account!"), params))
	return h
}

func (h *Hasher) derive(password string, salt []byte, p Argon2) []byte {
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, p.Passes, p.MemoryKiB, p.Lanes, 32)
}

func (h *Hasher) encode(salt, hash []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.params.MemoryKiB, h.params.Passes, h.params.Lanes,
		b.EncodeToString(salt), b.EncodeToString(hash))
}

// Hash makes a hash in PHC form of a new password.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	if n := len(norm.NFC.String(password)); n < MinPassword || n > MaxPassword {
		return "", fmt.Errorf("a password has %d to %d bytes", MinPassword, MaxPassword)
	}
	if err := h.queue.enter(ctx, known); err != nil {
		return "", err
	}
	defer h.queue.leave(known)
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	return h.encode(salt, h.derive(password, salt, h.params)), nil
}

// check compares a password with a hash; an empty hash costs the same and never
// matches. stale tells that the parameters have changed since.
func (h *Hasher) check(ctx context.Context, l lane, password, encoded string) (match, stale bool, err error) {
	exists := encoded != ""
	if !exists {
		encoded = h.dummy
	}
	params, salt, want, err := parsePHC(encoded)
	if err != nil {
		return false, false, err
	}
	if len(password) > 4*MaxPassword {
		password = password[:4*MaxPassword] // cannot match, costs as much
		exists = false
	}
	if err := h.queue.enter(ctx, l); err != nil {
		return false, false, err
	}
	defer h.queue.leave(l)
	match = subtle.ConstantTimeCompare(h.derive(password, salt, params), want) == 1
	return match && exists, params != h.params, nil
}

// Methods: a password is pwd, RFC 8176 §2.
func (h *Hasher) Methods() []string { return []string{"pwd"} }

// Check compares a password with the hash that is held.
func (h *Hasher) Check(ctx context.Context, _ authz.Subject, held Held, answer Answer) (Verdict, error) {
	match, stale, err := h.check(ctx, answer.lane, answer.Text, string(held.Secret))
	v := Verdict{Right: match}
	if match && stale {
		v.Renew = func(ctx context.Context) ([]byte, error) {
			hash, err := h.Hash(ctx, answer.Text)
			return []byte(hash), err
		}
	}
	return v, err
}

var errPHC = errors.New("a stored password hash is damaged")

func parsePHC(encoded string) (p Argon2, salt, hash []byte, err error) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return p, nil, nil, errPHC
	}
	var version int
	if _, err := fmt.Sscanf(parts[2], "v=%d", &version); err != nil || version != argon2.Version {
		return p, nil, nil, errPHC
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.MemoryKiB, &p.Passes, &p.Lanes); err != nil ||
		p.MemoryKiB > 1<<20 || p.Passes > 20 || p.Passes == 0 || p.Lanes == 0 {
		return p, nil, nil, errPHC
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	hash, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(hash) != 32 {
		return p, nil, nil, errPHC
	}
	return p, salt, hash, nil
}

// Package keys is the vocabulary of the keys that the nation's trust rests on:
// what a key is for (Use), which version signs at a time (Handle, State), what a
// key store promises (Store), and how the other packages use keys (Ring).
//
// keys/file keeps keys on disk, keys/vault in HashiCorp Vault; both are Stores
// and pass the suite in keys/keytest. keys/lifecycle makes a Ring of a Store: it
// decides which version signs, and keys/batch coalesces what it signs. keys/jose
// makes and reads JWS.
package keys

import (
	"context"
	"crypto"
	"errors"
)

// Use names what a key is for; a key has one use only.
type Use string

// The uses. Each names a key of its own in the store, with its own algorithm and
// its own rule of rotation.
const (
	TokenSigning      Use = "token"              // access, ID and logout tokens
	EntityStatement   Use = "federation"         // entity statements and trust marks, OpenID Federation 1.0 §3
	RequestDecryption Use = "request-decryption" // request objects encrypted to us, RFC 9101 §6.1
	LogCheckpoint     Use = "checkpoint"         // checkpoints of the release log
	PairwiseSubject   Use = "pairwise"           // pseudonyms, HMAC; it never rotates
	Secrets           Use = "secrets"            // derived keys and data keys of stored secrets
)

// KeyID is the RFC 7638 thumbprint of a public key, base64url.
type KeyID string

// Handle names one version of one key. Who signs puts KeyID into the header, so
// the version is pinned before the signature is asked for.
type Handle struct {
	Use       Use
	Algorithm Algorithm
	KeyID     KeyID
	Name      string
	Version   int
}

// PublicKey is the public half of a version.
type PublicKey struct {
	Handle
	Key   crypto.PublicKey
	State State
}

// Job is one thing to sign.
type Job struct {
	Key   Handle
	Input []byte
}

// Signature is what became of a Job: JWS signature bytes (RFC 7518 §3.4: r||s for
// ES256), or an error of this job alone.
type Signature struct {
	Bytes []byte
	Err   error
}

// ErrNoKey means that there is no key of that use and algorithm.
var ErrNoKey = errors.New("no key of this use and algorithm")

// Ring is how the other packages use keys: which key signs at a
// time, which are published, and the operations with them. It is safe for
// concurrent use.
type Ring interface {
	// Active names the version that signs, or that others encrypt to, now; from
	// memory. Errors: ErrNoKey, ErrUnavailable.
	Active(use Use, alg Algorithm) (Handle, error)
	// Published lists the versions that stand in the JWK Set, from memory. Errors:
	// ErrUnavailable, when what is remembered may be too old to be told.
	Published(use Use) ([]PublicKey, error)
	// Retired lists the versions that have left the set by age, from memory: what
	// they signed was ours, and is good for nothing but saying so. Revoked ones are
	// not among them. Errors: ErrUnavailable.
	Retired(use Use) ([]PublicKey, error)
	// Decrypting names the RequestDecryption version of a key id, from memory: one
	// that may still be encrypted to, or lately could. Errors: ErrNotOurs,
	// ErrUnavailable.
	Decrypting(id KeyID) (Handle, error)
	// Sign signs all jobs and returns their signatures, the i-th for the i-th
	// job. Either all are signed or an error comes back. Errors: ErrUnavailable,
	// context errors.
	Sign(ctx context.Context, jobs ...Job) ([][]byte, error)
	Secrecy
	// Health returns the cause when keys cannot be used, and nil when they can.
	Health(ctx context.Context) error
	// Stats counts since the start.
	Stats() Stats
	Close() error
}

// Secrecy are the operations with keys that no relying party sees.
type Secrecy interface {
	// Unwrap decrypts a content encryption key that a caller encrypted to one of
	// our RequestDecryption keys with RSA-OAEP-256 (RFC 7518 §4.3). Errors:
	// ErrUnavailable, ErrNotOurs.
	Unwrap(ctx context.Context, key Handle, encrypted []byte) ([]byte, error)
	// Derive makes 32 bytes from a label under the use's secret key: the same on
	// all nodes and for ever. Callers keep the result; it may be a round trip.
	Derive(ctx context.Context, use Use, label string) ([]byte, error)
	// Seal encrypts a secret to be stored, and binds it to aad; Open reverses it.
	// stale says that Rewrap would bring the value under a newer key. Errors:
	// ErrUnavailable, ErrNotOurs.
	Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	Open(ctx context.Context, sealed, aad []byte) (plaintext []byte, stale bool, err error)
	// Rewrap brings a sealed value under the newest key without opening it.
	Rewrap(ctx context.Context, sealed []byte) ([]byte, error)
}

// ErrNotOurs means that a ciphertext was not made for us or was altered.
var ErrNotOurs = errors.New("the ciphertext is not ours or was altered")

// Store keeps key material: versions that come into being and never change. Which
// of them signs is not its affair, see keys/lifecycle. It is safe for concurrent
// use by several processes.
type Store interface {
	// Versions lists the versions of the asymmetric keys, the newest first in each
	// key. State is not set.
	Versions(ctx context.Context) ([]PublicKey, error)
	// Create makes a new version of a key. It may need a right that a serving
	// process lacks.
	Create(ctx context.Context, use Use, alg Algorithm) error
	// Destroy makes sure that a version signs no more. It may need a right that a
	// serving process lacks.
	Destroy(ctx context.Context, key Handle) error
	// SignBatch signs many inputs with one version in one round trip. The error
	// is of the whole batch; a Signature may carry one of its own.
	SignBatch(ctx context.Context, key Handle, inputs [][]byte) ([]Signature, error)
	Secrecy
	Health(ctx context.Context) error
	// Calls counts round trips to where the keys are.
	Calls() uint64
	Close() error
}

// Stats are counters of a Ring: Signatures made, Calls to where the keys are,
// Failures by cause.
type Stats struct {
	Signatures, Calls uint64
	Failures          map[Cause]uint64
}

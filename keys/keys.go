// Package keys is the vocabulary of the keys that the nation's trust rests on:
// what a key is for (Use), which version signs at a time (Handle, State), and
// what a key store promises (Ring).
//
// keys/file keeps keys on disk, keys/vault in HashiCorp Vault; both pass the
// suite in keys/keytest. keys/jose makes and reads JWS with them.
package keys

import (
	"context"
	"crypto"
	"errors"
)

// Use names what a key is for; a key has one use only.
type Use string

// The uses.
const (
	TokenSigning    Use = "token"      // access, ID and logout tokens
	LogCheckpoint   Use = "checkpoint" // checkpoints of the release log, Ed25519
	PairwiseSubject Use = "pairwise"   // pseudonyms, HMAC
	Secrets         Use = "secrets"    // stored secrets and derived keys
)

// Algorithm is a JWS algorithm, RFC 7518 §3.1 and RFC 8037 §3.1.
type Algorithm string

// The algorithms this system signs with; none is symmetric.
const (
	ES256 Algorithm = "ES256"
	EdDSA Algorithm = "EdDSA"
	PS256 Algorithm = "PS256"
	RS256 Algorithm = "RS256"
)

// KeyID is the RFC 7638 thumbprint of a public key, base64url.
type KeyID string

// State is where a key version stands in its life.
type State string

// A version is published before it signs and stays published after it has
// stopped signing, until no token it signed can still be valid.
const (
	Published State = "published"
	Active    State = "active"
	Retiring  State = "retiring"
)

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

// ErrUnavailable means that keys cannot be used now: Vault is sealed or slow, or
// the key is gone. Nothing was signed, and nothing is ever signed by another key
// instead. Callers answer temporarily_unavailable.
var ErrUnavailable = errors.New("keys are not available")

// ErrNoKey means that there is no active key of that use and algorithm.
var ErrNoKey = errors.New("no key of this use and algorithm")

// Ring is a key store. It is safe for concurrent use.
type Ring interface {
	// Active names the version that signs now, from memory. Errors: ErrNoKey.
	Active(use Use, alg Algorithm) (Handle, error)
	// Sign signs all jobs in one round trip and returns JWS signature bytes
	// (RFC 7518 §3.4: r||s for ES256), the i-th for the i-th job. Either all are
	// signed or an error comes back. Errors: ErrUnavailable, context errors.
	Sign(ctx context.Context, jobs ...Job) ([][]byte, error)
	// Published lists the versions whose signatures are good, from memory.
	Published(use Use) []PublicKey
	// Rotate makes a new version the active one; the old one is retiring.
	Rotate(ctx context.Context, use Use, alg Algorithm) error
	// Derive makes 32 bytes from a label under the use's secret key: the same on
	// all nodes and for ever. Callers keep the result; it may be a round trip.
	Derive(ctx context.Context, use Use, label string) ([]byte, error)
	// Seal encrypts a stored secret and binds it to aad; Open reverses it.
	Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error)
	Open(ctx context.Context, sealed, aad []byte) ([]byte, error)
	// Health tells whether keys can be used, and names the cause if not.
	Health(ctx context.Context) error
	// Stats counts since the start.
	Stats() Stats
	Close() error
}

// Stats are counters of a Ring: Signatures made, Calls to the backend they took,
// Failures.
type Stats struct{ Signatures, Calls, Failures uint64 }

package tlog

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Key signs checkpoints. The private half stays in the keyring.
type Key struct {
	Public ed25519.PublicKey
	// Sign returns the Ed25519 signature of a message (RFC 8032 §5.1).
	Sign func(ctx context.Context, message []byte) ([]byte, error)
}

// signPatience bounds a signature: a checkpoint that waits longer is made anew.
const signPatience = 10 * time.Second

// signer lets the keyring sign notes in the form Tessera asks for, which knows
// no context.
type signer struct {
	key  Key
	name string
	hash uint32
}

// VerifierKey writes a public key in the form of C2SP signed notes, for a log.
func VerifierKey(origin string, public ed25519.PublicKey) (string, error) {
	vkey, err := note.NewEd25519VerifierKey(origin, public)
	if err != nil {
		return "", fmt.Errorf("naming the key of log %q: %w", origin, err)
	}
	return vkey, nil
}

// newSigner names a key for a log and gives its verifier key.
func newSigner(origin string, key Key) (signer, string, note.Verifier, error) {
	vkey, err := VerifierKey(origin, key.Public)
	if err != nil {
		return signer{}, "", nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return signer{}, "", nil, fmt.Errorf("naming the key of log %q: %w", origin, err)
	}
	return signer{key, origin, verifier.KeyHash()}, vkey, verifier, nil
}

// Name is the log's origin.
func (s signer) Name() string { return s.name }

// KeyHash is the hash by which a note names the key.
func (s signer) KeyHash() uint32 { return s.hash }

// Sign signs, and checks what came back: a signature that does not verify would
// make a checkpoint that nobody accepts.
func (s signer) Sign(message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), signPatience)
	defer cancel()
	signature, err := s.key.Sign(ctx, message)
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint of %q: %w", s.name, err)
	}
	if !ed25519.Verify(s.key.Public, message, signature) {
		return nil, fmt.Errorf("signing a checkpoint of %q: the keyring answered a signature of another key", s.name)
	}
	return signature, nil
}

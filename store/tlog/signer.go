package tlog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/proof"
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

// recording is the last signer of a checkpoint: what it signs is complete, and is
// recorded before anybody sees it. One that cannot be recorded is no checkpoint.
type recording struct {
	guarding
	// before are the signers whose lines come first.
	before []*remembering
	record func(ctx context.Context, c proof.Checkpoint, signed []byte) error
}

// guarding is a signer that signs a checkpoint only if its tree is vouched for.
type guarding struct {
	signer
	vouch func(proof.Checkpoint) error
}

// Sign signs what is vouched for.
func (s *guarding) Sign(message []byte) ([]byte, error) {
	c, err := proof.ParseCheckpoint(append(slices.Clone(message), '\n'))
	if err == nil {
		err = s.vouch(c)
	}
	if err != nil {
		return nil, fmt.Errorf("signing a checkpoint of %q: %w", s.name, err)
	}
	return s.signer.Sign(message)
}

// remembering is a signer that keeps its last signature for the note that is recorded.
type remembering struct {
	guarding
	message, signature []byte
}

// Sign signs and remembers. Checkpoints are signed one after the other.
func (s *remembering) Sign(message []byte) ([]byte, error) {
	signature, err := s.guarding.Sign(message)
	s.message, s.signature = message, signature
	return signature, err
}

// Sign signs, and records the whole note.
func (s *recording) Sign(message []byte) ([]byte, error) {
	signature, err := s.guarding.Sign(message)
	if err != nil {
		return nil, err
	}
	signed := append(slices.Clone(message), '\n')
	for _, one := range s.before {
		if !bytes.Equal(one.message, message) {
			return nil, fmt.Errorf("signing a checkpoint of %q: its keys signed different texts", s.name)
		}
		signed = append(signed, one.line(one.signature)...)
	}
	signed = append(signed, s.line(signature)...)
	c, err := proof.ParseCheckpoint(signed)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), signPatience)
	defer cancel()
	if err := s.record(ctx, c, signed); err != nil {
		return nil, fmt.Errorf("recording a checkpoint of %q: %w", s.name, err)
	}
	return signature, nil
}

// line is a signature line of a note (https://c2sp.org/signed-note).
func (s signer) line(signature []byte) string {
	raw := binary.BigEndian.AppendUint32(nil, s.hash)
	return "— " + s.name + " " + base64.StdEncoding.EncodeToString(append(raw, signature...)) + "\n"
}

// plain are signers of notes that are no checkpoints.
func plain(signers []signer) []note.Signer {
	out := make([]note.Signer, len(signers))
	for i, s := range signers {
		out[i] = s
	}
	return out
}

// guarded wraps signers of checkpoints: they sign what is vouched for, and what they sign
// together is recorded, unless record is nil.
func guarded(
	signers []signer, vouch func(proof.Checkpoint) error, record func(context.Context, proof.Checkpoint, []byte) error,
) []note.Signer {
	if record == nil {
		record = func(context.Context, proof.Checkpoint, []byte) error { return nil }
	}
	last := &recording{guarding: guarding{signers[len(signers)-1], vouch}, record: record}
	var out []note.Signer
	for _, s := range signers[:len(signers)-1] {
		one := &remembering{guarding: guarding{s, vouch}}
		last.before, out = append(last.before, one), append(out, one)
	}
	return append(out, last)
}

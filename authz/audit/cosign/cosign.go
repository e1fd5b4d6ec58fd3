// Package cosign is the signature of a witness under a checkpoint: cosignature/v1 with
// Ed25519 of https://c2sp.org/tlog-cosignature. By it a witness says that at a time this
// was the largest tree of the log that it had seen, and that it had seen no other one.
//
// The package is pure, so that the offline verifier can be built on it.
package cosign

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// signatureType of https://c2sp.org/signed-note#signature-types.
const signatureType = 0x04

const size = 8 + ed25519.SignatureSize // of a timestamped_signature

// ErrKey means that a text is not the verifier key of a witness.
var ErrKey = errors.New("not the key of a witness")

// Verifier verifies cosignatures of one witness. It is a [note.Verifier].
type Verifier struct {
	name string
	id   uint32
	key  ed25519.PublicKey
}

// Key writes the verifier key of a witness: its name, the id of the key, and the key with
// its type, in the form of C2SP signed notes. The error says what is wrong with the name.
func Key(name string, public ed25519.PublicKey) (string, error) {
	if name == "" || len(name) > maxName || strings.ContainsAny(name, "+ ") || !printable(name) {
		return "", fmt.Errorf("the name %q is empty, too long, or has a space, a plus or a control character: %w", name, ErrKey)
	}
	typed := append([]byte{signatureType}, public...)
	return fmt.Sprintf("%s+%08x+%s", name, keyID(name, typed), base64.StdEncoding.EncodeToString(typed)), nil
}

const maxName = 255

func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == 0x7f || r > '~' })
}

func keyID(name string, typed []byte) uint32 {
	sum := sha256.Sum256(append([]byte(name+"\n"), typed...))
	return binary.BigEndian.Uint32(sum[:])
}

// ParseKey reads the verifier key of a witness, in the one form that [Key] writes.
func ParseKey(vkey string) (*Verifier, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, fmt.Errorf("%q: %w", vkey, ErrKey)
	}
	typed, err := base64.StdEncoding.Strict().DecodeString(parts[2])
	if err != nil || len(typed) != 1+ed25519.PublicKeySize || typed[0] != signatureType {
		return nil, fmt.Errorf("%q: %w", vkey, ErrKey)
	}
	v := &Verifier{name: parts[0], id: keyID(parts[0], typed), key: typed[1:]}
	if again, err := Key(v.name, v.key); err != nil || again != vkey {
		return nil, fmt.Errorf("%q: %w", vkey, ErrKey)
	}
	return v, nil
}

// Name is the name of the witness.
func (v *Verifier) Name() string { return v.name }

// KeyHash is the id by which a note names the key.
func (v *Verifier) KeyHash() uint32 { return v.id }

// Verify reports whether a timestamped signature is the witness's, of the body of a checkpoint.
func (v *Verifier) Verify(body, signature []byte) bool {
	if len(signature) != size {
		return false
	}
	at := binary.BigEndian.Uint64(signature)
	return at <= math.MaxInt64 && ed25519.Verify(v.key, message(at, body), signature[8:])
}

// message is what is signed: a header, the time and the body of the checkpoint.
func message(at uint64, body []byte) []byte {
	return append([]byte("cosignature/v1\ntime "+strconv.FormatUint(at, 10)+"\n"), body...)
}

// Signer signs in the name of a witness. It is a [note.Signer].
type Signer struct {
	*Verifier
	private ed25519.PrivateKey
	now     func() time.Time
}

// NewSigner makes the signer of a witness.
func NewSigner(name string, private ed25519.PrivateKey, now func() time.Time) (*Signer, error) {
	vkey, err := Key(name, private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	v, err := ParseKey(vkey)
	if err != nil {
		return nil, err
	}
	return &Signer{v, private, now}, nil
}

// VerifierKey is the public half, for those who trust the witness.
func (s *Signer) VerifierKey() string {
	vkey, _ := Key(s.name, s.key) // it was made of one
	return vkey
}

// Sign signs the body of a checkpoint with the time.
func (s *Signer) Sign(body []byte) ([]byte, error) {
	at := s.now().Unix()
	if at < 0 {
		return nil, errors.New("the clock stands before 1970")
	}
	signed := binary.BigEndian.AppendUint64(nil, uint64(at))
	return append(signed, ed25519.Sign(s.private, message(uint64(at), body))...), nil
}

// Line signs, and gives the signature line of a note (https://c2sp.org/signed-note#signatures).
func (s *Signer) Line(body []byte) (string, error) {
	signature, err := s.Sign(body)
	if err != nil {
		return "", err
	}
	raw := binary.BigEndian.AppendUint32(nil, s.id)
	return "— " + s.name + " " + base64.StdEncoding.EncodeToString(append(raw, signature...)) + "\n", nil
}

// Cosignature is what one witness says.
type Cosignature struct {
	Witness string // its name
	At      time.Time
	// Line is the signature line, with its end.
	Line string
}

// Errors of [Open].
var (
	ErrForm      = errors.New("not a signed note")
	ErrSignature = errors.New("a signature in the name of a witness is not the witness's")
)

// Open finds the cosignatures under a checkpoint that are of the witnesses given, one each
// at most, in the order of their lines. Lines of others are passed over; a bad one of a
// witness that was given is [ErrSignature]. It does not say who signed as the log.
func Open(checkpoint []byte, witnesses ...*Verifier) ([]Cosignature, error) {
	text := string(checkpoint)
	at := strings.LastIndex(text, "\n\n")
	if at < 0 || !strings.HasSuffix(text, "\n") {
		return nil, ErrForm
	}
	body := []byte(text[:at+1])
	var found []Cosignature
	for line := range strings.Lines(text[at+2:]) {
		rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "— ")
		name, encoded, ok2 := strings.Cut(rest, " ")
		raw, err := base64.StdEncoding.Strict().DecodeString(encoded)
		if !ok || !ok2 || err != nil || len(raw) < 4 || strings.ContainsAny(encoded, "\r\n") {
			return nil, ErrForm
		}
		id := binary.BigEndian.Uint32(raw)
		i := slices.IndexFunc(witnesses, func(v *Verifier) bool { return v.name == name && v.id == id })
		if i < 0 {
			continue
		}
		if !witnesses[i].Verify(body, raw[4:]) {
			return nil, fmt.Errorf("%s: %w", name, ErrSignature)
		}
		if !slices.ContainsFunc(found, func(c Cosignature) bool { return c.Witness == name }) {
			found = append(found, Cosignature{name, time.Unix(int64(binary.BigEndian.Uint64(raw[4:])), 0).UTC(), line})
		}
	}
	return found, nil
}

var (
	_ note.Verifier = (*Verifier)(nil)
	_ note.Signer   = (*Signer)(nil)
)

package commitment

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
)

// Salt is the secret of one event. With it and the event anyone can recompute
// the commitment; without it the commitment tells nothing. Printing it shows a
// mask; Salt[:] are its bytes.
type Salt [32]byte

// NewSalt draws a fresh salt.
func NewSalt() Salt {
	var s Salt
	if _, err := rand.Read(s[:]); err != nil {
		panic("commitment: no randomness: " + err.Error()) // crypto/rand never fails on a supported system
	}
	return s
}

// String masks.
func (Salt) String() string { return "(salt)" }

// Format makes every verb of fmt print the mask.
func (s Salt) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// PayloadDigest is a digest of what left, keyed so that values of few
// possibilities cannot be guessed from it.
func (s Salt) PayloadDigest(payload []byte) string {
	key := s.deriver()("payload bytes")
	return base64.RawURLEncoding.EncodeToString(mac(key[:], payload))
}

// deriver makes the secrets of parts of the event, one after the other: HMAC-SHA-256 (RFC 2104)
// as a PRF, keyed with the salt, of a label, a zero byte and the name of the part. It is not
// HKDF-Expand (RFC 5869 §2.3), whose block ends with the byte of a counter.
func (s Salt) deriver() func(part string) GroupSalt {
	h := hmac.New(sha256.New, s[:]) // the salt is hashed once for all parts
	return func(part string) GroupSalt {
		h.Reset()
		h.Write([]byte("hopnhat event salt v1\x00" + part))
		return GroupSalt(h.Sum(nil))
	}
}

// GroupSalt is the secret of one group. It is shown with the group, and says
// nothing about the salts of the others. Printing it shows a mask.
type GroupSalt [32]byte

// String masks.
func (GroupSalt) String() string { return "(salt)" }

// Format makes every verb of fmt print the mask.
func (s GroupSalt) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

func mac(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

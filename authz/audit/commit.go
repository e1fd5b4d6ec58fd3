package audit

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// Salt hides an event behind its commitment: 32 random bytes, kept beside the
// row and deleted with it.
type Salt [32]byte

// NewSalt makes one.
func NewSalt() Salt {
	var s Salt
	if _, err := rand.Read(s[:]); err != nil {
		panic("audit: no randomness: " + err.Error())
	}
	return s
}

// leafVersion starts every leaf, so that later forms can be told apart.
const leafVersion = 1

// Leaf is what the log holds of an event: the version byte and the commitment.
// The commitment is SHA-256 over the event's id, its type, and for each group an
// HMAC-SHA-256 of its canonical bytes under a salt of its own. So one group can
// be shown, with the digests of the others, and nobody can guess those.
func Leaf(e Event, salt Salt) ([]byte, error) {
	if _, err := e.Canonical(); err != nil {
		return nil, err
	}
	e.When.Decided = e.When.Decided.UTC().Truncate(time.Microsecond)
	h := sha256.New()
	write := func(part []byte) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(part)))
		h.Write(n[:])
		h.Write(part)
	}
	write([]byte("hopnhat event v1"))
	write([]byte(e.ID))
	write([]byte(e.Type))
	for _, g := range e.groups() {
		raw, err := canonical(g.value)
		if err != nil {
			return nil, err
		}
		write(groupDigest(salt, g.name, raw))
	}
	return append([]byte{leafVersion}, h.Sum(nil)...), nil
}

func groupDigest(salt Salt, name string, raw []byte) []byte {
	own := hmac.New(sha256.New, salt[:])
	own.Write([]byte("group " + name))
	m := hmac.New(sha256.New, own.Sum(nil))
	m.Write(raw)
	return m.Sum(nil)
}

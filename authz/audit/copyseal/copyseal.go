// Package copyseal seals a copy of each event for the log's folder, so that a row can be made
// again as it was where the database lost it. Only who has the keyring reads a copy.
//
// A copy is a byte for its form, the year of its key in two bytes, big-endian, and salt and
// canonical bytes under AES-256-GCM (NIST SP 800-38D). The key is of this one event: it is
// derived from the year's by the hash of the leaf (RFC 9162 §2.1.1), which is authenticated as
// well. A leaf commits to one event and one salt, so a key seals one text, and sealing again
// gives the same bytes.
package copyseal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"hopnhat/authz/audit"
	"hopnhat/keys/seal"
)

// ErrCopy means that a copy is none of the leaf beside which it stands: it was altered, or
// put there from elsewhere.
var ErrCopy = errors.New("the copy is not of the event of its leaf")

// The form of copies, and the years that have keys.
const (
	form      = 1
	head      = 3
	firstYear = 2000
	lastYear  = 2199
)

// Most is the greatest length of a copy in bytes. A larger event has none.
const Most = 1<<16 - 1

// Keys seal and open copies. They are safe for concurrent use. The key of a year is asked of
// the keyring once.
type Keys struct {
	ring seal.Deriver
	mu   sync.RWMutex
	of   map[int]seal.Key
}

// New makes the keys of a keyring.
func New(ring seal.Deriver) *Keys { return &Keys{ring: ring, of: map[int]seal.Key{}} }

func (k *Keys) key(ctx context.Context, year int) (seal.Key, error) {
	k.mu.RLock()
	key, ok := k.of[year]
	k.mu.RUnlock()
	if ok {
		return key, nil
	}
	rows, err := seal.Derive(ctx, k.ring, seal.EventRows.Version(strconv.Itoa(year)))
	if err != nil {
		return seal.Key{}, err
	}
	key = rows.Under(seal.EventCopies.Version(strconv.Itoa(year)))
	k.mu.Lock()
	defer k.mu.Unlock()
	k.of[year] = key
	return key, nil
}

// LeafHash is the hash of a leaf in the tree (RFC 9162 §2.1.1).
func LeafHash(leaf []byte) [sha256.Size]byte {
	return sha256.Sum256(append([]byte{0}, leaf...))
}

// Seal makes the copy of the event of an entry: the same each time. An event that is too
// large, or of a year that has no key, has none, nil. An error is of the keyring.
func (k *Keys) Seal(ctx context.Context, e audit.Entry) ([]byte, error) {
	year := e.Event.When.Decided.UTC().Year()
	if year < firstYear || year > lastYear || len(e.Canonical) > Most-head-len(e.Salt)-16 {
		return nil, nil
	}
	key, err := k.key(ctx, year)
	if err != nil {
		return nil, err
	}
	sum := LeafHash(e.Leaf)
	out := binary.BigEndian.AppendUint16([]byte{form}, uint16(year))
	return append(out, key.Once(sum[:]).Seal(append(bytes.Clone(e.Salt[:]), e.Canonical...), sum[:])...), nil
}

// Open reads the copy that stands beside a leaf, by the hash of that. What does not make that
// very leaf is [ErrCopy]; any other error is of the keyring.
func (k *Keys) Open(ctx context.Context, leaf [sha256.Size]byte, sealed []byte) (audit.Sealed, error) {
	if len(sealed) < head || sealed[0] != form {
		return audit.Sealed{}, fmt.Errorf("%w: its form is not known", ErrCopy)
	}
	year := int(binary.BigEndian.Uint16(sealed[1:]))
	if year < firstYear || year > lastYear {
		return audit.Sealed{}, fmt.Errorf("%w: its key is not known", ErrCopy)
	}
	key, err := k.key(ctx, year)
	if err != nil {
		return audit.Sealed{}, err
	}
	plain, ok := key.Once(leaf[:]).Open(sealed[head:], leaf[:])
	if !ok || len(plain) < len(audit.Salt{}) {
		return audit.Sealed{}, fmt.Errorf("%w: it was not sealed beside it", ErrCopy)
	}
	salt, canonical := audit.Salt(plain[:len(audit.Salt{})]), plain[len(audit.Salt{}):]
	e, err := audit.Parse(canonical)
	if err != nil {
		return audit.Sealed{}, fmt.Errorf("%w: %w", ErrCopy, err)
	}
	out, err := audit.Recorded{Event: e, Salt: salt}.Sealed()
	if err != nil || LeafHash(out.Leaf) != leaf {
		return audit.Sealed{}, fmt.Errorf("%w: it makes another leaf", ErrCopy)
	}
	return out, nil
}

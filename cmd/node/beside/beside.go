// Package beside is what a house knows of the copies of events beside its logs: their keys, the
// rows that they are made of, and which events were erased.
package beside

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
	"hopnhat/keys/seal"
	"hopnhat/store"
)

// Copies seal and open the copies of events. They are safe for concurrent use.
type Copies struct {
	*copyseal.Keys
	db *store.DB
}

// New makes the copies of a house.
func New(db *store.DB, ring seal.Deriver) Copies { return Copies{copyseal.New(ring), db} }

// Of are the copies of entries of a shard, as the rows of their events give them.
func (c Copies) Of(ctx context.Context, origin string, first uint64, leaves [][]byte) (map[uint64][]byte, error) {
	found, err := c.db.Leaves.Entries(ctx, origin, first, leaves)
	if err != nil {
		return nil, err
	}
	all := make(map[uint64][]byte, len(found))
	for at, row := range found {
		sealed, err := row.Sealed()
		if err != nil || !bytes.Equal(sealed.Leaf, leaves[at-first]) {
			continue // it is not what the log has, which reconciliation finds
		}
		if all[at], err = c.Seal(ctx, sealed.Entry()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Check returns [copyseal.ErrCopy] if a copy is not of a leaf.
func (c Copies) Check(ctx context.Context, leaf [sha256.Size]byte, sealed []byte) error {
	_, err := c.Open(ctx, leaf, sealed)
	return err
}

// page is how many tombstones are read in one statement.
const page = 100

// Erased are the leaves of events that were erased, by their tombstones.
func (c Copies) Erased(ctx context.Context) (map[[sha256.Size]byte]bool, error) {
	all := map[[sha256.Size]byte]bool{}
	for q := (audit.Query{Type: audit.Erased, Limit: page}); ; {
		found, err := c.db.Find(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, t := range found {
			leaf, err := base64.RawURLEncoding.DecodeString(t.Event.Payload.Digest)
			if t.Fault == "" && err == nil && len(leaf) == sha256.Size {
				all[[sha256.Size]byte(leaf)] = true
			}
			q.Before = t.Event.ID
		}
		if len(found) < page {
			return all, nil
		}
	}
}

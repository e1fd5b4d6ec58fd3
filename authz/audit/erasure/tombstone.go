// Package erasure erases the row of an event. The event that says so, its tombstone, comes
// first and into the log; then row and salt are deleted.
package erasure

import (
	"crypto/sha256"
	"encoding/base64"

	"hopnhat/authz/audit"
)

// Tombstone is the act of erasing a recorded event, written and logged before the row and
// its salt are deleted. It names the event, its running number and the hash of its leaf, so
// that the leaf that stays in the log is not missed by anybody; and the person, who sees it
// as she saw the event. What the event said is not in it.
func Tombstone(erased audit.Recorded, reason string) (audit.Act, error) {
	leaf, err := audit.Leaf(erased.Event, erased.Salt)
	if err != nil {
		return audit.Act{}, err
	}
	e := erased.Event
	return audit.Act{
		Action: audit.Erase, Person: audit.Person{Pseudonym: e.Person.Pseudonym, Relation: e.Person.Relation}, Visibility: e.Visibility,
		Detail:  audit.Detail{Object: e.ID, Count: e.Person.Sequence, Text: reason},
		Payload: audit.Payload{Digest: LeafDigest(leaf)},
	}, nil
}

// LeafDigest names a leaf of the log: its hash (RFC 9162 §2.1.1), base64url.
func LeafDigest(leaf []byte) string {
	sum := sha256.Sum256(append([]byte{0}, leaf...))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

package audit

import (
	"fmt"
	"slices"

	"hopnhat/authz/audit/commitment"
)

// Salt hides an event behind its commitment: 32 random bytes, kept beside the
// row and deleted with it.
type Salt = commitment.Salt

// NewSalt makes one.
func NewSalt() Salt { return commitment.NewSalt() }

// Leaf is what the log holds of an event: the version byte, the type, and the
// salted commitment.
func Leaf(e Event, salt Salt) ([]byte, error) {
	s, err := Recorded{Event: e, Salt: salt}.Sealed()
	return s.Leaf, err
}

// Disclose shows the named groups of the event and withholds the others. With
// no group it only commits.
func (e Event) Disclose(salt Salt, groups ...commitment.Group) (commitment.Disclosure, error) {
	for _, g := range groups {
		if !slices.Contains(commitment.Groups(), g) {
			return commitment.Disclosure{}, fmt.Errorf("disclosing %v: there is no group %q", e, g)
		}
	}
	_, parts, err := e.Normalized().encode()
	if err != nil {
		return commitment.Disclosure{}, err
	}
	return commitment.Disclose(e.ID, string(e.Type), parts, salt, groups...), nil
}

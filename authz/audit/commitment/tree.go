package commitment

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
)

// Group names a group of fields that can be shown without the others.
type Group string

// The groups.
const (
	Asked      Group = "asked"      // who asked
	Person     Group = "person"     // about whom
	Reason     Group = "reason"     // purpose, legal basis, case
	Consent    Group = "consent"    // the consent, or why none was needed
	Data       Group = "data"       // which attributes of which register
	Payload    Group = "payload"    // how many records, and their digest
	Decision   Group = "decision"   // the outcome and the determining policies
	Levels     Group = "levels"     // of authentication and of the account
	When       Group = "when"       // time and site
	Visibility Group = "visibility" // when the person sees it
	Emergency  Group = "emergency"  // a broken glass
	Detail     Group = "detail"     // of events that are not releases
	Trace      Group = "trace"      // links into the logs of operation
)

// Groups lists the groups in the order in which they are committed to. The order
// is part of the form: another order or another group is another version.
func Groups() []Group {
	return []Group{
		Asked, Person, Reason, Consent, Data, Payload, Decision,
		Levels, When, Visibility, Emergency, Detail, Trace,
	}
}

// Commitment is what the log holds of an event.
type Commitment [32]byte

// String is the commitment in base64.
func (c Commitment) String() string { return base64.StdEncoding.EncodeToString(c[:]) }

// Digest is the salted digest of one group.
type Digest [32]byte

// Part is one group of a [Disclosure]. A shown part holds its salt and its
// canonical JSON; of a withheld one only the digest is known.
type Part struct {
	Group  Group
	Digest Digest
	Shown  bool
	Salt   GroupSalt
	JSON   []byte
}

// Disclosure is an event of which some groups are shown and the others withheld:
// enough to recompute the commitment, and nothing about what is withheld.
type Disclosure struct {
	ID    string
	Type  string
	Parts []Part // one for each of Groups, in that order
}

// absent is the canonical form of a group without fields. It is committed to
// with a salt like any other, so that a withheld digest does not tell whether
// there was anything.
const absent = "{}"

// Disclose commits to an event and shows the groups named. The map holds the
// canonical JSON of each group; one that is missing is absent.
func Disclose(id, eventType string, groups map[Group][]byte, salt Salt, show ...Group) Disclosure {
	d := Disclosure{ID: id, Type: eventType, Parts: make([]Part, 0, len(Groups()))}
	derive := salt.deriver()
	for _, g := range Groups() {
		canonical := groups[g]
		if len(canonical) == 0 {
			canonical = []byte(absent)
		}
		own := derive(string(g))
		p := Part{Group: g, Digest: digest(g, own, canonical)}
		if slices.Contains(show, g) {
			p.Shown, p.Salt, p.JSON = true, own, canonical
		}
		d.Parts = append(d.Parts, p)
	}
	return d
}

func digest(g Group, salt GroupSalt, canonical []byte) Digest {
	return Digest(mac(salt[:], []byte("hopnhat event group v1\x00"+string(g)+"\x00"), canonical))
}

// Commitment recomputes the commitment from the digests. It says nothing about
// the shown parts: see [Disclosure.Mismatch].
func (d Disclosure) Commitment() Commitment {
	// Lengths stand before id and type, so that no other split gives the same
	// bytes.
	h := sha256.New()
	fmt.Fprintf(h, "hopnhat event v1\x00%d:%s%d:%s%d:", len(d.ID), d.ID, len(d.Type), d.Type, len(d.Parts))
	for _, p := range d.Parts {
		h.Write(p.Digest[:])
	}
	return Commitment(h.Sum(nil))
}

// Leaf is the entry that the log must hold for this event.
func (d Disclosure) Leaf() []byte { return Leaf(d.Type, d.Commitment()) }

// Mismatch lists the shown groups that do not give their digest: text, salt or
// digest was changed.
func (d Disclosure) Mismatch() []Group {
	var wrong []Group
	for _, p := range d.Parts {
		if p.Shown && digest(p.Group, p.Salt, p.JSON) != p.Digest {
			wrong = append(wrong, p.Group)
		}
	}
	return wrong
}

// Shown gives the canonical JSON of a group; ok is false if it is withheld.
func (d Disclosure) Shown(g Group) (canonical []byte, ok bool) {
	for _, p := range d.Parts {
		if p.Group == g && p.Shown {
			return p.JSON, true
		}
	}
	return nil, false
}

// Check says whether the disclosure has the one form: an id and a type as they
// are written here, all groups in their order, canonical JSON objects in the
// shown ones, nothing in the withheld.
func (d Disclosure) Check() error {
	if err := CheckID(d.ID); err != nil {
		return err
	}
	if !validType(d.Type) {
		return fmt.Errorf("event %q has a type that none of ours can have", d.ID)
	}
	groups := Groups()
	if len(d.Parts) != len(groups) {
		return fmt.Errorf("event %q has %d groups, want %d", d.ID, len(d.Parts), len(groups))
	}
	for i, p := range d.Parts {
		switch {
		case p.Group != groups[i]:
			return fmt.Errorf("event %q: group %q stands where %q belongs", d.ID, p.Group, groups[i])
		case !p.Shown && (p.JSON != nil || p.Salt != GroupSalt{}):
			return fmt.Errorf("event %q: the withheld group %q holds something", d.ID, p.Group)
		case p.Shown:
			if _, err := ParseObject(p.JSON); err != nil {
				return fmt.Errorf("event %q: group %q: %w", d.ID, p.Group, err)
			}
		}
	}
	return nil
}

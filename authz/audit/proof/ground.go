package proof

import (
	"encoding/json"
	"fmt"
	"strings"

	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/wording"
)

// Ground is what a file says of the consent that a release rests on. A file of the form before,
// and one of an event that is no release, says nothing.
type Ground string

// The grounds.
const (
	GroundProved   Ground = "proved"   // the event by which it was given is in the file, with its place
	GroundUnproved Ground = "unproved" // it is not: it was erased, is in a log of another site, or is not named
	GroundNone     Ground = "none"     // the legal basis is not consent
)

// releaseType is the type of an event that rests on a ground.
const releaseType = "release.permitted"

// consentBasis is the legal basis of a release on consent.
const consentBasis = "LB-CONSENT"

// GroundOf tells of an event, by its canonical bytes, which ground a file about it can have, and
// the event by which the consent was given, if it names one. The empty ground is of an event
// that has none.
func GroundOf(canonical []byte) (Ground, commitment.Reference, error) {
	d, err := Record{Event: canonical}.disclosure()
	if err != nil {
		return "", commitment.Reference{}, err
	}
	return groundOf(d)
}

func groundOf(d commitment.Disclosure) (Ground, commitment.Reference, error) {
	if d.Type != releaseType {
		return "", commitment.Reference{}, nil
	}
	var reason struct {
		Basis string `json:"basis"`
	}
	var decision struct {
		Determining []string `json:"determining"`
	}
	for group, into := range map[commitment.Group]any{commitment.Reason: &reason, commitment.Decision: &decision} {
		shown, ok := d.Shown(group)
		if !ok {
			return "", commitment.Reference{}, fmt.Errorf("group %q, which tells of the consent, is not shown: %w", group, ErrGround)
		}
		if err := json.Unmarshal(shown, into); err != nil {
			return "", commitment.Reference{}, fmt.Errorf("group %q: %w", group, ErrForm)
		}
	}
	for _, text := range decision.Determining {
		if r, ok := commitment.ParseReference(text); ok {
			return GroundProved, r, nil
		}
	}
	if reason.Basis == consentBasis {
		return GroundUnproved, commitment.Reference{}, nil
	}
	return GroundNone, commitment.Reference{}, nil
}

// checkGround says whether what the file says of the consent is what its event says.
func (f File) checkGround() error {
	d, err := f.record().disclosure()
	if err != nil {
		return err
	}
	says, reference, err := groundOf(d)
	switch {
	case err != nil:
		return err
	case says == "" || f.Ground != says && (says != GroundProved || f.Ground != GroundUnproved):
		return fmt.Errorf("the event says %q, the file %q: %w", says, f.Ground, ErrGround)
	case f.Ground != GroundProved:
		return nil
	}
	given, err := f.Given.record().disclosure()
	if err != nil {
		return err
	}
	if given.Type != commitment.GroundType || given.ID != reference.ID || given.Commitment() != reference.Commitment {
		return fmt.Errorf("the release names event %s: %w", reference.ID, ErrGround)
	}
	return nil
}

// groundWords are the lines for readers about the consent.
func (f File) groundWords() string {
	var given commitment.Disclosure
	if f.Given != nil {
		given, _ = f.Given.record().disclosure() // what has no form has no words, and does not verify
	}
	return wording.Ground(string(f.Ground), given)
}

// marshalGround writes the form of a release: the file, what it says of the consent, and behind
// an empty line the file of the event by which that was given.
func (f File) marshalGround(words string, leaf []byte, ground, givenWords string, givenLeaf []byte) []byte {
	raw := f.marshal(releaseHead+"\n"+words+groundLine+string(f.Ground)+"\n"+ground, leaf)
	if f.Given == nil {
		return raw
	}
	return append(append(raw, '\n'), f.Given.marshal(givenHead+"\n"+givenWords, givenLeaf)...)
}

const (
	releaseHead = "hopnhat-proof@v2"
	givenHead   = "consent"
	groundLine  = "ground "
)

// unmarshalGround reads the form of a release, as unmarshal does.
func unmarshalGround(raw []byte) (read, error) {
	text, given, two := strings.Cut(string(raw), "\n\n"+givenHead+"\n")
	if two {
		text += "\n"
	}
	r, err := unmarshalPart(text, releaseHead, true)
	if err != nil {
		return read{}, err
	}
	if two != (r.Ground == GroundProved) {
		return read{}, fmt.Errorf("reading a proof file: the part about the consent is missing, or is too much: %w", ErrForm)
	}
	if two {
		of, err := unmarshalPart(givenHead+"\n"+given, givenHead, false)
		if err != nil {
			return read{}, fmt.Errorf("the consent: %w", err)
		}
		r.given, r.Given = &of, &of.File
	}
	return r, nil
}

package proof

import (
	"fmt"
	"strings"

	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/ground"
	"hopnhat/authz/audit/wording"
)

// Ground is what a file says of the consent that a release rests on.
type Ground = ground.Kind

// The grounds.
const (
	GroundProved, GroundUnproved, GroundNone = ground.Proved, ground.Unproved, ground.None
)

// GroundOf tells of an event, by its canonical bytes, which ground a file about it can have, and
// the event by which the consent was given, if it names one.
func GroundOf(canonical []byte) (Ground, commitment.Reference, error) {
	d, err := Record{Event: canonical}.disclosure()
	if err != nil {
		return "", commitment.Reference{}, err
	}
	return ground.Of(d)
}

// checkGround says whether what the file says of the consent is what its events say.
func (f File) checkGround() error {
	d, err := f.record().disclosure()
	if err != nil {
		return err
	}
	says, _, err := ground.Of(d)
	if err == nil && f.Ground == GroundProved && f.Given != nil {
		var given commitment.Disclosure
		if given, err = f.Given.record().disclosure(); err == nil {
			err = ground.Check(d, given)
		}
	}
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrGround, err)
	case says == "" || f.Ground != says && (says != GroundProved || f.Ground != GroundUnproved):
		return fmt.Errorf("the event says %q, the file %q: %w", says, f.Ground, ErrGround)
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
func (f File) marshalGround(words string, leaf []byte, rests, givenWords string, givenLeaf []byte) []byte {
	raw := f.marshal(releaseHead+"\n"+words+groundLine+string(f.Ground)+"\n"+rests, leaf)
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

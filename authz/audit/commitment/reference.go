package commitment

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Reference names an event from within another: by its id, and by the commitment that its
// leaf holds, so that it names one event and no other.
type Reference struct {
	ID string
	Commitment
}

const referencePrefix = "consent-event:"

// String is how a reference stands among what determined a release:
// consent-event:ID:COMMITMENT, the commitment in base64url (RFC 4648 §5).
func (r Reference) String() string {
	return referencePrefix + r.ID + ":" + base64.RawURLEncoding.EncodeToString(r.Commitment[:])
}

// ParseReference reads what String wrote, and nothing else.
func ParseReference(text string) (r Reference, ok bool) {
	rest, ok := strings.CutPrefix(text, referencePrefix)
	if !ok {
		return Reference{}, false
	}
	id, encoded, ok := strings.Cut(rest, ":")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if !ok || err != nil || len(raw) != len(Commitment{}) || CheckID(id) != nil {
		return Reference{}, false
	}
	r = Reference{id, Commitment(raw)}
	return r, r.String() == text
}

// Ground is the event of the decision that a release rests on: that a person agreed, in this
// version of her consent. The event of the release names it, so that the proof of the release
// leads to the place of the consent.
type Ground struct {
	Reference
	Consent string
	Version int
	// Logged says that the place of its leaf is noted.
	Logged bool
	// Given is what was agreed to, and by whom.
	Given
}

// Given is what an event of a consent says of it: the person by her pseudonym, the app, the
// purpose, the register with its attributes, the hash of the text that she read, and the end.
type Given struct {
	Pseudonym, Client, Purpose, Registry, Text string
	Attributes                                 []string
	// Until is when the consent ends. Events of a release that did not write it say nothing of
	// it, and it is the zero time.
	Until time.Time
	// Decided is when the consent was given.
	Decided time.Time
}

const untilPrefix = "valid-until:"

// UntilText is how the end of a consent stands in the event by which it was given, as the text of
// its detail: a release before reads no field that it does not know.
func UntilText(until time.Time) string {
	return untilPrefix + until.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano)
}

// ParseUntil reads what [UntilText] wrote, and nothing else; the zero time of any other text.
func ParseUntil(text string) time.Time {
	rest, ok := strings.CutPrefix(text, untilPrefix)
	until, err := time.Parse(time.RFC3339Nano, rest)
	if !ok || err != nil || UntilText(until) != text {
		return time.Time{}
	}
	return until.UTC()
}

// GroundType is the type of an event that is a ground.
const GroundType = "consent.approved"

// GroundOf is the ground that the canonical bytes of an event are, with their salt. Its error
// is that they are no event of a consent that was given.
func GroundOf(canonical []byte, salt Salt, logged bool) (Ground, error) {
	id, leaf, err := LeafOf(canonical, salt)
	if err != nil {
		return Ground{}, err
	}
	kind, commits, err := ParseLeaf(leaf)
	if err != nil {
		return Ground{}, err
	}
	var said struct {
		Asked struct {
			Client string `json:"client"`
		} `json:"asked"`
		Consent struct {
			ID      string `json:"consent"`
			Text    string `json:"text_sha256"`
			Version int    `json:"version"`
		} `json:"consent"`
		Data struct {
			Attributes []string `json:"attributes"`
			Registry   string   `json:"registry"`
		} `json:"data"`
		Detail struct {
			Text string `json:"text"`
		} `json:"detail"`
		Person struct {
			Pseudonym string `json:"pseudonym"`
		} `json:"person"`
		Reason struct {
			Purpose string `json:"purpose"`
		} `json:"reason"`
		When struct {
			Decided time.Time `json:"decided"`
		} `json:"when"`
	}
	if err := json.Unmarshal(canonical, &said); err != nil {
		return Ground{}, fmt.Errorf("reading the consent of event %s: %w", id, ErrNotCanonical)
	}
	if kind != GroundType || said.Consent.ID == "" {
		return Ground{}, fmt.Errorf("event %s (%s) is of no consent that was given", id, kind)
	}
	given := Given{
		Pseudonym: said.Person.Pseudonym, Client: said.Asked.Client, Purpose: said.Reason.Purpose, Registry: said.Data.Registry,
		Text: said.Consent.Text, Attributes: said.Data.Attributes, Until: ParseUntil(said.Detail.Text),
		Decided: said.When.Decided,
	}
	return Ground{Reference{id, commits}, said.Consent.ID, said.Consent.Version, logged, given}, nil
}

package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
	"hopnhat/authz/audit/commitment"
)

// ErrNotCanonical means that bytes are not the one form of an event.
var ErrNotCanonical = commitment.ErrNotCanonical

// Normalized is the event in the form whose fields are in the canonical bytes
// one to one: times in UTC and whole microseconds, texts in Unicode form NFC,
// attributes, policies and methods sorted without doubles. A request id that is
// no text, which the caller of an API may send, is left out: it must not keep a
// refusal from being recorded.
func (e Event) Normalized() Event {
	e.When.Decided, e.Visibility.Until = instant(e.When.Decided), instant(e.Visibility.Until)
	e.Data.Attributes = set(e.Data.Attributes)
	e.Decision.Determining = set(e.Decision.Determining)
	e.Detail.Methods = set(e.Detail.Methods)
	for _, text := range []*string{
		&e.Asked.Name, &e.Asked.Owner, &e.Asked.Tier, &e.Trace.RequestID, &e.Reason.Citation, &e.Reason.CaseReference, &e.Consent.NoConsent, &e.Consent.Channel, &e.Consent.Locale,
		&e.Data.Query, &e.Data.Catalogue, &e.Data.Form, &e.Decision.Code, &e.When.Site, &e.Visibility.Authority,
		&e.Emergency.Reason, &e.Emergency.Text, &e.Detail.Action, &e.Detail.Object, &e.Detail.Text,
	} {
		composed(text)
	}
	composed(&e.Person.Kind)
	composed(&e.Person.Relation)
	composed(&e.Person.Role)
	composed(&e.Person.Mandate)
	if commitment.CheckText(e.Trace.RequestID) != nil {
		e.Trace.RequestID = ""
	}
	// An app that was registered when less was asked of its texts is written down too.
	e.Asked.Client = authz.ClientID(commitment.Bounded(string(e.Asked.Client)))
	e.Asked.Name, e.Asked.Owner = commitment.Bounded(e.Asked.Name), commitment.Bounded(e.Asked.Owner)
	return e
}

// composed brings a text into Unicode form NFC.
func composed[T ~string](text *T) { *text = T(norm.NFC.String(string(*text))) }

func instant(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Microsecond)
}

// set copies, so that the caller's slice is not sorted under its feet.
func set[T ~string](values []T) []T {
	if len(values) == 0 {
		return nil
	}
	out := slices.Clone(values)
	for i, v := range out {
		out[i] = T(norm.NFC.String(string(v)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Canonical is the one form of an event in bytes: RFC 8785 JSON of the
// [Event.Normalized] event. Two normalized events have the same bytes only if
// they are the same event. An event that breaks a rule of [Event.Check] has no
// canonical bytes and cannot become evidence.
func (e Event) Canonical() ([]byte, error) {
	canonical, _, err := e.Normalized().encode()
	return canonical, err
}

// encode gives the canonical bytes of a normalized event, and the groups as parts of them.
func (e Event) encode() (canonical []byte, groups map[commitment.Group][]byte, err error) {
	if err := e.Check(); err != nil {
		return nil, nil, err
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // RFC 8785 §3.2.2.2: only what must be escaped is
	type cut struct{ from, to int }
	cuts := make(map[commitment.Group]cut, len(commitment.Groups()))
	for _, member := range []struct {
		name  string
		value any
	}{ // in the order of RFC 8785 §3.2.3
		{"asked", e.Asked},
		{"consent", e.Consent},
		{"data", e.Data},
		{"decision", e.Decision},
		{"detail", e.Detail},
		{"emergency", e.Emergency},
		{"id", e.ID},
		{"levels", e.Levels},
		{"payload", e.Payload},
		{"person", e.Person},
		{"reason", e.Reason},
		{"trace", e.Trace},
		{"type", e.Type},
		{"v", commitment.Version},
		{"visibility", e.Visibility},
		{"when", e.When},
	} {
		start := b.Len()
		b.WriteString(`,"` + member.name + `":`)
		from := b.Len()
		if err := enc.Encode(member.value); err != nil {
			return nil, nil, fmt.Errorf("writing %v: %w", e, err)
		}
		b.Truncate(b.Len() - 1) // the line break
		if b.Len()-from == len(`{}`) && b.Bytes()[from] == '{' {
			b.Truncate(start)
			continue
		}
		cuts[commitment.Group(member.name)] = cut{from, b.Len()}
	}
	b.WriteByte('}')
	canonical = b.Bytes()
	canonical[0] = '{' // instead of the first comma
	if err := commitment.CheckWritten(canonical); err != nil {
		return nil, nil, fmt.Errorf("%v cannot become evidence: %w", e, err)
	}
	groups = make(map[commitment.Group][]byte, len(cuts))
	for _, g := range commitment.Groups() {
		if c, there := cuts[g]; there {
			groups[g] = canonical[c.from:c.to]
		}
	}
	return canonical, groups, nil
}

// Parse reads a canonical event and refuses any other form of it: what it
// accepts, Canonical writes again byte for byte.
func Parse(raw []byte) (Event, error) {
	if _, _, _, err := commitment.Split(raw); err != nil {
		return Event{}, err
	}
	var f struct {
		Event
		V int `json:"v"`
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Event{}, fmt.Errorf("reading an event: %w: %w", ErrNotCanonical, err)
	}
	e := f.Event
	again, err := e.Canonical()
	if err != nil {
		return Event{}, err
	}
	if !bytes.Equal(again, raw) {
		return Event{}, fmt.Errorf("reading %v: %w", e, ErrNotCanonical)
	}
	return e, nil
}

// Check says whether the event may become evidence: it has an id, a kind and a
// time; where a pseudonym belongs there is no number of a person; a permitted
// release names its client, person, purpose, basis, attributes, and its consent
// or why none was needed. Texts are checked when the bytes are made.
func (e Event) Check() error {
	if err := e.check(); err != nil {
		return fmt.Errorf("%v cannot become evidence: %w", e, err)
	}
	return nil
}

func (e Event) check() error {
	if err := commitment.CheckID(e.ID); err != nil {
		return err
	}
	// A kind that only a later release knows is read as well: both serve at once
	// during an upgrade. None is written, see [Event.CheckNew].
	if err := commitment.CheckType(string(e.Type)); err != nil {
		return err
	}
	if y := e.When.Decided.Year(); e.When.Decided.IsZero() || y < 2000 || y > 9999 {
		return errors.New("it has no time of decision, or one out of range")
	}
	if y := e.Visibility.Until.Year(); !e.Visibility.Until.IsZero() && (y < 2000 || y > 9999) {
		return errors.New("its visibility ends at a time out of range")
	}
	for _, p := range []string{e.Person.Pseudonym, e.Person.Actor} {
		if p != "" && (len(p) < minPseudonym || strings.Trim(p, "0123456789") == "") {
			return errors.New("a pseudonym is too short or all digits: a number of a person must never be here")
		}
	}
	if e.Consent.ID != "" && e.Consent.NoConsent != "" {
		return errors.New("it names a consent and also why none was needed")
	}
	switch e.Visibility.Sight {
	case "", Visible, Delayed, Hidden:
	default:
		return fmt.Errorf("its sight %q is not known", e.Visibility.Sight)
	}
	for _, n := range []int64{
		e.Person.Sequence, int64(e.Consent.Version), e.Payload.Records, int64(e.Levels.Account), e.Trace.Latency, e.Detail.Count,
	} {
		if n < 0 || n >= 1e15 { // RFC 8785 §3.2.2.3: exact as an IEEE 754 double
			return errors.New("a number is negative or too large")
		}
	}
	for _, n := range []int{len(e.Data.Attributes), len(e.Decision.Determining), len(e.Detail.Methods)} {
		if n > maxItems {
			return fmt.Errorf("a list has more than %d items", maxItems)
		}
	}
	if e.Type == ReleasePermitted {
		return e.checkRelease()
	}
	return nil
}

const (
	minPseudonym = 20
	maxItems     = 256
)

// checkRelease: docs/decisions.md D8, a release needs a legal basis.
func (e Event) checkRelease() error {
	switch {
	case !e.Decision.Permit:
		return errors.New("a permitted release was not permitted")
	case e.Asked.Client == "":
		return errors.New("a permitted release names no client")
	case e.Person.Pseudonym == "":
		return errors.New("a permitted release names no person")
	case e.Reason.Purpose == "" || e.Reason.Basis == "":
		return errors.New("a permitted release names no purpose or no legal basis")
	case e.Data.Registry == "" || len(e.Data.Attributes) == 0:
		return errors.New("a permitted release names no register or no attributes")
	case e.Consent.NoConsent == "" && (e.Consent.ID == "" || e.Consent.Version == 0):
		return errors.New("a permitted release names neither a consent with its version nor why none was needed")
	}
	return nil
}

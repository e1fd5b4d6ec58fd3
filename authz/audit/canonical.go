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

// form is the canonical JSON of an event: one member for each group that is
// committed to. Members stand in the order of their names (RFC 8785 §3.2.3), and
// an absent one is left out.
type form struct {
	Asked struct {
		Client string `json:"client,omitzero"`
		Name   string `json:"name,omitzero"`
		Owner  string `json:"owner,omitzero"`
		Tier   string `json:"tier,omitzero"`
	} `json:"asked,omitzero"`
	Consent struct {
		Channel   string `json:"channel,omitzero"`
		Consent   string `json:"consent,omitzero"`
		Locale    string `json:"locale,omitzero"`
		NoConsent string `json:"no_consent,omitzero"`
		Text      string `json:"text_sha256,omitzero"`
		Version   int64  `json:"version,omitzero"`
	} `json:"consent,omitzero"`
	Data     formData `json:"data"`
	Decision struct {
		Code        string   `json:"code,omitzero"`
		Determining []string `json:"determining,omitempty"`
		Partial     bool     `json:"partial,omitzero"`
		Permit      bool     `json:"permit"` // always there: a refusal says so
		PolicyHash  string   `json:"policy_hash,omitzero"`
	} `json:"decision"`
	Detail    formDetail `json:"detail"`
	Emergency struct {
		Drill  bool   `json:"drill,omitzero"`
		Reason string `json:"reason,omitzero"`
		Text   string `json:"text,omitzero"`
	} `json:"emergency,omitzero"`
	ID     string `json:"id"`
	Levels struct {
		Account int64  `json:"account,omitzero"`
		ACR     string `json:"acr,omitzero"`
	} `json:"levels,omitzero"`
	Payload struct {
		Digest  string `json:"digest,omitzero"`
		Records int64  `json:"records,omitzero"`
	} `json:"payload,omitzero"`
	Person struct {
		Actor     string `json:"actor,omitzero"`
		Kind      string `json:"kind,omitzero"`
		Mandate   string `json:"mandate,omitzero"`
		Pseudonym string `json:"pseudonym,omitzero"`
		Relation  string `json:"relation,omitzero"`
		Role      string `json:"role,omitzero"`
		Sequence  int64  `json:"sequence,omitzero"`
	} `json:"person,omitzero"`
	Reason struct {
		Basis         string `json:"basis,omitzero"`
		CaseReference string `json:"case_reference,omitzero"`
		Citation      string `json:"citation,omitzero"`
		Purpose       string `json:"purpose,omitzero"`
	} `json:"reason,omitzero"`
	Trace struct {
		Grant     string `json:"grant,omitzero"`
		Latency   int64  `json:"latency_us,omitzero"`
		RequestID string `json:"request_id,omitzero"`
	} `json:"trace,omitzero"`
	Type       string `json:"type"`
	V          int    `json:"v"`
	Visibility struct {
		Authority string    `json:"authority,omitzero"`
		Sight     string    `json:"sight,omitzero"`
		Until     time.Time `json:"until,omitzero"`
	} `json:"visibility,omitzero"`
	When struct {
		Decided time.Time `json:"decided,omitzero"`
		Site    string    `json:"site,omitzero"`
	} `json:"when,omitzero"`
}

type formData struct {
	Attributes []string `json:"attributes,omitempty"`
	Catalogue  string   `json:"catalogue,omitzero"`
	Form       string   `json:"form,omitzero"`
	Query      string   `json:"query,omitzero"`
	Registry   string   `json:"registry,omitzero"`
}

type formDetail struct {
	Action  string   `json:"action,omitzero"`
	Count   int64    `json:"count,omitzero"`
	Methods []string `json:"methods,omitempty"`
	Object  string   `json:"object,omitzero"`
	Text    string   `json:"text,omitzero"`
}

func (e Event) form() form {
	var f form
	f.ID, f.Type, f.V = e.ID, string(e.Type), commitment.Version
	f.Asked.Client, f.Asked.Name, f.Asked.Owner, f.Asked.Tier = string(e.Asked.Client), e.Asked.Name, e.Asked.Owner, e.Asked.Tier
	f.Trace.Grant, f.Trace.RequestID, f.Trace.Latency = string(e.Asked.Grant), e.Asked.RequestID, e.When.Latency
	f.Person.Actor, f.Person.Kind, f.Person.Mandate = e.Person.Actor, e.Person.Kind, e.Person.Mandate
	f.Person.Pseudonym, f.Person.Relation = e.Person.Pseudonym, e.Person.Relation
	f.Person.Role, f.Person.Sequence = e.Person.Role, e.Person.Sequence
	f.Reason.Basis, f.Reason.CaseReference = string(e.Reason.Basis), e.Reason.CaseReference
	f.Reason.Citation, f.Reason.Purpose = e.Reason.Citation, string(e.Reason.Purpose)
	f.Consent.Channel, f.Consent.Consent, f.Consent.Locale = e.Reason.Channel, string(e.Reason.Consent), e.Reason.Locale
	f.Consent.NoConsent, f.Consent.Text, f.Consent.Version = e.Reason.NoConsent, e.Reason.ConsentText, int64(e.Reason.ConsentVersion)
	f.Data.Attributes = make([]string, 0, len(e.Data.Attributes)) // absent when empty
	for _, a := range e.Data.Attributes {
		f.Data.Attributes = append(f.Data.Attributes, string(a))
	}
	f.Data.Catalogue, f.Data.Form, f.Data.Query, f.Data.Registry = e.Data.Catalogue, e.Data.Form, e.Data.Query, string(e.Data.Registry)
	f.Payload.Digest, f.Payload.Records = e.Data.Digest, e.Data.Records
	f.Decision.Code, f.Decision.Determining, f.Decision.Partial = e.Decision.Code, e.Decision.Determining, e.Decision.Partial
	f.Decision.Permit, f.Decision.PolicyHash = e.Decision.Permit, e.Decision.PolicyHash
	f.Levels.Account, f.Levels.ACR = int64(e.Decision.Account), e.Decision.ACR
	f.When.Decided, f.When.Site = e.When.Decided, e.When.Site
	f.Visibility.Authority, f.Visibility.Sight, f.Visibility.Until = e.Visibility.Authority, string(e.Visibility.Sight), e.Visibility.Until
	f.Emergency.Drill, f.Emergency.Reason, f.Emergency.Text = e.Emergency.Drill, e.Emergency.Reason, e.Emergency.Text
	f.Detail = formDetail{e.Detail.Action, e.Detail.Count, e.Detail.Methods, e.Detail.Object, e.Detail.Text}
	return f
}

func (f form) event() Event {
	e := Event{
		ID: f.ID, Type: Type(f.Type),
		Asked: Asked{
			Client: authz.ClientID(f.Asked.Client), Name: f.Asked.Name, Owner: f.Asked.Owner, Tier: f.Asked.Tier,
			Grant: authz.GrantID(f.Trace.Grant), RequestID: f.Trace.RequestID,
		},
		Person: Person{
			Pseudonym: f.Person.Pseudonym, Kind: f.Person.Kind, Relation: f.Person.Relation, Sequence: f.Person.Sequence,
			Actor: f.Person.Actor, Role: f.Person.Role, Mandate: f.Person.Mandate,
		},
		Reason: Reason{
			Purpose: authz.PurposeID(f.Reason.Purpose), Basis: authz.Basis(f.Reason.Basis),
			Citation: f.Reason.Citation, CaseReference: f.Reason.CaseReference,
			Consent: authz.ConsentID(f.Consent.Consent), ConsentVersion: int(f.Consent.Version), ConsentText: f.Consent.Text,
			Channel: f.Consent.Channel, Locale: f.Consent.Locale, NoConsent: f.Consent.NoConsent,
		},
		Data: Data{
			Registry: authz.RegistryID(f.Data.Registry), Catalogue: f.Data.Catalogue, Form: f.Data.Form, Query: f.Data.Query,
			Records: f.Payload.Records, Digest: f.Payload.Digest,
		},
		Decision: Decision{
			Permit: f.Decision.Permit, Partial: f.Decision.Partial, Code: f.Decision.Code,
			Determining: f.Decision.Determining, PolicyHash: f.Decision.PolicyHash,
			ACR: f.Levels.ACR, Account: int(f.Levels.Account),
		},
		When:       When{Decided: f.When.Decided, Site: f.When.Site, Latency: f.Trace.Latency},
		Visibility: Visibility{Sight: Sight(f.Visibility.Sight), Until: f.Visibility.Until, Authority: f.Visibility.Authority},
		Emergency:  Emergency{Reason: f.Emergency.Reason, Text: f.Emergency.Text, Drill: f.Emergency.Drill},
		Detail: Detail{
			Action: f.Detail.Action, Object: f.Detail.Object, Text: f.Detail.Text, Count: f.Detail.Count, Methods: f.Detail.Methods,
		},
	}
	for _, a := range f.Data.Attributes {
		e.Data.Attributes = append(e.Data.Attributes, authz.AttributeID(a))
	}
	return e
}

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
		&e.Asked.Name, &e.Asked.Owner, &e.Asked.Tier, &e.Asked.RequestID, &e.Person.Kind, &e.Person.Relation, &e.Person.Role,
		&e.Person.Mandate, &e.Reason.Citation, &e.Reason.CaseReference, &e.Reason.NoConsent, &e.Reason.Channel, &e.Reason.Locale,
		&e.Data.Query, &e.Data.Catalogue, &e.Data.Form, &e.Decision.Code, &e.When.Site, &e.Visibility.Authority,
		&e.Emergency.Reason, &e.Emergency.Text, &e.Detail.Action, &e.Detail.Object, &e.Detail.Text,
	} {
		*text = norm.NFC.String(*text)
	}
	if commitment.CheckText(e.Asked.RequestID) != nil {
		e.Asked.RequestID = ""
	}
	// An app that was registered when less was asked of its texts is written down too.
	e.Asked.Client = authz.ClientID(Bounded(string(e.Asked.Client)))
	e.Asked.Name, e.Asked.Owner = Bounded(e.Asked.Name), Bounded(e.Asked.Owner)
	return e
}

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
	canonical, _, err := e.encode()
	return canonical, err
}

// encode gives the canonical bytes, and the groups as parts of them.
func (e Event) encode() (canonical []byte, groups map[commitment.Group][]byte, err error) {
	e = e.Normalized()
	if err := e.Check(); err != nil {
		return nil, nil, err
	}
	f := e.form()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // RFC 8785 §3.2.2.2: only what must be escaped is
	type cut struct{ from, to int }
	cuts := make(map[commitment.Group]cut, len(commitment.Groups()))
	for _, member := range []struct {
		name  string
		value any
	}{ // in the order of RFC 8785 §3.2.3
		{"asked", f.Asked},
		{"consent", f.Consent},
		{"data", f.Data},
		{"decision", f.Decision},
		{"detail", f.Detail},
		{"emergency", f.Emergency},
		{"id", f.ID},
		{"levels", f.Levels},
		{"payload", f.Payload},
		{"person", f.Person},
		{"reason", f.Reason},
		{"trace", f.Trace},
		{"type", f.Type},
		{"v", f.V},
		{"visibility", f.Visibility},
		{"when", f.When},
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
	var f form
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Event{}, fmt.Errorf("reading an event: %w: %w", ErrNotCanonical, err)
	}
	e := f.event()
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
	if e.Reason.Consent != "" && e.Reason.NoConsent != "" {
		return errors.New("it names a consent and also why none was needed")
	}
	switch e.Visibility.Sight {
	case "", Visible, Delayed, Hidden:
	default:
		return fmt.Errorf("its sight %q is not known", e.Visibility.Sight)
	}
	for _, n := range []int64{
		e.Person.Sequence, int64(e.Reason.ConsentVersion), e.Data.Records, int64(e.Decision.Account), e.When.Latency, e.Detail.Count,
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
	case e.Reason.NoConsent == "" && (e.Reason.Consent == "" || e.Reason.ConsentVersion == 0):
		return errors.New("a permitted release names neither a consent with its version nor why none was needed")
	}
	return nil
}

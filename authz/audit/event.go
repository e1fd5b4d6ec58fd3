// Package audit is the vocabulary of evidence: the events that are recorded, the
// one form of their bytes, and the commitment to them that goes into the log.
//
// The life of an event: decided, recorded durably as a row, committed to by a
// leaf of the release log, and only then acted on (decision D8). The leaf is a
// salted commitment: deleting salt and row erases the event and leaves the log
// whole.
package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"golang.org/x/text/unicode/norm"

	"hopnhat/authz"
)

// Type is the kind of an event.
type Type string

// The kinds.
const (
	ReleasePermitted  Type = "release.permitted"
	ReleaseRefused    Type = "release.refused"
	ConsentApproved   Type = "consent.approved"
	ConsentDeclined   Type = "consent.declined"
	ConsentWithdrawn  Type = "consent.withdrawn"
	ConsentSuperseded Type = "consent.superseded"
	AuditorQuery      Type = "auditor.query"
)

// Types lists all kinds, for the auditor's form.
func Types() []Type {
	return []Type{ReleasePermitted, ReleaseRefused, ConsentApproved, ConsentDeclined, ConsentWithdrawn, ConsentSuperseded, AuditorQuery}
}

// Event is one piece of evidence. Its parts are groups that can be shown one
// without the others. It never holds a personal number: a person stands in it by
// the pseudonym of sector "audit".
type Event struct {
	ID       string   `json:"id"` // UUIDv7
	Type     Type     `json:"type"`
	Asked    Asked    `json:"asked"`
	Person   Person   `json:"person"`
	Reason   Reason   `json:"reason"`
	Data     Data     `json:"data"`
	Decision Decision `json:"decision"`
	When     When     `json:"when"`
}

// Asked is who asked.
type Asked struct {
	Client    authz.ClientID `json:"client"`
	Name      string         `json:"name"`
	Owner     string         `json:"owner"`
	Grant     authz.GrantID  `json:"grant,omitempty"`
	RequestID string         `json:"request_id,omitempty"`
}

// Person is about whom.
type Person struct {
	Pseudonym string `json:"pseudonym"`
	Relation  string `json:"relation"`
	Actor     string `json:"actor,omitempty"` // pseudonym of who acted, when another
}

// Reason is why: purpose, basis, and the consent if it is one.
type Reason struct {
	Purpose        authz.PurposeID `json:"purpose"`
	Basis          authz.Basis     `json:"basis"`
	Citation       string          `json:"citation"`
	CaseReference  string          `json:"case_reference,omitempty"`
	Consent        authz.ConsentID `json:"consent,omitempty"`
	ConsentVersion int             `json:"consent_version,omitempty"`
	NoConsent      string          `json:"no_consent,omitempty"`
}

// Data is what: never the values, only which attributes, how many records, and a
// salted digest of what was sent.
type Data struct {
	Registry   authz.RegistryID    `json:"registry"`
	Attributes []authz.AttributeID `json:"attributes"`
	Query      string              `json:"query,omitempty"` // of an auditor
}

// Decision is the outcome and what determined it.
type Decision struct {
	Permit      bool     `json:"permit"`
	Code        string   `json:"code"`
	Determining []string `json:"determining"`
	PolicyHash  string   `json:"policy_hash,omitempty"`
	ACR         string   `json:"acr,omitempty"`
	Account     int      `json:"account_level,omitempty"`
}

// When is the time of the decision, UTC, to the microsecond.
type When struct {
	Decided time.Time `json:"decided"`
	Site    string    `json:"site"`
}

// groups are the parts in the order in which they are committed to.
func (e *Event) groups() []group {
	return []group{
		{"asked", e.Asked}, {"person", e.Person}, {"reason", e.Reason},
		{"data", e.Data}, {"decision", e.Decision}, {"when", e.When},
	}
}

type group struct {
	name  string
	value any
}

// Canonical is the one form of an event: JSON with members in the order of the
// struct, no white space, strings in Unicode NFC.
func (e Event) Canonical() ([]byte, error) {
	e.When.Decided = e.When.Decided.UTC().Truncate(time.Microsecond)
	return canonical(e)
}

func canonical(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("encoding an event: %w", err)
	}
	return norm.NFC.Bytes(bytes.TrimRight(b.Bytes(), "\n")), nil
}

// ErrNotCanonical means that bytes are not the one form of an event.
var ErrNotCanonical = errors.New("not the canonical form of an event")

// Parse reads a canonical event and refuses any other form of it.
func Parse(raw []byte) (Event, error) {
	var e Event
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Event{}, fmt.Errorf("%w: %w", ErrNotCanonical, err)
	}
	again, err := e.Canonical()
	if err != nil {
		return Event{}, err
	}
	if !bytes.Equal(again, raw) {
		return Event{}, ErrNotCanonical
	}
	return e, nil
}

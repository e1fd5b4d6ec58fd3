package audit

import (
	"fmt"
	"io"
	"time"

	"hopnhat/authz"
)

// Event is one piece of evidence. It never holds a personal number: a person
// stands in it by the pseudonym of sector "audit". A zero field is absent.
//
// Its members are the groups that are committed to each by itself, so that an auditor
// can be shown, say, the purpose without the consent: see [Event.Disclose]. They stand
// in the order of their JSON names (RFC 8785 §3.2.3), here and within each group.
type Event struct {
	Asked     Asked     `json:"asked"`
	Consent   Consent   `json:"consent"`
	Data      Data      `json:"data"`
	Decision  Decision  `json:"decision"`
	Detail    Detail    `json:"detail"`
	Emergency Emergency `json:"emergency"`
	// ID is a UUIDv7. It is inside the committed bytes, so that a leaf that was
	// appended twice is seen to be the same event.
	ID         string     `json:"id"`
	Levels     Levels     `json:"levels"`
	Payload    Payload    `json:"payload"`
	Person     Person     `json:"person"`
	Reason     Reason     `json:"reason"`
	Trace      Trace      `json:"trace"`
	Type       Type       `json:"type"`
	Visibility Visibility `json:"visibility"`
	When       When       `json:"when"`
}

// Asked is the app that asked.
type Asked struct {
	Client authz.ClientID `json:"client,omitzero"`
	// Name is the client's name as the person was shown it.
	Name string `json:"name,omitzero"`
	// Owner is the agency that operates the client.
	Owner string `json:"owner,omitzero"`
	// Tier is the client's place in the federation: ministry, province, licensed.
	Tier string `json:"tier,omitzero"`
}

// Consent is the consent that a decision rests on, or why none was needed.
type Consent struct {
	// Channel and Locale are how the person read what she agreed to.
	Channel string          `json:"channel,omitzero"`
	ID      authz.ConsentID `json:"consent,omitzero"`
	Locale  string          `json:"locale,omitzero"`
	// NoConsent is why none was needed; it is empty when ID is set.
	NoConsent string `json:"no_consent,omitzero"`
	// Text is the SHA-256 of the text the person read, hex.
	Text    string `json:"text_sha256,omitzero"`
	Version int    `json:"version,omitzero"`
}

// Data names the data: never the values, only which attributes of which register.
type Data struct {
	Attributes []authz.AttributeID `json:"attributes,omitempty"`
	// Catalogue is the version of the attribute catalogue.
	Catalogue string `json:"catalogue,omitzero"`
	// Form is value, or predicate where only a yes or no left.
	Form string `json:"form,omitzero"`
	// Query is the text of an auditor's query, see package querytext.
	Query    string           `json:"query,omitzero"`
	Registry authz.RegistryID `json:"registry,omitzero"`
}

// Decision is the outcome and what determined it.
type Decision struct {
	// Code is the stable code of the outcome.
	Code string `json:"code,omitzero"`
	// Determining are the identifiers of the determining policies.
	Determining []string `json:"determining,omitempty"`
	// Partial is true where a part of what was asked was refused.
	Partial bool `json:"partial,omitzero"`
	// Permit is always in the bytes: a refusal says so.
	Permit bool `json:"permit"`
	// PolicyHash is the hash of the policy set in force.
	PolicyHash string `json:"policy_hash,omitzero"`
}

// Detail tells of events that are not releases: the action of an administrator
// and its object, the size of an auditor's result.
type Detail struct {
	Action string `json:"action,omitzero"`
	Count  int64  `json:"count,omitzero"`
	// Methods are how a person signed in (RFC 8176).
	Methods []string `json:"methods,omitempty"`
	Object  string   `json:"object,omitzero"`
	Text    string   `json:"text,omitzero"`
}

// Emergency is set when someone broke the glass.
type Emergency struct {
	Drill  bool   `json:"drill,omitzero"`
	Reason string `json:"reason,omitzero"`
	Text   string `json:"text,omitzero"`
}

// Levels are the two levels of Decree 69/2024/NĐ-CP: Account says how well the person
// was proofed, ACR how the session was authenticated.
type Levels struct {
	Account int    `json:"account,omitzero"`
	ACR     string `json:"acr,omitzero"`
}

// Payload is what left: a salted digest of it ([commitment.Salt.PayloadDigest]) and how many
// records it was. In a tombstone the digest is the hash of the erased event's leaf, see
// package erasure.
type Payload struct {
	Digest  string `json:"digest,omitzero"`
	Records int64  `json:"records,omitzero"`
}

// Person is the person the event is about, and the one who acted.
type Person struct {
	// Actor is the pseudonym of the person who acted, when another; Role and Mandate
	// say in what capacity. Relation says whose record it is.
	Actor     string              `json:"actor,omitzero"`
	Kind      authz.Kind          `json:"kind,omitzero"`
	Mandate   authz.MandateID     `json:"mandate,omitzero"`
	Pseudonym string              `json:"pseudonym,omitzero"`
	Relation  authz.RecordSubject `json:"relation,omitzero"`
	Role      authz.Role          `json:"role,omitzero"`
	// Sequence is the person's own running number, from 1, of events that are [Numbered]: a
	// gap shows a missing one.
	Sequence int64 `json:"sequence,omitzero"`
}

// Reason is the purpose and the legal basis.
type Reason struct {
	Basis         authz.Basis     `json:"basis,omitzero"`
	CaseReference string          `json:"case_reference,omitzero"`
	Citation      string          `json:"citation,omitzero"`
	Purpose       authz.PurposeID `json:"purpose,omitzero"`
}

// Trace leads to the request: its grant, its id, and the time from it to the decision.
type Trace struct {
	Grant authz.GrantID `json:"grant,omitzero"`
	// Latency is in microseconds.
	Latency   int64  `json:"latency_us,omitzero"`
	RequestID string `json:"request_id,omitzero"`
}

// Visibility is when the person sees the event, and on whose authority not.
type Visibility struct {
	Authority string    `json:"authority,omitzero"`
	Sight     Sight     `json:"sight,omitzero"`
	Until     time.Time `json:"until,omitzero"`
}

// When is the time of the decision, UTC, to the microsecond, and the site.
type When struct {
	Decided time.Time `json:"decided,omitzero"`
	Site    string    `json:"site,omitzero"`
}

// SeenFrom is from when on the person sees an event of a time in her own history; ok is
// false for never. A delay without an end has not ended.
func (v Visibility) SeenFrom(decided time.Time) (from time.Time, ok bool) {
	switch v.Sight {
	case "", Visible:
		return decided, true
	case Delayed:
		return v.Until, !v.Until.IsZero()
	}
	return time.Time{}, false
}

// String names the event without telling whose it is.
func (e Event) String() string { return fmt.Sprintf("event %s (%s)", e.ID, e.Type) }

// Format makes every verb of fmt print String: evidence does not slip into logs.
func (e Event) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

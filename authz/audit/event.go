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
// Committed to are finer groups than these structs, so that an auditor can be
// shown, say, the purpose without the consent: see [Event.Disclose].
type Event struct {
	// ID is a UUIDv7. It is inside the committed bytes, so that a leaf that was
	// appended twice is seen to be the same event.
	ID         string
	Type       Type
	Asked      Asked
	Person     Person
	Reason     Reason
	Data       Data
	Decision   Decision
	When       When
	Visibility Visibility
	Emergency  Emergency
	Detail     Detail
}

// Asked is who asked.
type Asked struct {
	Client authz.ClientID
	// Name is the client's name as the person was shown it.
	Name string
	// Owner is the agency that operates the client.
	Owner string
	// Tier is the client's place in the federation: ministry, province, licensed.
	Tier      string
	Grant     authz.GrantID
	RequestID string
}

// Person is about whom, and who acted.
type Person struct {
	Pseudonym string
	// Kind is citizen, foreigner, organisation or origin_unconfirmed.
	Kind string
	// Relation is self, represented or case.
	Relation string
	// Sequence is the person's own running number: a gap shows a missing event.
	Sequence int64
	// Actor is the pseudonym of who acted, when another; Role and Mandate say in
	// what capacity.
	Actor   string
	Role    string
	Mandate string
}

// Reason is why: purpose, basis, and the consent if it is one.
type Reason struct {
	Purpose        authz.PurposeID
	Basis          authz.Basis
	Citation       string
	CaseReference  string
	Consent        authz.ConsentID
	ConsentVersion int
	// ConsentText is the SHA-256 of the text the person read, hex; Channel and
	// Locale how she read it.
	ConsentText string
	Channel     string
	Locale      string
	// NoConsent is why none was needed; it is empty when Consent is set.
	NoConsent string
}

// Data is what: never the values, only which attributes, how many records, and a
// salted digest of what was sent.
type Data struct {
	Registry   authz.RegistryID
	Attributes []authz.AttributeID
	// Catalogue is the version of the attribute catalogue.
	Catalogue string
	// Form is value, or predicate where only a yes or no left.
	Form string
	// Query is the text of an auditor's query, see [Query.Text].
	Query   string
	Records int64
	// Digest is [Salt.PayloadDigest] of what left.
	Digest string
}

// Decision is the outcome and what determined it.
type Decision struct {
	Permit bool
	// Partial says that a part of what was asked was refused.
	Partial bool
	// Code is the stable code of the outcome.
	Code string
	// Determining are the identifiers of the determining policies.
	Determining []string
	// PolicyHash is the hash of the policy set in force.
	PolicyHash string
	// ACR and Account are the two levels of Decree 69/2024/NĐ-CP: how the session
	// was authenticated, how well the person was proofed.
	ACR     string
	Account int
}

// When is the time of the decision, UTC, to the microsecond, and the site.
type When struct {
	Decided time.Time
	Site    string
	// Latency is the time from the request to the decision, in microseconds.
	Latency int64
}

// Visibility is when the person sees the event, and on whose authority not.
type Visibility struct {
	Sight     Sight
	Until     time.Time
	Authority string
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

// Emergency is set when someone broke the glass.
type Emergency struct {
	Reason string
	Text   string
	Drill  bool
}

// Detail tells of events that are not releases: the action of an administrator
// and its object, the size of an auditor's result.
type Detail struct {
	Action string
	Object string
	Text   string
	Count  int64
	// Methods are how a person signed in, RFC 8176.
	Methods []string
}

// String names the event without telling whose it is.
func (e Event) String() string { return fmt.Sprintf("event %s (%s)", e.ID, e.Type) }

// Format makes every verb of fmt print String: evidence does not slip into logs.
func (e Event) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.String()) }

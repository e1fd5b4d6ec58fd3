package decoupled

import (
	"time"

	"hopnhat/authz"
)

// State is where a request is in its life.
type State string

// The states. Expired is never stored: it is what time makes of the first three.
const (
	Requested State = "requested"
	Shown     State = "shown"
	Confirmed State = "confirmed"
	Approved  State = "approved"
	Denied    State = "denied"
	Expired   State = "expired"
)

// Event is what can happen to a request.
type Event string

// The events. Picking a wrong symbol is a denial: of three choices a second try is
// worth nothing.
const (
	Show    Event = "show"
	Match   Event = "match"
	Approve Event = "approve"
	Deny    Event = "deny"
)

// Leads gives the states from which an event leads, and the state it leads to. Nothing is
// approved that was not confirmed, nothing is confirmed that was not shown, and nothing
// leaves approved, denied or expired.
func Leads(e Event) (from []State, to State) {
	switch e {
	case Show:
		return []State{Requested}, Shown
	case Match:
		return []State{Shown}, Confirmed
	case Approve:
		return []State{Confirmed}, Approved
	case Deny:
		return []State{Requested, Shown, Confirmed}, Denied
	}
	return nil, ""
}

// Open reports whether the request can still be answered.
func (s State) Open() bool { return s == Requested || s == Shown || s == Confirmed }

// Channel is the door through which a request came.
type Channel string

// The doors.
const (
	Device Channel = "device" // RFC 8628
	CIBA   Channel = "ciba"   // CIBA Core 1.0
)

// Request is a request for an approval. What it asks for is in the pending
// authorization of the same id.
type Request struct {
	ID      authz.AuthorizationID
	Channel Channel
	Client  authz.ClientID
	// Subject is the person who may answer. In CIBA it is the one that the app named, and
	// is empty where the request must reach nobody; with a device it is the one who
	// confirmed the request, and is empty until then.
	Subject authz.Subject
	// UserCode is the digest of a device's user code.
	UserCode []byte
	// Symbol is what the asking device shows and the person must pick.
	Symbol string
	// Message is the app's binding_message, CIBA Core §7.1.
	Message string
	State   State
	// Because says why it was denied.
	Because Reason
	Created time.Time
	Expires time.Time
	// Notification is the sealed client_notification_token of ping mode.
	Notification []byte
}

// StateAt is the state with the time taken into account.
func (r *Request) StateAt(now time.Time) State {
	if r.State.Open() && !now.Before(r.Expires) {
		return Expired
	}
	return r.State
}

// Reason is why a request was denied.
type Reason string

// The reasons. NotMe is the person's own word that she did not ask for this,
// Unreachable that her account cannot reach the level the app needs.
const (
	Declined    Reason = "declined"
	NotMe       Reason = "not_me"
	WrongSymbol Reason = "wrong_symbol"
	Unreachable Reason = "unreachable"
)

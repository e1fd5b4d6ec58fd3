package authn

import (
	"cmp"
	"encoding/json"
	"time"

	"hopnhat/authz"
)

// ticketLife is the time between one factor and the next.
const ticketLife = 5 * time.Minute

// ticket is what the browser carries, sealed, from one factor of a sign-in to the next.
type ticket struct {
	Subject authz.Subject `json:"s"`
	At      int64         `json:"t"`
	Binding string        `json:"b"`
	// Account tells the number apart; Device is the id of the browser's entry, if it
	// was a known one.
	Account []byte `json:"n"`
	Device  []byte `json:"d,omitempty"`
	// Passed are the factors answered rightly so far, and Next is the kind asked for
	// now. A node of the release before leaves both out: the password was passed and a
	// one-time code comes next.
	Passed []FactorID `json:"f,omitempty"`
	Next   FactorKind `json:"k,omitempty"`
}

// next is the kind of factor that the ticket is for.
func (t ticket) next() FactorKind { return cmp.Or(t.Next, TOTPFactor) }

// Begun is when the step was done whose ticket this is. The error is ErrTicket when the
// ticket is too old, or of another browser.
func (a *Authenticator) Begun(sealedTicket, binding string) (time.Time, error) {
	t, err := a.good(sealedTicket, binding)
	return time.Unix(t.At, 0), err
}

// Holder is whose sign-in a ticket goes on. The error is ErrTicket as of [Authenticator.Begun].
func (a *Authenticator) Holder(sealedTicket, binding string) (authz.Subject, error) {
	t, err := a.good(sealedTicket, binding)
	return t.Subject, err
}

// good opens a ticket that can still be used.
func (a *Authenticator) good(sealed, binding string) (ticket, error) {
	t, err := a.open(sealed)
	if err != nil || t.Binding != binding || a.now().Sub(time.Unix(t.At, 0)) > ticketLife {
		return ticket{}, ErrTicket
	}
	return t, nil
}

func (a *Authenticator) seal(t ticket) (string, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	return a.tickets.Seal(plain, ""), nil
}

// maxTicket is longer than any sealed ticket.
const maxTicket = 1400

func (a *Authenticator) open(sealed string) (ticket, error) {
	if len(sealed) > maxTicket {
		return ticket{}, ErrTicket
	}
	plain, ok := a.tickets.Open(sealed, "")
	if !ok {
		return ticket{}, ErrTicket
	}
	var t ticket
	return t, json.Unmarshal(plain, &t)
}

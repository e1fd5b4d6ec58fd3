package grant

import (
	"time"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

// Pending is an authorization request that waits: pushed by the app (RFC 9126), or for
// the person to sign in or to consent. The browser carries its [Handle] only.
type Pending struct {
	ID      authz.AuthorizationID
	Pushed  bool
	Request request.Authorization
	Created time.Time
	Expires time.Time
	// Finished is set when the request was answered; zero until then. Refused is what
	// the app was answered if that was a refusal, as a query.
	Finished time.Time
	Refused  string
}

// Usable reports whether the request can still be answered.
func (p *Pending) Usable(now time.Time) bool { return p.Finished.IsZero() && now.Before(p.Expires) }

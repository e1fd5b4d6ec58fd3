package registration

import (
	"crypto/subtle"
	"fmt"
	"time"

	"hopnhat/authz"
)

// ErrMeanwhile means that an app was changed or disabled since it was read.
var ErrMeanwhile = fmt.Errorf("the app was changed or disabled meanwhile: %w", authz.ErrConflict)

// Registration is what is kept of an app that registered itself, beside the
// client: who let it, and the token it manages itself with (RFC 7592).
type Registration struct {
	Client authz.ClientID
	// Initial is the initial access token it was registered with; empty if
	// registration was open then.
	Initial string
	// Token is the digest of the registration access token. Previous is that of the
	// one before, good until the new one is used: its answer may have got lost.
	Token, Previous []byte
	// Statement is the software statement it came with, as it was (RFC 7591 §3.2.1).
	Statement string
	Created   time.Time
	Updated   time.Time
	// Revision is which state of the app was read with it, so that an update does not
	// undo what an operator changed since.
	Revision int64
	// Policy is that of Initial as it is now, and Revoked when it was revoked.
	Policy  Policy
	Revoked time.Time
}

// Fits reports whether a registration access token is that of the registration, and
// whether it is the new one.
func (r Registration) Fits(token string) (fits, newest bool) {
	digest := authz.HashSecret(token)
	newest = subtle.ConstantTimeCompare(digest, r.Token) == 1
	before := len(r.Previous) > 0 && subtle.ConstantTimeCompare(digest, r.Previous) == 1
	return newest || before, newest
}

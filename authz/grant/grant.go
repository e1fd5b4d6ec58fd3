package grant

import (
	"crypto/rand"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/request"
)

// Grant is one approval given to one client. Its row carries the code, the
// refresh state and the revocation.
type Grant struct {
	ID authz.GrantID
	// Continues is the first grant in the line that this one merges with or replaces
	// (Grant Management §5.2); empty for a first one. See PublicID.
	Continues authz.GrantID
	ClientID  authz.ClientID
	authz.Principal
	Session authz.SessionID
	Profile authz.ProfileName
	Scope   []string
	// Details are the releases granted, each with its consent reference.
	Details  []authz.Release
	Request  request.Authorization
	Level    authz.AuthenticationLevel
	Methods  []string
	AuthTime time.Time
	// Bound is what the tokens were bound to at code redemption.
	Bound   authz.Confirmation
	Created time.Time
	Expires time.Time
	// Revoked is set when the grant was ended before its time.
	Revoked        time.Time
	RevokedBecause string

	CodeHash    []byte
	CodeExpires time.Time
	CodeSpent   time.Time

	// RefreshSalt and RefreshGeneration make the refresh token (see refresh.go):
	// nothing that can be presented is stored.
	RefreshSalt       []byte
	RefreshGeneration int
	RefreshRotated    time.Time
}

// PublicID is the grant_id that the app knows, which stays when a grant goes on in
// another (Grant Management §5.2).
func (g *Grant) PublicID() authz.GrantID {
	if g.Continues != "" {
		return g.Continues
	}
	return g.ID
}

// Live reports whether tokens of the grant are good at a time. With a response type
// that returns a token to the browser, they are good before the code is redeemed.
func (g *Grant) Live(now time.Time) bool {
	return g.Revoked.IsZero() && (!g.CodeSpent.IsZero() || g.Request.HasToken()) && now.Before(g.Expires)
}

// NewSalt makes a grant's part of its refresh tokens' MAC.
func NewSalt() []byte {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		panic("grant: no randomness: " + err.Error())
	}
	return salt
}

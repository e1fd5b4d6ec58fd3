package provider

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

// Pending is an authorization request that waits: pushed by the app (RFC 9126),
// or for the person to sign in or to consent. The browser carries only its ID.
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

// Grant is one approval given to one client. Its row carries the code, the
// refresh state and the revocation.
type Grant struct {
	ID authz.GrantID
	// Continues is the first grant in the line that this one merges with or replaces
	// (Grant Management §5.2); empty for a first one. See PublicID.
	Continues authz.GrantID
	ClientID  authz.ClientID
	Subject   authz.Subject
	Session   authz.SessionID
	Profile   authz.ProfileName
	Scope     []string
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

// newGrant is the grant of an approval, without its code.
func (p *Provider) newGrant(pending Pending, client *clientauth.Registered, s SignedIn, granted []authz.Release, now time.Time) Grant {
	grant := Grant{
		ID: authz.GrantID(authz.NewID()), ClientID: client.ID, Subject: s.Subject, Session: s.ID, Profile: client.Profile.Name,
		Scope: pending.Request.Scope, Details: granted, Request: pending.Request,
		Level: s.Level, Methods: s.Methods, AuthTime: s.AuthTime,
		Created: now, Expires: now.Add(p.life.Grant),
		CodeExpires: now.Add(client.Profile.CodeLife), RefreshSalt: newSalt(),
	}
	// Of the request the grant keeps only what its tokens need.
	grant.Request.Details, grant.Request.IDTokenHint = nil, ""
	return grant
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

// Grants keeps pending authorizations and grants. Every method returns
// authz.ErrNotFound for what is not there and authz.ErrUnavailable when it
// could not be looked for; a nil error of a writing method survives a crash.
type Grants interface {
	// InsertPending stores a request that waits.
	InsertPending(ctx context.Context, p Pending) error
	// Pending reads a request, finished and expired ones included.
	Pending(ctx context.Context, id authz.AuthorizationID) (Pending, error)
	// FinishPending marks a request answered, and notes the refusal if it was one. Of
	// any number of calls for one id exactly one returns nil, the others
	// authz.ErrConflict.
	FinishPending(ctx context.Context, id authz.AuthorizationID, at time.Time, refused string) error

	// InsertGrant stores a grant with its code. Of the implicit flow CodeSpent is set,
	// and the code is none or was never handed out.
	InsertGrant(ctx context.Context, g Grant) error
	// GrantByCode finds the grant of a code, whatever its state.
	GrantByCode(ctx context.Context, codeHash []byte) (Grant, error)
	// Grant finds a grant, whatever its state.
	Grant(ctx context.Context, id authz.GrantID) (Grant, error)
	// RedeemCode spends the code and records what it was redeemed with. Of
	// any number of calls for one grant exactly one returns nil, the others
	// authz.ErrConflict (RFC 6749 §4.1.2).
	RedeemCode(ctx context.Context, id authz.GrantID, bound authz.Confirmation, at time.Time) error
	// Rotate moves the refresh generation on by one; authz.ErrConflict when it
	// was not at generation, or the grant is revoked or expired.
	Rotate(ctx context.Context, id authz.GrantID, generation int, at time.Time) error
	// GrantByPublicID finds the grant that now has a public id, redeemed and not
	// revoked; it may have expired.
	GrantByPublicID(ctx context.Context, id authz.GrantID) (Grant, error)
	// Supersede ends the grants before one that continues them, when its code is
	// redeemed; authz.ErrConflict when none of them was live any more, so that what
	// ended does not come back.
	Supersede(ctx context.Context, g Grant, at time.Time) error
	// Revoke ends a grant and spends its code; ending an ended one is nil.
	Revoke(ctx context.Context, id authz.GrantID, because string, at time.Time) error

	// Spender remembers what is accepted once.
	clientauth.Spender
	// RevokeToken remembers that a token without a grant is revoked until it
	// would have expired; TokenRevoked asks.
	RevokeToken(ctx context.Context, digest []byte, expires time.Time) error
	TokenRevoked(ctx context.Context, digest []byte) (bool, error)

	// Tx runs fn in one transaction that the other methods join.
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

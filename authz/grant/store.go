package grant

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

// Every method of these interfaces returns authz.ErrNotFound for what is not there and
// authz.ErrUnavailable when it could not be looked for; a nil error of a writing method
// survives a crash.

// Requests keeps authorization requests that wait.
type Requests interface {
	// InsertPending stores a request that waits, and spends what came with it in the
	// same commit, or neither: the errors of [clientauth.Spender].
	InsertPending(ctx context.Context, p Pending, once clientauth.Assertion) error
	// Pending reads a request, finished and expired ones included.
	Pending(ctx context.Context, id authz.AuthorizationID) (Pending, error)
	// FinishPending marks a request answered, and notes the refusal if it was one. Of
	// any number of calls for one id exactly one returns nil, the others
	// authz.ErrConflict.
	FinishPending(ctx context.Context, id authz.AuthorizationID, at time.Time, refused string) error
}

// Grants keeps grants with their codes and refresh generations.
type Grants interface {
	// InsertGrant stores a grant with its code. Of the implicit flow CodeSpent is set,
	// and the code is none or was never handed out. In the same commit it finishes the
	// request that the grant answers, at the time the grant is made; answers is empty for a
	// request that was not stored. authz.ErrConflict, and neither, where the request is
	// finished, the session has ended or the account is locked.
	InsertGrant(ctx context.Context, g Grant, answers authz.AuthorizationID) error
	// GrantByCode finds the grant of a code, whatever its state.
	GrantByCode(ctx context.Context, codeHash []byte) (Grant, error)
	// Grant finds a grant, whatever its state.
	Grant(ctx context.Context, id authz.GrantID) (Grant, error)
	// GrantByPublicID finds the grant that now has a public id, redeemed and not
	// revoked; it may have expired.
	GrantByPublicID(ctx context.Context, id authz.GrantID) (Grant, error)
	// RedeemCode spends the code and records what it was redeemed with. Of any number of
	// calls for one grant exactly one returns nil, the others authz.ErrConflict (RFC
	// 6749 §4.1.2). What came with it is spent in the same commit, also where the code was
	// spent before; where that was spent before, nothing happens, and the errors are those
	// of [clientauth.Spender].
	RedeemCode(ctx context.Context, id authz.GrantID, bound authz.Confirmation, at time.Time, once clientauth.Assertion) error
	// Rotate moves the refresh generation on by one; authz.ErrConflict when it was not
	// at generation, or the grant is revoked or expired. What came with it is spent as
	// RedeemCode spends it.
	Rotate(ctx context.Context, id authz.GrantID, generation int, at time.Time, once clientauth.Assertion) error
	// Supersede ends the grants before one that continues them, when its code is
	// redeemed; authz.ErrConflict when none of them was live any more, so that what
	// ended does not come back. [Redeem] calls it, in the transaction that redeems the code.
	Supersede(ctx context.Context, g Grant, at time.Time) error
	// Revoke ends a grant and spends its code; ending an ended one is nil.
	Revoke(ctx context.Context, id authz.GrantID, because string, at time.Time) error
}

// Spent remembers what is accepted once, and tokens that were revoked by themselves.
type Spent interface {
	clientauth.Spender
	// RevokeToken remembers that a token without a grant is revoked until it would have
	// expired.
	RevokeToken(ctx context.Context, digest []byte, expires time.Time) error
	// TokenRevoked reports whether RevokeToken was called for a token.
	TokenRevoked(ctx context.Context, digest []byte) (bool, error)
}

// Transactions run several writes as one.
type Transactions interface {
	// Tx runs fn in one transaction, which the methods of the same store join.
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Store is all of it, which one database keeps, so that one transaction spans it.
type Store interface {
	Requests
	Grants
	Spent
	Transactions
}

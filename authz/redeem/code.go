package redeem

import (
	"context"
	"errors"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
)

// code is the authorization code grant.
type code struct{ *Options }

func (c code) redeem(ctx context.Context, q *Request) (*token.Response, error) {
	g, err := c.Store.GrantByCode(ctx, authz.HashSecret(q.Form.Get("code")))
	if errors.Is(err, authz.ErrNotFound) || err == nil && g.Request.Decoupled { // the code of a poll is no authorization code
		return nil, wrongCode("the code is unknown").Because(err)
	}
	if err != nil {
		return nil, authz.AsError(err)
	}
	refreshes, refusal := false, checkCode(q, &g)
	if refusal == nil {
		refreshes, refusal = c.Engine.Code(ctx, q.Client, &g, q.Form, q.Now)
	}
	if refusal != nil {
		return nil, c.end(ctx, q, &g, refusal)
	}
	answer, err := c.Minter.OfGrant(ctx, &g, q.terms(g.Scope, true))
	if err != nil {
		return nil, err
	}
	if refreshes {
		answer.RefreshToken = c.RefreshKey.Token(g.ID, g.RefreshGeneration, g.RefreshSalt)
	}
	// RFC 6749 §4.1.2: the code is used once, and with it what the app authenticated with.
	err = clientauth.Refusal(grant.Redeem(ctx, c.Store, &g, q.Confirmation, q.Now, q.Assertion))
	because := usedAgain // another request was faster
	switch {
	case err == nil:
		return answer, nil
	case errors.Is(err, grant.ErrOver):
		because, refusal = overBefore, authz.NewError(authz.InvalidGrant, "%v; ask the person anew", grant.ErrOver).Because(err)
	case errors.Is(err, authz.ErrConflict) && !authz.IsError(err):
		refusal = authz.NewError(authz.InvalidGrant, codeUsed)
	default:
		return nil, authz.AsError(err)
	}
	if err := c.Store.Revoke(ctx, g.ID, because, q.Now); err != nil {
		return nil, authz.AsError(err)
	}
	return nil, refusal
}

// Why a grant ended with its code.
const (
	// presentedWrongly: its code came with a wrong verifier, redirect URI, key or app.
	presentedWrongly = "the code was presented wrongly"
	usedAgain        = "a used code came again"
	overBefore       = "what it continued had ended"
)

// codeUsed is the answer to a code that is presented a second time.
const codeUsed = "the code was used already; all its tokens are revoked"

// end ends the grant of a code that was presented wrongly (docs/decisions.md F1), or
// again (RFC 6749 §4.1.2, RFC 9700 §2.1.1), and answers why.
func (c code) end(ctx context.Context, q *Request, g *grant.Grant, refusal *authz.Error) error {
	if refusal.Code == authz.ServerError || refusal.Code == authz.TemporarilyUnavailable {
		return refusal // could not look: nothing is spent
	}
	because := presentedWrongly
	if wasUsed(g) {
		because = usedAgain
	}
	if err := c.Store.Revoke(ctx, g.ID, because, q.Now); err != nil {
		return authz.AsError(err)
	}
	return refusal
}

func wasUsed(g *grant.Grant) bool { return !g.CodeSpent.IsZero() || !g.Revoked.IsZero() }

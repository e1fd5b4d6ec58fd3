package redeem

import (
	"context"
	"errors"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
)

// refresh is the refresh token grant, RFC 6749 §6.
type refresh struct{ *Options }

func (r refresh) redeem(ctx context.Context, q *Request) (*token.Response, error) {
	presented, g, err := r.find(ctx, q)
	if err != nil {
		return nil, err
	}
	current := presented.Generation == g.RefreshGeneration
	// The answer got lost, or two callers raced: the same successor again.
	repeated := presented.Generation == g.RefreshGeneration-1 && q.Now.Sub(g.RefreshRotated) <= r.Grace
	if !current && !repeated { // RFC 9700 §4.14.2
		return nil, r.reused(ctx, q, g, authz.NewError(authz.InvalidGrant, "The refresh token was already used."))
	}
	if refusal := r.Engine.Refresh(ctx, q.Client, g, q.Form, q.Now); refusal != nil {
		return nil, refusal
	}
	if err := r.checkHolder(q, g); err != nil {
		return nil, err
	}
	scope, err := narrowed(q.Form.Get("scope"), g.Scope)
	if err != nil {
		return nil, err
	}
	answer, err := r.Minter.OfGrant(ctx, g, q.terms(scope, false))
	if err != nil {
		return nil, err
	}
	next := g.RefreshGeneration
	if current && q.Client.Profile.RotateRefresh {
		next++
		err = clientauth.Refusal(r.Store.Rotate(ctx, g.ID, g.RefreshGeneration, q.Now, q.Assertion))
		if errors.Is(err, authz.ErrConflict) && !authz.IsError(err) {
			err = r.sameSuccessor(ctx, q, g)
		}
	} else {
		err = grant.SpendWith(ctx, r.Store, q.Assertion, nil) // nothing changes
	}
	answer.RefreshToken = r.RefreshKey.Token(g.ID, next, g.RefreshSalt)
	if err != nil {
		return nil, authz.AsError(err)
	}
	return answer, nil
}

// find finds the grant of a refresh token. Only a token that is genuinely ours can be
// "reused" (docs/decisions.md F11): a made-up one is merely unknown and ends nobody's
// grant.
func (r refresh) find(ctx context.Context, q *Request) (grant.RefreshToken, *grant.Grant, error) {
	unknown := authz.NewError(authz.InvalidGrant, "The refresh token is malformed or not valid.")
	presented, ok := grant.ParseRefresh(q.Form.Get("refresh_token"))
	if !ok {
		return presented, nil, unknown
	}
	g, err := r.Store.Grant(ctx, presented.Grant)
	if err != nil {
		return presented, nil, authz.NotFoundAs(err, unknown)
	}
	if g.ClientID != q.Client.ID || !r.RefreshKey.Genuine(presented, g.RefreshSalt) || !g.Live(q.Now) {
		return presented, nil, unknown
	}
	return presented, &g, nil
}

// reused ends the grant of a refresh token that was used before, and answers so.
func (r refresh) reused(ctx context.Context, q *Request, g *grant.Grant, refusal *authz.Error) error {
	if err := r.Store.Revoke(ctx, g.ID, "a used refresh token came again", q.Now); err != nil {
		return authz.AsError(err)
	}
	return refusal
}

// checkHolder holds the refresh token of an app that cannot authenticate to the DPoP key
// that its code was redeemed with (RFC 9449 §5), and spends the proof.
func (r refresh) checkHolder(q *Request, g *grant.Grant) error {
	if q.Client.Method != authz.PublicClient {
		return nil
	}
	if g.Bound.JKT == "" || g.Bound.JKT != q.Confirmation.JKT {
		return authz.NewError(authz.InvalidGrant, "the refresh token is bound to the DPoP key that its code was redeemed with")
	}
	return r.Possession.Use(q.Client, q.Assertion.Proof)
}

// narrowed is RFC 6749 §6: the scope may shrink, never grow.
func narrowed(wanted string, granted []string) ([]string, error) {
	if wanted == "" {
		return granted, nil
	}
	scope := strings.Fields(wanted)
	for _, s := range scope {
		if !slices.Contains(granted, s) {
			return nil, authz.NewError(authz.InvalidScope, "scope goes beyond what was granted").At("scope")
		}
	}
	return scope, nil
}

// sameSuccessor reads the grant again after another request has rotated the same refresh
// token. The answer that was made holds the same successor, and is sent as if this
// request had come second: within the grace period it is good, later it is reuse. What the
// app authenticated with was spent by the attempt to rotate.
func (r refresh) sameSuccessor(ctx context.Context, q *Request, g *grant.Grant) error {
	now, err := r.Store.Grant(ctx, g.ID)
	switch {
	case err != nil:
		return authz.AsError(err)
	case !now.Live(q.Now):
		return authz.NewError(authz.InvalidGrant, "the grant of this refresh token has ended").At("refresh_token")
	case now.RefreshGeneration == g.RefreshGeneration+1 && q.Now.Sub(now.RefreshRotated) <= r.Grace:
		return nil
	}
	return r.reused(ctx, q, g, authz.NewError(authz.InvalidGrant,
		"the refresh token was used already; all tokens of its grant are revoked").At("refresh_token"))
}

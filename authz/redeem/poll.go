package redeem

import (
	"context"
	"errors"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
)

// poll answers a client that asks whether its request was approved on another device.
// While it was not, this costs one query and no commit.
type poll struct {
	*Options
	// name is the parameter that holds the code, channel the door the request came by.
	name    string
	channel decoupled.Channel
}

func (p poll) redeem(ctx context.Context, q *Request) (*token.Response, error) {
	g, err := p.approved(ctx, q)
	if err != nil {
		return nil, err
	}
	answer, err := p.Minter.OfGrant(ctx, g, q.terms(g.Scope, true))
	if err != nil {
		return nil, err
	}
	if q.Client.AllowsGrant("refresh_token") {
		answer.RefreshToken = p.RefreshKey.Token(g.ID, g.RefreshGeneration, g.RefreshSalt)
	}
	err = clientauth.Refusal(p.Store.RedeemCode(ctx, g.ID, q.Confirmation, q.Now, q.Assertion))
	if errors.Is(err, authz.ErrConflict) && !authz.IsError(err) {
		return nil, p.unusable().Because(err)
	}
	if err != nil {
		return nil, authz.AsError(err)
	}
	return answer, nil
}

// approved finds the grant of a code whose request was approved, or says how the request
// stands: the errors of RFC 8628 §3.5 and CIBA Core §11.
func (p poll) approved(ctx context.Context, q *Request) (*grant.Grant, error) {
	code := q.Form.Get(p.name)
	id, ours := p.Approvals.Keys.Parse(code)
	if !ours {
		return nil, p.unusable()
	}
	r, g, err := p.Polls.Polled(ctx, id, authz.HashSecret(code))
	expired := authz.NewError(authz.ExpiredToken, "the %s has expired; begin anew", p.name)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return nil, expired // we made it, and it is gone
	case err != nil:
		return nil, authz.AsError(err)
	case r.Client != q.Client.ID || r.Channel != p.channel:
		return nil, p.unusable()
	}
	state := r.StateAt(q.Now)
	switch {
	case state.Open() && p.Approvals.Pace.TooFast(id, q.Now):
		return nil, authz.NewError(authz.SlowDown, "polled too soon; wait 5 seconds longer between polls from now on")
	case state.Open():
		return nil, authz.NewError(authz.AuthorizationPending, "the person has not answered yet; poll again after the interval")
	}
	p.Approvals.Pace.Forget(id)
	switch {
	case state == decoupled.Denied:
		return nil, authz.NewError(authz.AccessDenied, "the request was denied")
	case state == decoupled.Expired:
		return nil, expired
	case g == nil || !g.CodeSpent.IsZero() || !g.Revoked.IsZero():
		return nil, p.unusable()
	case !q.Now.Before(g.CodeExpires):
		return nil, expired
	}
	return g, nil
}

func (p poll) unusable() *authz.Error {
	return authz.NewError(authz.InvalidGrant, "the %s is unknown, used, or another app's", p.name).At(p.name)
}

package provider

import (
	"context"
	"errors"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
)

// polled answers a client that asks whether its request was approved: RFC 8628
// §3.4 and §3.5, CIBA Core §10.1 and §11. While it was not, this costs one query
// and no commit.
func (p *Provider) polled(ctx context.Context, u *unit, form url.Values, grantType string, bound authz.Confirmation, assertion clientauth.Assertion) (*token.Response, error) {
	name, channel := "device_code", decoupled.Device
	if grantType == authz.GrantCIBA {
		name, channel = "auth_req_id", decoupled.CIBA
	}
	unusable := authz.Refuse(authz.InvalidGrant, "the %s is unknown, used, or another app's", name).At(name)
	code := form.Get(name)
	id, ours := p.o.Approvals.Keys.Parse(code)
	if !ours {
		return nil, unusable
	}
	r, g, err := p.o.Decoupled.Polled(ctx, id, authz.HashSecret(code))
	expired := authz.Refuse(authz.ExpiredToken, "the %s has expired; begin anew", name)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return nil, expired // we made it, and it is gone
	case err != nil:
		return nil, authz.AsError(err)
	case r.Client != u.client.ID || r.Channel != channel:
		return nil, unusable
	}
	state := r.StateAt(u.now)
	switch {
	case state.Open() && p.o.Approvals.Pace.TooFast(id, u.now):
		return nil, authz.Refuse(authz.SlowDown, "polled too soon; wait 5 seconds longer between polls from now on")
	case state.Open():
		return nil, authz.Refuse(authz.AuthorizationPending, "the person has not answered yet; poll again after the interval")
	}
	p.o.Approvals.Pace.Forget(id)
	switch {
	case state == decoupled.Denied:
		return nil, authz.Refuse(authz.AccessDenied, "the request was denied")
	case state == decoupled.Expired:
		return nil, expired
	case g == nil || !g.CodeSpent.IsZero() || !g.Revoked.IsZero():
		return nil, unusable
	case !u.now.Before(g.CodeExpires):
		return nil, expired
	}
	u.grant = g
	terms := u.terms(g.Scope, bound)
	terms.First = true
	answer, err := p.minter.OfGrant(ctx, g, terms)
	if err != nil {
		return nil, err
	}
	if u.client.AllowsGrant("refresh_token") {
		answer.RefreshToken = p.refresh.Token(g.ID, g.RefreshGeneration, g.RefreshSalt)
	}
	err = grant.SpendWith(ctx, p.o.Grants, assertion, func(ctx context.Context) error { return p.o.Grants.RedeemCode(ctx, g.ID, bound, u.now) })
	if errors.Is(err, authz.ErrConflict) && !authz.IsError(err) {
		return nil, unusable.Because(err)
	}
	if err != nil {
		return nil, authz.AsError(err)
	}
	return answer, nil
}

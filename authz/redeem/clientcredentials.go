package redeem

import (
	"context"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
)

// clientCredentials is RFC 6749 §4.4: a token for the app itself, which costs no row.
type clientCredentials struct{ *Options }

func (c clientCredentials) redeem(ctx context.Context, q *Request) (*token.Response, error) {
	scope, refusal := c.Engine.ClientCredentials(ctx, q.Client, q.Form)
	if refusal != nil {
		return nil, refusal
	}
	if slices.Contains(scope, "openid") || slices.Contains(scope, "offline_access") {
		return nil, authz.NewError(authz.InvalidScope, "scopes about a person cannot be had without one").At("scope")
	}
	to, err := c.Minter.Targets.OfClient(ctx, q.Client, q.Resources, scope)
	if err != nil {
		return nil, err
	}
	answer, err := c.Minter.OfService(ctx, string(q.Client.ID), to, q.terms(scope, false))
	if err != nil {
		return nil, err
	}
	return answer, grant.SpendWith(ctx, c.Store, q.Assertion, nil)
}

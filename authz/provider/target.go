package provider

import (
	"context"
	"errors"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/keys"
)

// target is whom a token is for: its audience, the scopes that mean something
// there, and what signs it.
type target struct {
	audience  []string
	scope     []string
	algorithm keys.Algorithm
}

// Resources finds an enabled resource of an agency by its URL; authz.ErrNotFound
// when there is none.
type Resources interface {
	Resource(ctx context.Context, id string) (*authz.Resource, error)
}

// serviceScopes are for tokens of an app itself, not of a person.
var serviceScopes = []string{scopeGrantQuery, scopeGrantRevoke}

// ReservedScopes are those of this server, which no resource of an agency may
// take.
func ReservedScopes() []string {
	return slices.Concat([]string{"openid", "offline_access"}, claims.Scopes(), serviceScopes)
}

func unknownTarget() *authz.Error {
	return authz.Refuse(authz.InvalidTarget, "a resource is unknown, not registered for this app, or beyond what was granted").At("resource")
}

// grantTarget chooses the audience of a token of a grant (RFC 8707 §2.2): of the
// resources granted those asked for now, or, where none is named, ours. An
// agency's API stands alone in its token, or one API could use it at another
// (RFC 9068 §5), and gets only the scopes it knows. A resource that is removed from
// the app's registration is removed from its existing grants.
func (p *Provider) grantTarget(ctx context.Context, client *clientauth.Registered, g *Grant, wanted, scope []string) (target, error) {
	granted := p.granted(g)
	if len(wanted) == 0 {
		wanted = slices.DeleteFunc(slices.Clone(granted), func(r string) bool { return !p.url.IsOwnResource(r) })
		if len(wanted) == 0 && len(granted) == 1 {
			wanted = granted
		}
		if len(wanted) == 0 {
			return target{}, authz.Refuse(authz.InvalidTarget, "the grant is for several resources; name the one this token is for").At("resource")
		}
	}
	audience := slices.Compact(slices.Sorted(slices.Values(wanted)))
	slices.Reverse(audience) // UserInfo before the broker
	for _, r := range audience {
		switch {
		case !slices.Contains(granted, r), !p.url.IsOwnResource(r) && !slices.Contains(client.Resources, r):
			return target{}, unknownTarget()
		case !p.url.IsOwnResource(r) && len(audience) > 1:
			return target{}, authz.Refuse(authz.InvalidTarget, "a token for an agency's API is for that one; ask for one token a resource").At("resource")
		}
	}
	return p.targetOf(ctx, audience, scope)
}

// granted are the resources a grant is for: those the request named (RFC 8707
// §2.1), else UserInfo, and the broker where releases were granted.
func (p *Provider) granted(g *Grant) []string {
	switch {
	case len(g.Request.AudiencesOfResource) > 0:
		return g.Request.AudiencesOfResource
	case len(g.Details) > 0:
		return []string{p.url.UserInfo, p.url.Broker}
	}
	return []string{p.url.UserInfo}
}

// clientTarget chooses the audience of a token of an app itself.
func (p *Provider) clientTarget(ctx context.Context, client *clientauth.Registered, wanted, scope []string) (target, error) {
	switch {
	case len(wanted) > 1:
		return target{}, authz.Refuse(authz.InvalidTarget, "ask for one token a resource").At("resource")
	case len(wanted) == 0 && slices.ContainsFunc(scope, func(s string) bool { return slices.Contains(serviceScopes, s) }):
		wanted = []string{p.url.Grants}
	case len(wanted) == 0:
		return target{audience: []string{p.o.Issuer}, scope: scope, algorithm: keys.ES256}, nil
	}
	if wanted[0] != p.url.Grants && !slices.Contains(client.Resources, wanted[0]) {
		return target{}, unknownTarget()
	}
	return p.targetOf(ctx, wanted, scope)
}

// targetOf looks the audience up and leaves out the scopes that mean nothing to
// it.
func (p *Provider) targetOf(ctx context.Context, audience, scope []string) (target, error) {
	to := target{audience: audience, algorithm: keys.ES256}
	known := ReservedScopes()
	switch id := audience[0]; {
	case id == p.url.Grants:
		known = serviceScopes
	case !p.url.IsOwnResource(id):
		r, err := p.resource(ctx, id)
		if err != nil {
			return target{}, err
		}
		known, to.algorithm = r.Scopes, orES256(r.SigningAlg)
	}
	for _, s := range scope {
		if slices.Contains(known, s) {
			to.scope = append(to.scope, s)
		}
	}
	return to, nil
}

// resource finds an agency's resource; one that is not there is a wrong target,
// one that could not be looked for is an outage.
func (p *Provider) resource(ctx context.Context, id string) (*authz.Resource, error) {
	r, err := p.o.Resources.Resource(ctx, id)
	if errors.Is(err, authz.ErrNotFound) {
		return nil, unknownTarget().Because(err)
	}
	if err != nil {
		return nil, authz.AsError(err)
	}
	return r, nil
}

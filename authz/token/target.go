package token

import (
	"context"
	"errors"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/keys"
)

// Target is whom a token is for: its audience, the scopes that mean something
// there, and what signs it.
type Target struct {
	Audience  []string
	Scope     []string
	Algorithm keys.Algorithm
}

// Resources finds an enabled resource of an agency by its URL; authz.ErrNotFound
// when there is none.
type Resources interface {
	Resource(ctx context.Context, id string) (*authz.Resource, error)
}

// Targets chooses whom tokens are for.
type Targets struct {
	URLs      *protocol.URLs
	Resources Resources
}

// Scopes of the grant management API, Grant Management §6.1. An app has them for
// itself, by client credentials.
const (
	ScopeGrantQuery  = "grant_management_query"
	ScopeGrantRevoke = "grant_management_revoke"
)

// ServiceScopes are for tokens of an app itself, not of a person.
var ServiceScopes = []string{ScopeGrantQuery, ScopeGrantRevoke}

// ReservedScopes are those of this server, which no resource of an agency may
// take.
func ReservedScopes() []string {
	return slices.Concat([]string{"openid", "offline_access"}, claims.Scopes(), ServiceScopes)
}

// UnknownTarget refuses a resource (RFC 8707 §2).
func UnknownTarget() *authz.Error {
	return authz.NewError(authz.InvalidTarget, "a resource is unknown, not registered for this app, or beyond what was granted").At("resource")
}

// OfGrant chooses the audience of a token of a grant (RFC 8707 §2.2): of the
// resources granted those asked for now, or, where none is named, ours. An
// agency's API stands alone in its token, or one API could use it at another
// (RFC 9068 §5), and gets only the scopes it knows. A resource that is removed from
// the app's registration is removed from its existing grants.
func (t *Targets) OfGrant(ctx context.Context, client *clientauth.Registered, g *grant.Grant, wanted, scope []string) (Target, error) {
	granted := t.Granted(g)
	if len(wanted) == 0 {
		wanted = slices.DeleteFunc(slices.Clone(granted), func(r string) bool { return !t.URLs.IsOwnResource(r) })
		if len(wanted) == 0 && len(granted) == 1 {
			wanted = granted
		}
		if len(wanted) == 0 {
			return Target{}, authz.NewError(authz.InvalidTarget,
				"the grant is for several resources; name the one this token is for").At("resource")
		}
	}
	audience := slices.Compact(slices.Sorted(slices.Values(wanted)))
	slices.Reverse(audience) // UserInfo before the broker
	for _, r := range audience {
		switch {
		case !slices.Contains(granted, r), !t.URLs.IsOwnResource(r) && !slices.Contains(client.Resources, r):
			return Target{}, UnknownTarget()
		case !t.URLs.IsOwnResource(r) && len(audience) > 1:
			return Target{}, authz.NewError(authz.InvalidTarget,
				"a token for an agency's API is for that one; ask for one token a resource").At("resource")
		}
	}
	return t.Of(ctx, audience, scope)
}

// Granted are the resources a grant is for: those the request named (RFC 8707
// §2.1), else UserInfo, and the broker where releases were granted.
func (t *Targets) Granted(g *grant.Grant) []string {
	switch {
	case len(g.Request.AudiencesOfResource) > 0:
		return g.Request.AudiencesOfResource
	case len(g.Details) > 0:
		return []string{t.URLs.UserInfo, t.URLs.Broker}
	}
	return []string{t.URLs.UserInfo}
}

// OfClient chooses the audience of a token of an app itself.
func (t *Targets) OfClient(ctx context.Context, client *clientauth.Registered, wanted, scope []string) (Target, error) {
	switch {
	case len(wanted) > 1:
		return Target{}, authz.NewError(authz.InvalidTarget, "ask for one token a resource").At("resource")
	case len(wanted) == 0 && slices.ContainsFunc(scope, func(s string) bool { return slices.Contains(ServiceScopes, s) }):
		wanted = []string{t.URLs.Grants}
	case len(wanted) == 0:
		return Target{Audience: []string{t.URLs.Issuer}, Scope: scope, Algorithm: keys.ES256}, nil
	}
	if wanted[0] != t.URLs.Grants && !slices.Contains(client.Resources, wanted[0]) {
		return Target{}, UnknownTarget()
	}
	return t.Of(ctx, wanted, scope)
}

// Of looks the audience up and leaves out the scopes that mean nothing to
// it.
func (t *Targets) Of(ctx context.Context, audience, scope []string) (Target, error) {
	to := Target{Audience: audience, Algorithm: keys.ES256}
	known := ReservedScopes()
	switch id := audience[0]; {
	case id == t.URLs.Grants:
		known = ServiceScopes
	case !t.URLs.IsOwnResource(id):
		r, err := t.Resource(ctx, id)
		if err != nil {
			return Target{}, err
		}
		known, to.Algorithm = r.Scopes, OrES256(r.SigningAlg)
	}
	for _, s := range scope {
		if slices.Contains(known, s) {
			to.Scope = append(to.Scope, s)
		}
	}
	return to, nil
}

// Resource finds an agency's resource; one that is not there is a wrong target,
// one that could not be looked for is an outage.
func (t *Targets) Resource(ctx context.Context, id string) (*authz.Resource, error) {
	r, err := t.Resources.Resource(ctx, id)
	if errors.Is(err, authz.ErrNotFound) {
		return nil, UnknownTarget().Because(err)
	}
	if err != nil {
		return nil, authz.AsError(err)
	}
	return r, nil
}

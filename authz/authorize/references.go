package authorize

import (
	"context"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
)

// References looks up what requests refer to.
type References struct {
	Store   grant.Grants
	Targets *token.Targets
	Now     func() time.Time
}

// Check looks up what a request refers to: each scope of an agency's API must
// belong to a resource that the request names, and grant_id must be a live grant of
// this app. Nothing is looked up for a request with neither.
func (f *References) Check(ctx context.Context, client *clientauth.Registered, a request.Authorization) error {
	var known []string
	for _, s := range a.Scope {
		if slices.Contains(token.ReservedScopes(), s) {
			continue
		}
		if known == nil {
			known = []string{}
			for _, id := range a.AudiencesOfResource {
				if f.Targets.URLs.IsOwnResource(id) {
					continue
				}
				r, err := f.Targets.Resource(ctx, id)
				if err != nil {
					return authz.AsError(err).ToClient()
				}
				known = append(known, r.Scopes...)
			}
		}
		if !slices.Contains(known, s) {
			return authz.NewError(authz.InvalidScope,
				"a scope is not known to this provider nor to a resource that the request names").At("scope").ToClient()
		}
	}
	if a.GrantID == "" {
		return nil
	}
	if _, err := f.LiveGrant(ctx, client.ID, a.GrantID); err != nil {
		return authz.AsError(err).ToClient()
	}
	return nil
}

// LiveGrant finds a live grant of an app by its grant_id.
func (f *References) LiveGrant(ctx context.Context, client authz.ClientID, id authz.GrantID) (*grant.Grant, error) {
	unknown := authz.NewError(authz.InvalidGrantID, "this app has no grant of that grant_id, or it has ended").At("grant_id")
	g, err := f.Store.GrantByPublicID(ctx, id)
	if err != nil {
		return nil, authz.NotFoundAs(err, unknown)
	}
	if g.ClientID != client || !g.Live(f.Now()) {
		return nil, unknown
	}
	return &g, nil
}

// predecessor finds the grant that a request merges with or replaces; nil if it names
// none. Only the person who gave the grant can change it (Grant Management §3.3).
func (f *References) predecessor(ctx context.Context, a request.Authorization, s SignedIn) (*grant.Grant, *authz.Error) {
	if a.GrantID == "" {
		return nil, nil
	}
	g, err := f.LiveGrant(ctx, a.ClientID, a.GrantID)
	switch {
	case err != nil:
		return nil, authz.AsError(err)
	case !g.Principal.Equal(s.Principal):
		return nil, authz.NewError(authz.InvalidGrantID, "the grant was given by another person than the one who is signed in").At("grant_id")
	}
	return g, nil
}

// Kept are the releases that a grant holds already to which a waiting request adds
// (Grant Management §3.3), for the page: what the person agrees to goes beside them.
// It is nil for a request that adds to none, which costs nothing.
func (a *Authorizer) Kept(ctx context.Context, w Waiting, who authz.Principal) ([]authz.Release, error) {
	if w.Request.GrantAction != request.GrantMerge || w.Request.Decoupled {
		return nil, nil
	}
	before, refusal := a.references.predecessor(ctx, w.Request, SignedIn{Principal: who})
	switch {
	case refusal == nil && before == nil, refusal != nil && refusal.Code == authz.InvalidGrantID:
		return nil, nil // the answer is refused when it comes
	case refusal != nil:
		return nil, refusal
	}
	return before.Unreplaced(w.Request.Details), nil
}

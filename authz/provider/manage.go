package provider

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
)

// checkStanding looks up what a request refers to: each scope of an agency's API must
// belong to a resource that the request names, and grant_id must be a live grant of
// this app. Nothing is looked up for a request with neither.
func (p *Provider) checkStanding(ctx context.Context, client *clientauth.Registered, a request.Authorization) error {
	var known []string
	for _, s := range a.Scope {
		if slices.Contains(token.ReservedScopes(), s) {
			continue
		}
		if known == nil {
			known = []string{}
			for _, id := range a.AudiencesOfResource {
				if p.url.IsOwnResource(id) {
					continue
				}
				r, err := p.targets.Resource(ctx, id)
				if err != nil {
					return authz.AsError(err).ToClient()
				}
				known = append(known, r.Scopes...)
			}
		}
		if !slices.Contains(known, s) {
			return authz.Refuse(authz.InvalidScope, "a scope is not known to this provider nor to a resource that the request names").At("scope").ToClient()
		}
	}
	if a.GrantID == "" {
		return nil
	}
	if _, err := p.managed(ctx, client.ID, a.GrantID); err != nil {
		return authz.AsError(err).ToClient()
	}
	return nil
}

// managed finds a live grant of an app by its grant_id.
func (p *Provider) managed(ctx context.Context, client authz.ClientID, id authz.GrantID) (*Grant, error) {
	unknown := authz.Refuse(authz.InvalidGrantID, "this app has no grant of that grant_id, or it has ended").At("grant_id")
	g, err := p.o.Grants.GrantByPublicID(ctx, id)
	if err != nil {
		return nil, authz.NotFoundAs(err, unknown)
	}
	if g.ClientID != client || !g.Live(p.now()) {
		return nil, unknown
	}
	return &g, nil
}

// continued finds the grant that a request merges with or replaces; nil if it names
// none. Only the person who gave the grant can change it (Grant Management §3.3).
func (p *Provider) continued(ctx context.Context, a request.Authorization, s SignedIn) (*Grant, *authz.Error) {
	if a.GrantID == "" {
		return nil, nil
	}
	g, err := p.managed(ctx, a.ClientID, a.GrantID)
	switch {
	case err != nil:
		return nil, authz.AsError(err)
	case g.Subject != s.Subject:
		return nil, authz.Refuse(authz.InvalidGrantID, "the grant was given by another person than the one who is signed in").At("grant_id")
	}
	return g, nil
}

// Kept are the releases that a grant holds already to which a waiting request adds
// (Grant Management §3.3), for the page: what the person agrees to goes beside them.
// It is nil for a request that adds to none, which costs nothing.
func (p *Provider) Kept(ctx context.Context, w Waiting, subject authz.Subject) ([]authz.Release, error) {
	if w.Request.GrantAction != request.GrantMerge || w.Request.Decoupled {
		return nil, nil
	}
	before, refusal := p.continued(ctx, w.Request, SignedIn{Subject: subject})
	switch {
	case refusal == nil && before == nil, refusal != nil && refusal.Code == authz.InvalidGrantID:
		return nil, nil // the answer is refused when it comes
	case refusal != nil:
		return nil, refusal
	}
	return before.Unreplaced(w.Request.Details), nil
}

// managedGrant is Grant Management §6.4. It names no token and no person.
type managedGrant struct {
	Scopes  []managedScope  `json:"scopes"`
	Claims  []string        `json:"claims"`
	Details []authz.Release `json:"authorization_details,omitempty"`
}

type managedScope struct {
	Scope     string   `json:"scope"`
	Resources []string `json:"resources,omitempty"`
}

// Grant is the grant management API, Grant Management §6: GET queries a grant,
// DELETE ends it with all its tokens. It does not withdraw consents: that is the
// person's doing, and an app that no longer wants access takes back nothing in her
// name. With no token left, no release rests on them either.
func (p *Provider) Grant(w http.ResponseWriter, r *http.Request) {
	needs := map[string]string{http.MethodGet: token.ScopeGrantQuery, http.MethodDelete: token.ScopeGrantRevoke}[r.Method]
	if needs == "" {
		w.Header().Set("Allow", "GET, DELETE")
		protocol.WriteJSON(w, http.StatusMethodNotAllowed, authz.Refuse(authz.InvalidRequest, "a grant takes GET and DELETE").Body())
		return
	}
	client, nonce, err := p.grantsAccess(r, needs)
	if err != nil {
		p.refuseBearer(w, r, err)
		return
	}
	if nonce != "" {
		w.Header().Set("DPoP-Nonce", nonce)
	}
	g, err := p.managed(r.Context(), client.ID, authz.GrantID(strings.TrimPrefix(r.URL.Path, protocol.GrantsPath+"/")))
	if refusal := authz.AsError(err); err != nil && refusal.Code == authz.InvalidGrantID {
		protocol.WriteJSON(w, http.StatusNotFound, refusal.Body()) // §6.6
		return
	}
	if err == nil && r.Method == http.MethodDelete {
		err = p.recorder.End(r.Context(), client, g, audit.GrantGivenBack, "given back by the app")
	}
	switch {
	case err != nil:
		p.refuseBearer(w, r, err)
	case r.Method == http.MethodDelete:
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(http.StatusNoContent)
	default:
		protocol.WriteJSON(w, http.StatusOK, p.describe(g))
	}
}

func (p *Provider) describe(g *Grant) managedGrant {
	return managedGrant{
		Scopes: []managedScope{{Scope: strings.Join(g.Scope, " "), Resources: p.targets.Granted(g)}}, Claims: []string{}, Details: g.Details,
	}
}

// grantsAccess checks the token of an app at the grant management API. Its grants
// are its own: the token must be its own too, and bound where the profile binds.
func (p *Provider) grantsAccess(r *http.Request, scope string) (*clientauth.Registered, string, error) {
	presented, err := token.PresentedToken(r)
	if err != nil {
		return nil, "", err
	}
	access, err := p.guard.Presented(r, presented, p.url.Grants, p.url.Here(r, r.URL.Path))
	if err != nil {
		return nil, "", err
	}
	client, err := p.o.Directory.Client(r.Context(), access.ClientID)
	switch {
	case errors.Is(err, clientauth.ErrUnknownClient):
		return nil, access.NextNonce, token.ErrRevoked().Because(err)
	case err != nil:
		return nil, access.NextNonce, authz.AsError(err)
	case access.Grant != "" || access.Subject != authz.Pairwise(access.ClientID):
		return nil, access.NextNonce, authz.Refuse(authz.InvalidToken, "the grant management API takes tokens of an app itself (client_credentials)")
	case !slices.Contains(access.Scope, scope):
		return nil, access.NextNonce, authz.Refuse(authz.InsufficientScope, "this needs scope %s", scope)
	}
	return client, access.NextNonce, p.verifier.NotRevoked(r.Context(), access.ID)
}

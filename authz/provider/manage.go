package provider

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/token"
)

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
		protocol.WriteJSON(w, http.StatusMethodNotAllowed, authz.NewError(authz.InvalidRequest, "a grant takes GET and DELETE").Body())
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
	g, err := p.references.LiveGrant(r.Context(), client.ID, authz.GrantID(strings.TrimPrefix(r.URL.Path, protocol.GrantsPath+"/")))
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

func (p *Provider) describe(g *grant.Grant) managedGrant {
	return managedGrant{
		Scopes: []managedScope{{
			Scope:     strings.Join(g.Scope, " "),
			Resources: p.targets.Granted(g),
		}}, Claims: []string{}, Details: g.Details,
	}
}

// grantsAccess checks the token of an app at the grant management API. Its grants
// are its own: the token must be its own too, and bound where the profile binds.
func (p *Provider) grantsAccess(r *http.Request, scope string) (*clientauth.Registered, string, error) {
	presented, err := token.PresentedToken(r)
	if err != nil {
		return nil, "", err
	}
	access, err := p.guard.Presented(r, presented, p.url.Grants, p.url.Here(clientauth.ConnectionOf(r.Context()), r.URL.Path))
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
		return nil, access.NextNonce, authz.NewError(authz.InvalidToken,
			"the grant management API takes tokens of an app itself (client_credentials)")
	case !slices.Contains(access.Scope, scope):
		return nil, access.NextNonce, authz.NewError(authz.InsufficientScope, "this needs scope %s", scope)
	}
	return client, access.NextNonce, p.verifier.NotRevoked(r.Context(), access.ID)
}

package provider

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
)

// authenticated reads and authenticates a client's request. A client assertion is good once in the
// nation (RFC 7523 §3 (7)), so it is spent by a commit also where nothing else is written: what a
// node remembers another would take. Clients that authenticate otherwise cost none.
func (p *Provider) authenticated(r *http.Request) (*clientauth.Registered, url.Values, error) {
	form, err := protocol.PostForm(r)
	if err != nil {
		return nil, nil, err
	}
	client, assertion, err := p.clients.Authenticate(r.Context(), r, form)
	if err != nil {
		return nil, nil, err
	}
	err = grant.SpendWith(r.Context(), p.o.Grants, assertion, nil)
	return client, form, err
}

// Revoke is the revocation endpoint, RFC 7009. Revoking either token of a grant
// ends the grant (§2.1). An unknown token is already revoked (§2.2), but when we
// could not look, success is not claimed (docs/decisions.md F7).
func (p *Provider) Revoke(w http.ResponseWriter, r *http.Request) {
	if err := p.revoke(r); err != nil {
		p.refusals.Write(w, r, err)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusOK)
}

func (p *Provider) revoke(r *http.Request) error {
	client, form, err := p.authenticated(r)
	if err != nil {
		return err
	}
	presented := form.Get("token")
	if presented == "" {
		return authz.NewError(authz.InvalidRequest, "token is missing").At("token")
	}
	ctx := r.Context()
	if refresh, ok := grant.ParseRefresh(presented); ok {
		return p.revokeGrant(ctx, client, refresh.Grant, func(g *grant.Grant) bool { return p.refresh.Genuine(refresh, g.RefreshSalt) })
	}
	claims, err := p.verifier.Access(presented)
	if err != nil || claims.ClientID != client.ID {
		return nil
	}
	if claims.Grant == "" || claims.Act != nil {
		// An exchanged token is all that the acting app has; the grant is another
		// app's, and its end is not for this one to say.
		digest := sha256.Sum256([]byte(claims.ID))
		return p.o.Grants.RevokeToken(ctx, digest[:], time.Unix(claims.Expires, 0))
	}
	return p.revokeGrant(ctx, client, claims.Grant, func(*grant.Grant) bool { return true })
}

// revokeGrant ends the grant of a token. It does nothing, without an error, if the
// grant has ended, is another app's, or the token is not a genuine one of it.
func (p *Provider) revokeGrant(ctx context.Context, client *clientauth.Registered, id authz.GrantID,
	genuine func(*grant.Grant) bool,
) error {
	g, err := p.o.Grants.Grant(ctx, id)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return nil
	case err != nil:
		return authz.AsError(err)
	case g.ClientID != client.ID || !g.Revoked.IsZero() || !genuine(&g):
		return nil
	}
	return p.recorder.End(ctx, client, &g, audit.GrantTokenRevoked, "revoked by the app")
}

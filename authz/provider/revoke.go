package provider

import (
	"context"
	"crypto/sha256"
	"errors"
	"net/http"
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

// authenticated reads and authenticates a client's request whose only write is
// the assertion.
func (p *Provider) authenticated(r *http.Request) (*clientauth.Registered, url.Values, error) {
	form, err := postForm(r)
	if err != nil {
		return nil, nil, err
	}
	client, assertion, err := p.clients.Authenticate(r.Context(), r, form)
	if err != nil {
		return nil, nil, err
	}
	err = p.spending(r.Context(), assertion, func(context.Context) error { return nil })
	return client, form, err
}

// Revoke is the revocation endpoint, RFC 7009. Revoking either token of a grant
// ends the grant (§2.1). An unknown token is already revoked (§2.2), but when we
// could not look, success is not claimed (fosite.md hazard 7).
func (p *Provider) Revoke(w http.ResponseWriter, r *http.Request) {
	if err := p.revoke(r); err != nil {
		p.refuse(w, r, err)
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
	token := form.Get("token")
	if token == "" {
		return authz.Refuse(authz.InvalidRequest, "token is missing").At("token")
	}
	ctx, now := r.Context(), p.now().UTC()
	if refresh, ok := parseRefresh(token); ok {
		g, err := p.o.Grants.Grant(ctx, refresh.grant)
		if errors.Is(err, authz.ErrNotFound) {
			return nil
		}
		if err != nil {
			return authz.AsError(err)
		}
		if g.ClientID != client.ID || !p.refresh.genuine(refresh, g.RefreshSalt) {
			return nil // not a token of this client: nothing to revoke, nothing to tell
		}
		return p.o.Grants.Revoke(ctx, g.ID, "revoked by the app", now)
	}
	claims, err := p.verifyAccess(token)
	if err != nil || claims.ClientID != client.ID {
		return nil
	}
	if claims.Grant == "" || claims.Act != nil {
		// An exchanged token is all that the acting app has; the grant is another
		// app's, and its end is not for this one to say.
		digest := sha256.Sum256([]byte(claims.ID))
		return p.o.Grants.RevokeToken(ctx, digest[:], time.Unix(claims.Expires, 0))
	}
	return p.o.Grants.Revoke(ctx, claims.Grant, "revoked by the app", now)
}

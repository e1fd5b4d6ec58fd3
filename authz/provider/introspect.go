package provider

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/delegation"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/token"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// introspection is RFC 7662 §2.2.
type introspection struct {
	Active   bool               `json:"active"`
	Scope    string             `json:"scope,omitempty"`
	ClientID authz.ClientID     `json:"client_id,omitempty"`
	Type     string             `json:"token_type,omitempty"`
	Expires  int64              `json:"exp,omitempty"`
	IssuedAt int64              `json:"iat,omitempty"`
	Subject  string             `json:"sub,omitempty"`
	Audience []string           `json:"aud,omitempty"`
	Issuer   string             `json:"iss,omitempty"`
	ID       string             `json:"jti,omitempty"`
	ACR      string             `json:"acr,omitempty"`
	AuthTime int64              `json:"auth_time,omitempty"`
	Confirm  authz.Confirmation `json:"cnf,omitzero"`
	// Act and MayAct are RFC 8693 §4.
	Act    *delegation.Actor `json:"act,omitempty"`
	MayAct *delegation.Party `json:"may_act,omitempty"`

	ActsFor *token.ActsFor `json:"urn:vn:gov:eid:acts_for,omitempty"`
}

// Introspect is the introspection endpoint, RFC 7662. A client learns of its own
// tokens, and of tokens for an audience it is registered to serve; of any other
// it learns "not active", as of a made-up one (§4, docs/decisions.md F8).
func (p *Provider) Introspect(w http.ResponseWriter, r *http.Request) {
	client, form, err := p.authenticated(r)
	if err == nil && client.Method == authz.PublicClient {
		// RFC 7662 §2.1: the caller must be authorized, and a client_id alone proves nothing.
		err = authz.NewError(authz.InvalidClient, "introspection is for apps that authenticate")
	}
	if err != nil {
		p.refusals.Write(w, r, err)
		return
	}
	answer, err := p.introspect(r, client, form)
	if err != nil {
		p.refusals.Write(w, r, err)
		return
	}
	if !slices.Contains(accepted(r), introspectionMedia) {
		protocol.WriteJSON(w, http.StatusOK, answer)
		return
	}
	signed, err := p.signedIntrospection(r.Context(), client, answer)
	if err != nil {
		p.refusals.Write(w, r, err)
		return
	}
	protocol.WriteJWT(w, introspectionMedia, signed)
}

// introspectionMedia is RFC 9701 §4: who accepts it gets a signed answer.
const introspectionMedia = "application/token-introspection+jwt"

// accepted are the media types of the Accept header.
func accepted(r *http.Request) []string {
	var out []string
	for media := range strings.SplitSeq(r.Header.Get("Accept"), ",") {
		if name, _, err := mime.ParseMediaType(strings.TrimSpace(media)); err == nil && len(out) < 16 {
			out = append(out, name)
		}
	}
	return out
}

// signedIntrospection is RFC 9701 §5: the answer inside token_introspection, for
// this client and nobody else.
func (p *Provider) signedIntrospection(ctx context.Context, client *clientauth.Registered, answer introspection) (string, error) {
	signed, err := jose.Sign(ctx, p.o.Ring, jose.Token{
		Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "token-introspection+jwt",
		Claims: map[string]any{"iss": p.o.Issuer, "aud": client.ID, "iat": p.now().Unix(), "token_introspection": answer},
	})
	if err != nil {
		return "", token.KeysError(err)
	}
	return signed[0], nil
}

func (p *Provider) introspect(r *http.Request, client *clientauth.Registered, form url.Values) (introspection, error) {
	presented := form.Get("token")
	if presented == "" {
		return introspection{}, authz.NewError(authz.InvalidRequest, "token is missing").At("token")
	}
	if refresh, ok := grant.ParseRefresh(presented); ok {
		return p.introspectRefresh(r, client, refresh)
	}
	claims, err := p.verifier.Access(presented)
	if err != nil || !mayIntrospect(client, claims.ClientID, claims.Audience) {
		return introspection{}, nil
	}
	if _, err := p.verifier.Live(r.Context(), claims); err != nil {
		if refusal := authz.AsError(err); refusal.Code == authz.InvalidToken {
			return introspection{}, nil
		}
		return introspection{}, err // could not look: not the same as not active
	}
	return introspection{
		Active: true, Scope: claims.Scope, ClientID: claims.ClientID, Type: token.Type(claims.Confirm),
		Expires: claims.Expires, IssuedAt: claims.IssuedAt, Subject: claims.Subject, Audience: claims.Audience,
		Issuer: claims.Issuer, ID: claims.ID, ACR: claims.ACR, AuthTime: claims.AuthTime, Confirm: claims.Confirm,
		Act: claims.Act, MayAct: claims.MayAct, ActsFor: claims.ActsFor,
	}, nil
}

func (p *Provider) introspectRefresh(r *http.Request, client *clientauth.Registered, presented grant.RefreshToken) (introspection, error) {
	g, err := p.o.Grants.Grant(r.Context(), presented.Grant)
	if err != nil {
		if err := authz.NotFoundAs(err, authz.NewError(authz.InvalidToken, "unknown")); authz.AsError(err).Code != authz.InvalidToken {
			return introspection{}, err
		}
		return introspection{}, nil
	}
	if g.ClientID != client.ID || !p.refresh.Genuine(presented, g.RefreshSalt) || !g.Live(p.now()) ||
		presented.Generation != g.RefreshGeneration {
		return introspection{}, nil
	}
	return introspection{
		Active: true, ClientID: g.ClientID, Type: "refresh_token", Expires: g.Expires.Unix(), IssuedAt: g.Created.Unix(),
		Issuer: p.o.Issuer,
	}, nil
}

func mayIntrospect(client *clientauth.Registered, owner authz.ClientID, audience []string) bool {
	return client.ID == owner || slices.ContainsFunc(audience, func(aud string) bool { return slices.Contains(client.Introspect, aud) })
}

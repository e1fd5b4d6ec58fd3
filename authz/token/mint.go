package token

import (
	"context"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/delegation"
	"hopnhat/authz/grant"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Pseudonyms derives what a client may know a person and a session by.
type Pseudonyms interface {
	// Pairwise is the sub of OpenID Connect Core §8.1.
	Pairwise(ctx context.Context, sector string, subject authz.Subject) (authz.Pairwise, error)
	// SID is the session identifier that one client sees (Back-Channel Logout §2.1).
	SID(session authz.SessionID, client authz.ClientID) string
}

// Minter makes access and ID tokens. It is safe for concurrent use.
type Minter struct {
	*Signer
	Targets    *Targets
	Persons    *PersonClaims
	Pseudonyms Pseudonyms
	Opaque     OpaqueKey
	// Life is how long access and ID tokens are good.
	Life time.Duration
}

// Terms are what the tokens of one answer are made for.
type Terms struct {
	Client *clientauth.Registered
	// Resources are those the request names (RFC 8707 §2.2), Scope what it gets.
	Resources, Scope []string
	Confirmation     authz.Confirmation
	// First is set when a code is redeemed, and not for a refresh.
	First bool
	Now   time.Time
}

// OfGrant signs the access token and, for openid, the ID token in one call.
func (m *Minter) OfGrant(ctx context.Context, g *grant.Grant, t Terms) (*Response, error) {
	to, err := m.Targets.OfGrant(ctx, t.Client, g, t.Resources, t.Scope)
	if err != nil {
		return nil, err
	}
	access, err := m.accessClaims(ctx, g, to, t)
	if err != nil {
		return nil, err
	}
	var details []authz.Release
	if slices.Contains(to.Audience, m.Targets.URLs.Broker) {
		details, access.Details = g.Details, summaries(g.Details)
	}
	algorithm := OrES256(t.Client.SigningAlg)
	tokens := []jose.Token{{Use: keys.TokenSigning, Algorithm: to.Algorithm, Type: typeAccess, Claims: access}}
	if slices.Contains(t.Scope, "openid") {
		id := m.idClaims(g, authz.Pairwise(access.Subject), t.Now)
		id.ActsFor = access.ActsFor
		var person map[string]any
		if t.First { // OpenID Connect Core §12.2: no nonce needed on refresh
			id.Nonce = g.Request.Nonce
			// Claims about the person are in the first ID token only: each would be a
			// release, and UserInfo has them for as long as the grant lives.
			if person, err = m.Persons.Of(ctx, g, Tellable(ForIDToken(g.Request), t.Confirmation), keys.RequestOf(ctx), true); err != nil {
				return nil, err
			}
		}
		all, err := WithClaims(id, person)
		if err != nil {
			return nil, authz.AsError(err)
		}
		tokens = append(tokens, jose.Token{Use: keys.TokenSigning, Algorithm: algorithm, Type: typeID, Claims: all})
	}
	signed, err := m.signAll(ctx, tokens...)
	if err != nil {
		return nil, err
	}
	answer := &Response{
		AccessToken: signed[0], TokenType: Type(t.Confirmation), ExpiresIn: int(m.Life.Seconds()),
		Scope: access.Scope, Details: details, GrantID: g.PublicID(),
	}
	if len(signed) > 1 {
		if answer.IDToken, err = m.EncryptedFor(ctx, t.Client, t.Client.IDTokenEncryption, signed[1]); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// accessClaims are those of a grant for the app of the terms, which knows the person by its
// own pseudonym.
func (m *Minter) accessClaims(ctx context.Context, g *grant.Grant, to Target, t Terms) (AccessClaims, error) {
	sub, err := m.Pseudonyms.Pairwise(ctx, t.Client.Sector, g.Actor)
	if err != nil {
		return AccessClaims{}, KeysError(err)
	}
	whom, err := NewActsFor(ctx, m.Pseudonyms, t.Client.Sector, g.Principal)
	if err != nil {
		return AccessClaims{}, err
	}
	return AccessClaims{
		ActsFor: whom,
		Issuer:  m.Issuer, Subject: string(sub), Audience: to.Audience, ClientID: t.Client.ID,
		Expires: t.Now.Add(m.Life).Unix(), IssuedAt: t.Now.Unix(), ID: authz.NewID(),
		Scope: strings.Join(to.Scope, " "), AuthTime: g.AuthTime.Unix(), ACR: g.Level.ACR(), Methods: g.Methods, Grant: g.ID,
		Confirm: t.Confirmation, MayAct: mayAct(t.Client),
	}, nil
}

// OfService signs a token of no grant: of the app itself, or of a service of
// it.
func (m *Minter) OfService(ctx context.Context, subject string, to Target, t Terms) (*Response, error) {
	access := AccessClaims{
		Issuer: m.Issuer, Subject: subject, Audience: to.Audience, ClientID: t.Client.ID,
		Expires: t.Now.Add(m.Life).Unix(), IssuedAt: t.Now.Unix(), ID: authz.NewID(),
		Scope: strings.Join(to.Scope, " "), Confirm: t.Confirmation,
	}
	signed, err := m.Sign(ctx, to.Algorithm, typeAccess, access)
	if err != nil {
		return nil, err
	}
	return &Response{
		AccessToken: signed, TokenType: Type(t.Confirmation), ExpiresIn: int(m.Life.Seconds()), Scope: access.Scope,
	}, nil
}

// Exchanged signs the token. Its sub is what the acting app knows the person
// by (OpenID Connect Core §8.1).
func (m *Minter) Exchanged(ctx context.Context, g *grant.Grant, o delegation.Outcome, t Terms) (*Response, error) {
	to, err := m.Targets.Of(ctx, []string{o.Audience}, o.Scope)
	if err != nil {
		return nil, err
	}
	access, err := m.accessClaims(ctx, g, to, t)
	if err != nil {
		return nil, err
	}
	access.Expires, access.Act = o.Expires.Unix(), o.Act
	if o.Audience == m.Targets.URLs.Broker {
		access.Details = summaries(g.Details)
	}
	signed, err := m.Sign(ctx, to.Algorithm, typeAccess, access)
	if err != nil {
		return nil, err
	}
	return &Response{
		AccessToken: signed, TokenType: Type(t.Confirmation), ExpiresIn: int(access.Expires - access.IssuedAt), Scope: access.Scope,
	}, nil
}

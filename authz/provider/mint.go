package provider

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/delegation"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Types of our tokens in the JOSE header: exact, so that none passes for
// another (RFC 9068 §2.1, RFC 8725 §3.11).
const (
	typeAccessToken = "at+jwt"
	typeIDToken     = "JWT"
)

// accessClaims is an access token, RFC 9068 §2.2. It carries a grant reference
// and a summary of what may be released; whether it still may is asked of the
// live grant (docs/decisions.md D6).
type accessClaims struct {
	Issuer   string             `json:"iss"`
	Subject  string             `json:"sub"`
	Audience []string           `json:"aud"`
	ClientID authz.ClientID     `json:"client_id"`
	Expires  int64              `json:"exp"`
	IssuedAt int64              `json:"iat"`
	ID       string             `json:"jti"`
	Scope    string             `json:"scope,omitempty"`
	AuthTime int64              `json:"auth_time,omitempty"`
	ACR      string             `json:"acr,omitempty"`
	Methods  []string           `json:"amr,omitempty"` // RFC 9068 §2.2.1
	Grant    authz.GrantID      `json:"gid,omitempty"`
	Confirm  authz.Confirmation `json:"cnf,omitzero"` // RFC 9449 §6.1, RFC 8705 §3.1
	Details  []releaseSummary   `json:"authorization_details,omitempty"`
	Act      *delegation.Actor  `json:"act,omitempty"`     // RFC 8693 §4.1
	MayAct   *delegation.Party  `json:"may_act,omitempty"` // RFC 8693 §4.4
}

// releaseSummary says in the token what kind of release is granted, without the
// attributes, which the live grant has.
type releaseSummary struct {
	Type     string           `json:"type"`
	Registry authz.RegistryID `json:"registry"`
	Purpose  authz.PurposeID  `json:"purpose"`
}

// idClaims is an ID token, OpenID Connect Core §2. From the token endpoint at_hash
// is left out: it is optional there, and without it both tokens are signed in one
// call. Through the browser all three hashes are there (§3.3.2.11).
type idClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience string   `json:"aud"`
	Expires  int64    `json:"exp"`
	IssuedAt int64    `json:"iat"`
	AuthTime int64    `json:"auth_time"`
	Nonce    string   `json:"nonce,omitempty"`
	ACR      string   `json:"acr"`
	AMR      []string `json:"amr"`
	SID      string   `json:"sid"`
	CHash    string   `json:"c_hash,omitempty"`
	ATHash   string   `json:"at_hash,omitempty"`
	SHash    string   `json:"s_hash,omitempty"` // FAPI 1.0 Advanced §5.1
	// ID is the grant's id and a unique part (RFC 7519 §4.1.7): a token exchange finds
	// the grant by it, without a claim of our own.
	ID string `json:"jti"`
}

// idTokenID makes a jti for an ID token of a grant.
func idTokenID(g *Grant) string { return string(g.ID) + "." + authz.NewID() }

// grantOf is the grant of an ID token of ours; empty if it names none.
func (c idClaims) grantOf() authz.GrantID {
	grant, _, ok := strings.Cut(c.ID, ".")
	if !ok {
		return ""
	}
	return authz.GrantID(grant)
}

// idToken is what an ID token of a grant says wherever it is issued.
func (p *Provider) idToken(g *Grant, sub authz.Pairwise, now time.Time) idClaims {
	return idClaims{
		Issuer: p.o.Issuer, Subject: string(sub), Audience: string(g.ClientID),
		Expires: now.Add(p.life.Access).Unix(), IssuedAt: now.Unix(), AuthTime: g.AuthTime.Unix(),
		ACR: g.Level.ACR(), AMR: g.Methods, SID: p.o.Pseudonyms.SID(g.Session, g.ClientID), ID: idTokenID(g),
	}
}

// makeTokens signs the access token and, for openid, the ID token in one call.
func (p *Provider) makeTokens(ctx context.Context, u *unit, scope []string, bound authz.Confirmation, first bool) (*tokenResponse, error) {
	g := u.grant
	to, err := p.grantTarget(ctx, u.client, g, u.resources, scope)
	if err != nil {
		return nil, err
	}
	sub, err := p.o.Pseudonyms.Pairwise(ctx, u.client.Sector, g.Subject)
	if err != nil {
		return nil, keysError(err)
	}
	access := accessClaims{
		Issuer: p.o.Issuer, Subject: string(sub), Audience: to.audience, ClientID: g.ClientID,
		Expires: u.now.Add(p.life.Access).Unix(), IssuedAt: u.now.Unix(), ID: authz.NewID(),
		Scope: strings.Join(to.scope, " "), AuthTime: g.AuthTime.Unix(), ACR: g.Level.ACR(), Methods: g.Methods, Grant: g.ID,
		Confirm: bound, MayAct: mayAct(u.client),
	}
	var details []authz.Release
	if slices.Contains(to.audience, p.url.Broker) {
		details, access.Details = g.Details, summaries(g.Details)
	}
	algorithm := orES256(u.client.SigningAlg)
	tokens := []jose.Token{{Use: keys.TokenSigning, Algorithm: to.algorithm, Type: typeAccessToken, Claims: access}}
	if slices.Contains(scope, "openid") {
		id := p.idToken(g, sub, u.now)
		var about map[string]any
		if first { // OpenID Connect Core §12.2: no nonce needed on refresh
			id.Nonce = g.Request.Nonce
			// Claims about the person are in the first ID token only: each would be a
			// release, and UserInfo has them for as long as the grant lives.
			if about, err = p.about(ctx, g, tellable(idTokenClaims(g.Request), bound), keys.RequestOf(ctx), true); err != nil {
				return nil, err
			}
		}
		all, err := withClaims(id, about)
		if err != nil {
			return nil, authz.AsError(err)
		}
		tokens = append(tokens, jose.Token{Use: keys.TokenSigning, Algorithm: algorithm, Type: typeIDToken, Claims: all})
	}
	signed, err := jose.Sign(ctx, p.o.Ring, tokens...)
	if err != nil {
		return nil, keysError(err)
	}
	answer := &tokenResponse{
		AccessToken: signed[0], TokenType: tokenType(bound), ExpiresIn: int(p.life.Access.Seconds()),
		Scope: access.Scope, Details: details, GrantID: g.PublicID(),
	}
	if len(signed) > 1 {
		if answer.IDToken, err = p.encryptedFor(ctx, u.client, u.client.IDTokenEncryption, signed[1]); err != nil {
			return nil, err
		}
	}
	return answer, nil
}

// makeClientToken signs a token of the client credentials grant.
func (p *Provider) makeClientToken(ctx context.Context, u *unit, scope []string, bound authz.Confirmation) (*tokenResponse, error) {
	to, err := p.clientTarget(ctx, u.client, u.resources, scope)
	if err != nil {
		return nil, err
	}
	return p.serviceToken(ctx, u, string(u.client.ID), to, bound)
}

// serviceToken signs a token of no grant: of the app itself, or of a service of
// it.
func (p *Provider) serviceToken(ctx context.Context, u *unit, subject string, to target, bound authz.Confirmation) (*tokenResponse, error) {
	access := accessClaims{
		Issuer: p.o.Issuer, Subject: subject, Audience: to.audience, ClientID: u.client.ID,
		Expires: u.now.Add(p.life.Access).Unix(), IssuedAt: u.now.Unix(), ID: authz.NewID(),
		Scope: strings.Join(to.scope, " "), Confirm: bound,
	}
	signed, err := jose.Sign(ctx, p.o.Ring, jose.Token{Use: keys.TokenSigning, Algorithm: to.algorithm, Type: typeAccessToken, Claims: access})
	if err != nil {
		return nil, keysError(err)
	}
	return &tokenResponse{
		AccessToken: signed[0], TokenType: tokenType(bound), ExpiresIn: int(p.life.Access.Seconds()), Scope: access.Scope,
	}, nil
}

// summaries is what a token says of the releases granted.
func summaries(details []authz.Release) []releaseSummary {
	var out []releaseSummary
	for _, d := range details {
		out = append(out, releaseSummary{d.Type, d.Registry, d.Purpose})
	}
	return out
}

// mayAct is the client that the app registered as the one that may exchange its tokens.
func mayAct(client *clientauth.Registered) *delegation.Party {
	if client.MayAct == "" {
		return nil
	}
	return &delegation.Party{Subject: string(client.MayAct)}
}

// tokenType is DPoP for a token bound to a DPoP key (RFC 9449 §5), and Bearer else:
// a certificate changes how a token is checked, not how it is presented (RFC 8705
// §3).
func tokenType(bound authz.Confirmation) string {
	if bound.JKT == "" {
		return "Bearer"
	}
	return "DPoP"
}

// keysError: without keys nothing was signed and nothing spent; ask again.
func keysError(err error) error {
	if errors.Is(err, keys.ErrUnavailable) {
		return (&authz.Error{
			Code: authz.TemporarilyUnavailable, RetryAfter: 2 * time.Second,
			Description: "the signing keys are not available at the moment; nothing was spent, send the same request again",
		}).Because(err)
	}
	return authz.AsError(err)
}

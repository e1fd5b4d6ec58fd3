package provider

import (
	"context"
	"errors"
	"strings"
	"time"

	"hopnhat/authz"
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
// live grant (decision D6).
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
	Grant    authz.GrantID      `json:"gid,omitempty"`
	Confirm  authz.Confirmation `json:"cnf,omitzero"` // RFC 9449 §6.1, RFC 8705 §3.1
	Details  []releaseSummary   `json:"authorization_details,omitempty"`
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
}

// idToken is what an ID token of a grant says wherever it is issued.
func (p *Provider) idToken(g *Grant, sub authz.Pairwise, now time.Time) idClaims {
	return idClaims{
		Issuer: p.o.Issuer, Subject: string(sub), Audience: string(g.ClientID),
		Expires: now.Add(p.life.Access).Unix(), IssuedAt: now.Unix(), AuthTime: g.AuthTime.Unix(),
		ACR: g.Level.ACR(), AMR: g.Methods, SID: p.o.Pseudonyms.SID(g.Session, g.ClientID),
	}
}

// makeTokens signs the access token and, for openid, the ID token in one call.
func (p *Provider) makeTokens(ctx context.Context, u *unit, scope []string, bound authz.Confirmation, first bool) (*tokenResponse, error) {
	g := u.grant
	sub, err := p.o.Pseudonyms.Pairwise(ctx, u.client.Sector, g.Subject)
	if err != nil {
		return nil, keysError(err)
	}
	access := accessClaims{
		Issuer: p.o.Issuer, Subject: string(sub), Audience: []string{p.url.userinfo}, ClientID: g.ClientID,
		Expires: u.now.Add(p.life.Access).Unix(), IssuedAt: u.now.Unix(), ID: authz.NewID(),
		Scope: strings.Join(scope, " "), AuthTime: g.AuthTime.Unix(), ACR: g.Level.ACR(), Grant: g.ID,
		Confirm: bound,
	}
	for _, d := range g.Details {
		access.Details = append(access.Details, releaseSummary{d.Type, d.Registry, d.Purpose})
	}
	if len(g.Details) > 0 {
		access.Audience = append(access.Audience, p.url.broker)
	}
	algorithm := orES256(u.client.SigningAlg)
	tokens := []jose.Token{{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: typeAccessToken, Claims: access}}
	if hasScope(scope, "openid") {
		id := p.idToken(g, sub, u.now)
		var about map[string]any
		if first { // OpenID Connect Core §12.2: no nonce needed on refresh
			id.Nonce = g.Request.Nonce
			// Claims about the person are in the first ID token only: each would be a
			// release, and UserInfo has them for as long as the grant lives.
			if about, err = p.about(ctx, g, idTokenClaims(g.Request), keys.RequestOf(ctx), true); err != nil {
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
		Scope: strings.Join(scope, " "), Details: g.Details,
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
	access := accessClaims{
		Issuer: p.o.Issuer, Subject: string(u.client.ID), Audience: []string{p.o.Issuer}, ClientID: u.client.ID,
		Expires: u.now.Add(p.life.Access).Unix(), IssuedAt: u.now.Unix(), ID: authz.NewID(),
		Scope: strings.Join(scope, " "), Confirm: bound,
	}
	signed, err := jose.Sign(ctx, p.o.Ring, jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: typeAccessToken, Claims: access})
	if err != nil {
		return nil, keysError(err)
	}
	return &tokenResponse{
		AccessToken: signed[0], TokenType: tokenType(bound), ExpiresIn: int(p.life.Access.Seconds()), Scope: access.Scope,
	}, nil
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

func hasScope(scope []string, name string) bool {
	for _, s := range scope {
		if s == name {
			return true
		}
	}
	return false
}

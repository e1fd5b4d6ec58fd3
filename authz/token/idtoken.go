package token

import (
	"encoding/json"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Audience is the aud of a JWT.
type Audience []string

// UnmarshalJSON takes one string or several, RFC 7519 §4.1.3.
func (a *Audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = Audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

// Hint is what an ID token says of itself when it comes back as id_token_hint.
type Hint struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience Audience `json:"aud"`
	SID      string   `json:"sid"`
	Expires  int64    `json:"exp"`
}

// IDTokenHint checks that a hint is an ID token of ours; an expired one will do
// (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §4). So will one that a
// version signed which has left the set since: an app may keep its ID token for as
// long as its own session lives. A version that was revoked may be in other hands,
// and what it signed is nobody's.
func (v *Verifier) IDTokenHint(hint string) (Hint, error) {
	if jose.IsEncrypted(hint) {
		return Hint{}, authz.NewError(authz.InvalidRequest,
			"id_token_hint is encrypted; decrypt it and send the signed ID token inside").At("id_token_hint").Under("OpenID Connect Core §3.1.2.1")
	}
	published, err := v.Ring.Published(keys.TokenSigning)
	if err != nil {
		return Hint{}, authz.AsError(err)
	}
	retired, err := v.Ring.Retired(keys.TokenSigning)
	if err != nil {
		return Hint{}, authz.AsError(err)
	}
	verified, err := jose.VerifyPublished(hint, slices.Concat(published, retired), jose.Rule{
		Type: typeID, Algorithms: keys.OpenIDSignatures, MaxBytes: 8 << 10,
	})
	if err != nil {
		return Hint{}, authz.NewError(authz.InvalidRequest,
			"id_token_hint is not an ID token of this provider").At("id_token_hint").Because(err)
	}
	var claims Hint
	if err := json.Unmarshal(verified.Claims, &claims); err != nil || claims.Issuer != v.Issuer || len(claims.Audience) == 0 ||
		claims.Subject == "" || claims.Expires == 0 {
		// Without exp it is another JWT of ours: signed UserInfo, or a response.
		return Hint{}, authz.NewError(authz.InvalidRequest, "id_token_hint is not an ID token of this provider").At("id_token_hint")
	}
	return claims, nil
}

// IDToken checks an ID token that is presented as a credential: unlike a hint it must be
// signed by a key that is published now. It names its grant.
func (v *Verifier) IDToken(token string) (IDClaims, error) {
	published, err := v.Ring.Published(keys.TokenSigning)
	if err != nil {
		return IDClaims{}, authz.AsError(err)
	}
	bad := authz.NewError(authz.InvalidToken, "the ID token is not one of ours")
	verified, err := jose.VerifyPublished(token, published, jose.Rule{
		Type: typeID, Algorithms: keys.OpenIDSignatures, MaxBytes: maxAccessToken,
	})
	if err != nil {
		return IDClaims{}, bad.Because(err)
	}
	var claims IDClaims
	if err := json.Unmarshal(verified.Claims, &claims); err != nil || claims.Issuer != v.Issuer || claims.GrantID() == "" {
		return IDClaims{}, bad.Because(err)
	}
	return claims, nil
}

// idClaims is what an ID token of a grant says wherever it is issued.
func (m *Minter) idClaims(g *grant.Grant, sub authz.Pairwise, now time.Time) IDClaims {
	return IDClaims{
		Issuer: m.Issuer, Subject: string(sub), Audience: string(g.ClientID),
		Expires: now.Add(m.Life).Unix(), IssuedAt: now.Unix(), AuthTime: g.AuthTime.Unix(),
		ACR: g.Level.ACR(), AMR: g.Methods, SID: m.Pseudonyms.SID(g.Session, g.ClientID), ID: idTokenID(g),
	}
}

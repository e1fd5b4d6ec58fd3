package provider

import (
	"encoding/json"
	"slices"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

type audience []string

// UnmarshalJSON takes one string or several, RFC 7519 §4.1.3.
func (a *audience) UnmarshalJSON(raw []byte) error {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(raw, (*[]string)(a))
}

type hintClaims struct {
	Issuer   string   `json:"iss"`
	Subject  string   `json:"sub"`
	Audience audience `json:"aud"`
	SID      string   `json:"sid"`
	Expires  int64    `json:"exp"`
}

// idTokenHint checks that a hint is an ID token of ours; an expired one will do
// (OpenID Connect Core §3.1.2.1, RP-Initiated Logout §4). So will one that a
// version signed which has left the set since: an app may keep its ID token for as
// long as its own session lives. A version that was revoked may be in other hands,
// and what it signed is nobody's.
func (p *Provider) idTokenHint(hint string) (hintClaims, error) {
	if jose.IsEncrypted(hint) {
		return hintClaims{}, authz.Refuse(authz.InvalidRequest, "id_token_hint is encrypted; decrypt it and send the signed ID token inside").At("id_token_hint").Under("OpenID Connect Core §3.1.2.1")
	}
	published, err := p.o.Ring.Published(keys.TokenSigning)
	if err != nil {
		return hintClaims{}, authz.AsError(err)
	}
	retired, err := p.o.Ring.Retired(keys.TokenSigning)
	if err != nil {
		return hintClaims{}, authz.AsError(err)
	}
	verified, err := jose.VerifyPublished(hint, slices.Concat(published, retired), jose.Rule{
		Type: typeIDToken, Algorithms: []keys.Algorithm{keys.ES256, keys.EdDSA, keys.PS256, keys.RS256}, MaxBytes: 8 << 10,
	})
	if err != nil {
		return hintClaims{}, authz.Refuse(authz.InvalidRequest, "id_token_hint is not an ID token of this provider").At("id_token_hint").Because(err)
	}
	var claims hintClaims
	if err := json.Unmarshal(verified.Claims, &claims); err != nil || claims.Issuer != p.o.Issuer || len(claims.Audience) == 0 || claims.Subject == "" || claims.Expires == 0 {
		// Without exp it is another JWT of ours: signed UserInfo, or a response.
		return hintClaims{}, authz.Refuse(authz.InvalidRequest, "id_token_hint is not an ID token of this provider").At("id_token_hint")
	}
	return claims, nil
}

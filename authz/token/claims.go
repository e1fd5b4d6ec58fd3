package token

import (
	"strings"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/delegation"
	"hopnhat/authz/grant"
)

// Types of our tokens in the JOSE header: exact, so that none passes for
// another (RFC 9068 §2.1, RFC 8725 §3.11).
const (
	typeAccess = "at+jwt"
	typeID     = "JWT"
)

// AccessClaims is an access token, RFC 9068 §2.2. It carries a grant reference
// and a summary of what may be released; whether it still may is asked of the
// live grant (docs/decisions.md D6).
type AccessClaims struct {
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
	ActsFor  *ActsFor           `json:"urn:vn:gov:eid:acts_for,omitempty"`
}

// releaseSummary says in the token what kind of release is granted, without the
// attributes, which the live grant has.
type releaseSummary struct {
	Type     string           `json:"type"`
	Registry authz.RegistryID `json:"registry"`
	Purpose  authz.PurposeID  `json:"purpose"`
}

// IDClaims is an ID token, OpenID Connect Core §2. From the token endpoint at_hash
// is left out: it is optional there, and without it both tokens are signed in one
// call. Through the browser all three hashes are there (§3.3.2.11).
type IDClaims struct {
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
	ID      string   `json:"jti"`
	ActsFor *ActsFor `json:"urn:vn:gov:eid:acts_for,omitempty"`
}

// idTokenID makes a jti for an ID token of a grant.
func idTokenID(g *grant.Grant) string { return string(g.ID) + "." + authz.NewID() }

// GrantID is the grant of an ID token of ours; empty if it names none.
func (c IDClaims) GrantID() authz.GrantID {
	id, _, ok := strings.Cut(c.ID, ".")
	if !ok {
		return ""
	}
	return authz.GrantID(id)
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

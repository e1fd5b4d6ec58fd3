package authz

import (
	"encoding/json"
	"time"
)

// Resource is an API of an agency that takes our access tokens: a resource
// server of RFC 8707, named by its URL. UserInfo, the broker and the grant
// management API are ours and not registered. It is immutable once loaded.
type Resource struct {
	// ID is the resource indicator: an https URL without fragment (RFC 8707 §2).
	ID   string        `json:"-" yaml:"resource"`
	Name LocalizedText `json:"name" yaml:"name"`
	// Owner is the agency that runs it.
	Owner LocalizedText `json:"owner" yaml:"owner"`
	// Scopes are the scope values that mean something to it.
	Scopes []string `json:"scopes,omitempty" yaml:"scopes,omitempty"`
	// SigningAlg signs its access tokens; ES256 if empty.
	SigningAlg string    `json:"access_token_signed_response_alg,omitempty" yaml:"access_token_signed_response_alg,omitempty"`
	Disabled   bool      `json:"-" yaml:"disabled,omitempty"`
	CreatedAt  time.Time `json:"-" yaml:"-"`
}

// Token types, RFC 8693 §3.
const (
	TokenTypeAccess  = "urn:ietf:params:oauth:token-type:access_token"
	TokenTypeID      = "urn:ietf:params:oauth:token-type:id_token"
	TokenTypeRefresh = "urn:ietf:params:oauth:token-type:refresh_token"
	TokenTypeJWT     = "urn:ietf:params:oauth:token-type:jwt"
)

// ExchangeRule lets an app exchange tokens (RFC 8693): those issued to certain
// apps for certain audiences, into tokens for certain others. What no rule of the
// acting app names is refused.
type ExchangeRule struct {
	// Clients are the apps whose tokens may be presented.
	Clients []ClientID `json:"clients"`
	// SubjectAudience are audiences of which the presented token must have one; not
	// asked of an ID token, whose audience is its app.
	SubjectAudience []string `json:"subject_audience,omitempty"`
	// SubjectTokenTypes the rule is for; access_token alone if empty.
	SubjectTokenTypes []string `json:"subject_token_types,omitempty"`
	// Audience are the resources the new token may be for.
	Audience []string `json:"audience"`
	// Scope bounds the new token's scope; nothing in it leaves the token without.
	Scope []string `json:"scope,omitempty"`
}

// TrustedIssuer is a party whose assertions an app may present for services of
// its own (RFC 7523 §2.1). It never speaks for a person.
type TrustedIssuer struct {
	Issuer string `json:"issuer"`
	// JWKS are its public keys, RFC 7517.
	JWKS json.RawMessage `json:"jwks"`
	// Subjects are the services it may name, each exactly.
	Subjects []string `json:"subjects"`
	// Audience are the resources a token for them may be for, Scope what it may
	// carry.
	Audience []string `json:"audience"`
	Scope    []string `json:"scope,omitempty"`
	// MaxLife bounds an assertion's life, in seconds; 300 if zero.
	MaxLife int `json:"max_life,omitempty"`
}

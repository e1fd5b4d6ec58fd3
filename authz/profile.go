package authz

import (
	"slices"
	"time"
)

// ProfileName names a row of [Profiles].
type ProfileName string

// The profiles a client can be pinned to (decision D5).
const (
	FAPI2        ProfileName = "fapi2"
	FAPI2Signing ProfileName = "fapi2-message-signing"
	OIDC         ProfileName = "oidc"
)

// Profile says what a client must do. Discovery, request checks, registration
// rules and documentation all derive from this one table.
type Profile struct {
	Name ProfileName
	// Source is the specification the row follows.
	Source string
	// RequirePAR: only pushed requests (FAPI 2.0 SP §5.3.2.2, RFC 9126).
	RequirePAR bool
	// RequireRequestObject: only signed requests (FAPI 2.0 Message Signing §5.3.1,
	// RFC 9101).
	RequireRequestObject bool
	// RequireConstraint: access tokens are bound to their holder by one of
	// Constraints (FAPI 2.0 SP §5.3.2.1).
	RequireConstraint bool
	Constraints       []Constraint
	// AuthMethods the token endpoint accepts from such a client.
	AuthMethods []AuthMethod
	// ResponseTypes and ResponseModes accepted; the first mode is that of a request
	// which names none, where "query" is not among them. A client may use "code"
	// and what it registered of the rest.
	ResponseTypes []string
	ResponseModes []string
	GrantTypes    []string
	// FrontChannelUntil is the sunset of response types that give tokens to the
	// browser (hybrid, implicit), by which whoever registered them has moved to code
	// (RFC 9700 §2.1.2). Zero where there are none.
	FrontChannelUntil time.Time
	// StateHash puts s_hash into ID tokens of the front channel (FAPI 1.0
	// Advanced §5.2.2.1).
	StateHash bool
	// AllowWithoutPKCE lets a confidential client register that it sends no
	// code_challenge, as certified OpenID Connect clients may (RFC 9700 §2.1.1).
	AllowWithoutPKCE bool
	// UnsignedRequestObjects takes request objects of algorithm none from a client
	// that registered no algorithm for them, or this one (OpenID Connect Core §6.1).
	UnsignedRequestObjects bool
	// BrowserLogout lets a client register front-channel logout and session
	// management, for what cannot be called from outside.
	BrowserLogout bool
	// Algorithms for client assertions and for our tokens to the client.
	ClientAlgorithms []string
	TokenAlgorithms  []string
	// DefaultAlgorithm signs the ID tokens of an app that registered none: that of
	// OpenID Connect Dynamic Registration §2 is RS256, which FAPI 2.0 SP §5.4.1 rules
	// out.
	DefaultAlgorithm string
	// AssertionIssuerOnly: `aud` of a client assertion is the issuer as one
	// string (FAPI 2.0 SP §5.3.2.1).
	AssertionIssuerOnly bool
	// RotateRefresh: a refresh token is spent by its use (RFC 9700 §4.14.2). FAPI
	// 2.0 SP §5.3.2.1 forbids it: its clients authenticate with a key and their
	// tokens are bound, so a rotation protects from nothing and loses logins.
	RotateRefresh bool
	// RegisteredScopes refuses a request for a scope of ours that the app did not
	// register; without it such a scope is passed over and not granted, which the
	// answer tells by scope (RFC 6749 §3.3). A scope that nobody here knows is passed
	// over in every row (OpenID Connect Core §3.1.2.1).
	RegisteredScopes bool
	CodeLife         time.Duration
}

// Profiles is the one table. `iss` in responses (RFC 9207), exact redirect URIs
// and no PKCE but S256 hold for every row, so they are not columns.
var Profiles = map[ProfileName]Profile{
	FAPI2: {
		Name: FAPI2, Source: "FAPI 2.0 Security Profile Final",
		RequirePAR: true, RequireConstraint: true,
		Constraints:      []Constraint{DPoP, MutualTLS},
		AuthMethods:      []AuthMethod{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth},
		ResponseTypes:    []string{"code"},
		ResponseModes:    []string{"query", "jwt", "query.jwt"},
		GrantTypes:       []string{"authorization_code", "refresh_token", "client_credentials", GrantDevice, GrantCIBA, GrantTokenExchange, GrantJWTBearer},
		ClientAlgorithms: []string{"ES256", "PS256", "EdDSA"},
		TokenAlgorithms:  []string{"ES256", "PS256", "EdDSA"},
		DefaultAlgorithm: "ES256",

		AssertionIssuerOnly: true,
		RegisteredScopes:    true,
		CodeLife:            60 * time.Second,
	},
	FAPI2Signing: {
		Name: FAPI2Signing, Source: "FAPI 2.0 Message Signing Final: signed requests and signed responses",
		RequirePAR: true, RequireConstraint: true, RequireRequestObject: true,
		Constraints:      []Constraint{DPoP, MutualTLS},
		AuthMethods:      []AuthMethod{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth},
		ResponseTypes:    []string{"code"},
		ResponseModes:    []string{"jwt", "query.jwt"},
		GrantTypes:       []string{"authorization_code", "refresh_token", "client_credentials", GrantCIBA, GrantTokenExchange, GrantJWTBearer},
		ClientAlgorithms: []string{"ES256", "PS256", "EdDSA"},
		TokenAlgorithms:  []string{"ES256", "PS256", "EdDSA"},
		DefaultAlgorithm: "ES256",

		AssertionIssuerOnly: true,
		RegisteredScopes:    true,
		CodeLife:            60 * time.Second,
	},
	OIDC: {
		Name: OIDC, Source: "OpenID Connect Core 1.0, RFC 9700",
		Constraints:      []Constraint{DPoP, MutualTLS},
		AuthMethods:      []AuthMethod{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth, ClientSecretBasic, ClientSecretPost},
		ResponseTypes:    []string{"code", "code id_token", "code token", "code id_token token", "id_token", "id_token token"},
		ResponseModes:    []string{"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"},
		GrantTypes:       []string{"authorization_code", "refresh_token", "client_credentials", "implicit", GrantDevice, GrantCIBA, GrantTokenExchange, GrantJWTBearer},
		ClientAlgorithms: []string{"ES256", "PS256", "EdDSA", "RS256"},
		TokenAlgorithms:  []string{"ES256", "PS256", "EdDSA", "RS256"},
		DefaultAlgorithm: "RS256",

		FrontChannelUntil:      time.Date(2028, time.January, 1, 0, 0, 0, 0, time.UTC),
		StateHash:              true,
		AllowWithoutPKCE:       true,
		UnsignedRequestObjects: true,
		BrowserLogout:          true,
		RotateRefresh:          true,
		CodeLife:               60 * time.Second,
	},
}

// Union collects one column over all profiles, in a stable order, for discovery.
func Union[T comparable](column func(Profile) []T) []T {
	var all []T
	for _, name := range []ProfileName{FAPI2, FAPI2Signing, OIDC} {
		for _, v := range column(Profiles[name]) {
			if !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return all
}

package authz

import (
	"slices"
	"strings"
	"time"

	"hopnhat/keys"
)

// ProfileName names a row of [Profiles].
type ProfileName string

// The profiles a client can be pinned to (docs/decisions.md D5).
const (
	FAPI2        ProfileName = "fapi2"
	FAPI2Signing ProfileName = "fapi2-message-signing"
	FAPICIBA     ProfileName = "fapi-ciba"
	Native       ProfileName = "native"
	OIDC         ProfileName = "oidc"
)

// ProfileNames are the rows of [Profiles] in the order in which they are shown.
var ProfileNames = []ProfileName{FAPI2, FAPI2Signing, FAPICIBA, Native, OIDC}

// AssertionAudience says whom the `aud` of a client assertion may name. The zero
// value is [IssuerAlone].
type AssertionAudience string

// The audiences of assertions.
const (
	// IssuerAlone: FAPI 2.0 SP §5.3.2.1. Who accepts the URL of an endpoint too can
	// be sent an assertion that a client made for another's.
	IssuerAlone AssertionAudience = ""
	// IssuerOrCIBA: CIBA Core §7.1, the provider accepts its issuer identifier, its
	// token endpoint and its backchannel authentication endpoint.
	IssuerOrCIBA AssertionAudience = "ciba"
	// IssuerOrEndpoint: OpenID Connect Core §9, RFC 7523 §3.
	IssuerOrEndpoint AssertionAudience = "endpoint"
)

// Profile says what a client must do. Discovery, request checks, registration
// rules and documentation all derive from this one table.
type Profile struct {
	Name ProfileName
	// Source is the specification the row follows.
	Source string
	// RequirePAR: only pushed requests (FAPI 2.0 SP §5.3.2.2, RFC 9126).
	RequirePAR bool
	// RequireRequestObject: only signed requests (FAPI 2.0 MS §5.3.1,
	// RFC 9101; FAPI-CIBA §5.2.2).
	RequireRequestObject bool
	// LimitedRequestObjects: a request object names its maker and whom it is for, and
	// is good for an hour at most: iss, aud, exp and nbf are there (FAPI 2.0 MS §5.3.1).
	LimitedRequestObjects bool
	// RequireConstraint: access tokens are bound to their holder by one of
	// Constraints (FAPI 2.0 SP §5.3.2.1).
	RequireConstraint bool
	Constraints       []Constraint
	// AuthMethods the token endpoint accepts from such a client.
	AuthMethods []AuthMethod
	// ResponseTypes and ResponseModes accepted. A client may use "code" and what it
	// registered of the rest; a response mode is sent where it was asked for, and else
	// the default of the response type.
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
	// AnyLoopbackPort is for apps on a person's own device: their redirect URIs are
	// https addresses that the device gives to them alone (RFC 8252 §7.2), or loopback
	// addresses, on any port (§7.3).
	AnyLoopbackPort bool
	// KeyBeforeReleases: what is asked of registers goes to a key that was named before
	// the person is asked (RFC 9449 §10), since nothing else proves who the app is.
	KeyBeforeReleases bool
	// BrowserLogout lets a client register front-channel logout and session
	// management, for what cannot be called from outside.
	BrowserLogout bool
	// Algorithms for client assertions and for our tokens to the client.
	ClientAlgorithms []string
	TokenAlgorithms  []string
	// DefaultAlgorithm signs the ID tokens of an app that registered none: that of
	// OpenID Connect Dynamic Registration §2 is RS256, which FAPI 2.0 SP §5.4.1 rules
	// out.
	DefaultAlgorithm  string
	AssertionAudience AssertionAudience
	// RotateRefresh: a refresh token is spent by its use (RFC 9700 §4.14.2). FAPI
	// 2.0 SP §5.3.2.1 forbids it: its clients authenticate with a key and their
	// tokens are bound, so a rotation protects from nothing and loses logins. Those of
	// apps without a secret are bound to the DPoP key instead (RFC 9449 §5).
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
		GrantTypes:       []string{"authorization_code", "refresh_token", "client_credentials", GrantDevice, GrantTokenExchange, GrantJWTBearer},
		ClientAlgorithms: keys.FAPI2Signatures.Names(),
		TokenAlgorithms:  keys.FAPI2Signatures.Names(),
		DefaultAlgorithm: string(keys.ES256),

		LimitedRequestObjects: true,
		RegisteredScopes:      true,
		CodeLife:              60 * time.Second,
	},
	FAPI2Signing: {
		Name: FAPI2Signing, Source: "FAPI 2.0 Message Signing Final: signed requests, and signed responses where they are asked for",
		RequirePAR: true, RequireConstraint: true, RequireRequestObject: true,
		Constraints:      []Constraint{DPoP, MutualTLS},
		AuthMethods:      []AuthMethod{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth},
		ResponseTypes:    []string{"code"},
		ResponseModes:    []string{"query", "jwt", "query.jwt"},
		GrantTypes:       []string{"authorization_code", "refresh_token", "client_credentials", GrantTokenExchange, GrantJWTBearer},
		ClientAlgorithms: keys.FAPI2Signatures.Names(),
		TokenAlgorithms:  keys.FAPI2Signatures.Names(),
		DefaultAlgorithm: string(keys.ES256),

		LimitedRequestObjects: true,
		RegisteredScopes:      true,
		CodeLife:              60 * time.Second,
	},
	// No redirect: nobody can be sent to a wrong endpoint with an assertion that is
	// good at ours, and the certificate or key still binds what is given out.
	FAPICIBA: {
		Name: FAPICIBA, Source: "FAPI-CIBA, CIBA Core 1.0",
		RequireRequestObject: true, RequireConstraint: true,
		Constraints:      []Constraint{DPoP, MutualTLS},
		AuthMethods:      []AuthMethod{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth},
		GrantTypes:       []string{GrantCIBA, "refresh_token", "client_credentials", GrantTokenExchange},
		ClientAlgorithms: keys.FAPI1Signatures.Names(),
		TokenAlgorithms:  keys.FAPI1Signatures.Names(),
		DefaultAlgorithm: string(keys.ES256),

		LimitedRequestObjects: true,
		AssertionAudience:     IssuerOrCIBA,
		RegisteredScopes:      true,
		CodeLife:              60 * time.Second,
	},
	Native: {
		Name: Native, Source: "RFC 8252 for apps on phones and desktops, RFC 9700, RFC 9449",
		RequireConstraint: true,
		Constraints:       []Constraint{DPoP},
		AuthMethods:       []AuthMethod{PublicClient},
		ResponseTypes:     []string{"code"},
		ResponseModes:     []string{"query", "jwt", "query.jwt"},
		GrantTypes:        []string{"authorization_code", "refresh_token"},
		TokenAlgorithms:   keys.FAPI2Signatures.Names(),
		DefaultAlgorithm:  string(keys.ES256),

		AnyLoopbackPort:   true,
		KeyBeforeReleases: true,
		CodeLife:          60 * time.Second,
	},
	OIDC: {
		Name: OIDC, Source: "OpenID Connect Core 1.0, RFC 9700",
		Constraints:      []Constraint{DPoP, MutualTLS},
		AuthMethods:      []AuthMethod{PrivateKeyJWT, TLSClientAuth, SelfSignedTLSClientAuth, ClientSecretBasic, ClientSecretPost},
		ResponseTypes:    []string{"code", "code id_token", "code token", "code id_token token", "id_token", "id_token token"},
		ResponseModes:    []string{"query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"},
		GrantTypes:       []string{"authorization_code", "refresh_token", "client_credentials", "implicit", GrantDevice, GrantCIBA, GrantTokenExchange, GrantJWTBearer},
		ClientAlgorithms: keys.OpenIDSignatures.Names(),
		TokenAlgorithms:  keys.OpenIDSignatures.Names(),
		DefaultAlgorithm: string(keys.RS256),

		AssertionAudience:      IssuerOrEndpoint,
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
	for _, name := range ProfileNames {
		for _, v := range column(Profiles[name]) {
			if !slices.Contains(all, v) {
				all = append(all, v)
			}
		}
	}
	return all
}

// OfferedBy says, for the end of a refusal, which profiles do offer a grant; empty if
// none does.
func OfferedBy(grant string) string {
	var names []string
	for _, name := range ProfileNames {
		if slices.Contains(Profiles[name].GrantTypes, grant) {
			names = append(names, string(name))
		}
	}
	if names == nil {
		return ""
	}
	return "; offered by " + strings.Join(names, ", ")
}

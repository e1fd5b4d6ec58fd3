package authz

import (
	"net/url"
	"slices"
	"time"
)

// Client is a registered government app. It is immutable once loaded: a change
// makes a new one. Its fields are grouped by the standard that owns them; the groups are
// embedded, so that a stored registration is one flat object, as nodes of any release
// read it.
type Client struct {
	ID   ClientID
	Name LocalizedText
	// Owner is the agency that runs the app, shown to the citizen.
	Owner LocalizedText
	// Profile pins what the app must do (docs/decisions.md D5).
	Profile ProfileName
	Authentication
	Keys
	Requests
	Responses
	Tokens
	Logout
	CIBA
	Releases
	Delegation
	Described

	// Verified says who vouches that the agency in Owner runs the app.
	Verified Verification
	// Membership is what lets an app in that nobody registered here; it is kept beside the
	// registration, since it is renewed without a change of it.
	Membership Membership `json:"-"`
	Disabled   bool
	// Ended is when the registration was deleted (RFC 7592 §2.3): it stays, so that
	// the record of what the app did can name it, and is never enabled again.
	Ended     time.Time
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Authentication is how an app proves who it is (OpenID Connect Core §9, RFC 8705 §2).
type Authentication struct {
	// Method is how the app authenticates, OpenID Connect Core §9.
	Method AuthMethod
	// SecretHash is SHA-256 of a generated client secret (method
	// client_secret_*), nil otherwise.
	SecretHash []byte
	// SecretExpires is when the secret ends; zero is never.
	SecretExpires time.Time
	// Certificate names the certificate of method tls_client_auth.
	Certificate CertificateName
	// AssertionAlg is the one algorithm of its client assertions; empty allows those
	// of the profile (token_endpoint_auth_signing_alg).
	AssertionAlg string
}

// Keys are the app's public keys, RFC 7517; JWKSURI is where they are instead.
type Keys struct {
	JWKS    []byte
	JWKSURI string
	// JWKSSignedBy is a JWK Set, the federation keys of the app: then a signed JWK Set is at
	// JWKSURI, and one of them signed it (signed_jwks_uri, OpenID Federation 1.0 §5.2.1).
	JWKSSignedBy []byte `json:",omitempty"`
}

// Requests is what an app may ask, and in which form (RFC 6749, RFC 7636, RFC 9101,
// OpenID Connect Dynamic Registration §2).
type Requests struct {
	// RequestObjectAlg is the one algorithm of its request objects, "none" where
	// the profile lets it; empty allows all of the profile, "none" where it lets it
	// among them (request_object_signing_alg). RequestURIs are where it may keep
	// request objects.
	RequestObjectAlg string
	RequestURIs      []string
	// RequestObjectEncryption is what the app said it may encrypt its request
	// objects with; any that we offer is taken.
	RequestObjectEncryption Encryption
	// RequireRequestObject refuses requests that are not signed, beyond what the
	// profile demands (RFC 9101 §10.5).
	RequireRequestObject bool
	RedirectURIs         []string
	GrantTypes           []string
	// ResponseTypes are those it registered; empty is "code" alone (OpenID Connect
	// OpenID Connect Dynamic Registration §2).
	ResponseTypes []string
	// CodeWithoutPKCE says that it sends no code_challenge, where the profile lets
	// it.
	CodeWithoutPKCE bool
	// DefaultMaxAge, in seconds, and DefaultACRValues stand in for max_age and
	// acr_values that a request does not give. auth_time is in every ID token, so
	// require_auth_time needs no field.
	DefaultMaxAge    *int
	DefaultACRValues []string
	Scopes           []string
	// MinimumLevel is the lowest authentication level this app accepts.
	MinimumLevel AuthenticationLevel
}

// Responses is how what an app receives is signed and encrypted (OpenID Connect Dynamic
// Registration §2, JARM §3).
type Responses struct {
	// SigningAlg is the ID token's algorithm. Empty is ES256, of apps that an operator
	// registered before the profile's default was written down with each.
	SigningAlg string
	// AuthorizationAlg signs authorization responses of response_mode jwt, and
	// UserInfoAlg UserInfo, which is plain JSON without it. Empty is ES256, or
	// for UserInfo unsigned.
	AuthorizationAlg string
	UserInfoAlg      string
	// What the app receives encrypted, each an alg and an enc or none.
	IDTokenEncryption       Encryption
	UserInfoEncryption      Encryption
	AuthorizationEncryption Encryption
}

// Tokens is what an app's tokens are bound to and whom they name (RFC 8705, RFC 9449,
// RFC 7662, RFC 8707, OpenID Connect Core §8).
type Tokens struct {
	// CertificateBound binds its tokens to its certificate (RFC 8705 §3.4), and
	// DPoPBound to a DPoP key always (RFC 9449 §5.2).
	CertificateBound bool
	DPoPBound        bool
	// Sector is the host whose apps see the same pairwise subject, OpenID
	// Connect Core §8.1.
	Sector string
	// SectorIdentifierURI is the list of redirect URIs that proved the sector.
	SectorIdentifierURI string
	// Introspect allows introspection of tokens of the audiences listed.
	Introspect []string
	// Resources are the agencies' APIs this app may have tokens for (RFC 8707).
	Resources []string
}

// Logout is what an app is told of the end of a session (RP-Initiated, Back-Channel and
// Front-Channel Logout, Session Management).
type Logout struct {
	PostLogoutRedirectURIs []string
	BackchannelLogoutURI   string
	BackchannelSession     bool
	// FrontchannelLogoutURI is loaded in a frame of the page that tells a person she
	// is signed out (Front-Channel Logout §2). SessionManagement gives it
	// session_state, and the browser a cookie that a frame of ours reads (Session
	// Management §2). Both need cookies of another site, which browsers block.
	FrontchannelLogoutURI string
	FrontchannelSession   bool
	SessionManagement     bool
}

// CIBA is how an app asks for a sign-in on another device (CIBA Core §4): poll or
// ping, where pings go, and the algorithm of its authentication requests, which it must
// sign if it has registered one.
type CIBA struct {
	BackchannelDelivery        DeliveryMode
	BackchannelNotificationURI string
	BackchannelRequestAlg      string
}

// Releases is what an app may ask of the registers (RFC 9396 with type vn_data_release).
type Releases struct {
	// Declarations are the purposes, registers and attributes this app may ask
	// for: the recipient's side of the two-declaration model.
	Declarations []Declaration
	// ConsentNoticeURI takes signed notices that a person withdrew her consent, security
	// event tokens pushed as RFC 8935 says; empty where the app is told nothing.
	ConsentNoticeURI string
}

// Delegation is which apps act for which (RFC 8693, RFC 7523).
type Delegation struct {
	// TokenExchange are the rules by which it may exchange others' tokens, and
	// MayAct the one app that may exchange its own; empty leaves that to the rules
	// of the others (RFC 8693 §4.4).
	TokenExchange []ExchangeRule
	MayAct        ClientID
	// TrustedIssuers make assertions for services of this app (RFC 7523 §2.1).
	TrustedIssuers []TrustedIssuer
}

// Described is what else an app says of itself (RFC 7591 §2).
type Described struct {
	HomeURI string
	// InitiateLoginURI lets the portal begin a sign-in at the app (OpenID Connect
	// Core §4).
	InitiateLoginURI string
	ApplicationType  string
	// PolicyURI and TermsURI are links on the consent page; the logo is kept and never
	// shown.
	LogoURI, PolicyURI, TermsURI string
	Contacts                     []string
	SoftwareID, SoftwareVersion  string
}

// Verification is somebody's word that an app is run by the agency it names: an
// operator's, or that of the agency's officer who gave it its initial access token.
// It is zero for an app that nobody vouched for; see [TakenBack].
type Verification struct {
	// By is who: "operator:" and the account of the tool, "initial-access-token:" and the
	// token's id, or "federation:" and the entity that states the name of the agency.
	By string
	At time.Time
}

// TakenBack is that nobody vouches for an app any more, since an operator said so at a
// time. Only an operator undoes that: nothing the app does gives it the mark again.
func TakenBack(at time.Time) Verification { return Verification{At: at} }

// WasTakenBack reports whether an operator took the word back.
func (v Verification) WasTakenBack() bool { return v.By == "" && !v.At.IsZero() }

// Holds reports whether somebody vouches.
func (v Verification) Holds() bool { return v.By != "" && !v.At.IsZero() }

// Membership is the chain by which a federation vouches for an app (OpenID Federation 1.0
// §12); zero for an app that was registered here.
type Membership struct {
	// Anchor is the trust anchor at the end of the chain, Superior the entity right above
	// the app.
	Anchor, Superior string
	// Chain names the chain by what its statements say: a SHA-256, base64url.
	Chain string
	// Expires is when the chain ends, and the registration with it at the latest.
	Expires time.Time
}

// Federated reports whether a federation vouches for the app, now or before.
func (m Membership) Federated() bool { return m.Anchor != "" }

// Determining is what evidence says of it, beside what else determined an outcome: the anchor
// that the app was trusted by, and the chain.
func (m Membership) Determining() []string {
	if !m.Federated() {
		return nil
	}
	said := []string{"federation:" + m.Anchor}
	if m.Chain != "" {
		said = append(said, "federation-chain:"+m.Chain)
	}
	return said
}

// Lapsed reports whether the app came by a chain that has ended: it is refused then.
func (m Membership) Lapsed(now time.Time) bool { return m.Federated() && !now.Before(m.Expires) }

// Site is the host that the app is sent people back to, by which they know it; empty for
// one that is answered on their own device, which is nobody's sign.
func (c *Client) Site() string {
	if len(c.RedirectURIs) == 0 || c.OnDevice() {
		return ""
	}
	u, err := url.Parse(c.RedirectURIs[0])
	if err != nil {
		return ""
	}
	return u.Host
}

// LocalizedText is a text people see, Vietnamese and English.
type LocalizedText struct {
	VI string `json:"vi" yaml:"vi"`
	EN string `json:"en" yaml:"en"`
}

// In picks the text of a language; Vietnamese where there is no other.
func (t LocalizedText) In(lang string) string {
	if lang == "en" && t.EN != "" {
		return t.EN
	}
	return t.VI
}

// Declaration is a purpose declaration of a recipient (khai báo mục đích): for
// this purpose, on this basis, it may ask this register for these attributes.
type Declaration struct {
	Purpose    PurposeID     `json:"purpose" yaml:"purpose"`
	Basis      Basis         `json:"legal_basis" yaml:"legal_basis"`
	Registry   RegistryID    `json:"registry" yaml:"registry"`
	Attributes []AttributeID `json:"attributes" yaml:"attributes"`
	// Required attributes cannot be unticked without declining the whole item.
	Required []AttributeID `json:"required,omitempty" yaml:"required"`
	// Explanation says to the citizen why the app needs it.
	Explanation LocalizedText `json:"explanation" yaml:"explanation"`
	// Recipients are the apps that may receive the data when they act for this one
	// (RFC 8693); the person reads their names before she agrees.
	Recipients []ClientID `json:"recipients,omitempty" yaml:"recipients"`
	// CaseReference is the form of the agency's case references, a regular expression
	// (RE2) for the whole text; empty takes the general one.
	CaseReference string `json:"case_reference,omitempty" yaml:"case_reference"`
	// MaxAuthAge is how old the sign-in may be when data are read, in seconds; 0
	// asks nothing (RFC 9470).
	MaxAuthAge int `json:"max_auth_age,omitempty" yaml:"max_auth_age"`
	// MaxDays bounds the validity of a consent, in days.
	MaxDays int `json:"max_days,omitempty" yaml:"max_days"`
	// DataLife is how long the recipient keeps the data (P30D).
	DataLife  string    `json:"data_life,omitempty" yaml:"data_life"`
	Frequency string    `json:"frequency,omitempty" yaml:"frequency"`
	ExpiresAt time.Time `json:"expires_at,omitzero" yaml:"expires_at"`
}

// AuthMethod is a client authentication method, OpenID Connect Core §9.
type AuthMethod string

// The methods that there are.
const (
	PrivateKeyJWT           AuthMethod = "private_key_jwt"
	TLSClientAuth           AuthMethod = "tls_client_auth"             // RFC 8705 §2.1
	SelfSignedTLSClientAuth AuthMethod = "self_signed_tls_client_auth" // RFC 8705 §2.2
	ClientSecretBasic       AuthMethod = "client_secret_basic"
	ClientSecretPost        AuthMethod = "client_secret_post"
	PublicClient            AuthMethod = "none"
)

// Encryption is how a client wants something encrypted to its key: a key
// management algorithm and a content encryption (RFC 7518 §4.1, §5.1).
type Encryption struct {
	Algorithm string `json:"alg,omitempty" yaml:"alg"`
	Content   string `json:"enc,omitempty" yaml:"enc"`
}

// Wanted reports whether anything is to be encrypted.
func (e Encryption) Wanted() bool { return e.Algorithm != "" }

// DeliveryMode is how a client of CIBA learns that a request was answered: CIBA
// Core §5. Push is not offered (FAPI-CIBA §5.2.2).
type DeliveryMode string

// The modes.
const (
	Poll DeliveryMode = "poll"
	Ping DeliveryMode = "ping"
)

// AllowsGrant reports whether the client registered a grant type.
func (c *Client) AllowsGrant(grantType string) bool { return slices.Contains(c.GrantTypes, grantType) }

// AllowsResponseType reports whether the client registered a response type, which
// is given in the table's form.
func (c *Client) AllowsResponseType(responseType string) bool {
	if len(c.ResponseTypes) == 0 {
		return responseType == "code"
	}
	return slices.Contains(c.ResponseTypes, responseType)
}

// SectorOf gives the sector of a client that registered none: the host of its
// only redirect host (OpenID Connect Core §8.1).
func SectorOf(redirectURIs []string) (string, bool) {
	host := ""
	for _, raw := range redirectURIs {
		u, err := url.Parse(raw)
		if err != nil || u.Host == "" {
			return "", false
		}
		if host != "" && host != u.Host {
			return "", false
		}
		host = u.Host
	}
	return host, host != ""
}

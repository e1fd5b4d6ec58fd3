package registration

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"

	"hopnhat/authz"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Metadata is client metadata: OpenID Connect Dynamic Registration §2, RFC 7591
// §2, and the standards named beside each group. One struct is read from JSON and
// from YAML. What is empty takes its default in [Metadata.Client].
type Metadata struct {
	ClientID string `json:"client_id,omitempty"`
	// The name with and without language (RFC 7591 §2.2); without is Vietnamese. An app
	// that has none goes by its host: see [nameless].
	Name      string `json:"client_name,omitempty"`
	NameVI    string `json:"client_name#vi,omitempty"`
	NameEN    string `json:"client_name#en,omitempty"`
	ClientURI string `json:"client_uri,omitempty"`
	// Links shown to a person, and what officers need.
	LogoURI         string   `json:"logo_uri,omitempty"`
	PolicyURI       string   `json:"policy_uri,omitempty"`
	TermsURI        string   `json:"tos_uri,omitempty"`
	Contacts        []string `json:"contacts,omitempty"`
	ApplicationType string   `json:"application_type,omitempty"`
	SoftwareID      string   `json:"software_id,omitempty"`
	SoftwareVersion string   `json:"software_version,omitempty"`
	// Statement is a JWT whose claims win over the members beside it (RFC 7591
	// §2.3); see [Metadata.Stated].
	Statement string `json:"software_statement,omitempty"`

	AuthMethod   string `json:"token_endpoint_auth_method,omitempty"`
	AssertionAlg string `json:"token_endpoint_auth_signing_alg,omitempty"`

	RedirectURIs  []string `json:"redirect_uris,omitempty"`
	ResponseTypes []string `json:"response_types,omitempty"`
	GrantTypes    []string `json:"grant_types,omitempty"`
	Scope         Scope    `json:"scope,omitempty"`

	DefaultMaxAge    *int     `json:"default_max_age,omitempty"`
	DefaultACRValues []string `json:"default_acr_values,omitempty"`

	JWKS    json.RawMessage `json:"jwks,omitempty"`
	JWKSURI string          `json:"jwks_uri,omitempty"`

	SubjectType         string `json:"subject_type,omitempty"`
	SectorIdentifierURI string `json:"sector_identifier_uri,omitempty"`
	InitiateLoginURI    string `json:"initiate_login_uri,omitempty"`

	// RFC 8705 §2.1.2, §3.4, and RFC 9449 §5.2.
	CertificateDN    string `json:"tls_client_auth_subject_dn,omitempty"`
	CertificateDNS   string `json:"tls_client_auth_san_dns,omitempty"`
	CertificateURI   string `json:"tls_client_auth_san_uri,omitempty"`
	CertificateIP    string `json:"tls_client_auth_san_ip,omitempty"`
	CertificateEmail string `json:"tls_client_auth_san_email,omitempty"`
	CertificateBound bool   `json:"tls_client_certificate_bound_access_tokens,omitempty"`
	DPoPBound        bool   `json:"dpop_bound_access_tokens,omitempty"`

	IDTokenAlg       string `json:"id_token_signed_response_alg,omitempty"`
	IDTokenEncAlg    string `json:"id_token_encrypted_response_alg,omitempty"`
	IDTokenEncEnc    string `json:"id_token_encrypted_response_enc,omitempty"`
	UserInfoAlg      string `json:"userinfo_signed_response_alg,omitempty"`
	UserInfoEncAlg   string `json:"userinfo_encrypted_response_alg,omitempty"`
	UserInfoEncEnc   string `json:"userinfo_encrypted_response_enc,omitempty"`
	RequestObjectAlg string `json:"request_object_signing_alg,omitempty"`

	// What the app may encrypt its request objects with, to our key.
	RequestObjectEncAlg string `json:"request_object_encryption_alg,omitempty"`
	RequestObjectEncEnc string `json:"request_object_encryption_enc,omitempty"`

	RequestURIs          []string `json:"request_uris,omitempty"`
	RequireRequestObject bool     `json:"require_signed_request_object,omitempty"` // RFC 9101 §10.5

	// JARM §3.
	AuthorizationAlg    string `json:"authorization_signed_response_alg,omitempty"`
	AuthorizationEncAlg string `json:"authorization_encrypted_response_alg,omitempty"`
	AuthorizationEncEnc string `json:"authorization_encrypted_response_enc,omitempty"`

	// CIBA Core §4.
	BackchannelDelivery        string `json:"backchannel_token_delivery_mode,omitempty"`
	BackchannelNotificationURI string `json:"backchannel_client_notification_endpoint,omitempty"`
	BackchannelRequestAlg      string `json:"backchannel_authentication_request_signing_alg,omitempty"`
	BackchannelUserCode        bool   `json:"backchannel_user_code_parameter,omitempty"`

	// RP-Initiated Logout §3.1, Back-Channel Logout §2.2.
	PostLogoutRedirectURIs []string `json:"post_logout_redirect_uris,omitempty"`
	BackchannelLogoutURI   string   `json:"backchannel_logout_uri,omitempty"`
	BackchannelSession     bool     `json:"backchannel_logout_session_required,omitempty"`
	// Ours: where the app is told that a consent was withdrawn (RFC 8935 §2).
	ConsentNoticeURI string `json:"consent_notice_uri,omitempty"`
	// Front-Channel Logout §2, and Session Management, for which there is no member
	// but ours.
	FrontchannelLogoutURI string `json:"frontchannel_logout_uri,omitempty"`
	FrontchannelSession   bool   `json:"frontchannel_logout_session_required,omitempty"`
	SessionManagement     bool   `json:"session_management,omitempty"`

	// Ours: what an agency's officer decides, no app for itself.
	Profile      string               `json:"profile,omitempty"`
	Owner        *authz.LocalizedText `json:"owner,omitempty"`
	Sector       string               `json:"sector,omitempty"`
	MinimumLevel int                  `json:"minimum_level,omitempty"`
	Introspect   []string             `json:"introspect,omitempty"`
	// CodeWithoutPKCE: it sends no code_challenge (RFC 9700 §2.1.1).
	CodeWithoutPKCE bool                `json:"code_without_pkce,omitempty"`
	Declarations    []authz.Declaration `json:"declarations,omitempty"`
	// Who may act for whom, and for which agencies' APIs: RFC 8707, 8693, 7523.
	Resources      []string              `json:"resources,omitempty"`
	TokenExchange  []authz.ExchangeRule  `json:"token_exchange,omitempty"`
	MayAct         string                `json:"may_act,omitempty"`
	TrustedIssuers []authz.TrustedIssuer `json:"trusted_issuers,omitempty"`
}

// Scope is a list that is written as one text with spaces, RFC 6749 §3.3.
type Scope []string

// MarshalText writes the list.
func (s Scope) MarshalText() ([]byte, error) { return []byte(strings.Join(s, " ")), nil }

// UnmarshalText reads the list.
func (s *Scope) UnmarshalText(text []byte) error {
	*s = strings.Fields(string(text))
	return nil
}

// Of is the metadata of a client: what reading it again makes the same client of.
func Of(c *authz.Client) Metadata {
	m := Metadata{
		ClientID: string(c.ID), Name: c.Name.VI, NameEN: c.Name.EN, ClientURI: c.HomeURI, AuthMethod: string(c.Method),
		RedirectURIs: c.RedirectURIs, ResponseTypes: registeredTypes(c), GrantTypes: c.GrantTypes, Scope: c.Scopes, JWKS: c.JWKS,
		IDTokenAlg: signing(c), IDTokenEncAlg: c.IDTokenEncryption.Algorithm, IDTokenEncEnc: c.IDTokenEncryption.Content,
		UserInfoAlg: c.UserInfoAlg, UserInfoEncAlg: c.UserInfoEncryption.Algorithm, UserInfoEncEnc: c.UserInfoEncryption.Content,
		RequestObjectAlg: c.RequestObjectAlg, RequestURIs: c.RequestURIs, RequireRequestObject: c.RequireRequestObject,
		CertificateDN: c.Certificate.SubjectDN, CertificateDNS: c.Certificate.DNS, CertificateURI: c.Certificate.URI,
		CertificateIP: c.Certificate.IP, CertificateEmail: c.Certificate.Email, CertificateBound: c.CertificateBound,
		DPoPBound:        c.DPoPBound,
		AuthorizationAlg: c.AuthorizationAlg, AuthorizationEncAlg: c.AuthorizationEncryption.Algorithm,
		AuthorizationEncEnc:    c.AuthorizationEncryption.Content,
		PostLogoutRedirectURIs: c.PostLogoutRedirectURIs, BackchannelLogoutURI: c.BackchannelLogoutURI,
		BackchannelSession:    c.BackchannelSession && c.BackchannelLogoutURI != "",
		ConsentNoticeURI:      c.ConsentNoticeURI,
		FrontchannelLogoutURI: c.FrontchannelLogoutURI, FrontchannelSession: c.FrontchannelSession, SessionManagement: c.SessionManagement,
		LogoURI: c.LogoURI, PolicyURI: c.PolicyURI, TermsURI: c.TermsURI, Contacts: c.Contacts, ApplicationType: c.ApplicationType,
		SoftwareID: c.SoftwareID, SoftwareVersion: c.SoftwareVersion, AssertionAlg: c.AssertionAlg, JWKSURI: c.JWKSURI,
		SubjectType: pairwise, SectorIdentifierURI: c.SectorIdentifierURI, InitiateLoginURI: c.InitiateLoginURI,
		RequestObjectEncAlg: c.RequestObjectEncryption.Algorithm, RequestObjectEncEnc: c.RequestObjectEncryption.Content,
		BackchannelDelivery: string(c.BackchannelDelivery), BackchannelNotificationURI: c.BackchannelNotificationURI,
		BackchannelRequestAlg: c.BackchannelRequestAlg,
		Profile:               string(c.Profile), Sector: c.Sector, MinimumLevel: int(c.MinimumLevel), Introspect: c.Introspect,
		Declarations:    c.Declarations,
		CodeWithoutPKCE: c.CodeWithoutPKCE, DefaultMaxAge: c.DefaultMaxAge, DefaultACRValues: c.DefaultACRValues,
		Resources: c.Resources, TokenExchange: c.TokenExchange, MayAct: string(c.MayAct), TrustedIssuers: c.TrustedIssuers,
	}
	if c.Owner != (authz.LocalizedText{}) {
		m.Owner = &c.Owner
	}
	return m
}

// raw is the client that the metadata name, with defaults and unchecked.
func (m Metadata) raw() *authz.Client {
	c := &authz.Client{
		ID: authz.ClientID(m.ClientID), Name: authz.LocalizedText{VI: or(m.NameVI, m.Name), EN: m.NameEN},
		Profile: authz.ProfileName(or(m.Profile, string(authz.FAPI2))), Authentication: authz.Authentication{
			Method: authz.AuthMethod(m.AuthMethod),
			Certificate: authz.CertificateName{
				SubjectDN: m.CertificateDN, DNS: m.CertificateDNS, URI: m.CertificateURI, IP: m.CertificateIP, Email: m.CertificateEmail,
			},
			AssertionAlg: m.AssertionAlg,
		},
		Keys: authz.Keys{JWKS: m.JWKS, JWKSURI: m.JWKSURI}, Responses: authz.Responses{
			SigningAlg:              m.IDTokenAlg,
			AuthorizationAlg:        m.AuthorizationAlg,
			UserInfoAlg:             m.UserInfoAlg,
			IDTokenEncryption:       encryption(m.IDTokenEncAlg, m.IDTokenEncEnc),
			UserInfoEncryption:      encryption(m.UserInfoEncAlg, m.UserInfoEncEnc),
			AuthorizationEncryption: encryption(m.AuthorizationEncAlg, m.AuthorizationEncEnc),
		}, Requests: authz.Requests{
			RequestObjectAlg:        m.RequestObjectAlg,
			RequestURIs:             m.RequestURIs,
			RequireRequestObject:    m.RequireRequestObject,
			RedirectURIs:            m.RedirectURIs,
			GrantTypes:              m.GrantTypes,
			Scopes:                  m.Scope,
			MinimumLevel:            authz.AuthenticationLevel(m.MinimumLevel),
			ResponseTypes:           responseTypes(m.ResponseTypes),
			CodeWithoutPKCE:         m.CodeWithoutPKCE,
			DefaultMaxAge:           m.DefaultMaxAge,
			DefaultACRValues:        m.DefaultACRValues,
			RequestObjectEncryption: encryption(m.RequestObjectEncAlg, m.RequestObjectEncEnc),
		},

		Tokens: authz.Tokens{
			CertificateBound:    m.CertificateBound,
			DPoPBound:           m.DPoPBound,
			Sector:              m.Sector,
			Introspect:          m.Introspect,
			SectorIdentifierURI: m.SectorIdentifierURI,
			Resources:           m.Resources,
		},
		Logout: authz.Logout{
			PostLogoutRedirectURIs: m.PostLogoutRedirectURIs,
			BackchannelLogoutURI:   m.BackchannelLogoutURI,
			BackchannelSession:     true,
		},
		Releases: authz.Releases{ConsentNoticeURI: m.ConsentNoticeURI, Declarations: m.Declarations},
		Described: authz.Described{
			HomeURI:          m.ClientURI,
			LogoURI:          m.LogoURI,
			PolicyURI:        m.PolicyURI,
			TermsURI:         m.TermsURI,
			Contacts:         m.Contacts,
			ApplicationType:  m.ApplicationType,
			SoftwareID:       m.SoftwareID,
			SoftwareVersion:  m.SoftwareVersion,
			InitiateLoginURI: m.InitiateLoginURI,
		},

		Delegation: authz.Delegation{
			TokenExchange:  m.TokenExchange,
			MayAct:         authz.ClientID(m.MayAct),
			TrustedIssuers: m.TrustedIssuers,
		},
	}
	c.BackchannelDelivery, c.BackchannelNotificationURI = authz.DeliveryMode(m.BackchannelDelivery), m.BackchannelNotificationURI
	c.BackchannelRequestAlg = m.BackchannelRequestAlg
	c.FrontchannelLogoutURI, c.FrontchannelSession = m.FrontchannelLogoutURI, m.FrontchannelSession
	c.SessionManagement = m.SessionManagement
	if m.Owner != nil {
		c.Owner = *m.Owner
	}
	profile := authz.Profiles[c.Profile]
	if c.Method == "" {
		c.Method = defaultMethod(profile)
	}
	if c.ApplicationType == "" {
		if c.ApplicationType = "web"; profile.AnyLoopbackPort {
			c.ApplicationType = "native"
		}
	}
	if len(c.GrantTypes) == 0 {
		c.GrantTypes = grantsFor(c.ResponseTypes)
	}
	if len(c.Scopes) == 0 {
		c.Scopes = []string{"openid"}
	}
	if c.Name.VI == "" {
		c.Name.VI = or(c.Name.EN, nameless(c))
	}
	return c
}

// nameless is what people read of an app that says no name, which it need not (RFC 7591
// §2): the host it sends them back to, or else its id.
func nameless(c *authz.Client) string {
	for _, uri := range append(slices.Clone(c.RedirectURIs), "https://"+c.Sector) {
		if u, err := url.Parse(uri); err == nil && u.Hostname() != "" {
			return u.Hostname()
		}
	}
	return string(c.ID)
}

// KeysOf is how many keys are in a client's registration itself.
func KeysOf(c *authz.Client) int {
	set, err := jose.ParseSet(c.JWKS)
	if err != nil {
		return 0
	}
	return set.Len()
}

// signing is the algorithm of a client's ID tokens.
func signing(c *authz.Client) string { return or(c.SigningAlg, string(keys.ES256)) }

// pairwise is the one subject type (OpenID Connect Core §8).
const pairwise = "pairwise"

// defaultMethod is that of OpenID Connect Dynamic Registration §2 where the
// profile allows it, and else the first of the profile.
func defaultMethod(profile authz.Profile) authz.AuthMethod {
	if slices.Contains(profile.AuthMethods, authz.ClientSecretBasic) || len(profile.AuthMethods) == 0 {
		return authz.ClientSecretBasic
	}
	return profile.AuthMethods[0]
}

// encryption has a default for the content (OpenID Connect Dynamic Registration
// §2, JARM §3).
func encryption(algorithm, content string) authz.Encryption {
	if algorithm != "" && content == "" {
		content = "A128CBC-HS256"
	}
	return authz.Encryption{Algorithm: algorithm, Content: content}
}

func or(value, otherwise string) string {
	if value != "" {
		return value
	}
	return otherwise
}

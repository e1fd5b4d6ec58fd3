package provider

import (
	"encoding/json"
	"slices"
	"sync/atomic"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Documents are what is published of a provider: its metadata, its keys, and what its
// resources want of a token.
type Documents struct {
	o        Options
	url      protocol.URLs
	metadata []byte
	jwks     atomic.Pointer[writtenSet]
	// resourceMetadata are the documents of our resources by their path.
	resourceMetadata map[string][]byte
}

// Issuer is the issuer identifier.
func (d *Documents) Issuer() string { return d.o.Issuer }

// scopes are those this provider knows: of OpenID Connect Core §3.1.2.1 and §11, and
// where claims about a person can be had, of §5.4.
func (d *Documents) scopes() []string {
	known := []string{"openid", "offline_access"}
	if d.o.Releases != nil {
		known = append(known, claims.Scopes()...)
	}
	return known
}

// metadata is OpenID Connect Discovery §3, RFC 8414 §2 and the extensions named
// beside each. It derives from the table of profiles and says nothing that is
// not so.
type metadata struct {
	Issuer                string   `json:"issuer"`
	AuthorizationEndpoint string   `json:"authorization_endpoint"`
	TokenEndpoint         string   `json:"token_endpoint"`
	UserInfoEndpoint      string   `json:"userinfo_endpoint"`
	JWKSURI               string   `json:"jwks_uri"`
	RegistrationEndpoint  string   `json:"registration_endpoint,omitempty"`
	PolicyURI             string   `json:"op_policy_uri,omitempty"`
	TermsURI              string   `json:"op_tos_uri,omitempty"`
	PAREndpoint           string   `json:"pushed_authorization_request_endpoint"` // RFC 9126 §5
	IntrospectionEndpoint string   `json:"introspection_endpoint"`
	RevocationEndpoint    string   `json:"revocation_endpoint"`
	EndSessionEndpoint    string   `json:"end_session_endpoint"`                // RP-Initiated Logout §2.1
	DeviceEndpoint        string   `json:"device_authorization_endpoint"`       // RFC 8628 §4
	BackchannelEndpoint   string   `json:"backchannel_authentication_endpoint"` // CIBA Core §4
	DeliveryModes         []string `json:"backchannel_token_delivery_modes_supported"`
	BackchannelAlgs       []string `json:"backchannel_authentication_request_signing_alg_values_supported"`
	BackchannelUserCode   bool     `json:"backchannel_user_code_parameter_supported"`
	Scopes                []string `json:"scopes_supported"`
	ResponseTypes         []string `json:"response_types_supported"`
	ResponseModes         []string `json:"response_modes_supported"`
	GrantTypes            []string `json:"grant_types_supported"`
	ACRs                  []string `json:"acr_values_supported"`
	SubjectTypes          []string `json:"subject_types_supported"`
	IDTokenAlgs           []string `json:"id_token_signing_alg_values_supported"`
	AuthMethods           []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs              []string `json:"token_endpoint_auth_signing_alg_values_supported"`
	IntrospectionMethods  []string `json:"introspection_endpoint_auth_methods_supported"`
	RevocationMethods     []string `json:"revocation_endpoint_auth_methods_supported"`
	DPoPAlgs              []string `json:"dpop_signing_alg_values_supported"` // RFC 9449 §5.1
	PKCE                  []string `json:"code_challenge_methods_supported"`  // RFC 8414 §2
	DetailTypes           []string `json:"authorization_details_types_supported,omitempty"`
	Prompts               []string `json:"prompt_values_supported"`
	Claims                []string `json:"claims_supported"`
	ClaimTypes            []string `json:"claim_types_supported"`
	Displays              []string `json:"display_values_supported"`
	ClaimsLocales         []string `json:"claims_locales_supported,omitempty"`
	assurance                      // OpenID Connect for Identity Assurance §8
	UILocales             []string `json:"ui_locales_supported"`
	IssParameter          bool     `json:"authorization_response_iss_parameter_supported"` // RFC 9207 §3
	ClaimsParameter       bool     `json:"claims_parameter_supported"`
	RequestParameter      bool     `json:"request_parameter_supported"`
	RequestURIParameter   bool     `json:"request_uri_parameter_supported"`
	RequestAlgs           []string `json:"request_object_signing_alg_values_supported"`
	RequestEncAlgs        []string `json:"request_object_encryption_alg_values_supported"`
	RequestEncs           []string `json:"request_object_encryption_enc_values_supported"`
	RequireRequestURIs    bool     `json:"require_request_uri_registration"`
	ResponseAlgs          []string `json:"authorization_signing_alg_values_supported"` // JARM §4
	ResponseEncAlgs       []string `json:"authorization_encryption_alg_values_supported"`
	ResponseEncs          []string `json:"authorization_encryption_enc_values_supported"`
	IDTokenEncAlgs        []string `json:"id_token_encryption_alg_values_supported"`
	IDTokenEncs           []string `json:"id_token_encryption_enc_values_supported"`
	UserInfoAlgs          []string `json:"userinfo_signing_alg_values_supported"`
	UserInfoEncAlgs       []string `json:"userinfo_encryption_alg_values_supported"`
	UserInfoEncs          []string `json:"userinfo_encryption_enc_values_supported"`
	IntrospectionAlgs     []string `json:"introspection_signing_alg_values_supported"` // RFC 9701 §7
	RequirePAR            bool     `json:"require_pushed_authorization_requests"`
	BackchannelLogout     bool     `json:"backchannel_logout_supported"`
	BackchannelSession    bool     `json:"backchannel_logout_session_supported"`
	FrontchannelLogout    bool     `json:"frontchannel_logout_supported"`         // Front-Channel Logout §3
	FrontchannelSession   bool     `json:"frontchannel_logout_session_supported"` // and §3
	CheckSession          string   `json:"check_session_iframe,omitempty"`        // Session Management §3.3
	ProtectedResources    []string `json:"protected_resources"`                   // RFC 9728 §4
	GrantEndpoint         string   `json:"grant_management_endpoint"`             // Grant Management §7.1
	GrantActions          []string `json:"grant_management_actions_supported"`
	GrantActionRequired   bool     `json:"grant_management_action_required"`
	RegistrationTypes     []string `json:"client_registration_types_supported,omitempty"` // OpenID Federation 1.0 §5.1.3
	FederationEndpoint    string   `json:"federation_registration_endpoint,omitempty"`    // and §5.1.3

	SameSubject []string `json:"same_subject_issuers,omitempty"` // ours, docs/cutoff.md

	Aliases          map[string]string `json:"mtls_endpoint_aliases,omitempty"` // RFC 8705 §5
	CertificateBound bool              `json:"tls_client_certificate_bound_access_tokens,omitempty"`
}

func (d *Documents) buildMetadata() ([]byte, error) {
	var acrs []string
	for level := authz.AuthenticationLevel(1); level <= d.o.Published.Reachable; level++ {
		acrs = append(acrs, level.ACR())
	}
	methods := texts(d.authMethods())
	algs := authz.Union(func(p authz.Profile) []string { return p.ClientAlgorithms })
	objectAlgs := slices.Clone(algs)
	if slices.Contains(authz.Union(func(p authz.Profile) []bool { return []bool{p.UnsignedRequestObjects} }), true) {
		objectAlgs = append(objectAlgs, "none")
	}
	var details []string
	resources := []string{d.url.UserInfo, d.url.Grants}
	if d.o.Releases != nil {
		details, resources = []string{authz.ReleaseType}, []string{d.url.UserInfo, d.url.Broker, d.url.Grants}
	}
	return json.Marshal(metadata{
		SameSubject: d.o.Published.SameSubject, RegistrationTypes: d.o.Published.Ways, FederationEndpoint: d.o.Published.Explicit,
		Issuer: d.o.Issuer, AuthorizationEndpoint: d.url.Authorize, TokenEndpoint: d.url.Token,
		UserInfoEndpoint: d.url.UserInfo, JWKSURI: d.url.JWKS, PAREndpoint: d.url.PAR,
		IntrospectionEndpoint: d.url.Introspect, RevocationEndpoint: d.url.Revoke, EndSessionEndpoint: d.url.Logout,
		RegistrationEndpoint: d.o.Published.Registration, PolicyURI: d.o.Published.Policy, TermsURI: d.o.Published.Terms,
		DeviceEndpoint: d.url.Device, BackchannelEndpoint: d.url.Backchannel, DeliveryModes: texts([]authz.DeliveryMode{
			authz.Poll,
			authz.Ping,
		}), BackchannelAlgs: algs,
		Scopes:        append(d.scopes(), token.ServiceScopes...),
		ResponseTypes: authz.Union(func(p authz.Profile) []string { return p.ResponseTypes }),
		ResponseModes: authz.Union(func(p authz.Profile) []string { return p.ResponseModes }),
		GrantTypes:    authz.Union(func(p authz.Profile) []string { return p.GrantTypes }),
		ACRs:          acrs, SubjectTypes: []string{"pairwise"},
		IDTokenAlgs: d.tokenAlgorithms(), UserInfoAlgs: d.tokenAlgorithms(), ResponseAlgs: d.tokenAlgorithms(), IntrospectionAlgs: []string{string(keys.ES256)},
		IDTokenEncAlgs: jose.KeyManagement, IDTokenEncs: jose.ContentEncryption, UserInfoEncAlgs: jose.KeyManagement,
		UserInfoEncs:    jose.ContentEncryption,
		ResponseEncAlgs: jose.KeyManagement, ResponseEncs: jose.ContentEncryption,
		RequestParameter: true, RequestAlgs: objectAlgs, RequestEncAlgs: []string{string(keys.RSAOAEP256)}, RequestEncs: jose.ContentEncryption,
		RequestURIParameter: d.o.Fetcher != nil, RequireRequestURIs: d.o.Fetcher != nil,
		AuthMethods: methods, AuthAlgs: algs, IntrospectionMethods: slices.DeleteFunc(slices.Clone(methods),
			func(m string) bool { return m == string(authz.PublicClient) }), RevocationMethods: methods,
		DPoPAlgs: keys.FAPI2Signatures.Names(), PKCE: []string{"S256"},
		DetailTypes: details, Prompts: []string{"none", "login", "consent", "select_account"},
		Claims: append([]string{
			"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "jti", "c_hash", "at_hash",
			"s_hash",
		},
			d.claimsAbout()...),
		Displays:   []string{"page", "popup", "touch"}, // one page fits all
		ClaimTypes: []string{"normal"}, UILocales: []string{"vi", "en"},
		Aliases: d.url.Aliases(), CertificateBound: d.o.MutualTLSAlias != "",
		ClaimsParameter: true, ClaimsLocales: d.claimsLocales(), assurance: d.assurance(),
		IssParameter: true, BackchannelLogout: true, BackchannelSession: true,
		FrontchannelLogout: true, FrontchannelSession: true, CheckSession: d.o.Issuer + protocol.CheckSessionPath,
		ProtectedResources: resources,
		GrantEndpoint:      d.url.Grants, GrantActions: append([]string{"query", "revoke"}, request.GrantActions...),
	})
}

// tokenAlgorithms are the algorithms of the profiles for which the keyring has a
// key: the metadata promises no other.
func (d *Documents) tokenAlgorithms() []string {
	var have []string
	for _, alg := range authz.Union(func(p authz.Profile) []string { return p.TokenAlgorithms }) {
		if _, err := d.o.Ring.Active(keys.TokenSigning, keys.Algorithm(alg)); err == nil && !slices.Contains(have, alg) {
			have = append(have, alg)
		}
	}
	return have
}

// Metadata is the discovery document, the same bytes for
// /.well-known/openid-configuration and /.well-known/oauth-authorization-server.
func (d *Documents) Metadata() []byte { return d.metadata }

// JWKS is the JWK Set of the token keys and of those that request objects may be
// encrypted to, RFC 7517 §5. Errors are *authz.Error.
func (d *Documents) JWKS() ([]byte, error) {
	var all []keys.PublicKey
	for _, use := range []keys.Use{keys.TokenSigning, keys.RequestDecryption} {
		published, err := d.o.Ring.Published(use)
		if err != nil {
			return nil, authz.AsError(err)
		}
		all = append(all, published...)
	}
	written := d.jwks.Load()
	if written != nil && slices.EqualFunc(written.keys, all, func(a, b keys.PublicKey) bool { return a.Handle == b.Handle }) {
		return written.body, nil
	}
	body, err := jose.MarshalSet(all)
	if err != nil {
		return nil, authz.AsError(err)
	}
	d.jwks.Store(&writtenSet{all, body})
	return body, nil
}

// writtenSet is a JWK Set as it was last written: everybody asks for it, and keys
// change by the week.
type writtenSet struct {
	keys []keys.PublicKey
	body []byte
}

func texts[T ~string](in []T) []string {
	out := make([]string, len(in))
	for i, v := range in {
		out[i] = string(v)
	}
	return out
}

// authMethods are the client authentication methods that are offered: those
// with a certificate need a host that asks for one, and tls_client_auth a CA.
func (d *Documents) authMethods() []authz.AuthMethod {
	return slices.DeleteFunc(authz.Union(func(p authz.Profile) []authz.AuthMethod { return p.AuthMethods }), func(m authz.AuthMethod) bool {
		switch m {
		case authz.TLSClientAuth:
			return d.o.MutualTLSAlias == "" || d.o.ClientCAs == nil
		case authz.SelfSignedTLSClientAuth:
			return d.o.MutualTLSAlias == ""
		}
		return false
	})
}

// assurance is what OpenID Connect for Identity Assurance §8 has discovery say.
type assurance struct {
	VerifiedClaims    bool     `json:"verified_claims_supported,omitempty"`
	TrustFrameworks   []string `json:"trust_frameworks_supported,omitempty"`
	Evidence          []string `json:"evidence_supported,omitempty"`
	ElectronicRecords []string `json:"electronic_records_supported,omitempty"`
	ClaimsInVerified  []string `json:"claims_in_verified_claims_supported,omitempty"`
}

func (d *Documents) assurance() assurance {
	if d.o.Releases == nil {
		return assurance{}
	}
	return assurance{
		VerifiedClaims: true, TrustFrameworks: []string{claims.TrustFramework}, Evidence: []string{claims.EvidenceType},
		ElectronicRecords: []string{claims.ElectronicRecord}, ClaimsInVerified: claims.InVerified(),
	}
}

// claimsAbout are the names of the claims about the person that are offered.
func (d *Documents) claimsAbout() []string {
	if d.o.Releases == nil {
		return nil
	}
	return claims.Names()
}

// claimsLocales: names and addresses are in Vietnamese (OpenID Connect Core §5.2).
func (d *Documents) claimsLocales() []string {
	if d.o.Releases == nil {
		return nil
	}
	return []string{"vi"}
}

// OnAlias reports whether a path may be called at the host that asks for client
// certificates (RFC 8705 §5).
func (d *Documents) OnAlias(path string) bool { return protocol.OnAlias(path) }

package registration

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"hopnhat/authz"
	"hopnhat/authz/claims"
	"hopnhat/authz/clientauth"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// Declarations says whether the law's catalogue allows a purpose declaration.
type Declarations interface {
	CheckDeclaration(d authz.Declaration) error
}

// refuse is invalid_client_metadata for one member (RFC 7591 §3.2.2).
func refuse(member, format string, args ...any) *authz.Error {
	return authz.NewError(authz.InvalidClientMetadata, "%s: %s", member, fmt.Sprintf(format, args...)).At(member)
}

// Rules are what the checks need to know beyond the metadata.
type Rules struct {
	Catalogue Declarations
	// Loopback lets URIs be http on loopback hosts: for a provider that is on one
	// itself, for development and demonstrations.
	Loopback bool
	// Signs are the algorithms that the provider has keys for to sign with; nil asks
	// nothing.
	Signs []string
	// Known are the apps there are, which no other app may look like.
	Known []Known
}

// Client checks metadata against the row of the profile and fills in defaults.
// Errors are *authz.Error and name the member.
func (m Metadata) Client(rules Rules) (*authz.Client, error) {
	c := m.raw()
	profile, ok := authz.Profiles[c.Profile]
	if !ok {
		return nil, refuse("profile", "there is no profile %q", c.Profile)
	}
	if c.SigningAlg == "" && rules.signs(profile.DefaultAlgorithm) {
		c.SigningAlg = profile.DefaultAlgorithm
	}
	c.SigningAlg = signing(c)
	for _, check := range checks {
		if err := check(m, c, profile, rules); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// signs reports whether the provider has a key of an algorithm to sign with.
func (r Rules) signs(algorithm string) bool {
	return r.Signs == nil || slices.Contains(r.Signs, algorithm)
}

// checks are asked in this order; each is one rule or one group of members. A
// later one may rely on what an earlier one made sure of.
var checks = []func(m Metadata, c *authz.Client, profile authz.Profile, rules Rules) error{
	checkSizes, checkIdentity, checkLookalike, checkPublic, checkMethod, checkCertificate, checkConstraint, checkResponses, checkGrants, checkPKCE, checkDefaults,
	checkKeys, checkAlgorithms, checkEncryption,
	checkRedirects, checkURIs, checkBrowserLogout, checkSubject, checkSector, checkBackchannel, checkDeclarations, checkScopes, checkDelegation,
}

// Limits of one app.
const (
	maxText    = 2048 // a URI, or a text
	maxName    = 120  // a name, in letters
	maxList    = 100  // members of a list
	maxContact = 254  // RFC 5321 §4.5.3.1
)

func checkSizes(m Metadata, _ *authz.Client, _ authz.Profile, _ Rules) error {
	for member, list := range map[string][]string{
		"redirect_uris": m.RedirectURIs, "post_logout_redirect_uris": m.PostLogoutRedirectURIs, "request_uris": m.RequestURIs,
		"grant_types": m.GrantTypes, "response_types": m.ResponseTypes, "default_acr_values": m.DefaultACRValues, "scope": m.Scope, "contacts": m.Contacts, "introspect": m.Introspect,
	} {
		if len(list) > maxList || slices.ContainsFunc(list, func(s string) bool { return len(s) > maxText }) {
			return refuse(member, "more than %d values, or one longer than %d bytes", maxList, maxText)
		}
	}
	for member, text := range map[string]string{
		"software_id": m.SoftwareID, "software_version": m.SoftwareVersion, "client_uri": m.ClientURI, "logo_uri": m.LogoURI, "policy_uri": m.PolicyURI,
		"tos_uri": m.TermsURI, "jwks_uri": m.JWKSURI, "sector_identifier_uri": m.SectorIdentifierURI, "initiate_login_uri": m.InitiateLoginURI,
		"backchannel_logout_uri": m.BackchannelLogoutURI, "frontchannel_logout_uri": m.FrontchannelLogoutURI, "sector": m.Sector,
		"consent_notice_uri": m.ConsentNoticeURI,
	} {
		if len(text) > maxText {
			return refuse(member, "longer than %d bytes", maxText)
		}
	}
	for _, contact := range m.Contacts {
		if len(contact) > maxContact || !utf8.ValidString(contact) || strings.ContainsFunc(contact, unicode.IsControl) {
			return refuse("contacts", "a contact is one line of at most %d bytes", maxContact)
		}
	}
	if len(m.Declarations) > maxList {
		return refuse("declarations", "more than %d", maxList)
	}
	return nil
}

func checkIdentity(_ Metadata, c *authz.Client, _ authz.Profile, _ Rules) error {
	switch {
	case c.ID == "" || len(c.ID) > 128:
		return refuse("client_id", "it is missing or longer than 128 bytes")
	case strings.ContainsFunc(string(c.ID), func(r rune) bool { return r < ' ' || r > '~' }):
		return refuse("client_id", "it holds a character that is not printable ASCII (RFC 6749 Appendix A.1)")
	case c.MinimumLevel < 0 || c.MinimumLevel > 4:
		return refuse("minimum_level", "a level is 1 to 4")
	case c.ApplicationType != "web" && c.ApplicationType != "native":
		return refuse("application_type", "it is web or native (OpenID Connect Dynamic Registration §2)")
	}
	return checkOwner(c.Owner)
}

// checkOwner: a citizen reads the name of an agency beside that of its app, so it is
// written as one.
func checkOwner(owner authz.LocalizedText) error {
	for _, name := range []string{owner.VI, owner.EN} {
		if rule := unreadable(name); rule != "" {
			return refuse("owner", "%s", rule)
		}
	}
	return nil
}

// checkScopes: claims about a person are released on a declaration, also when they are
// asked for by a scope (OpenID Connect Core §5.4).
func checkScopes(_ Metadata, c *authz.Client, _ authz.Profile, _ Rules) error {
	if undeclared := claims.Undeclared(c); len(undeclared) > 0 {
		return refuse("scope", "%s asks about the person and no declaration covers it; declare the purpose, basis and attributes", undeclared[0])
	}
	return nil
}

// checkMethod: OpenID Connect Core §9 and the profile's row.
func checkMethod(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	if !slices.Contains(profile.AuthMethods, c.Method) {
		return refuse("token_endpoint_auth_method", "profile %s does not allow %s; it allows %v", profile.Name, c.Method, profile.AuthMethods)
	}
	return nil
}

// checkCertificate: RFC 8705 §2.1.2, and §2.2.2 for a certificate of its own.
func checkCertificate(_ Metadata, c *authz.Client, _ authz.Profile, _ Rules) error {
	named := c.Certificate != (authz.CertificateName{})
	switch {
	case c.Method == authz.TLSClientAuth:
		if _, err := clientauth.ParseCertificateName(c.Certificate); err != nil {
			return refuse("tls_client_auth_subject_dn", "%v", err)
		}
	case named:
		return refuse("tls_client_auth_subject_dn", "a certificate's name is for token_endpoint_auth_method %s only", authz.TLSClientAuth)
	}
	return nil
}

// checkConstraint: tokens are bound in one way, one that the profile allows.
func checkConstraint(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	switch {
	case c.CertificateBound && c.DPoPBound:
		return refuse("dpop_bound_access_tokens", "tokens are bound to a DPoP key or to a certificate (tls_client_certificate_bound_access_tokens), not to both")
	case c.CertificateBound && !slices.Contains(profile.Constraints, authz.MutualTLS):
		return refuse("tls_client_certificate_bound_access_tokens", "profile %s does not allow it", profile.Name)
	case c.DPoPBound && !slices.Contains(profile.Constraints, authz.DPoP):
		return refuse("dpop_bound_access_tokens", "profile %s does not allow it", profile.Name)
	}
	return nil
}

// checkGrants: the profile's row, and what goes together (RFC 7591 §2.1).
func checkGrants(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	for _, g := range c.GrantTypes {
		if !slices.Contains(profile.GrantTypes, g) {
			return refuse("grant_types", "profile %s does not offer the grant %s%s", profile.Name, clip(g), authz.OfferedBy(g))
		}
	}
	if len(c.RedirectURIs) == 0 && (c.AllowsGrant("authorization_code") || c.AllowsGrant("implicit")) {
		return authz.NewError(authz.InvalidRedirectURI, "redirect_uris: the grants authorization_code and implicit need at least one").At("redirect_uris")
	}
	return nil
}

// checkKeys: jwks or jwks_uri, never both (RFC 7591 §2).
func checkKeys(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	if c.JWKSURI != "" {
		if len(c.JWKS) > 0 {
			return refuse("jwks_uri", "register jwks or jwks_uri, not both")
		}
		return nil // what is there may change, and is looked at when it is used
	}
	usable := 0
	if c.Method == authz.PrivateKeyJWT || c.Method == authz.SelfSignedTLSClientAuth || len(c.JWKS) > 0 {
		if len(c.JWKS) == 0 {
			return refuse("jwks", "%s needs the app's public keys: register jwks_uri, or jwks", c.Method)
		}
		set, err := jose.ParseSet(c.JWKS)
		if err != nil {
			return refuse("jwks", "the public keys cannot be read: %v", err)
		}
		usable = set.Len()
	}
	switch {
	case usable == 0 && (c.Method == authz.PrivateKeyJWT || c.Method == authz.SelfSignedTLSClientAuth):
		return refuse("jwks", "%s needs a key of a type that is used here: EC P-256, Ed25519, or RSA of 2048 bits and more", c.Method)
	case (c.RequireRequestObject || profile.RequireRequestObject) && usable == 0:
		return refuse("jwks", "an app of profile %s signs its requests: register the keys it signs with", profile.Name)
	}
	return nil
}

// checkAlgorithms checks what is signed, by the app and for it.
func checkAlgorithms(_ Metadata, c *authz.Client, profile authz.Profile, rules Rules) error {
	for _, one := range []struct {
		member, algorithm string
		allowed           []string
		ours              bool // we sign with it
	}{
		{"id_token_signed_response_alg", c.SigningAlg, profile.TokenAlgorithms, true},
		{"authorization_signed_response_alg", c.AuthorizationAlg, profile.TokenAlgorithms, true},
		{"userinfo_signed_response_alg", c.UserInfoAlg, profile.TokenAlgorithms, true},
		{"request_object_signing_alg", c.RequestObjectAlg, profile.ClientAlgorithms, false},
		{"token_endpoint_auth_signing_alg", c.AssertionAlg, profile.ClientAlgorithms, false},
		{"backchannel_authentication_request_signing_alg", c.BackchannelRequestAlg, profile.ClientAlgorithms, false},
	} {
		if one.member == "request_object_signing_alg" && one.algorithm == "none" && profile.UnsignedRequestObjects {
			continue // OpenID Connect Core §6.1
		}
		if one.algorithm != "" && !slices.Contains(one.allowed, one.algorithm) {
			return refuse(one.member, "profile %s does not allow %s; it allows %v", profile.Name, one.algorithm, one.allowed)
		}
		if one.ours && one.algorithm != "" && !rules.signs(one.algorithm) {
			return refuse(one.member, "this provider has no key for %s; it has keys for %v", one.algorithm, rules.Signs)
		}
	}
	if c.RequestObjectAlg == "none" && c.RequireRequestObject {
		return refuse("request_object_signing_alg", "none does not go with require_signed_request_object")
	}
	return nil
}

func checkEncryption(_ Metadata, c *authz.Client, _ authz.Profile, _ Rules) error {
	for _, one := range []struct {
		member string
		wanted authz.Encryption
	}{
		{"id_token_encrypted_response_alg", c.IDTokenEncryption},
		{"userinfo_encrypted_response_alg", c.UserInfoEncryption},
		{"authorization_encrypted_response_alg", c.AuthorizationEncryption},
	} {
		switch {
		case one.wanted == (authz.Encryption{}):
			continue
		case !slices.Contains(jose.KeyManagement, one.wanted.Algorithm) || !slices.Contains(jose.ContentEncryption, one.wanted.Content):
			return refuse(one.member, "it is one of %v, with an enc of %v", jose.KeyManagement, jose.ContentEncryption)
		case c.JWKSURI != "":
			continue
		}
		set, err := jose.ParseSet(c.JWKS)
		if err != nil {
			return refuse("jwks", "public keys to encrypt to are needed: %v", err)
		}
		if err := jose.CheckEncryption(set, one.wanted.Algorithm, one.wanted.Content); err != nil {
			return refuse(one.member, "%v", err)
		}
	}
	if e := c.RequestObjectEncryption; e != (authz.Encryption{}) &&
		(e.Algorithm != string(keys.RSAOAEP256) || !slices.Contains(jose.ContentEncryption, e.Content)) {
		return refuse("request_object_encryption_alg", "our key takes %s, with an enc of %v", keys.RSAOAEP256, jose.ContentEncryption)
	}
	return nil
}

// checkRedirects: RFC 9700 §2.1, §4.1.3: compared exactly, so each is a whole URL.
func checkRedirects(_ Metadata, c *authz.Client, profile authz.Profile, rules Rules) error {
	for _, uri := range c.RedirectURIs {
		if wrong := wrongRedirect(uri, profile, rules); wrong != "" {
			return authz.NewError(authz.InvalidRedirectURI, "redirect_uris: %s", wrong).At("redirect_uris")
		}
	}
	for _, uri := range c.PostLogoutRedirectURIs {
		if wrong := wrongRedirect(uri, profile, rules); wrong != "" {
			return refuse("post_logout_redirect_uris", "%s", wrong)
		}
	}
	return nil
}

func checkURIs(_ Metadata, c *authz.Client, _ authz.Profile, rules Rules) error {
	for _, group := range []struct {
		member string
		uris   []string
	}{
		{"backchannel_logout_uri", some(c.BackchannelLogoutURI)},
		{"frontchannel_logout_uri", some(c.FrontchannelLogoutURI)},
		{"consent_notice_uri", some(c.ConsentNoticeURI)},
		{"jwks_uri", some(c.JWKSURI)},
		{"sector_identifier_uri", some(c.SectorIdentifierURI)},
		{"client_uri", some(c.HomeURI)},
		{"logo_uri", some(c.LogoURI)},
		{"policy_uri", some(c.PolicyURI)},
		{"tos_uri", some(c.TermsURI)},
		{"backchannel_client_notification_endpoint", some(c.BackchannelNotificationURI)},
	} {
		for _, uri := range group.uris {
			if wrong := wrongURI(uri, rules.Loopback); wrong != "" {
				return refuse(group.member, "%s", wrong)
			}
		}
	}
	if c.ConsentNoticeURI != "" && c.ConsentNoticeURI == c.BackchannelLogoutURI {
		return refuse("consent_notice_uri", "it must be another than backchannel_logout_uri: a withdrawn consent is no sign-out")
	}
	for _, uri := range c.RequestURIs {
		// The fragment may be the hash of what is there (OpenID Connect Core §6.2).
		plain, _, _ := strings.Cut(uri, "#")
		if wrong := wrongURI(plain, rules.Loopback); wrong != "" {
			return refuse("request_uris", "%s", wrong)
		}
	}
	if c.InitiateLoginURI != "" {
		// OpenID Connect Core §4: https, on a loopback host too.
		if wrong := wrongURI(c.InitiateLoginURI, false); wrong != "" {
			return refuse("initiate_login_uri", "%s", wrong)
		}
	}
	return nil
}

func some(uri string) []string {
	if uri == "" {
		return nil
	}
	return []string{uri}
}

// wrongURI: https without user and fragment, or http on loopback where that is
// let. Empty is right.
func wrongURI(raw string, loopback bool) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.User != nil || strings.Contains(raw, "#") ||
		strings.ContainsFunc(raw, unprintable):
		return fmt.Sprintf("%q is not an absolute URL without user and fragment", clip(raw))
	case strings.Contains(u.Host, "*") || u.Hostname() == "":
		return fmt.Sprintf("%q has no host, or a wildcard", clip(raw))
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && loopback && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()):
		return ""
	}
	return fmt.Sprintf("%q must be https", clip(raw))
}

func unprintable(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }

// clip keeps what is echoed short.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}

// checkSubject: pseudonyms are pairwise for everybody (docs/decisions.md D7).
func checkSubject(m Metadata, _ *authz.Client, _ authz.Profile, _ Rules) error {
	if m.SubjectType != "" && m.SubjectType != pairwise {
		return refuse("subject_type", "only pairwise is offered (OpenID Connect Core §8)")
	}
	return nil
}

func checkDeclarations(_ Metadata, c *authz.Client, _ authz.Profile, rules Rules) error {
	return acceptDeclarations(rules.Catalogue, c.Declarations)
}

// acceptDeclarations checks each by the catalogue, and what it explains to people.
func acceptDeclarations(catalogue Declarations, list []authz.Declaration) error {
	for _, d := range list {
		if err := catalogue.CheckDeclaration(d); err != nil {
			return refuse("declarations", "%v", err)
		}
		for _, text := range []string{d.Explanation.VI, d.Explanation.EN} {
			if err := authz.CheckFreeText(text); err != nil {
				return refuse("declarations", "the explanation of purpose %s: %v", d.Purpose, err)
			}
		}
	}
	return nil
}

package registration

import (
	"fmt"
	"net/url"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/keys/jose"
)

// Declarations says whether the law's catalogue allows a purpose declaration.
type Declarations interface {
	CheckDeclaration(d authz.Declaration) error
}

// refuse is invalid_client_metadata for one member (RFC 7591 §3.2.2).
func refuse(member, format string, args ...any) *authz.Error {
	return authz.Refuse(authz.InvalidClientMetadata, "%s: %s", member, fmt.Sprintf(format, args...)).At(member)
}

// Client checks metadata against the row of the profile and fills in defaults.
// Errors are *authz.Error and name the member.
func (m Metadata) Client(catalogue Declarations) (*authz.Client, error) {
	c := m.raw()
	profile, ok := authz.Profiles[c.Profile]
	if !ok {
		return nil, refuse("profile", "there is no profile %q", c.Profile)
	}
	for _, check := range checks {
		if err := check(m, c, profile); err != nil {
			return nil, err
		}
	}
	for _, d := range c.Declarations {
		if err := catalogue.CheckDeclaration(d); err != nil {
			return nil, refuse("declarations", "%v", err)
		}
	}
	return c, nil
}

// checks are asked in this order; each is one rule or one group of members. A
// later one may rely on what an earlier one made sure of.
var checks = []func(m Metadata, c *authz.Client, profile authz.Profile) error{
	checkIdentity, checkMethod, checkCertificate, checkConstraint, checkResponses, checkGrants, checkPKCE, checkDefaults,
	checkKeys, checkAlgorithms, checkEncryption, checkURIs, checkSector,
}

func checkIdentity(_ Metadata, c *authz.Client, _ authz.Profile) error {
	switch {
	case c.ID == "" || len(c.ID) > 128:
		return refuse("client_id", "it is missing or longer than 128 bytes")
	case c.Name.VI == "":
		return refuse("client_name", "it is missing; citizens read it on the consent page")
	}
	return nil
}

// checkMethod: OpenID Connect Core §9 and the profile's row.
func checkMethod(_ Metadata, c *authz.Client, profile authz.Profile) error {
	if !slices.Contains(profile.AuthMethods, c.Method) {
		return refuse("token_endpoint_auth_method", "profile %s does not allow %s; it allows %v", profile.Name, c.Method, profile.AuthMethods)
	}
	return nil
}

// checkCertificate: RFC 8705 §2.1.2, and §2.2.2 for a certificate of its own.
func checkCertificate(_ Metadata, c *authz.Client, _ authz.Profile) error {
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
func checkConstraint(_ Metadata, c *authz.Client, profile authz.Profile) error {
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

func checkGrants(_ Metadata, c *authz.Client, profile authz.Profile) error {
	for _, g := range c.GrantTypes {
		if !slices.Contains(profile.GrantTypes, g) {
			return refuse("grant_types", "profile %s does not offer the grant %s", profile.Name, g)
		}
	}
	return nil
}

func checkKeys(_ Metadata, c *authz.Client, profile authz.Profile) error {
	keys := 0
	if c.Method == authz.PrivateKeyJWT || c.Method == authz.SelfSignedTLSClientAuth || len(c.JWKS) > 0 {
		set, err := jose.ParseSet(c.JWKS)
		if err != nil {
			return refuse("jwks", "public keys are needed: %v", err)
		}
		keys = set.Len()
		if keys == 0 && (c.Method == authz.PrivateKeyJWT || c.Method == authz.SelfSignedTLSClientAuth) {
			return refuse("jwks", "%s needs a key, and there is none of a type that is used here", c.Method)
		}
	}
	if (c.RequireRequestObject || profile.RequireRequestObject) && keys == 0 {
		return refuse("jwks", "an app of profile %s signs its requests: register the keys it signs with", profile.Name)
	}
	return nil
}

// checkAlgorithms checks what is signed, by the app and for it.
func checkAlgorithms(_ Metadata, c *authz.Client, profile authz.Profile) error {
	for _, one := range []struct {
		member, algorithm string
		allowed           []string
	}{
		{"id_token_signed_response_alg", c.SigningAlg, profile.TokenAlgorithms},
		{"authorization_signed_response_alg", c.AuthorizationAlg, profile.TokenAlgorithms},
		{"userinfo_signed_response_alg", c.UserInfoAlg, profile.TokenAlgorithms},
		{"request_object_signing_alg", c.RequestObjectAlg, profile.ClientAlgorithms},
	} {
		if one.member == "request_object_signing_alg" && one.algorithm == "none" && profile.UnsignedRequestObjects {
			continue // OpenID Connect Core §6.1
		}
		if one.algorithm != "" && !slices.Contains(one.allowed, one.algorithm) {
			return refuse(one.member, "profile %s does not allow %s; it allows %v", profile.Name, one.algorithm, one.allowed)
		}
	}
	if c.RequestObjectAlg == "none" && c.RequireRequestObject {
		return refuse("request_object_signing_alg", "none does not go with require_signed_request_object")
	}
	return nil
}

func checkEncryption(_ Metadata, c *authz.Client, _ authz.Profile) error {
	for _, one := range []struct {
		member string
		wanted authz.Encryption
	}{
		{"id_token_encrypted_response_alg", c.IDTokenEncryption},
		{"userinfo_encrypted_response_alg", c.UserInfoEncryption},
		{"authorization_encrypted_response_alg", c.AuthorizationEncryption},
	} {
		if one.wanted == (authz.Encryption{}) {
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
	return nil
}

func checkURIs(_ Metadata, c *authz.Client, profile authz.Profile) error {
	for _, uri := range c.RedirectURIs {
		if wrong := wrongURI(uri, profile.AllowHTTPLoopback); wrong != "" {
			return authz.Refuse(authz.InvalidRedirectURI, "redirect_uris: %s", wrong).At("redirect_uris")
		}
	}
	for _, group := range []struct {
		member string
		uris   []string
	}{
		{"post_logout_redirect_uris", c.PostLogoutRedirectURIs},
		{"request_uris", c.RequestURIs},
		{"backchannel_logout_uri", some(c.BackchannelLogoutURI)},
		{"client_uri", some(c.HomeURI)},
	} {
		for _, uri := range group.uris {
			if wrong := wrongURI(uri, profile.AllowHTTPLoopback); wrong != "" {
				return refuse(group.member, "%s", wrong)
			}
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

// wrongURI: https without user and fragment, or http on loopback where the
// profile lets it. Empty is right.
func wrongURI(raw string, loopback bool) string {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return fmt.Sprintf("%q is not an absolute URL without user and fragment", raw)
	case u.Scheme == "https":
		return ""
	case u.Scheme == "http" && loopback && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname()):
		return ""
	}
	return fmt.Sprintf("%q must be https", raw)
}

// checkSector: OpenID Connect Core §8.1.
func checkSector(_ Metadata, c *authz.Client, _ authz.Profile) error {
	if c.Sector != "" {
		return nil
	}
	sector, ok := authz.SectorOf(c.RedirectURIs)
	if !ok && c.AllowsGrant("authorization_code") {
		return refuse("sector", "redirect_uris are of several hosts or none: name the sector (OpenID Connect Core §8.1)")
	}
	c.Sector = sector
	return nil
}

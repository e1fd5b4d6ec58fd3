package registration

import (
	"slices"
	"strings"

	"hopnhat/authz"
)

// responseTypes writes each type as the table of profiles does: the order of its
// words carries no meaning (RFC 6749 §3.1.1). None means code, which needs no
// entry (OpenID Connect Dynamic Registration §2).
func responseTypes(wanted []string) []string {
	var all []string
	for _, one := range wanted {
		words := strings.Fields(one)
		slices.Sort(words)
		if name := strings.Join(words, " "); !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	if len(all) == 1 && all[0] == "code" {
		return nil
	}
	return all
}

// registeredTypes are the response types of a client as it is told them: code, which
// needs no entry, too (RFC 7591 §3.2.1).
func registeredTypes(c *authz.Client) []string {
	if len(c.ResponseTypes) == 0 && c.AllowsGrant("authorization_code") {
		return []string{"code"}
	}
	return c.ResponseTypes
}

// grantsFor are the grant types of an app that names none.
func grantsFor(responseTypes []string) []string {
	grants := []string{"authorization_code", "refresh_token"}
	if len(responseTypes) == 0 {
		return grants
	}
	if !slices.ContainsFunc(responseTypes, needsCode) {
		grants = nil
	}
	if slices.ContainsFunc(responseTypes, needsImplicit) {
		grants = append(grants, "implicit")
	}
	return grants
}

func needsCode(responseType string) bool {
	return slices.Contains(strings.Fields(responseType), "code")
}

func needsImplicit(responseType string) bool {
	return responseType != "code"
}

// checkResponses: a response type is the profile's, and goes with the grant types
// (OpenID Connect Dynamic Registration §2).
func checkResponses(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	for _, one := range c.ResponseTypes {
		switch {
		case !slices.Contains(profile.ResponseTypes, one):
			return refuse("response_types", "profile %s does not offer this one; it offers %q", profile.Name, profile.ResponseTypes)
		case needsCode(one) && !c.AllowsGrant("authorization_code"):
			return refuse("grant_types", "response_type %q needs authorization_code", one)
		case needsImplicit(one) && !c.AllowsGrant("implicit"):
			return refuse("grant_types", "response_type %q needs implicit", one)
		case slices.Contains(strings.Fields(one), "token") && (c.DPoPBound || c.CertificateBound):
			return refuse("response_types", "%q gives a token to the browser, which nothing binds", one)
		}
	}
	return nil
}

// checkPKCE: going without is for confidential clients of a profile that lets them
// (RFC 9700 §2.1.1).
func checkPKCE(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	switch {
	case !c.CodeWithoutPKCE:
		return nil
	case !profile.AllowWithoutPKCE:
		return refuse("code_without_pkce", "profile %s demands PKCE", profile.Name)
	case c.Method == authz.PublicClient:
		return refuse("code_without_pkce", "an app that cannot keep a secret needs PKCE")
	}
	return nil
}

// checkDefaults: OpenID Connect Dynamic Registration §2.
func checkDefaults(_ Metadata, c *authz.Client, _ authz.Profile, _ Rules) error {
	if c.DefaultMaxAge != nil && *c.DefaultMaxAge < 0 {
		return refuse("default_max_age", "it is a number of seconds, 0 or more")
	}
	for _, acr := range c.DefaultACRValues {
		if _, ours := authz.ParseACR(acr); !ours {
			return refuse("default_acr_values", "it has a value that is not among acr_values_supported")
		}
	}
	return nil
}

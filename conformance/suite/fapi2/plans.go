package fapi2

import (
	"slices"

	"hopnhat/conformance/suite"
)

const prefix = "fapi2-security-profile-final-"

// Plans are all of the package.
func Plans() []suite.Plan {
	security := suite.Plan{Name: "fapi2-security-profile-final", Certificate: "FAPI2SP OP"}
	signing := suite.Plan{Name: "fapi2-message-signing-final", Certificate: "FAPI2MS OP JAR, JARM"}
	modules := slices.Concat(discovery, happy, requests, bindings, codes, assertions, pushes)
	for _, pair := range pairs {
		for _, how := range []string{"openid_connect", "plain_oauth"} {
			v := variant(pair).With(layer, how).With(profile, "plain_fapi").With(method, "unsigned").With(mode, "plain_response")
			security.Parts = append(security.Parts, part(v, modules))
			for _, response := range []string{"plain_response", "jarm"} {
				signing.Parts = append(
					signing.Parts, part(v.With(method, "signed_non_repudiation").With(mode, response), slices.Concat(modules, objects)),
				)
			}
		}
		security.Parts = append(security.Parts, part(variant(pair).With(profile, "fapi_client_credentials_grant"), machines(modules)))
	}
	return []suite.Plan{security, signing}
}

// pairs are client authentication and sender constraint.
var pairs = [][2]string{{"private_key_jwt", "dpop"}, {"private_key_jwt", "mtls"}, {"mtls", "dpop"}, {"mtls", "mtls"}}

func variant(pair [2]string) suite.Variant {
	return suite.Variant{suite.Authentication: pair[0], constraint: pair[1], suite.Registration: suite.Static}
}

func part(v suite.Variant, modules []suite.Module) suite.Part {
	return suite.Part{
		Variant: v, Modules: slices.DeleteFunc(slices.Clone(modules), func(m suite.Module) bool { return m.For != nil && !m.For(v) }),
	}
}

// machines are the modules that make sense without a person.
func machines(modules []suite.Module) []suite.Module {
	return slices.DeleteFunc(
		slices.Clone(modules), func(m suite.Module) bool { return !slices.Contains(withoutPerson, m.Name[len(prefix):]) },
	)
}

var withoutPerson = []string{
	"discovery-end-point-verification", "happy-flow", "access-token-type-header-case-sensitivity", "check-dpop-proof-nbf-exp",
	"ensure-dpopproof-with-iat-10seconds-before-succeeds", "ensure-dpopproof-with-iat-10seconds-after-succeeds", "ensure-client-id-in-token-endpoint",
	"ensure-holder-of-key-required", "ensure-signed-client-assertion-with-RS256-fails", "ensure-client-assertion-in-token-endpoint",
	"ensure-client-assertion-with-exp-is-5-minutes-in-past-fails", "ensure-client-assertion-with-wrong-aud-fails", "ensure-client-assertion-with-no-sub-fails",
	"dpop-negative-tests",
}

package oidcc

import (
	"slices"

	"hopnhat/conformance/suite"
)

// Plans are all of the package.
func Plans() []suite.Plan {
	return []suite.Plan{
		config(), basic("oidcc-basic", "Basic OP", "default"), basic("oidcc-formpost-basic", "Form Post OP (basic)", "form_post"),
	}
}

func config() suite.Plan {
	return suite.Plan{Name: "oidcc-config", Certificate: "Config OP", Parts: []suite.Part{
		{Variant: suite.Variant{}, Modules: []suite.Module{discovery}},
	}}
}

func variant(responseType, mode string) suite.Variant {
	return suite.Variant{suite.Authentication: "client_secret_basic", suite.ResponseType: responseType, suite.ResponseMode: mode}
}

// basic is the certification profile Basic OP, whatever the response mode.
func basic(name, certificate, mode string) suite.Plan {
	return suite.Plan{Name: name, Certificate: certificate, Parts: []suite.Part{{
		Variant: variant("code", mode), Modules: slices.Concat(
			[]suite.Module{server, responseTypeMissing, idTokenSignature, idTokenUnsigned, userInfoGet, userInfoPostHeader, userInfoPostBody, withoutNonce},
			scopes, parameters, prompts, codes, []suite.Module{registeredRedirectURI, postRequest, secretPost},
			objects, []suite.Module{claimsEssential, refreshToken, pkce},
		),
	}}}
}

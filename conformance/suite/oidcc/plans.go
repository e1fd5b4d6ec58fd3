package oidcc

import (
	"slices"

	"hopnhat/conformance/suite"
)

// Plans are all of the package.
func Plans() []suite.Plan {
	return []suite.Plan{
		config(),
		basic("oidcc-basic", "Basic OP", "default"),
		implicit("oidcc-implicit", "Implicit OP", "default"),
		hybrid("oidcc-hybrid", "Hybrid OP", "default"),
		basic("oidcc-formpost-basic", "Form Post OP", "form_post"),
		implicit("oidcc-formpost-implicit", "Form Post OP (implicit)", "form_post"),
		hybrid("oidcc-formpost-hybrid", "Form Post OP (hybrid)", "form_post"),
		dynamic(),
		single("oidcc-3rdparty-init", "3rd Party-Init OP", thirdParty),
		single("oidcc-rp-initiated-logout", "RP-Initiated OP", rpInitiated),
		single("oidcc-backchannel-logout", "Back-Channel OP", backChannel),
		single("oidcc-frontchannel-logout", "Front-Channel OP", frontChannel),
		single("oidcc-session-management", "Session OP", sessionManagement),
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

// single is a plan of one part with the code flow.
func single(name, certificate string, modules []suite.Module) suite.Plan {
	return suite.Plan{Name: name, Certificate: certificate, Parts: []suite.Part{{Variant: variant("code", "default"), Modules: modules}}}
}

// basic is the certification profile Basic OP, whatever the response mode.
func basic(name, certificate, mode string) suite.Plan {
	return suite.Plan{Name: name, Certificate: certificate, Parts: []suite.Part{{
		Variant: variant("code", mode), Modules: slices.Concat(
			[]suite.Module{server, responseTypeMissing, idTokenSignature, idTokenUnsigned, userInfoGet, userInfoPostHeader, userInfoPostBody, withoutNonce},
			scopes, parameters, prompts, codes, []suite.Module{registeredRedirectURI, postRequest, secretPost},
			objects, []suite.Module{claimsEssential, refreshToken, pkce}, beyond,
		),
	}}}
}

// hybrid is run for three response types; what does not depend on them is run for
// the first only.
func hybrid(name, certificate, mode string) suite.Plan {
	part := func(responseType string, nonce suite.Module, more ...suite.Module) suite.Part {
		return suite.Part{Variant: variant(responseType, mode), Modules: slices.Concat(
			[]suite.Module{server, idTokenSignature, userInfoGet, userInfoPostHeader, userInfoPostBody, nonce},
			scopes, parameters[1:], prompts, codes, []suite.Module{registeredRedirectURI, secretPost},
			objects, []suite.Module{claimsEssential, refreshToken}, more,
		)}
	}
	return suite.Plan{Name: name, Certificate: certificate, Parts: []suite.Part{
		part("code id_token", nonceRequired, responseTypeMissing, parameters[0], pkce),
		part("code token", withoutNonce),
		part("code id_token token", nonceRequired),
	}}
}

// implicit is run for two response types; UserInfo needs a token.
func implicit(name, certificate, mode string) suite.Plan {
	part := func(responseType string, more ...suite.Module) suite.Part {
		return suite.Part{Variant: variant(responseType, mode), Modules: slices.Concat(
			[]suite.Module{server, idTokenSignature, nonceRequired}, scopes, parameters, prompts, []suite.Module{registeredRedirectURI},
			objects, []suite.Module{claimsEssential}, more,
		)}
	}
	return suite.Plan{Name: name, Certificate: certificate, Parts: []suite.Part{
		part("id_token"),
		part("id_token token", userInfoGet, userInfoPostHeader, userInfoPostBody, responseTypeMissing),
	}}
}

// dynamic is the certification profile Dynamic OP for the code flow, with keys
// instead of secrets.
func dynamic() suite.Plan {
	v := variant("code", "default").With(suite.Authentication, "private_key_jwt").With(suite.Registration, suite.Dynamic)
	return suite.Plan{Name: "oidcc-dynamic", Certificate: "Dynamic OP", Parts: []suite.Part{{Variant: v, Modules: slices.Concat(
		[]suite.Module{idTokenRS256, idTokenUnsigned, userInfoRS256}, redirects, []suite.Module{discovery, server}, registrations,
		[]suite.Module{serverRotateKeys, rpKeyRotation}, byReferenceObjects, objects[2:], []suite.Module{refreshToken, assertionIssuer, least},
	)}}}
}

package fapi2

import (
	"net/url"
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

var discovery = []suite.Module{{
	Name: prefix + "discovery-end-point-verification", Clause: "FAPI 2.0 SP §5.3.2.2",
	Rule: "the metadata offer what the profile demands, and only strong algorithms",
	Test: func(r *suite.Run) {
		m := r.Discover()
		r.KnownMetadata(m)
		const clause = "FAPI 2.0 SP §5.3.2"
		endpoints := []string{"token_endpoint", "jwks_uri"}
		if !isMachine(r.Variant) {
			endpoints = append(endpoints, "authorization_endpoint", "pushed_authorization_request_endpoint")
			r.Expect(m.True("authorization_response_iss_parameter_supported"), "RFC 9207 §3", "authorization_response_iss_parameter_supported is true", m["authorization_response_iss_parameter_supported"])
			r.Expect(m.Lists("code_challenge_methods_supported", "S256"), "RFC 8414 §2", "code_challenge_methods_supported lists S256", m["code_challenge_methods_supported"])
			r.Expect(!m.Lists("code_challenge_methods_supported", "plain"), "RFC 9700 §2.1.1", "code_challenge_methods_supported does not list plain", m["code_challenge_methods_supported"])
			r.Expect(m.Lists("response_types_supported", "code"), clause, "response_types_supported lists code", m["response_types_supported"])
			offers(r, "grant_types_supported", "authorization_code")
		} else {
			offers(r, "grant_types_supported", "client_credentials")
		}
		for _, name := range endpoints {
			u, err := url.Parse(m.Text(name))
			r.Expect(err == nil && u.Scheme == "https" && u.Host != "", "FAPI 2.0 SP §5.2.2", name+" is an https URL", m[name])
		}
		authentication(r, m)
		binding(r, m)
		if isSigned(r.Variant) {
			signing(r, m)
		}
		if isJARM(r.Variant) {
			r.Expect(m.Lists("response_modes_supported", "jwt"), "JARM §4", "response_modes_supported lists jwt", m["response_modes_supported"])
			algorithms(r, m, "authorization_signing_alg_values_supported", "JARM §4")
		}
	},
}}

// offers: a list that is left out has the default of RFC 8414 §2.
func offers(r *suite.Run, list, value string) {
	m := r.Discover()
	_, there := m[list]
	r.Expect(m.Lists(list, value) || !there && value == "authorization_code", "RFC 8414 §2", list+" lists "+value, m[list])
}

func authentication(r *suite.Run, m suite.Claims) {
	const list = "token_endpoint_auth_methods_supported"
	if isKey(r.Variant) {
		r.Expect(m.Lists(list, "private_key_jwt"), "FAPI 2.0 SP §5.3.2.1", list+" lists private_key_jwt", m[list])
		algorithms(r, m, "token_endpoint_auth_signing_alg_values_supported", "RFC 8414 §2")
		return
	}
	r.Expect(
		m.Lists(list, "tls_client_auth") || m.Lists(list, "self_signed_tls_client_auth"), "FAPI 2.0 SP §5.3.2.1",
		list+" lists a way by certificate", m[list],
	)
}

func binding(r *suite.Run, m suite.Claims) {
	if isDPoP(r.Variant) {
		algorithms(r, m, "dpop_signing_alg_values_supported", "RFC 9449 §5.1")
		return
	}
	r.Expect(
		m.True("tls_client_certificate_bound_access_tokens"), "RFC 8705 §3.3", "tls_client_certificate_bound_access_tokens is true",
		m["tls_client_certificate_bound_access_tokens"],
	)
}

func signing(r *suite.Run, m suite.Claims) {
	algorithms(r, m, "request_object_signing_alg_values_supported", "FAPI 2.0 MS §5.3.1")
}

// algorithms: FAPI 2.0 SP §5.4.1. A provider that serves other profiles too may list
// more; none of them may be without a key of its owner.
func algorithms(r *suite.Run, m suite.Claims, list, clause string) {
	values, ok := m.List(list)
	if !r.Expect(ok && len(values) > 0, clause, list+" is a list", m[list]) {
		return
	}
	r.Expect(
		slices.ContainsFunc(values, func(alg string) bool { return alg == "PS256" || alg == "ES256" || strings.HasPrefix(alg, "Ed") }),
		clause, list+" holds PS256, ES256 or EdDSA", values,
	)
	if list == "dpop_signing_alg_values_supported" {
		r.Expect(
			!slices.ContainsFunc(values, func(alg string) bool { return alg == "none" || strings.HasPrefix(alg, "HS") }), "RFC 9449 §4.2",
			list+" holds asymmetric algorithms only", values,
		)
	}
}

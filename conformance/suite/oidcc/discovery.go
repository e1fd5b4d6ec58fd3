package oidcc

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

const discoverySpec = "OpenID Connect Discovery §3"

var discovery = suite.Module{
	Name: "oidcc-discovery-endpoint-verification", Clause: discoverySpec,
	Rule: "the discovery document says all that it must, in the right form, and its JWK Set can be used",
	Test: func(r *suite.Run) {
		m, a := r.FetchMetadata()
		r.Expect(
			a.MediaType() == "application/json", "OpenID Connect Discovery §4.2", "the document is application/json",
			a.Header.Get("Content-Type"),
		)
		issuer, err := url.Parse(m.Text("issuer"))
		r.Expect(
			err == nil && issuer.Scheme == "https" && issuer.RawQuery == "" && issuer.Fragment == "", discoverySpec,
			"issuer is an https URL without query and fragment", m["issuer"],
		)
		shapes(r, m)
		r.KnownMetadata(m)
		endpoints(r, m)
		contents(r, m)
		keySet(r, m)
	},
}

// notArrays are the members whose names end in _supported and that are true or
// false.
var notArrays = []string{
	"claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported", "backchannel_logout_supported",
	"backchannel_logout_session_supported", "frontchannel_logout_supported", "frontchannel_logout_session_supported",
	"authorization_response_iss_parameter_supported", "verified_claims_supported", "backchannel_user_code_parameter_supported",
	"native_sso_supported", "attachments_supported",
}

// shapes: arrays are arrays of strings and not empty, flags are true or false.
func shapes(r *suite.Run, m suite.Claims) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		value := m[name]
		r.Expect(value != nil, "OpenID Connect Discovery §4.2", name+" is left out rather than null", value)
		switch list, isList := m.List(name); {
		case strings.HasPrefix(name, "require_"), slices.Contains(notArrays, name):
			_, ok := value.(bool)
			if _, array := value.([]any); name == "attachments_supported" && array {
				ok = true
			}
			r.Expect(ok, discoverySpec, name+" is true or false", value)
		case strings.HasSuffix(name, "_supported"):
			r.Expect(isList, discoverySpec, name+" is an array of strings", value)
			r.Expect(len(list) > 0, "OpenID Connect Discovery §4.2", name+" is left out rather than empty", value)
			sorted := slices.Sorted(slices.Values(list))
			r.Should(len(slices.Compact(sorted)) == len(list), discoverySpec, name+" names nothing twice", value)
		}
	}
}

func endpoints(r *suite.Run, m suite.Claims) {
	for _, name := range []string{"authorization_endpoint", "jwks_uri"} {
		r.Expect(m.Text(name) != "", discoverySpec, name+" is there", m[name])
	}
	code := slices.ContainsFunc(list(m, "response_types_supported"), func(t string) bool { return strings.Contains(t, "code") })
	r.Expect(m.Text("token_endpoint") != "" || !code, discoverySpec, "token_endpoint is there, unless there is the implicit flow only", m["token_endpoint"])
	r.Should(m.Text("userinfo_endpoint") != "", discoverySpec, "userinfo_endpoint is there", m["userinfo_endpoint"])
	r.Should(m.Text("registration_endpoint") != "", discoverySpec, "registration_endpoint is there", m["registration_endpoint"])
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !strings.HasSuffix(name, "_endpoint") && name != "jwks_uri" && name != "check_session_iframe" {
			continue
		}
		u, err := url.Parse(m.Text(name))
		r.Expect(
			err == nil && u.Scheme == "https" && u.Host != "" && u.Fragment == "", discoverySpec,
			name+" is an https URL without a fragment", m[name],
		)
	}
}

var localePattern = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

func list(m suite.Claims, name string) []string { l, _ := m.List(name); return l }

func contents(r *suite.Run, m suite.Claims) {
	has := func(name string, values ...string) {
		for _, v := range values {
			r.Expect(m.Lists(name, v), discoverySpec, name+" holds "+v, m[name])
		}
	}
	has("response_types_supported", "code")
	has("id_token_signing_alg_values_supported", "RS256")
	r.Expect(len(list(m, "subject_types_supported")) > 0, discoverySpec, "subject_types_supported is there", m["subject_types_supported"])
	for _, t := range list(m, "subject_types_supported") {
		r.Expect(t == "public" || t == "pairwise", discoverySpec, "a subject type is public or pairwise", t)
	}
	if r.Should(m["scopes_supported"] != nil, discoverySpec, "scopes_supported is there", nil) {
		has("scopes_supported", "openid")
	}
	for _, scope := range list(m, "scopes_supported") {
		bad := strings.ContainsFunc(scope, func(c rune) bool { return c <= 0x20 || c > 0x7e || c == '"' || c == '\\' })
		r.Expect(!bad && scope != "", "RFC 6749 §3.3", "a scope is of the characters allowed", scope)
	}
	for _, name := range []string{"ui_locales_supported", "claims_locales_supported"} {
		for _, locale := range list(m, name) {
			r.Expect(localePattern.MatchString(locale), "RFC 5646 §2.1", name+" holds language tags", locale)
		}
	}
	r.Should(m["claims_supported"] != nil, discoverySpec, "claims_supported is there", nil)
	if m["claims_supported"] != nil {
		r.Should(m.Lists("claims_supported", "sub"), discoverySpec, "claims_supported holds sub", m["claims_supported"])
	}
	if m.True("claims_parameter_supported") {
		r.Should(m["claims_supported"] != nil, discoverySpec, "with a claims parameter, claims_supported says what can be asked for", nil)
	}
	for _, t := range list(m, "response_types_supported") {
		fields := strings.Fields(t)
		r.Expect(slices.IsSorted(fields) && strings.Join(fields, " ") == t, discoverySpec, "a response type is written in the registered order", t)
	}
	if !m.Lists("id_token_signing_alg_values_supported", "none") {
		return
	}
	for _, t := range list(m, "response_types_supported") {
		if t == "code" {
			return
		}
	}
	r.Expect(false, discoverySpec, "alg none is offered only where no ID token comes through the browser", m["response_types_supported"])
}

// privates are the members of private and symmetric keys (RFC 7518 §6).
var privates = []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"}

func keySet(r *suite.Run, m suite.Claims) {
	a := r.Get(r.Endpoint("jwks_uri"))
	r.Must(a.Status == 200 && a.JSON != nil, discoverySpec, "the JWK Set answers 200 with a JSON object", a)
	r.Should(
		a.MediaType() == "application/json" || a.MediaType() == "application/jwk-set+json", "RFC 7517 §8.5.2",
		"the JWK Set is application/jwk-set+json or application/json", a.Header.Get("Content-Type"),
	)
	var set struct {
		Keys []suite.Claims `json:"keys"`
	}
	err := json.Unmarshal([]byte(a.Raw), &set)
	r.Must(err == nil && len(set.Keys) > 0, "RFC 7517 §5", "keys holds keys", err)
	seen, types := map[string]bool{}, map[string]bool{}
	for i, k := range set.Keys {
		name := fmt.Sprintf("key %d", i+1)
		for _, member := range privates {
			r.Must(k[member] == nil, "RFC 7517 §9.2", name+" shows nothing private", member)
		}
		r.Expect(k.Text("kty") != "", "RFC 7517 §4.1", name+" has a kty", k["kty"])
		kid := k.Text("kid")
		r.Should(kid != "" || len(set.Keys) == 1, "OpenID Connect Core §10.1", name+" has a kid, since there are several", k["kid"])
		r.Expect(kid == "" || !seen[kid+k.Text("kty")], "RFC 7517 §4.5", "no two keys have the same kid", kid)
		seen[kid+k.Text("kty")] = true
		if use := k.Text("use"); use == "" || use == "sig" {
			types[k.Text("kty")] = true
		}
	}
	r.FetchKeySet() // reads every key
	for _, alg := range list(m, "id_token_signing_alg_values_supported") {
		kty := map[string]string{"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[alg[:min(2, len(alg))]]
		if kty != "" {
			r.Expect(types[kty], discoverySpec, "there is a key to sign ID tokens with "+alg, alg)
		}
	}
}

package fapi2

import (
	"net/http"
	"net/url"
	"time"

	"hopnhat/conformance/suite"
)

const assertionSpec = "FAPI 2.0 SP §5.3.2.1"

// notWho are the errors of a client that did not prove who it is.
var notWho = []string{"invalid_client", "invalid_request"}

// assertions are the modules about private_key_jwt.
var assertions = []suite.Module{
	spoiled("ensure-signed-client-assertion-with-RS256-fails", "FAPI 2.0 SP §5.4.1", "an assertion signed with RS256 is refused", suite.AssertingRS256),
	spoiled("ensure-client-assertion-in-token-endpoint", assertionSpec, "a client without an assertion is refused", func(_ *suite.Run, c *suite.Client) {
		c.Authentication = func(_ http.Header, form url.Values) {
			form.Del("client_assertion")
			form.Del("client_assertion_type")
			form.Set("client_id", c.ID)
		}
	}),
	claimed("ensure-client-assertion-with-exp-is-5-minutes-in-past-fails", "RFC 7523 §3, 4", "an assertion that has expired is refused", func(_ *suite.Run, a suite.Claims) {
		a["iat"], a["exp"] = ago(6*time.Minute), ago(5*time.Minute)
	}),
	claimed("ensure-client-assertion-with-wrong-aud-fails", "RFC 7523 §3, 3", "an assertion for another is refused", func(_ *suite.Run, a suite.Claims) {
		a["aud"] = "https://other.example"
	}),
	claimed("ensure-client-assertion-with-no-sub-fails", "RFC 7523 §3, 2", "an assertion without sub is refused", func(_ *suite.Run, a suite.Claims) {
		a["sub"] = nil
	}),
	pushedClaims("par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted", "an assertion by a clock eight seconds ahead is good", true, func(_ *suite.Run, a suite.Claims) {
		a["nbf"], a["iat"] = ago(-8*time.Second), ago(-8*time.Second)
	}),
	pushedClaims("par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails", "an assertion by a clock more than a minute ahead is refused", false, func(_ *suite.Run, a suite.Claims) {
		a["nbf"], a["iat"], a["exp"] = ago(-75*time.Second), ago(-75*time.Second), ago(-2*time.Minute)
	}),
	pushedClaims("par-test-array-as-audience-fails", "the audience is the issuer as one string, no array", false, func(r *suite.Run, a suite.Claims) {
		a["aud"] = []string{r.Config().Issuer, "https://other.example"}
	}),
	pushedClaims("par-test-par-endpoint-url-as-audience-fails", "the audience is the issuer, not the endpoint", false, func(r *suite.Run, a suite.Claims) {
		a["aud"] = r.Endpoint("pushed_authorization_request_endpoint")
	}),
	pushedClaims("par-test-token-endpoint-url-as-audience-fails", "the audience is the issuer, not the token endpoint", false, func(r *suite.Run, a suite.Claims) {
		a["aud"] = r.Endpoint("token_endpoint")
	}),
}

// spoiled is a module in which the client's authentication is spoiled: the endpoints
// where it authenticates must refuse it.
func spoiled(name, clause, rule string, spoil func(*suite.Run, *suite.Client)) suite.Module {
	return suite.Module{Name: prefix + name, Clause: clause, For: isKey, Rule: rule, Test: func(r *suite.Run) {
		c := client(r)
		request := tokenRequest(r, c)
		spoil(r, c)
		if !isMachine(r.Variant) {
			p := pushing{form: func(form url.Values) { form.Set("client_id", c.ID) }}
			r.TokenRefused(push(r, ask(r, p), p), clause, notWho...)
		}
		r.TokenRefused(request(), clause, notWho...)
		c.Authentication, c.Assertion = nil, nil
		r.Expect(request().Status == http.StatusOK, clause, "what was refused did not use up the grant: with a right assertion the same request succeeds", nil)
	}}
}

// claimed is a module in which a claim of the assertion is wrong.
func claimed(name, clause, rule string, change func(*suite.Run, suite.Claims)) suite.Module {
	return spoiled(name, clause, rule, func(r *suite.Run, c *suite.Client) {
		c.Assertion = func(a suite.Claims) { change(r, a) }
	})
}

// pushedClaims is a module about the assertion at the pushed request endpoint.
func pushedClaims(name, rule string, good bool, change func(*suite.Run, suite.Claims)) suite.Module {
	return suite.Module{Name: prefix + name, Clause: assertionSpec, For: isKey, Rule: rule, Test: func(r *suite.Run) {
		q := ask(r, pushing{})
		q.Client.Assertion = func(a suite.Claims) { change(r, a) }
		a := push(r, q, pushing{})
		if good {
			r.Expect(a.Status == http.StatusCreated, assertionSpec, "the pushed request answers 201", a)
			return
		}
		r.TokenRefused(a, assertionSpec, notWho...)
	}}
}

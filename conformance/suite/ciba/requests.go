package ciba

import (
	"net/http"
	"net/url"
	"time"

	"hopnhat/conformance/suite"
)

const objectSpec = "CIBA Core §7.1.1"

func ago(d time.Duration) int64 { return time.Now().Add(-d).Unix() }

// requests are the modules about what is wrong with an authentication request.
var requests = []suite.Module{
	lacks("aud"), lacks("iss"), lacks("exp"), lacks("iat"), lacks("nbf"), lacks("jti"),
	claimed("bad-aud", objectSpec, "a request for another is refused", func(_ *suite.Run, o suite.Claims) { o["aud"] = "https://other.example" }),
	claimed("bad-iss", objectSpec, "a request in the name of another is refused", func(_ *suite.Run, o suite.Claims) { o["iss"] = "https://other.example" }),
	claimed("expired-exp", objectSpec, "a request that has expired is refused", func(_ *suite.Run, o suite.Claims) {
		o["iat"], o["nbf"], o["exp"] = ago(10*time.Minute), ago(10*time.Minute), ago(5*time.Minute)
	}),
	claimed("exp-is-70-minutes-in-future", "FAPI-CIBA §5.2.2", "a request is good for no more than an hour", func(_ *suite.Run, o suite.Claims) { o["exp"] = ago(-70 * time.Minute) }),
	claimed("nbf-is-10-minutes-in-future", objectSpec, "a request that is not yet good is refused", func(_ *suite.Run, o suite.Claims) {
		o["nbf"], o["exp"] = ago(-10*time.Minute), ago(-15*time.Minute)
	}),
	claimed("nbf-is-70-minutes-in-past", "FAPI-CIBA §5.2.2", "a request begins no more than an hour ago", func(_ *suite.Run, o suite.Claims) {
		o["iat"], o["nbf"] = ago(70*time.Minute), ago(70*time.Minute)
	}),
	signed("signature-algorithm-is-none", objectSpec, "a request without a signature is refused", func(_ *suite.Run, _ *suite.Client, o suite.Claims) (string, error) {
		return suite.Unsigned(o), nil
	}),
	signed("signature-algorithm-is-bad", objectSpec, "a request whose alg is not that of its signature is refused", func(_ *suite.Run, c *suite.Client, o suite.Claims) (string, error) {
		return c.Key.SignAs(suite.Claims{"alg": "ES512", "kid": c.Key.KeyID}, o)
	}),
	signed("signature-algorithm-is-RS256", "FAPI 1.0 Advanced §8.6", "a request signed with RS256 is refused", func(r *suite.Run, c *suite.Client, o suite.Claims) (string, error) {
		return c.RS256().Sign("", o)
	}),
	signed("signed-by-other-client", objectSpec, "a request signed by another client is refused", func(r *suite.Run, _ *suite.Client, o suite.Claims) (string, error) {
		return second(r).Key.Sign("", o)
	}),
	refuses("fapi-ciba-id1-ensure-authorization-request-with-multiple-hints-fails", "CIBA Core §7.1", "more than one hint is refused", nil, asking{object: func(_ *suite.Run, o suite.Claims) {
		o["login_hint_token"] = "another"
		o["id_token_hint"] = "third"
	}}),
	refuses("fapi-ciba-id1-ensure-backchannel-authorization-request-without-request-fails", "FAPI-CIBA §5.2.2", "parameters that are not signed are refused", nil, asking{form: func(r *suite.Run, form url.Values) {
		_, claims, err := suite.Peek(form.Get("request"))
		r.Works(err, "reading a request of our own")
		form.Del("request")
		for _, name := range []string{"scope", "login_hint", "client_notification_token"} {
			if text := claims.Text(name); text != "" {
				form.Set(name, text)
			}
		}
	}}),
	refuses("fapi-ciba-id1-ensure-different-client-id-and-issuer-in-backchannel-authorization-request", objectSpec, "a request signed in the name of another than the client that sends it is refused", isMTLS, asking{object: func(r *suite.Run, o suite.Claims) {
		o["iss"] = second(r).ID
	}}),
}

func lacks(name string) suite.Module {
	return claimed(
		"missing-"+name, objectSpec, "a request without "+name+" is refused", func(_ *suite.Run, o suite.Claims) { o[name] = nil },
	)
}

func claimed(what, clause, rule string, change func(*suite.Run, suite.Claims)) suite.Module {
	return refuses("fapi-ciba-id1-ensure-request-object-"+what+"-fails", clause, rule, nil, asking{object: change})
}

func signed(what, clause, rule string, sign func(*suite.Run, *suite.Client, suite.Claims) (string, error)) suite.Module {
	return refuses("fapi-ciba-id1-ensure-request-object-"+what+"-fails", clause, rule, nil, asking{sign: sign})
}

// refuses is a module about a request with one thing wrong.
func refuses(name, clause, rule string, only func(suite.Variant) bool, a asking) suite.Module {
	return suite.Module{Name: name, Clause: clause, Rule: rule, For: only, Test: func(r *suite.Run) {
		c := client(r)
		r.TokenRefused(ask(r, c, object(r, c), a), clause, "invalid_request", "invalid_request_object")
	}}
}

// authentications are the modules about who the client is.
var authentications = []suite.Module{
	spoiled("fapi-ciba-id1-ensure-without-client-assertion-in-backchannel-authorization-request-fails", "CIBA Core §7.1", "a client without an assertion is refused", isKey, false, withoutAssertion),
	spoiled("fapi-ciba-id1-ensure-without-client-assertion-in-token-endpoint-fails", "CIBA Core §10.1", "a client without an assertion is refused at the token endpoint", isKey, true, withoutAssertion),
	spoiled("fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-backchannel-authorization-request-is-RS256-fails", "FAPI 1.0 Advanced §8.6", "an assertion signed with RS256 is refused", isKey, false, suite.AssertingRS256),
	spoiled("fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-token-endpoint-request-is-RS256-fails", "FAPI 1.0 Advanced §8.6", "an assertion signed with RS256 is refused at the token endpoint", isKey, true, suite.AssertingRS256),
	spoiled("fapi-ciba-id1-ensure-wrong-client-id-in-backchannel-authorization-request", "RFC 8705 §2", "a certificate is not good for another client", isMTLS, false, asAnother),
	spoiled("fapi-ciba-id1-ensure-wrong-client-id-in-token-endpoint-request", "RFC 8705 §2", "a certificate is not good for another client at the token endpoint", isMTLS, true, asAnother),
	{
		Name: "fapi-ciba-id1-ensure-client-assertion-with-iss-aud-succeeds", Clause: "CIBA Core §7.1", For: isKey, Rule: "the issuer is an audience of assertions at both endpoints",
		Test: func(r *suite.Run) {
			c := client(r)
			c.Assertion = func(claims suite.Claims) { claims["aud"] = r.Config().Issuer }
			authenticate(r, c, asking{})
		},
	},
	{
		Name: "fapi-ciba-id1-beyond-client-assertion-for-backchannel-endpoint-succeeds", Clause: "CIBA Core §7.1", For: isKey, Rule: "the backchannel authentication endpoint is an audience of assertions at itself",
		Test: func(r *suite.Run) {
			c := client(r)
			atToken := c.Assertion
			c.Assertion = forEndpoint(r, "backchannel_authentication_endpoint")
			claims := object(r, c)
			pings := receive(r, c, claims, nil)
			p := taken(r, ask(r, c, claims, asking{}))
			c.Assertion = atToken
			approve(r, p, false)
			finish(r, c, p, pings)
		},
	},
	{
		Name: "fapi-ciba-id1-beyond-client-assertion-for-another-fails", Clause: "CIBA Core §7.1", For: isKey, Rule: "an assertion for another provider is refused",
		Test: func(r *suite.Run) {
			c := client(r)
			claims := object(r, c)
			c.Assertion = func(claims suite.Claims) { claims["aud"] = "https://other.example/token" }
			r.TokenRefused(ask(r, c, claims, asking{}), "CIBA Core §7.1", "invalid_client", "invalid_request")
		},
	},
}

// spoiled is a module in which a client's authentication is spoiled at one endpoint.
func spoiled(name, clause, rule string, only func(suite.Variant) bool, atToken bool, spoil func(*suite.Run, *suite.Client)) suite.Module {
	return suite.Module{Name: name, Clause: clause, Rule: rule, For: only, Test: func(r *suite.Run) {
		c := client(r)
		if !atToken {
			spoil(r, c)
			r.TokenRefused(ask(r, c, object(r, c), asking{}), clause, "invalid_client", "invalid_request")
			return
		}
		p := taken(r, ask(r, c, object(r, c), asking{}))
		approve(r, p, false)
		r.Wait(p.interval, "the interval between two polls")
		spoil(r, c)
		r.TokenRefused(poll(r, c, p.id), clause, "invalid_client", "invalid_request", "invalid_grant")
	}}
}

func withoutAssertion(_ *suite.Run, c *suite.Client) {
	c.Authentication = func(_ http.Header, form url.Values) {
		form.Del("client_assertion")
		form.Del("client_assertion_type")
		form.Set("client_id", c.ID)
	}
}

func asAnother(r *suite.Run, c *suite.Client) {
	other := second(r)
	c.Authentication = func(_ http.Header, form url.Values) { form.Set("client_id", other.ID) }
}

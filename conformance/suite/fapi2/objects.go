package fapi2

import (
	"time"

	"hopnhat/conformance/suite"
)

const objectSpec = "FAPI 2.0 MS §5.3.1"

// wrongObject are the errors of a request object that is not right.
var wrongObject = []string{"invalid_request_object", "invalid_request"}

// objects are the modules about signed requests: the object with one thing changed.
var objects = modules([]row{
	{
		name: "ensure-request-object-with-multiple-aud-succeeds", clause: objectSpec, rule: "the audience may be an array that holds the issuer",
		push: changed(func(o suite.Claims) { o["aud"] = []any{o["aud"], "https://other.example"} }),
	},
	{
		name: "ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted", clause: "FAPI 2.0 SP §5.3.2.1", rule: "a request object by a clock eight seconds ahead is good",
		push: changed(func(o suite.Claims) { o["nbf"], o["iat"] = ago(-8*time.Second), ago(-8*time.Second) }),
	},
	refusedObject("ensure-request-object-without-exp-fails", "a request object has exp", func(o suite.Claims) { o["exp"] = nil }),
	refusedObject("ensure-request-object-without-nbf-fails", "a request object has nbf", func(o suite.Claims) { o["nbf"] = nil }),
	refusedObject("ensure-expired-request-object-fails", "a request object that has expired is refused", func(o suite.Claims) {
		o["iat"], o["nbf"], o["exp"] = ago(10*time.Minute), ago(10*time.Minute), ago(5*time.Minute)
	}),
	refusedObject("ensure-request-object-with-bad-aud-fails", "a request object for another is refused", func(o suite.Claims) { o["aud"] = "https://other.example" }),
	refusedObject("ensure-request-object-with-exp-over-60-fails", "a request object is good for no more than an hour after nbf", func(o suite.Claims) { o["exp"] = ago(-70 * time.Minute) }),
	refusedObject("ensure-request-object-with-nbf-over-60-fails", "a request object begins no more than an hour ago", func(o suite.Claims) { o["nbf"], o["iat"] = ago(70*time.Minute), ago(70*time.Minute) }),
	refusedObject("par-authorization-request-containing-request_uri", "a request object holds no request_uri", func(o suite.Claims) {
		o["request_uri"] = "urn:ietf:params:oauth:request_uri:" + suite.Random()
	}),
}, signed("ensure-signed-request-object-with-RS256-fails", "FAPI 2.0 SP §5.4.1", "a request object signed with RS256 is refused",
	func(r *suite.Run, c *suite.Client, claims suite.Claims) (string, error) {
		return c.RS256().Sign("oauth-authz-req+jwt", claims)
	}), signed("ensure-request-object-signature-algorithm-is-not-none", objectSpec, "a request object that is not signed is refused",
	func(_ *suite.Run, _ *suite.Client, claims suite.Claims) (string, error) {
		return suite.Unsigned(claims), nil
	}), signed("ensure-request-object-with-invalid-signature-fails", objectSpec, "a request object with a broken signature is refused",
	func(_ *suite.Run, c *suite.Client, claims suite.Claims) (string, error) {
		text, err := c.Key.Sign("oauth-authz-req+jwt", claims)
		return broken(text), err
	}), signed("ensure-matching-key-in-authorization-request", objectSpec,
	"a request object is signed by the client itself, not by another", func(r *suite.Run, _ *suite.Client, claims suite.Claims) (string, error) {
		return second(r).Key.Sign("oauth-authz-req+jwt", claims)
	}), suite.Module{
	Name: prefix + "ensure-unsigned-request-at-par-endpoint-fails", Clause: objectSpec, Rule: "parameters that are not signed are refused",
	Test: func(r *suite.Run) {
		r.TokenRefused(push(r, ask(r, pushing{}), pushing{plain: true}), objectSpec, wrongObject...)
	},
})

func changed(f func(suite.Claims)) pushing { return pushing{object: f} }

// refusedObject is a request object with a claim that is wrong.
func refusedObject(name, rule string, change func(suite.Claims)) row {
	return row{name: name, clause: objectSpec, rule: rule, push: changed(change), codes: wrongObject}
}

// signed is a module about a request object that is signed otherwise than it should.
func signed(name, clause, rule string, sign func(*suite.Run, *suite.Client, suite.Claims) (string, error)) suite.Module {
	return suite.Module{Name: prefix + name, Clause: clause, Rule: rule, Test: func(r *suite.Run) {
		c := client(r)
		p := pushing{sign: func(claims suite.Claims) string {
			text, err := sign(r, c, claims)
			r.Works(err, "signing a request object")
			return text
		}}
		refused(r, ask(r, p), p, clause, wrongObject...)
	}}
}

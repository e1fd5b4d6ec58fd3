package oidcc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

const objectSpec = "OpenID Connect Core §6"

// objects are the modules about request objects, by value and by reference, in a
// plan where they are an option.
var objects = []suite.Module{
	{
		Name: "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", Clause: objectSpec + ".2", For: suite.ForDynamic,
		Rule: "an unsigned request object by reference is used, or refused as not supported",
		Test: func(r *suite.Run) {
			var document string
			at := r.ServeJSON("request.jwt", "application/oauth-authz-req+jwt", func() string { return document })
			c, a := r.TryRegister(func(m suite.Claims) { m["request_uris"] = []any{at} })
			offered := r.Discover()["request_uri_parameter_supported"] != false && r.Supports("request_object_signing_alg_values_supported", "none")
			if a.Status != http.StatusCreated {
				registrationRefused(r, a, "OpenID Connect Dynamic Registration §3.3", "invalid_client_metadata")
				r.Expect(!offered, "OpenID Connect Discovery §3", "what is refused is not offered", r.Discover()["request_object_signing_alg_values_supported"])
				return
			}
			tryObject(r, offered, "request_uri_not_supported", suite.As(c),
				unsigned(func(object string) (string, string) { document = object; return "request_uri", at }))
		},
	},
	{
		Name: "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", Clause: objectSpec + ".1",
		Rule: "an unsigned request object by value is used, or refused as not supported",
		Test: func(r *suite.Run) {
			tryObject(r, offersUnsigned(r), "request_not_supported", unsigned(byValue))
		},
	},
	{
		Name: "oidcc-ensure-request-object-with-redirect-uri", Clause: objectSpec + ".1",
		Rule: "the redirect URI inside the object counts, not the one beside it",
		Test: func(r *suite.Run) {
			tryObject(r, offersUnsigned(r), "request_not_supported", unsigned(byValue), beside("redirect_uri", r.Client().RedirectURI()+Suffix()))
		},
	},
}

// offersUnsigned reports whether the provider says that it takes unsigned request
// objects. Then it takes them of a client that has said nothing about request objects
// (OpenID Connect Dynamic Registration §2: any algorithm that both have).
func offersUnsigned(r *suite.Run) bool {
	return r.Discover().True("request_parameter_supported") && r.Supports("request_object_signing_alg_values_supported", "none")
}

// tryObject sends a request object that is not signed: it must count when the
// provider offers them, and otherwise be refused or count; ignoring it is neither.
func tryObject(r *suite.Run, offered bool, refusal string, options ...suite.Option) {
	q := r.Request(options...)
	l := q.Send()
	refused := l.Callback != nil && l.Callback.Values.Has("error")
	if offered || !refused && l.Callback != nil {
		login := suite.Login{Request: q, Landing: l}
		login.Callback = q.Accepted(l)
		login.Redeem()
		return
	}
	if l.Callback == nil {
		r.RefusedOnPage(l, objectSpec)
		return
	}
	// What is inside was not read, so state and response mode are those outside.
	code := l.Callback.Values.Get("error")
	codes := []string{refusal, "invalid_request_object", "invalid_request_uri", "invalid_request"}
	r.Expect(slices.Contains(codes, code), objectSpec, "the error is "+strings.Join(codes, " or "), l)
	if supported := strings.TrimSuffix(refusal, "_not_supported") + "_parameter_supported"; r.Discover()[supported] == false {
		r.Should(code == refusal, "OpenID Connect Core §3.1.2.6", "the error for what is not supported at all is "+refusal, code)
	}
}

func byValue(object string) (name, value string) { return "request", object }

// unsigned puts the parameters into an unsigned request object, with other values of
// state and nonce beside it that must not count.
func unsigned(place func(object string) (name, value string)) suite.Option {
	return suite.By(func(r *suite.Run, q *suite.Request) *http.Request {
		return object(r, q, suite.Unsigned(claimsOf(r, q)), place)
	})
}

// claimsOf are the parameters as claims of a request object (OpenID Connect Core
// §6.1).
func claimsOf(r *suite.Run, q *suite.Request) suite.Claims {
	claims := suite.Claims{"iss": q.Client.ID, "aud": r.Config().Issuer}
	for name := range q.Params {
		claims[name] = q.Params.Get(name)
	}
	return claims
}

// object is the request that carries a request object: what OAuth 2.0 demands stands
// beside it too.
func object(r *suite.Run, q *suite.Request, token string, place func(string) (string, string)) *http.Request {
	name, value := place(token)
	outside := *q
	outside.Params = url.Values{
		"client_id": {q.Client.ID}, "response_type": {q.Params.Get("response_type")}, "scope": {"openid"},
		"redirect_uri": {q.Params.Get("redirect_uri")},
		"state":        {"outside-" + suite.Random()[:8]}, "nonce": {"outside-" + suite.Random()[:8]}, name: {value},
	}
	return suite.Query(r, &outside)
}

// beside sets a parameter that stands beside the object.
func beside(name, value string) suite.Option {
	return func(q *suite.Request) {
		inner := q.Through
		q.Through = func(r *suite.Run, q *suite.Request) *http.Request {
			request := inner(r, q)
			values := request.URL.Query()
			values.Set(name, value)
			request.URL.RawQuery = values.Encode()
			return request
		}
	}
}

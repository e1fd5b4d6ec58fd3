package fapi2

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

const pushedOnly = "FAPI 2.0 SP §5.3.2.2"

// requests are the modules about the authorization request.
var requests = slices.Concat(modules([]row{
	{
		name: "ensure-authorization-request-without-state-success", clause: "RFC 6749 §4.1.1",
		rule: "state is optional, and none is invented", options: []suite.Option{suite.Without("state")},
	},
	{
		name: "ensure-authorization-request-without-nonce-success", clause: "OpenID Connect Core §3.1.2.1", only: isOpenID,
		rule: "nonce is optional in the code flow", options: []suite.Option{suite.Without("nonce")},
	},
	{
		name: "ensure-authorization-request-with-64-char-nonce-success", clause: pushedOnly, only: isOpenID,
		rule: "a nonce of 64 characters works", options: []suite.Option{suite.With("nonce", strings.Repeat("n0-_", 16))},
	},
	{
		name: "ensure-other-scope-order-succeeds", clause: "RFC 6749 §3.3", only: isOpenID, rule: "the order of scopes does not matter",
		options: []suite.Option{func(q *suite.Request) {
			scopes := strings.Fields(q.Params.Get("scope"))
			slices.Reverse(scopes)
			q.Params.Set("scope", strings.Join(scopes, " "))
		}},
	},
	{
		name: "ensure-authorization-request-with-long-nonce", clause: pushedOnly, only: isOpenID, either: true, codes: []string{"invalid_request"},
		rule: "a nonce of 384 characters works or is refused properly", options: []suite.Option{suite.With("nonce", strings.Repeat("nonce-", 64))},
	},
	{
		name: "ensure-authorization-request-with-long-state", clause: "RFC 6749 §4.1.1", either: true, codes: []string{"invalid_request"},
		rule: "a state of 384 characters works or is refused properly", options: []suite.Option{suite.With("state", strings.Repeat("state-", 64))},
	},
	{
		name: "ensure-request-object-without-redirect-uri-fails", clause: pushedOnly, codes: []string{"invalid_request"},
		rule: "redirect_uri has to be in the pushed request", options: []suite.Option{suite.Without("redirect_uri")},
	},
	{
		name: "plain-fapi-tolerate-unregistered-redirect-uri", clause: "FAPI 2.0 SP §5.3.2.2, note", either: true, codes: []string{"invalid_request", "invalid_redirect_uri"},
		rule:    "an authenticated client may push a redirect URI that it has not registered; the provider takes it or refuses it properly",
		options: []suite.Option{func(q *suite.Request) { q.Params.Set("redirect_uri", beside(q.Params.Get("redirect_uri"))) }},
	},
	{
		name: "ensure-response-type-code-idtoken-fails", clause: pushedOnly, codes: []string{"unsupported_response_type", "unauthorized_client", "invalid_request"},
		rule: "no response type but code", options: []suite.Option{suite.With("response_type", "code id_token")},
	},
	{
		name: "ensure-response-type-token-fails", clause: pushedOnly, codes: []string{"unsupported_response_type", "unauthorized_client", "invalid_request"},
		rule: "no response type but code", options: []suite.Option{suite.With("response_type", "token")},
	},
	{
		name: "par-ensure-pkce-required", clause: pushedOnly, codes: []string{"invalid_request"}, rule: "a request without a code_challenge is refused",
		options: []suite.Option{suite.Without("code_challenge"), suite.Without("code_challenge_method")},
	},
	{
		name: "par-plain-pkce-rejected", clause: pushedOnly, codes: []string{"invalid_request"}, rule: "the challenge method plain is refused",
		options: []suite.Option{func(q *suite.Request) {
			q.Params.Set("code_challenge", q.Verifier)
			q.Params.Set("code_challenge_method", "plain")
		}},
	},
	{
		name: "par-without-duplicate-parameters", clause: "RFC 9126 §4", rule: "client_id and request_uri are enough at the authorization endpoint",
	},
	{
		name: "par-authorization-request-containing-request_uri-form-param", clause: "RFC 9126 §2.1", codes: []string{"invalid_request"},
		rule: "a pushed request has no request_uri of its own",
		push: pushing{form: func(form url.Values) { form.Set("request_uri", "urn:ietf:params:oauth:request_uri:"+suite.Random()) }},
	},
}), []suite.Module{
	outside("ensure-different-nonce-inside-and-outside-request-object", "nonce", isOpenID),
	outside("ensure-different-state-inside-and-outside-request-object", "state", nil),
	{
		Name: prefix + "state-only-outside-request-object-not-used", Clause: "RFC 9126 §4, RFC 9101 §6.3", Rule: "a state beside request_uri is not used",
		Test: func(r *suite.Run) { besides(r, ask(r, pushing{}, suite.Without("state")), "state") },
	},
	{
		Name: prefix + "ensure-unsigned-authorization-request-without-using-par-fails", Clause: pushedOnly, Rule: "a request that was not pushed is refused",
		Test: func(r *suite.Run) {
			q := ask(r, pushing{})
			q.RefusedAnyhow(q.Open(direct(r, q, q.Params)), pushedOnly, "invalid_request", "invalid_request_object", "unauthorized_client")
		},
	},
	{
		Name: prefix + "ensure-redirect-uri-in-authorization-request", Clause: pushedOnly, Rule: "a request without redirect_uri is refused, even if only one is registered and it stands beside request_uri",
		Test: func(r *suite.Run) {
			q := ask(r, pushing{}, suite.Without("redirect_uri"))
			a := push(r, q, pushing{})
			if a.Status != http.StatusCreated {
				r.TokenRefused(a, pushedOnly, "invalid_request", "invalid_request_object")
				return
			}
			l := q.Open(direct(r, q, url.Values{"client_id": {q.Client.ID}, "request_uri": {a.JSON.Text("request_uri")}, "redirect_uri": {q.Client.RedirectURI()}}))
			r.RefusedOnPage(l, pushedOnly)
		},
	},
	{
		Name: prefix + "test-claims-parameter-identity-claims", Clause: "OpenID Connect Core §5.5", For: isOpenID, Rule: "claims that are asked for one by one are given",
		Test: func(r *suite.Run) {
			if !r.Discover().True("claims_parameter_supported") {
				r.NotOffered("OpenID Connect Core §5.5", "the claims parameter", nil)
			}
			l := login(r, ask(r, pushing{}, suite.With("claims", `{"userinfo":{"name":{"essential":true}},"id_token":{"auth_time":{"essential":true},"acr":null}}`)))
			info := l.Request.Client.UserInfo(l.Tokens.Access, l.ID)
			r.Expect(l.ID["auth_time"] != nil, "OpenID Connect Core §5.5.1", "auth_time, asked for as essential, is in the ID token", l.ID)
			r.Should(info["name"] != nil || l.ID["name"] != nil, "OpenID Connect Core §5.5.1", "name, asked for as essential, is given", info)
		},
	},
})

// beside is an address at the same place that is not registered.
func beside(uri string) string {
	at, query, _ := strings.Cut(uri, "?")
	if query != "" {
		query = "?" + query
	}
	return at + "/unregistered" + query
}

// outside is a module about a parameter that says one thing in the pushed request and
// another beside request_uri.
func outside(name, parameter string, only func(suite.Variant) bool) suite.Module {
	return suite.Module{
		Name: prefix + name, Clause: "RFC 9126 §4, RFC 9101 §6.3", For: only,
		Rule: "what was pushed counts, not a " + parameter + " beside request_uri",
		Test: func(r *suite.Run) { besides(r, ask(r, pushing{}), parameter) },
	}
}

// besides puts a value of a parameter beside request_uri, which must not count.
func besides(r *suite.Run, q *suite.Request, parameter string) {
	request := begin(r, q, push(r, q, pushing{}))
	query := request.URL.Query()
	query.Set(parameter, "outside-"+suite.Random())
	request.URL.RawQuery = query.Encode()
	l := q.Open(request)
	if l.Callback == nil || l.Callback.Values.Get("error") != "" {
		q.RefusedAnyhow(l, "RFC 9126 §4", "invalid_request", "invalid_request_object")
		return
	}
	finish(r, q, l)
}

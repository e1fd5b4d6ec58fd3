package oidcc

import (
	"net/http"
	"slices"
	"sync"

	"hopnhat/conformance/suite"
)

// least is the module about a client that says of itself what it must and no more, and
// knows nothing of this provider.
var least = suite.Module{
	Name: "oidcc-beyond-least-registration", Clause: registrationSpec, For: suite.ForDynamic, Rule: "a client that registers redirect URIs and nothing else can sign people in",
	Test: func(r *suite.Run) {
		c := r.Register(func(m suite.Claims) {
			for name := range m {
				if name != "redirect_uris" {
					m[name] = nil
				}
			}
		})
		for name, usual := range map[string]any{
			"token_endpoint_auth_method": "client_secret_basic", "response_types": []any{"code"}, "grant_types": []any{"authorization_code"},
		} {
			told, there := c.Metadata[name]
			r.Expect(there, "RFC 7591 §3.2.1", "the answer says what was registered for "+name, c.Metadata)
			if want, list := usual.([]any); list {
				r.Should(c.Metadata.Lists(name, want[0].(string)), registrationSpec, name+" is that of the standard where none is registered", told)
				continue
			}
			r.Expect(told == usual, registrationSpec, name+" is that of the standard where none is registered: "+usual.(string), told)
		}
		r.Login(suite.As(c))
	},
}

// beyond are modules that have no public ones beside them: what certified clients met
// at providers all the same.
var beyond = []suite.Module{
	{
		Name: "oidcc-beyond-scopes-supported", Clause: "RFC 8414 §2", Rule: "no scope that the metadata name is refused as unknown where a person is asked",
		Test: func(r *suite.Run) {
			scopes, _ := r.Discover().List("scopes_supported")
			if len(scopes) == 0 {
				r.NotOffered("RFC 8414 §2", "scopes_supported", nil)
			}
			for _, scope := range scopes {
				wanted := "openid"
				if scope != "openid" {
					wanted += " " + scope
				}
				l := r.Request(suite.With("scope", wanted), suite.With("prompt", "none")).Send()
				r.Must(l.Callback != nil, "OpenID Connect Core §3.1.2.6", "the client is told that nobody is signed in", l)
				r.Should(l.Callback.Values.Get("error") != "invalid_scope", "RFC 8414 §2", "the scope "+scope+" is one, as the metadata say", l.Callback.Values.Encode())
			}
		},
	},
	{
		Name: "oidcc-beyond-refresh-token-at-once", Clause: "RFC 6749 §6", Rule: "tabs that refresh with one token at one moment are answered, none with an error of the server",
		Test: func(r *suite.Run) {
			options := []suite.Option{}
			if r.Supports("scopes_supported", "offline_access") { // OpenID Connect Core §11
				options = append(options, suite.With("scope", "openid offline_access"), suite.With("prompt", "consent"))
			}
			l := r.Login(options...)
			if l.Tokens.Refresh == "" {
				r.NotOffered("OpenID Connect Core §12", "refresh tokens, for this client", r.Discover()["grant_types_supported"])
			}
			answers := make(chan suite.Answer, 10)
			var tabs sync.WaitGroup
			for range cap(answers) {
				tabs.Go(func() {
					r.Attempt(func() { answers <- l.Request.Client.RefreshTokens(l.Tokens.Refresh) })
				})
			}
			tabs.Wait()
			close(answers)
			var statuses []int
			for a := range answers {
				statuses = append(statuses, a.Status)
				r.Expect(a.Status < http.StatusInternalServerError, "RFC 6749 §6", "a tab gets tokens, or hears that the token is spent", a)
			}
			r.Expect(slices.Contains(statuses, http.StatusOK), "RFC 6749 §6", "one of them gets tokens", statuses)
		},
	},
}

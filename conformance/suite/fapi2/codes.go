package fapi2

import (
	"net/http"
	"net/url"
	"time"

	"hopnhat/conformance/suite"
)

const codeSpec = "RFC 6749 §4.1.3"

// codes are the modules about the code, its proof key and the refresh token.
var codes = []suite.Module{
	{
		Name: prefix + "ensure-client-id-in-token-endpoint", Clause: "RFC 6749 §3.2.1", Rule: "a token request in the name of another client is refused",
		Test: func(r *suite.Run) {
			c := client(r)
			other := second(r)
			request := tokenRequest(r, c)
			a := request(func(form url.Values) { form.Set("client_id", other.ID) })
			if !isKey(r.Variant) { // there client_id is the name the certificate is held against
				c.Authentication = func(_ http.Header, form url.Values) { form.Set("client_id", other.ID) }
				a = request()
				c.Authentication = nil
			}
			r.TokenRefused(a, "RFC 6749 §3.2.1", "invalid_client", "invalid_request", "invalid_grant")
		},
	},
	{
		Name: prefix + "ensure-authorization-code-is-bound-to-client", Clause: codeSpec, Rule: "a code is not redeemed by another client",
		Test: func(r *suite.Run) {
			l := authorize(r, ask(r, pushing{}))
			thief := *l.Request
			thief.Client = second(r)
			r.TokenRefused(thief.Redeem(l.Callback.Values.Get("code")), codeSpec, "invalid_grant")
		},
	},
	{
		Name: prefix + "attempt-reuse-authorization-code-after-one-second", Clause: "RFC 6749 §4.1.2", Rule: "a code that was used is refused, and its token should be revoked",
		Test: func(r *suite.Run) {
			l := authorize(r, ask(r, pushing{}))
			redeem(r, &l)
			r.Wait(time.Second, "so that the second use is not taken for a repetition of the first")
			r.TokenRefused(l.Request.Redeem(l.Callback.Values.Get("code")), "RFC 6749 §4.1.2", "invalid_grant")
			used := use(r, l.Request.Client, l.Tokens.Access)
			r.Should(used.Status == http.StatusUnauthorized, "RFC 6749 §4.1.2", "the access token of the first use is revoked", used)
		},
	},
	{
		Name: prefix + "ensure-token-endpoint-fails-with-expired-auth-code", Clause: pushedOnly, Slow: true, Rule: "a code is not good for more than a minute",
		Test: func(r *suite.Run) {
			l := authorize(r, ask(r, pushing{}))
			r.Wait(62*time.Second, "a code may be good for 60 s")
			r.TokenRefused(l.Request.Redeem(l.Callback.Values.Get("code")), pushedOnly, "invalid_grant")
		},
	},
	{
		Name: prefix + "ensure-pkce-code-verifier-required", Clause: "RFC 7636 §4.6", Rule: "a code is not redeemed without its code_verifier",
		Test: func(r *suite.Run) {
			l := authorize(r, ask(r, pushing{}))
			l.Request.Verifier = ""
			r.TokenRefused(l.Request.Redeem(l.Callback.Values.Get("code")), "RFC 7636 §4.6", "invalid_grant")
		},
	},
	{
		Name: prefix + "incorrect-pkce-code-verifier-rejected", Clause: "RFC 7636 §4.6", Rule: "a code is not redeemed with another code_verifier",
		Test: func(r *suite.Run) {
			l := authorize(r, ask(r, pushing{}))
			l.Request.Verifier = suite.Random()
			r.TokenRefused(l.Request.Redeem(l.Callback.Values.Get("code")), "RFC 7636 §4.6", "invalid_grant")
		},
	},
	{
		Name: prefix + "refresh-token", Clause: "RFC 6749 §6", Rule: "a refresh token gives bound tokens, to its client only, and is not rotated",
		Test: func(r *suite.Run) { refresh(r) },
	},
}

func refresh(r *suite.Run) {
	options := []suite.Option{}
	if isOpenID(r.Variant) && r.Supports("scopes_supported", "offline_access") { // OpenID Connect Core §11
		options = append(
			options, func(q *suite.Request) { q.Params.Set("scope", q.Params.Get("scope")+" offline_access") },
			suite.With("prompt", "consent"),
		)
	}
	l := authorize(r, ask(r, pushing{}, options...))
	redeem(r, &l)
	if l.Tokens.Refresh == "" {
		r.NotOffered("RFC 6749 §6", "refresh tokens, for this client", l.Tokens.JSON)
	}
	c := l.Request.Client
	r.TokenRefused(second(r).RefreshTokens(l.Tokens.Refresh), "RFC 6749 §6", "invalid_grant")
	t := c.TokenResponse(c.RefreshTokens(l.Tokens.Refresh))
	r.Expect(reaches(r, c, t.Access), "RFC 6749 §6", "the new access token is good at the resource", nil)
	r.Should(t.Refresh == "" || t.Refresh == l.Tokens.Refresh, "FAPI 2.0 SP §5.3.2.1", "refresh tokens are not rotated, save in extraordinary circumstances", nil)
	next := t.Refresh
	if next == "" {
		next = l.Tokens.Refresh
	}
	if d := proofs(c); d != nil {
		d.Without = true
	} else {
		c.Show(nil)
	}
	r.TokenRefused(c.RefreshTokens(next), bound, "invalid_request", "invalid_dpop_proof", "invalid_client", "invalid_grant")
}

package oidcc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

const reuseSpec = "RFC 6749 §4.1.2"

// codes are the modules about a code that is used twice.
var codes = []suite.Module{
	{
		Name: "oidcc-codereuse", Clause: reuseSpec, Rule: "a code that is used again at once is refused with invalid_grant",
		Test: func(r *suite.Run) {
			l := r.Login()
			a := l.Request.Redeem(l.Callback.Values.Get("code"))
			r.Should(a.Status == http.StatusBadRequest && a.ErrorCode() == "invalid_grant", reuseSpec, "the second use is answered with 400 invalid_grant", a)
		},
	},
	{
		Name: "oidcc-codereuse-30seconds", Clause: reuseSpec, Slow: true,
		Rule: "a code that is used again after thirty seconds is refused, and its tokens are revoked",
		Test: func(r *suite.Run) {
			l := r.Login()
			r.Wait(30*time.Second, "a provider may bear a code that is repeated at once, but not later")
			a := l.Request.Redeem(l.Callback.Values.Get("code"))
			r.TokenRefused(a, reuseSpec, "invalid_grant")
			used := l.Request.Client.AskUserInfo(l.Tokens.Access, suite.ByGet)
			r.Should(used.Status == http.StatusUnauthorized, reuseSpec, "the access token of the first use is revoked", used)
		},
	},
}

var refreshToken = suite.Module{
	Name: "oidcc-refresh-token", Clause: "OpenID Connect Core §12", Rule: "a refresh token gives new tokens for the same person, and to its client only",
	Test: func(r *suite.Run) { refresh(r) },
}

// refresh goes through the life of a refresh token.
func refresh(r *suite.Run) {
	const clause = "OpenID Connect Core §12.2"
	options := []suite.Option{}
	if r.Supports("scopes_supported", "offline_access") { // OpenID Connect Core §11
		options = append(options, suite.With("scope", "openid offline_access"), suite.With("prompt", "consent"))
	}
	l := r.Login(options...)
	if l.Tokens.Refresh == "" {
		r.NotOffered("OpenID Connect Core §12", "refresh tokens, for this client", r.Discover()["grant_types_supported"])
	}
	c := l.Request.Client
	t := c.TokenResponse(c.RefreshTokens(l.Tokens.Refresh))
	r.Should(t.Access != l.Tokens.Access, "RFC 6749 §6", "the access token is a new one", nil)
	refreshed(r, c, l, t, clause)
	c.UserInfo(t.Access, l.ID)
	next := t.Refresh
	if next == "" {
		next = l.Tokens.Refresh
	}
	other := r.Second()
	r.TokenRefused(other.RefreshTokens(next), "RFC 6749 §6", "invalid_grant")
	a := c.RefreshTokens(next, func(form url.Values) { form.Set("scope", "openid "+"never_granted") })
	r.Expect(
		a.Status != http.StatusOK || !slices.Contains(strings.Fields(a.JSON.Text("scope")), "never_granted"), "RFC 6749 §6",
		"a scope that was not granted cannot be had by refreshing", a,
	)
}

// refreshed checks the ID token of a refresh, if one came.
func refreshed(r *suite.Run, c *suite.Client, l suite.Login, t suite.Tokens, clause string) {
	if t.ID == "" {
		return
	}
	id := c.VerifyIDToken(t.ID, suite.Binds{Token: t.Access, HashOptional: true})
	for _, name := range []string{"iss", "sub", "azp"} {
		r.Expect(l.ID[name] == id[name], clause, name+" is as in the first ID token", id[name])
	}
	r.Expect(l.ID.Text("aud") == id.Text("aud"), clause, "aud is as in the first ID token", id["aud"])
	if id["auth_time"] != nil && l.ID["auth_time"] != nil {
		r.Expect(l.ID["auth_time"] == id["auth_time"], clause, "auth_time is that of the sign-in, not of the refresh", id["auth_time"])
	}
	before, _ := l.ID.Number("iat")
	after, _ := id.Number("iat")
	r.Expect(after >= before, clause, "iat is that of the refresh", id["iat"])
	if nonce, there := id["nonce"]; there {
		r.Expect(nonce == l.ID["nonce"], clause, "a nonce is that of the first ID token", nonce)
	}
}

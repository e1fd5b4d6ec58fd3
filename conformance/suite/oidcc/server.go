package oidcc

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

// flow is a module that is nothing but a login with something changed.
func flow(name, clause, rule string, options ...suite.Option) suite.Module {
	return suite.Module{Name: name, Clause: clause, Rule: rule, Test: func(r *suite.Run) { r.Login(options...) }}
}

var (
	server = flow("oidcc-server", "OpenID Connect Core §3", "the ordinary flow works, and every response of it is right")

	responseTypeMissing = suite.Module{
		Name: "oidcc-response-type-missing", Clause: "RFC 6749 §4.1.2.1",
		Rule: "a request without response_type is refused, at the client or on a page",
		Test: func(r *suite.Run) {
			q := r.Request(suite.Without("response_type"))
			l := q.Send()
			if l.Callback != nil {
				// Nothing says which mode the client expects.
				got := l.Callback.Values.Get("error")
				r.Must(got == "invalid_request" || got == "unsupported_response_type", "RFC 6749 §4.1.2.1", "the error is invalid_request or unsupported_response_type", l)
				r.Expect(l.Callback.Values.Get("state") == q.Params.Get("state"), "RFC 6749 §4.1.2.1", "state comes back", l)
				return
			}
			r.RefusedOnPage(l, "RFC 6749 §4.1.2.1")
		},
	}

	idTokenSignature = suite.Module{
		Name: "oidcc-idtoken-signature", Clause: "OpenID Connect Dynamic Registration §2", For: suite.ForDynamic,
		Rule: "a client that registers no algorithm gets ID tokens signed with RS256, and kid names the key",
		Test: func(r *suite.Run) {
			l := r.Login()
			header, _, _ := suite.Peek(l.IDToken())
			r.Expect(header.Text("alg") == "RS256", "OpenID Connect Dynamic Registration §2", "alg is RS256, the default", header["alg"])
			kid := header.Text("kid")
			keys := r.KeySet().Key(kid)
			if len(r.KeySet().Keys) > 1 {
				r.Expect(kid != "", "OpenID Connect Core §10.1", "kid names the key, since several are published", header)
			}
			r.Expect(kid == "" || len(keys) == 1, "OpenID Connect Core §10.1", "kid is that of one published key", kid)
		},
	}

	idTokenUnsigned = suite.Module{
		Name: "oidcc-idtoken-unsigned", Clause: "OpenID Connect Core §2", For: suite.ForDynamic,
		Rule: "a client that registers alg none is refused, or gets unsigned ID tokens, from the token endpoint only",
		Test: func(r *suite.Run) {
			c, a := r.TryRegister(func(m suite.Claims) { m["id_token_signed_response_alg"] = "none" })
			if a.Status != http.StatusCreated {
				registrationRefused(r, a, "OpenID Connect Dynamic Registration §3.3", "invalid_client_metadata")
				r.Expect(
					!r.Supports("id_token_signing_alg_values_supported", "none"), "OpenID Connect Discovery §3",
					"what is refused is not offered", r.Discover()["id_token_signing_alg_values_supported"],
				)
				return
			}
			r.Must(
				c.Signed() == "none" || a.JSON.Text("id_token_signed_response_alg") != "", "OpenID Connect Dynamic Registration §3.2",
				"the answer says what was registered instead", a.Raw,
			)
			r.Login(suite.As(c))
		},
	}

	userInfoGet        = userInfo("oidcc-userinfo-get", suite.ByGet, false)
	userInfoPostHeader = userInfo("oidcc-userinfo-post-header", suite.ByPostHeader, false)
	userInfoPostBody   = userInfo("oidcc-userinfo-post-body", suite.ByPostBody, true)

	withoutNonce = flow("oidcc-ensure-request-without-nonce-succeeds-for-code-flow", "OpenID Connect Core §3.1.2.1",
		"nonce is optional where the ID token comes from the token endpoint", suite.Without("nonce"))

	registeredRedirectURI = suite.Module{
		Name: "oidcc-ensure-registered-redirect-uri", Clause: "OpenID Connect Core §3.1.2.1",
		Rule: "a redirect URI that is not registered is never redirected to",
		Test: func(r *suite.Run) {
			q := r.Request()
			q.Params.Set("redirect_uri", q.Params.Get("redirect_uri")+Suffix())
			r.RefusedOnPage(q.Send(), "OpenID Connect Core §3.1.2.1")
		},
	}

	postRequest = flow(
		"oidcc-ensure-post-request-succeeds", "OpenID Connect Core §3.1.2.1", "the authorization endpoint takes POST", suite.By(suite.Post),
	)

	secretPost = suite.Module{
		Name: "oidcc-server-client-secret-post", Clause: "OpenID Connect Core §9",
		Set:  suite.Variant{suite.Authentication: "client_secret_post"},
		Rule: "a client may authenticate with client_secret_post",
		Test: func(r *suite.Run) {
			r.Must(
				r.Client().Method == "client_secret_post", "OpenID Connect Dynamic Registration §2",
				"the client is registered with client_secret_post", r.Client().Method,
			)
			r.Login()
		},
	}

	pkce = flow("oidcc-ensure-request-with-valid-pkce-succeeds", "RFC 7636 §4", "a challenge with S256 is accepted, and its verifier", suite.PKCE())
)

// Suffix is something that no registered URI ends in.
func Suffix() string { return "/not-registered-" + suite.Random()[:8] }

func userInfo(name, how string, optional bool) suite.Module {
	return suite.Module{
		Name: name, Clause: "OpenID Connect Core §5.3.1", Rule: "UserInfo answers " + how,
		Test: func(r *suite.Run) {
			l := r.Authorize()
			l.Redeem()
			token := l.AccessToken()
			r.Must(token != "", "OpenID Connect Core §5.3.1", "there is an access token to ask with", l.Callback)
			a := l.Request.Client.AskUserInfo(token, how)
			if optional && a.Status != http.StatusOK {
				r.Should(false, "RFC 6750 §2.2", "the token may also come in the body", a)
				return
			}
			l.Request.Client.UserInfoResponse(a, l.Claims())
			bad := l.Request.Client.AskUserInfo(strings.Repeat("x", 40), how)
			r.Expect(bad.Status == http.StatusUnauthorized, "RFC 6750 §3.1", "a token that is none is answered with 401", bad)
			challenges := bad.Header.Values("WWW-Authenticate")
			r.Expect(strings.Contains(strings.Join(challenges, ", "), "Bearer"), "RFC 6750 §3", "WWW-Authenticate names Bearer", challenges)
		},
	}
}

// registrationRefused states that a registration was refused rightly.
func registrationRefused(r *suite.Run, a suite.Answer, clause string, codes ...string) {
	r.Must(a.Status == http.StatusBadRequest, clause, "the registration is refused with 400", a)
	r.Expect(slices.Contains(codes, a.ErrorCode()), clause, "the error is "+strings.Join(codes, " or "), a)
	r.Expect(a.MediaType() == "application/json", clause, "the error is application/json", a.Header.Get("Content-Type"))
}

// query is a set of parameters in the order given.
func query(u string, pairs ...string) string {
	at, err := url.Parse(u)
	if err != nil {
		return u
	}
	parts := []string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		parts = append(parts, url.QueryEscape(pairs[i])+"="+url.QueryEscape(pairs[i+1]))
	}
	if at.RawQuery != "" {
		parts = append([]string{at.RawQuery}, parts...)
	}
	at.RawQuery = strings.Join(parts, "&")
	return at.String()
}

var nonceRequired = suite.Module{
	Name: "oidcc-ensure-request-without-nonce-fails", Clause: "OpenID Connect Core §3.2.2.1",
	Rule: "nonce is required where an ID token comes through the browser",
	Test: func(r *suite.Run) {
		q := r.Request(suite.Without("nonce"))
		q.Refused(q.Send(), "OpenID Connect Core §3.2.2.1", "invalid_request")
	},
}

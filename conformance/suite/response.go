package suite

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Accepted states that the landing is a successful authorization response, and
// checks all of it but the ID token.
func (q *Request) Accepted(l Landing) *Callback {
	r := q.Client.run
	r.Must(l.Callback != nil, "OpenID Connect Core §3.1.2.5", "the browser is sent back to the client with a response", l)
	c := l.Callback
	r.Must(c.Values.Get("error") == "", "OpenID Connect Core §3.1.2.5", "the response is no error", c.Values.Encode())
	q.checkResponse(c)
	for kind, clause := range map[string]string{"code": "OpenID Connect Core §3.1.2.5", "id_token": "OpenID Connect Core §3.2.2.5"} {
		if q.Responds(kind) {
			r.Must(c.Values.Get(kind) != "", clause, "the response carries "+kind, c.Values.Encode())
		} else {
			r.Expect(
				!c.Values.Has(kind), "Multiple Response Types §2", "the response carries no "+kind+", which was not asked for",
				c.Values.Encode(),
			)
		}
	}
	if q.Responds("token") {
		r.Must(c.Values.Get("access_token") != "", "OpenID Connect Core §3.2.2.5", "the response carries access_token", c.Values.Encode())
		r.Expect(
			strings.EqualFold(c.Values.Get("token_type"), "Bearer"), "OpenID Connect Core §3.2.2.5", "token_type is Bearer",
			c.Values.Get("token_type"),
		)
		r.Should(c.Values.Get("expires_in") != "", "RFC 6749 §4.2.2", "expires_in says how long the token is good", c.Values.Encode())
		r.Expect(!c.Values.Has("refresh_token"), "RFC 6749 §4.2.2", "no refresh token comes through the browser", c.Values.Encode())
	} else {
		r.Expect(!c.Values.Has("access_token"), "Multiple Response Types §2", "the response carries no access token, which was not asked for", c.Values.Encode())
	}
	if code := c.Values.Get("code"); code != "" {
		r.Should(len(code) >= 22, "RFC 6749 §10.10", "the code has at least 128 bits, 22 characters", code)
	}
	return c
}

// checkResponse checks what holds for success and error alike.
func (q *Request) checkResponse(c *Callback) {
	r := q.Client.run
	r.Expect(c.Mode == q.Mode(), "Multiple Response Types §2.1", "the response comes as "+q.Mode(), c.Mode)
	if want, err := url.Parse(q.Params.Get("redirect_uri")); err == nil {
		got := *c.URL
		if c.Mode == "query" {
			got.RawQuery = ""
		}
		want.RawQuery = got.RawQuery
		r.Expect(got.String() == want.String(), "OpenID Connect Core §3.1.2.5", "the response goes to the redirect URI of the request", c.URL.String())
	}
	if state := q.Params.Get("state"); state != "" {
		r.Expect(slices.Equal(c.Values["state"], []string{state}), "RFC 6749 §4.1.2", "state comes back once, exactly as sent: "+state, c.Values["state"])
	} else {
		r.Expect(!c.Values.Has("state"), "RFC 6749 §4.1.2", "no state comes back where none was sent", c.Values.Encode())
	}
	switch {
	case !c.Values.Has("iss") && !r.Discover().True("authorization_response_iss_parameter_supported"):
	case !c.Values.Has("iss") && c.Values.Get("id_token") != "":
		r.Should(false, "RFC 9207 §2", "iss is there, also beside an ID token, which names the issuer too", nil)
	default:
		r.Expect(slices.Equal(c.Values["iss"], []string{r.suite.Config.Issuer}), "RFC 9207 §2", "iss is the issuer", c.Values["iss"])
	}
	if c.Mode != "query" {
		for _, name := range []string{"code", "id_token", "access_token", "error", "state"} {
			r.Expect(!c.Query.Has(name), "Multiple Response Types §5", "nothing of the response is in the query", c.Query.Encode())
			if c.Query.Has(name) {
				break
			}
		}
	}
}

// Refused states that the landing is an error response with one of the codes, to the
// client; it gives the code.
func (q *Request) Refused(l Landing, clause string, codes ...string) string {
	r := q.Client.run
	r.Must(l.Callback != nil, clause, "the browser is sent back to the client with the error "+strings.Join(codes, " or "), l)
	c := l.Callback
	code := c.Values.Get("error")
	q.checkResponse(c)
	for _, name := range []string{"code", "id_token", "access_token"} {
		r.Must(!c.Values.Has(name), clause, "an error carries no "+name, c.Values.Encode())
	}
	r.Must(code != "", clause, "the response is an error", c.Values.Encode())
	r.Expect(slices.Contains(codes, code), clause, "the error is "+strings.Join(codes, " or "), code)
	return code
}

// RefusedOnPage states that the browser stays at the provider, on an error page, and
// is not sent to the client.
func (c *Checks) RefusedOnPage(l Landing, clause string) {
	c.Must(l.Callback == nil, clause, "the browser is not sent to the client", l)
	c.checkErrorPage(l, clause)
}

// RefusedAnyhow accepts an error to the client as well as an error page.
func (q *Request) RefusedAnyhow(l Landing, clause string, codes ...string) {
	if l.Callback != nil {
		q.Refused(l, clause, codes...)
		return
	}
	q.Client.run.checkErrorPage(l, clause)
}

// checkErrorPage states that a page is an error: a status tells a program; otherwise a person
// looks.
func (c *Checks) checkErrorPage(l Landing, clause string) {
	if l.Page.Status >= http.StatusBadRequest && l.Page.Status < http.StatusInternalServerError {
		c.Expect(l.Logins == 0, clause, "nobody is asked to sign in for a request that cannot succeed", l.Done)
		c.Expect(true, clause, "the page says that it is an error", l.Page)
		return
	}
	if l.Page.Status >= http.StatusInternalServerError {
		c.Expect(false, clause, "a wrong request is no error of the server", l.Page)
		return
	}
	c.Review(clause, "does this page say that the request is in error?", l.Page)
}

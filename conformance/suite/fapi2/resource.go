package fapi2

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"hopnhat/conformance/suite"
)

// Settings are what the configuration says, under extra, for one way of getting a
// token: openid, plain_oauth or client_credentials.
type Settings struct {
	// Parameters are put into every request.
	Parameters map[string]string `json:"parameters"`
	// Resource is what a token is good for; UserInfo with OpenID Connect.
	Resource Resource `json:"resource"`
}

// Resource is a request that a good token makes succeed.
type Resource struct {
	// URL, and what a client with a certificate uses in its place.
	URL     string `json:"url"`
	MTLSURL string `json:"mtls_url"`
	Method  string `json:"method"`
	Type    string `json:"content_type"`
	Body    string `json:"body"`
	// Statuses that mean success beside 2xx: 404 where the token was taken and only
	// the thing asked for does not exist.
	Statuses []int `json:"statuses"`
}

func settings(r *suite.Run) Settings {
	name := "openid"
	switch {
	case isMachine(r.Variant):
		name = "client_credentials"
	case !isOpenID(r.Variant):
		name = "plain_oauth"
	}
	var s Settings
	raw, err := json.Marshal(r.Config().Extra[name])
	if err == nil {
		err = json.Unmarshal(raw, &s)
	}
	r.Works(err, fmt.Sprintf("reading extra: %s", name))
	return s
}

func rawJSON(text string) any {
	var v any
	if json.Unmarshal([]byte(text), &v) != nil {
		return text
	}
	return v
}

// at is where a client finds the resource.
func (s Resource) at(r *suite.Run, c *suite.Client) Resource {
	switch {
	case s.URL == "" && isOpenID(r.Variant):
		s.URL = c.Endpoint("userinfo_endpoint")
	case s.URL == "":
		r.NotOffered("FAPI 2.0 SP §5.3.3", "a protected resource; name one in the configuration under extra", nil)
	case s.MTLSURL != "" && c.Certificate != nil:
		s.URL = s.MTLSURL
	}
	if s.Method == "" {
		s.Method = http.MethodGet
	}
	return s
}

// use asks the resource with a token.
func use(r *suite.Run, c *suite.Client, token string) suite.Answer {
	s := settings(r).Resource.at(r, c)
	header := http.Header{"Accept": {"application/json"}}
	if s.Type != "" {
		header.Set("Content-Type", s.Type)
	}
	return c.Resource(s.Method, s.URL, token, header, s.Body)
}

// reaches reports whether a token is good at the resource.
func reaches(r *suite.Run, c *suite.Client, token string) bool {
	return good(r, use(r, c, token))
}

func good(r *suite.Run, a suite.Answer) bool {
	return a.Status >= 200 && a.Status < 300 || slices.Contains(settings(r).Resource.Statuses, a.Status)
}

// barred states that the resource refuses a token (RFC 6750 §3.1, RFC 9449 §7.1).
func barred(r *suite.Run, a suite.Answer, clause, why string) {
	r.Expect(
		a.Status == http.StatusUnauthorized || a.Status == http.StatusBadRequest, clause, "the resource refuses "+why+" with 401 or 400", a,
	)
	if a.Status == http.StatusUnauthorized {
		r.Expect(a.Header.Get("WWW-Authenticate") != "", "RFC 9110 §15.5.2", "a 401 has WWW-Authenticate", a.Header.Get("WWW-Authenticate"))
	}
}

// obtain gets tokens as the variant does, from the beginning.
func obtain(r *suite.Run, c *suite.Client) suite.Tokens {
	if isMachine(r.Variant) {
		return c.TokenResponse(machine(r, c, nil))
	}
	l := authorize(r, ask(r, pushing{}, suite.As(c)))
	redeem(r, &l)
	return l.Tokens
}

// machine asks for a token with the client's own credentials (RFC 6749 §4.4).
func machine(r *suite.Run, c *suite.Client, change func(url.Values)) suite.Answer {
	form := url.Values{"grant_type": {"client_credentials"}}
	for name, value := range settings(r).Parameters {
		form.Set(name, value)
	}
	if change != nil {
		change(form)
	}
	return c.Call(c.Endpoint("token_endpoint"), form)
}

// tokenRequest makes everything ready for one token request and gives it: called, it
// asks with the client as it is then.
func tokenRequest(r *suite.Run, c *suite.Client) func(change ...func(url.Values)) suite.Answer {
	if isMachine(r.Variant) {
		return func(change ...func(url.Values)) suite.Answer {
			return machine(r, c, func(form url.Values) {
				for _, f := range change {
					f(form)
				}
			})
		}
	}
	l := authorize(r, ask(r, pushing{}, suite.As(c)))
	return func(change ...func(url.Values)) suite.Answer {
		return l.Request.Redeem(l.Callback.Values.Get("code"), change...)
	}
}

// spelled is the scheme in another case.
func spelled(scheme string) []string {
	return []string{strings.ToLower(scheme), strings.ToUpper(scheme)}
}

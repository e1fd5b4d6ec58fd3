package suite

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Tokens are a successful token response.
type Tokens struct {
	Access, Type, ID, Refresh string
	JSON                      Claims
}

// Redeem sends a code to the token endpoint, as the request demands, and gives the
// answer, whatever it is.
func (q *Request) Redeem(code string, change ...func(url.Values)) Answer {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {q.Params.Get("redirect_uri")}}
	if q.Verifier != "" {
		form.Set("code_verifier", q.Verifier)
	}
	for _, f := range change {
		f(form)
	}
	return q.Client.Call(q.Client.Endpoint("token_endpoint"), form)
}

// Exchange redeems a code, which must succeed.
func (q *Request) Exchange(code string, change ...func(url.Values)) Tokens {
	return q.Client.TokenResponse(q.Redeem(code, change...))
}

// TokenResponse checks a successful token response.
func (c *Client) TokenResponse(a Answer) Tokens {
	r := c.run
	const clause = "OpenID Connect Core §3.1.3.3"
	r.Must(a.Status == http.StatusOK && a.JSON != nil, clause, "the token endpoint answers 200 with a JSON object", a)
	r.Expect(a.MediaType() == "application/json", "RFC 6749 §5.1", "the answer is application/json", a.Header.Get("Content-Type"))
	r.Expect(
		strings.Contains(strings.ToLower(a.Header.Get("Cache-Control")), "no-store"), "RFC 6749 §5.1",
		"the answer has Cache-Control: no-store", a.Header.Get("Cache-Control"),
	)
	t := Tokens{
		Access: a.JSON.Text("access_token"), Type: a.JSON.Text("token_type"), ID: a.JSON.Text("id_token"),
		Refresh: a.JSON.Text("refresh_token"), JSON: a.JSON,
	}
	r.Must(t.Access != "", "RFC 6749 §5.1", "an access token comes", a.Raw)
	scheme := "Bearer"
	if c.Binding != nil {
		scheme = c.Binding.Scheme()
	}
	r.Expect(strings.EqualFold(t.Type, scheme), "RFC 6749 §5.1", "token_type is "+scheme, t.Type)
	if _, there := a.JSON["expires_in"]; there {
		n, ok := a.JSON.Number("expires_in")
		r.Expect(ok && n > 0, "RFC 6749 §5.1", "expires_in is a positive number", a.JSON["expires_in"])
	} else {
		r.Should(false, "RFC 6749 §5.1", "expires_in says how long the token is good", a.Raw)
	}
	return t
}

// TokenRefused states that a token request was answered with an error of the codes.
func (c *Checks) TokenRefused(a Answer, clause string, codes ...string) {
	c.Must(a.Status >= 400 && a.Status < 500, clause, "the request is refused", a)
	c.Must(a.JSON.Text("access_token") == "", clause, "no token comes", a.Raw)
	c.Expect(slices.Contains(codes, a.ErrorCode()), clause, "the error is "+strings.Join(codes, " or "), a)
	want := a.Status == http.StatusBadRequest || a.Status == http.StatusUnauthorized && a.ErrorCode() == "invalid_client"
	c.Expect(want, "RFC 6749 §5.2", "the status is 400, or 401 for invalid_client", a.Status)
}

// RefreshTokens redeems a refresh token and gives the answer.
func (c *Client) RefreshTokens(refresh string, change ...func(url.Values)) Answer {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
	for _, f := range change {
		f(form)
	}
	return c.Call(c.Endpoint("token_endpoint"), form)
}

// Resource makes a request with an access token in the header.
func (c *Client) Resource(method, address, token string, header http.Header, body string) Answer {
	r := c.run
	for attempt := 0; ; attempt++ {
		request, err := http.NewRequest(method, address, strings.NewReader(body))
		r.works(err, "asking "+address)
		if header != nil {
			request.Header = header.Clone()
		}
		scheme := "Bearer"
		if c.Binding != nil {
			scheme = c.Binding.Scheme()
		}
		if token != "" {
			request.Header.Set("Authorization", scheme+" "+token)
		}
		if c.Binding != nil {
			c.Binding.Prove(r, request, token)
		}
		a := r.Do(request, c)
		if c.Binding == nil || !c.Binding.Again(a) || attempt > 0 {
			return a
		}
	}
}

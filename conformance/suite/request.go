package suite

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Request is an authorization request in the making.
type Request struct {
	Client  *Client
	Browser *Browser
	// Params are its parameters.
	Params url.Values
	// Verifier is that of PKCE, empty if there is no challenge.
	Verifier string
	// Through sends it another way than in the query of the authorization endpoint:
	// by POST, as a request object, pushed. It gives the request that the browser
	// makes.
	Through func(r *Run, q *Request) *http.Request
	// Receive reads a response that needs reading, a signed one for instance; nil takes
	// it as it is.
	Receive func(r *Run, q *Request, l *Landing)
}

// Option changes a request.
type Option func(*Request)

// With sets a parameter.
func With(name, value string) Option { return func(q *Request) { q.Params.Set(name, value) } }

// Without takes a parameter out.
func Without(name string) Option { return func(q *Request) { q.Params.Del(name) } }

// As makes the request that of another client.
func As(c *Client) Option {
	return func(q *Request) {
		q.Client = c
		q.Params.Set("client_id", c.ID)
		q.Params.Set("redirect_uri", c.RedirectURI())
	}
}

// In makes another browser carry it.
func In(b *Browser) Option { return func(q *Request) { q.Browser = b } }

// By sends the request another way.
func By(way func(r *Run, q *Request) *http.Request) Option {
	return func(q *Request) { q.Through = way }
}

// PKCE adds a challenge (RFC 7636).
func PKCE() Option {
	return func(q *Request) {
		q.Verifier = Random()
		q.Params.Set("code_challenge", Digest(q.Verifier))
		q.Params.Set("code_challenge_method", "S256")
	}
}

// Post sends the parameters in the body (OpenID Connect Core §3.1.2.1).
func Post(r *Run, q *Request) *http.Request {
	request, err := http.NewRequest(http.MethodPost, r.Endpoint("authorization_endpoint"), strings.NewReader(q.Params.Encode()))
	r.works(err, "making the authorization request")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return request
}

// Query sends them in the query.
func Query(r *Run, q *Request) *http.Request {
	at, err := url.Parse(r.Endpoint("authorization_endpoint"))
	r.works(err, "reading authorization_endpoint")
	query := at.Query() // RFC 6749 §3.1: a query of its own is kept
	for name, values := range q.Params {
		query[name] = values
	}
	at.RawQuery = query.Encode()
	request, err := http.NewRequest(http.MethodGet, at.String(), nil)
	r.works(err, "making the authorization request")
	return request
}

// Request is a right authorization request of the run's client, in a fresh browser
// unless an option says otherwise.
func (r *Run) Request(options ...Option) *Request {
	c := r.Client()
	kind := r.Variant[ResponseType]
	if kind == "" {
		kind = "code"
	}
	q := &Request{Client: c, Through: Query, Params: url.Values{
		"response_type": {kind}, "client_id": {c.ID}, "redirect_uri": {c.RedirectURI()}, "scope": {"openid"}, "state": {Random()},
		"nonce": {Random()},
	}}
	if mode := r.Variant[ResponseMode]; mode != "" && mode != "default" {
		q.Params.Set("response_mode", mode)
	}
	if r.suite.Config.PKCE && slices.Contains(strings.Fields(kind), "code") {
		PKCE()(q)
	}
	for _, option := range options {
		option(q)
	}
	if q.Browser == nil {
		q.Browser = r.Browser()
	}
	return q
}

// Send sends the browser to the authorization endpoint and says where it came to.
func (q *Request) Send() Landing { return q.Open(q.Through(q.Client.run, q)) }

// Open lets the request's browser make a request that begins it, and reads the
// response.
func (q *Request) Open(request *http.Request) Landing {
	l := q.Browser.Open(request)
	if q.Receive != nil && l.Callback != nil {
		q.Receive(q.Client.run, q, &l)
	}
	return l
}

// Responds reports whether the response is to carry a kind of thing.
func (q *Request) Responds(kind string) bool {
	return slices.Contains(strings.Fields(q.Params.Get("response_type")), kind)
}

// Mode is the response mode that the response must have.
func (q *Request) Mode() string {
	switch mode := q.Params.Get("response_mode"); {
	case mode != "":
		return mode
	case q.Responds("id_token"), q.Responds("token"): // Multiple Response Types §3, §5
		return "fragment"
	}
	return "query"
}

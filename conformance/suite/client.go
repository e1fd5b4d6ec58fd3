package suite

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Client is a relying party: registered by the run, or beforehand.
type Client struct {
	ID, Secret string
	// Method is its token_endpoint_auth_method.
	Method string
	// Key signs its assertions and request objects.
	Key Key
	// Metadata is what was registered, by the standard's names.
	Metadata Claims
	// Binding makes it bind its tokens; nil is bearer tokens.
	Binding Binding
	// Certificate is the one it shows.
	Certificate *tls.Certificate
	// ConfigurationURI and RegistrationToken manage it (RFC 7592).
	ConfigurationURI, RegistrationToken string
	// Authentication is put in the way of every authentication: what a module wants
	// wrong with it. nil leaves all as it is.
	Authentication func(header http.Header, form url.Values)
	// Assertion changes the claims of its assertions.
	Assertion func(Claims)

	run       *Run
	transport http.RoundTripper
}

// Binding binds tokens to a key that the client proves (RFC 9449, RFC 8705).
type Binding interface {
	// Scheme is how tokens are presented: "DPoP" or "Bearer".
	Scheme() string
	// Prove puts a proof into a request; token is empty at the token endpoint.
	Prove(r *Run, request *http.Request, token string)
	// Again tells, after an answer, whether to try once more.
	Again(a Answer) bool
}

// RedirectURI is the one it uses.
func (c *Client) RedirectURI() string {
	if uris, ok := c.Metadata.List("redirect_uris"); ok && len(uris) > 0 {
		return uris[0]
	}
	return ""
}

// Client is the run's first client, as registered by default. It is made once.
func (r *Run) Client() *Client {
	if len(r.clients) == 0 {
		r.firstClient()
	}
	return r.clients[0]
}

// firstClient registers the first client, or takes the one that is configured.
func (r *Run) firstClient() {
	if r.Variant[Registration] == Dynamic {
		r.Register()
		return
	}
	c := r.suite.Config.Client
	if r.Variant[Authentication] == "client_secret_post" && r.suite.Config.ClientPost != nil {
		c = r.suite.Config.ClientPost
	}
	r.adopt(c)
}

// Second is another client.
func (r *Run) Second() *Client {
	r.Client()
	if len(r.clients) > 1 {
		return r.clients[1]
	}
	if r.Variant[Registration] == Dynamic {
		return r.Register()
	}
	if r.suite.Config.Client2 == nil {
		r.works(fmt.Errorf("client2 is not configured"), "having a second client")
	}
	return r.adopt(r.suite.Config.Client2)
}

func (r *Run) adopt(s *StaticClient) *Client {
	if s == nil {
		r.works(errors.New("client is not configured"), "having a client")
	}
	c := &Client{ID: s.ID, Secret: s.Secret, run: r, Metadata: Claims{}}
	for name, value := range s.Metadata {
		c.Metadata[name] = value
	}
	uris := []any{}
	for _, u := range s.RedirectURIs {
		uris = append(uris, u)
	}
	c.Metadata["redirect_uris"] = uris
	c.Method = c.Metadata.Text("token_endpoint_auth_method")
	if c.Method == "" {
		c.Method = r.Variant[Authentication]
	}
	set, err := ParseJWKS(s.JWKS)
	r.works(err, "reading the client's keys")
	if len(set.Keys) > 0 {
		c.Key = Key{set.Keys[0]}
		if c.Key.Algorithm == "" {
			c.Key.Algorithm = usual(c.Key.JSONWebKey.Public().Key)
		}
	}
	c.Certificate, err = s.certificate()
	r.works(err, "reading the client's certificate")
	c.Show(c.Certificate)
	r.clients = append(r.clients, c)
	return c
}

// Show makes the client show a certificate at every connection; nil is none.
func (c *Client) Show(certificate *tls.Certificate) {
	c.Certificate = certificate
	if certificate == nil {
		c.transport = nil
		return
	}
	c.transport = c.run.suite.newTransport(certificate)
}

// Register registers a client dynamically; change alters what is asked for. The
// registration must succeed.
func (r *Run) Register(change ...func(Claims)) *Client {
	c, a := r.TryRegister(change...)
	const clause = "OpenID Connect Dynamic Registration §3.2"
	r.Must(a.Status == http.StatusCreated, clause, "the registration answers 201", a)
	r.Must(c.ID != "", clause, "the answer names a client_id", a.Raw)
	r.Expect(a.MediaType() == "application/json", clause, "the answer is application/json", a.Header.Get("Content-Type"))
	if strings.HasPrefix(c.Method, "client_secret") {
		r.Must(c.Secret != "", clause, "a client that authenticates with a secret gets one", a.Raw)
		_, ok := c.Metadata.Number("client_secret_expires_at")
		r.Expect(ok, clause, "client_secret_expires_at is there beside a secret", c.Metadata["client_secret_expires_at"])
	}
	r.Expect((c.ConfigurationURI == "") == (c.RegistrationToken == ""), clause, "registration_client_uri and registration_access_token come together or not at all", c.Metadata)
	return c
}

// TryRegister asks for a registration and gives the answer, whatever it is.
func (r *Run) TryRegister(change ...func(Claims)) (*Client, Answer) {
	at := r.Discover().Text("registration_endpoint")
	r.Must(at != "", "OpenID Connect Discovery §3", "the metadata names the registration_endpoint", r.Discover()["registration_endpoint"])
	method := r.Variant[Authentication]
	if method == "" {
		method = "client_secret_basic"
	}
	name := fmt.Sprintf("%s-%d", r.id, len(r.clients))
	c := &Client{Method: method, run: r}
	wanted := Claims{
		"client_name": "Conformance " + strings.ReplaceAll(r.Module.Name, "_", "-"), "redirect_uris": []any{r.Redirect("callback")},
		"response_types": []any{r.Variant[ResponseType]}, "grant_types": r.grantTypes(), "token_endpoint_auth_method": method,
		"contacts": []any{"conformance@example.com"},
	}
	if r.Variant[ResponseType] == "" {
		wanted["response_types"] = []any{"code"}
	}
	for k, v := range r.suite.Config.Metadata {
		wanted[k] = v
	}
	if method == "private_key_jwt" {
		c.Key = r.Key("RS256", name)
		wanted["jwks"] = jose.JSONWebKeySet{Keys: []jose.JSONWebKey{c.Key.Public()}}
		wanted["token_endpoint_auth_signing_alg"] = "RS256"
	}
	for _, f := range change {
		f(wanted)
	}
	for k, v := range wanted {
		if v == nil {
			delete(wanted, k)
		}
	}
	body, err := json.Marshal(wanted)
	r.works(err, "writing the registration")
	a := r.postRegistration(at, body)
	if a.Status != http.StatusCreated {
		return c, a
	}
	c.ID, c.Secret = a.JSON.Text("client_id"), a.JSON.Text("client_secret")
	c.ConfigurationURI, c.RegistrationToken = a.JSON.Text("registration_client_uri"), a.JSON.Text("registration_access_token")
	// The answer says what was registered; what it leaves out was taken as asked.
	var asked Claims
	r.works(json.Unmarshal(body, &asked), "reading the registration back")
	c.Metadata = asked
	for k, v := range a.JSON {
		c.Metadata[k] = v
	}
	if m := a.JSON.Text("token_endpoint_auth_method"); m != "" {
		c.Method = m
	}
	r.clients = append(r.clients, c)
	r.Finally(func() { r.unregister(c) })
	return c, a
}

// postRegistration sends a registration; where the provider says that it has had enough for now,
// again after as long as it says.
func (r *Run) postRegistration(at string, body []byte) Answer {
	for {
		request, err := http.NewRequest(http.MethodPost, at, bytes.NewReader(body))
		r.works(err, "asking for a registration")
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Accept", "application/json")
		if t := r.suite.initialToken(); t != "" {
			request.Header.Set("Authorization", "Bearer "+t)
		}
		a := r.Do(request, nil)
		after, err := strconv.Atoi(a.Header.Get("Retry-After"))
		if a.Status != http.StatusTooManyRequests || err != nil || r.ctx.Err() != nil {
			return a
		}
		r.Wait(time.Duration(min(after, 60))*time.Second, "the provider limits registrations")
	}
}

// unregister cleans up where the provider allows it.
func (r *Run) unregister(c *Client) {
	if c.ConfigurationURI == "" || r.ctx.Err() != nil {
		return
	}
	request, err := http.NewRequest(http.MethodDelete, c.ConfigurationURI, nil)
	if err != nil {
		return
	}
	request.Header.Set("Authorization", "Bearer "+c.RegistrationToken)
	r.Do(request, nil)
}

// Key is a key of the suite.
func (r *Run) Key(algorithm, name string) Key {
	k, err := NewKey(algorithm, name)
	r.works(err, "making a key")
	return k
}

func (r *Run) grantTypes() []any {
	var grants []any
	if r.Variant.Responds("code") || r.Variant[ResponseType] == "" {
		grants = append(grants, "authorization_code")
		if r.Supports("grant_types_supported", "refresh_token") {
			grants = append(grants, "refresh_token")
		}
	}
	if r.Variant.Responds("id_token") || r.Variant.Responds("token") {
		grants = append(grants, "implicit")
	}
	return grants
}

// Signed is the algorithm that the client's ID tokens are to have.
func (c *Client) Signed() string {
	if alg := c.Metadata.Text("id_token_signed_response_alg"); alg != "" {
		return alg
	}
	return "RS256" // OpenID Connect Dynamic Registration §2
}

// Call posts a form to an endpoint as the client authenticates and proves itself.
func (c *Client) Call(endpoint string, form url.Values) Answer {
	r := c.run
	for attempt := 0; ; attempt++ {
		send := url.Values{}
		for k, v := range form {
			send[k] = slices.Clone(v)
		}
		header := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept": {"application/json"}}
		c.authenticate(header, send)
		request, err := http.NewRequest(http.MethodPost, endpoint, strings.NewReader(send.Encode()))
		r.works(err, "asking "+endpoint)
		request.Header = header
		if c.Binding != nil {
			c.Binding.Prove(r, request, "")
		}
		a := r.Do(request, c)
		if c.Binding == nil || !c.Binding.Again(a) || attempt > 0 {
			return a
		}
	}
}

func (c *Client) authenticate(header http.Header, form url.Values) {
	switch c.Method {
	case "client_secret_basic", "":
		request := http.Request{Header: header}
		request.SetBasicAuth(url.QueryEscape(c.ID), url.QueryEscape(c.Secret)) // RFC 6749 §2.3.1
	case "client_secret_post":
		form.Set("client_id", c.ID)
		form.Set("client_secret", c.Secret)
	case "client_secret_jwt", "private_key_jwt":
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", c.SignAssertion())
	default: // none, tls_client_auth, self_signed_tls_client_auth
		form.Set("client_id", c.ID)
	}
	if c.Authentication != nil {
		c.Authentication(header, form)
	}
}

// SignAssertion makes a client assertion (RFC 7523 §3, OpenID Connect Core §9); its
// audience is the issuer.
func (c *Client) SignAssertion() string {
	now := time.Now()
	claims := Claims{
		"iss": c.ID, "sub": c.ID, "aud": c.run.suite.Config.Issuer, "jti": Random(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	}
	if c.Assertion != nil {
		c.Assertion(claims)
	}
	for k, v := range claims {
		if v == nil {
			delete(claims, k)
		}
	}
	var token string
	var err error
	if c.Method == "client_secret_jwt" {
		token, err = sign(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(c.Secret)}, &jose.SignerOptions{}, claims)
	} else {
		token, err = c.Key.Sign("", claims)
	}
	c.run.works(err, "signing a client assertion")
	return token
}

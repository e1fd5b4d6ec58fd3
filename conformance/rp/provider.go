package rp

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// maxKept bounds how many codes, tokens and pushed requests are kept.
const maxKept = 10_000

// provider is the provider: one person, one app.
type provider struct {
	c      Config
	issuer string
	client jose.JSONWebKeySet
	keys   keys
	server *http.Server
	desk   *desk
	out    *http.Client // calls the app

	mu      sync.Mutex
	now     *SignIn // the sign-in at work
	pushed  map[string]url.Values
	codes   map[string]*SignIn
	access  map[string]access
	refresh map[string]*SignIn
}

// access is an access token.
type access struct {
	in        *SignIn
	refreshed bool
}

// keys are the provider's: the one that signs, one of another kind that is published
// too, and one that is not.
type keys struct{ usual, other, stranger suite.Key }

func newKeys(algorithm string) (k keys, err error) {
	other := string(jose.ES256)
	if algorithm == other {
		other = string(jose.RS256)
	}
	for into, key := range map[*suite.Key][2]string{
		&k.usual: {algorithm, "op"}, &k.other: {other, "op-other"}, &k.stranger: {algorithm, "op-stranger"},
	} {
		if *into, err = suite.NewKey(key[0], key[1]); err != nil {
			return k, fmt.Errorf("id_token_signed_response_alg: %w", err)
		}
	}
	return k, nil
}

// open starts the provider.
func open(c Config) (*provider, error) {
	p := &provider{
		c: c, pushed: map[string]url.Values{}, codes: map[string]*SignIn{}, access: map[string]access{}, refresh: map[string]*SignIn{},
	}
	var err error
	if p.client, err = suite.ParseJWKS(c.Client.JWKS); err != nil {
		return nil, err
	}
	if p.keys, err = newKeys(c.Client.IDTokenAlg); err != nil {
		return nil, err
	}
	address := c.Listen.Address
	if address == "" {
		address = "127.0.0.1:0"
	}
	socket, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p.issuer = strings.TrimSuffix(c.Listen.URL, "/")
	scheme := "http"
	if c.Listen.Certificate != "" {
		scheme = "https"
		pair, err := tls.LoadX509KeyPair(c.Listen.Certificate, c.Listen.Key)
		if err != nil {
			socket.Close()
			return nil, fmt.Errorf("listen: %w", err)
		}
		socket = tls.NewListener(socket, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
	}
	if p.issuer == "" {
		p.issuer = fmt.Sprintf("%s://localhost:%d", scheme, socket.Addr().(*net.TCPAddr).Port)
	}
	p.desk = &desk{}
	p.server = &http.Server{Handler: p.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = p.server.Serve(socket) }()
	return p, nil
}

// close lets who is being answered have the answer, for a moment.
func (p *provider) close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if p.server.Shutdown(ctx) != nil {
		p.server.Close()
	}
}

func (p *provider) handler() http.Handler {
	mux := http.NewServeMux()
	prefix := ""
	if u, err := url.Parse(p.issuer); err == nil {
		prefix = u.Path
	}
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request, *SignIn){
		"GET " + prefix + "/.well-known/openid-configuration":  p.discovery,
		"GET /.well-known/oauth-authorization-server" + prefix: p.discovery,
		"GET " + prefix + "/jwks":                              p.jwks,
		"POST " + prefix + "/par":                              p.par,
		prefix + "/authorize":                                  p.authorize,
		"POST " + prefix + "/token":                            p.token,
		prefix + "/userinfo":                                   p.userinfo,
		prefix + "/":                                           p.resource,
	} {
		mux.Handle(pattern, p.recorded(serve))
	}
	mux.HandleFunc("GET "+prefix+"/{$}", p.desk.show)
	mux.HandleFunc("POST "+prefix+"/verdict", p.desk.verdict)
	return mux
}

// begin makes a sign-in the one at work.
func (p *provider) begin(t *Trial, f Fault) *SignIn {
	s := &SignIn{fault: f, trial: t, sid: suite.Random(), nonces: map[string]string{}, challenge: map[string]int{}}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = s
	return s
}

// recorded writes an exchange into the journal of the trial at work. An endless
// document is not kept.
func (p *provider) recorded(serve func(http.ResponseWriter, *http.Request, *SignIn)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		s := p.now
		p.mu.Unlock()
		if s == nil {
			http.Error(w, "no test is at work", http.StatusServiceUnavailable)
			return
		}
		began := time.Now()
		raw, _ := io.ReadAll(io.LimitReader(r.Body, maxBody))
		r.Body = io.NopCloser(bytes.NewReader(raw))
		by := "client"
		if strings.HasSuffix(r.URL.Path, "/authorize") {
			by = "browser"
		}
		e := suite.Exchange{
			By: by, Method: r.Method, URL: p.issuer + strings.TrimPrefix(r.URL.RequestURI(), pathOf(p.issuer)), Header: r.Header,
			Body: string(raw),
		}
		if s.fault.Discovery != nil && strings.Contains(r.URL.Path, "/.well-known/") {
			s.mark(gaveMetadata)
			s.fault.Discovery(s, w, r)
			e.Status, e.Answer, e.Took = http.StatusOK, "(an answer without an end)", time.Since(began)
			s.trial.Record(e)
			return
		}
		answer := httptest.NewRecorder()
		serve(answer, r, s)
		e.Status, e.Response, e.Answer, e.Took = answer.Code, answer.Header(), answer.Body.String(), time.Since(began)
		s.trial.Record(e)
		for name, values := range answer.Header() {
			w.Header()[name] = values
		}
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes())
	})
}

func pathOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.Path
	}
	return ""
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": text})
}

// discovery is OpenID Connect Discovery §4.
func (p *provider) discovery(w http.ResponseWriter, _ *http.Request, s *SignIn) {
	m := suite.Claims{
		"issuer": p.issuer, "authorization_endpoint": p.issuer + "/authorize", "token_endpoint": p.issuer + "/token",
		"pushed_authorization_request_endpoint": p.issuer + "/par", "userinfo_endpoint": p.issuer + "/userinfo", "jwks_uri": p.issuer + "/jwks",
		"response_types_supported": []string{"code"}, "response_modes_supported": []string{"query", "form_post", "jwt", "query.jwt"},
		"grant_types_supported": []string{"authorization_code", "refresh_token"}, "subject_types_supported": []string{"public"},
		"scopes_supported":                               []string{"openid", "profile", "email", "phone", "address", "offline_access"},
		"id_token_signing_alg_values_supported":          []string{p.c.Client.IDTokenAlg},
		"authorization_signing_alg_values_supported":     []string{p.c.Client.IDTokenAlg},
		"token_endpoint_auth_methods_supported":          []string{"private_key_jwt", "client_secret_basic", "client_secret_post", "none"},
		"code_challenge_methods_supported":               []string{"S256"},
		"dpop_signing_alg_values_supported":              []string{"ES256", "EdDSA", "PS256", "RS256"},
		"authorization_response_iss_parameter_supported": true, "backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
		"claims_parameter_supported": true, "request_parameter_supported": true, "request_uri_parameter_supported": false,
	}
	if p.c.Client.UserInfoAlg != "" {
		m["userinfo_signing_alg_values_supported"] = []string{p.c.Client.UserInfoAlg}
	}
	s.mark(gaveMetadata)
	writeJSON(w, http.StatusOK, s.apply(s.fault.Metadata, m))
}

// jwks is the JWK Set, RFC 7517 §5.
func (p *provider) jwks(w http.ResponseWriter, _ *http.Request, s *SignIn) {
	p.mu.Lock()
	silent := s.fault.Silent > 0
	if silent {
		s.fault.Silent--
	}
	p.mu.Unlock()
	if silent {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	published := append([]suite.Key{p.keys.usual, p.keys.other}, s.fault.Keys...)
	if s.fault.Only != nil {
		published = s.fault.Only
	}
	set := jose.JSONWebKeySet{}
	for _, key := range published {
		set.Keys = append(set.Keys, key.Public())
	}
	s.mark(gaveKeys)
	writeJSON(w, http.StatusOK, set)
}

// par takes a pushed authorization request, RFC 9126 §2.
func (p *provider) par(w http.ResponseWriter, r *http.Request, s *SignIn) {
	s.mark(pushed)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	if !p.proven(w, r, s, "par", "") || !p.authenticated(w, r, s) {
		return
	}
	request, err := p.opened(r.PostForm)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request_object", err.Error())
		return
	}
	uri := "urn:ietf:params:oauth:request_uri:" + suite.Random()
	p.mu.Lock()
	if len(p.pushed) < maxKept {
		p.pushed[uri] = request
	}
	p.mu.Unlock()
	writeJSON(w, http.StatusCreated, map[string]any{"request_uri": uri, "expires_in": 60})
}

// opened takes the parameters out of a request object (RFC 9101 §5).
func (p *provider) opened(form url.Values) (url.Values, error) {
	object := form.Get("request")
	if object == "" {
		return form, nil
	}
	if len(p.client.Keys) > 0 {
		if _, err := p.verified(object); err != nil {
			return nil, fmt.Errorf("the request object: %w", err)
		}
	}
	_, claims, err := suite.Peek(object)
	if err != nil {
		return nil, fmt.Errorf("the request object: %w", err)
	}
	request := url.Values{"request": {object}}
	for name, value := range claims {
		text, ok := value.(string)
		if !ok {
			raw, err := json.Marshal(value)
			if err != nil {
				return nil, err
			}
			text = string(raw)
		}
		request.Set(name, text)
	}
	return request, nil
}

// authorize answers at once, OpenID Connect Core §3.1.2.
func (p *provider) authorize(w http.ResponseWriter, r *http.Request, s *SignIn) {
	s.mark(asked)
	if err := r.ParseForm(); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request, err := p.opened(r.Form)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if uri := request.Get("request_uri"); uri != "" {
		p.mu.Lock()
		request = p.pushed[uri]
		delete(p.pushed, uri)
		p.mu.Unlock()
		if request == nil {
			http.Error(w, "request_uri: unknown, or used before", http.StatusBadRequest)
			return
		}
	}
	if request.Get("client_id") != p.c.Client.ID || !slices.Contains(p.c.Client.RedirectURIs, request.Get("redirect_uri")) {
		http.Error(w, fmt.Sprintf("the app is configured as client %q with redirect URIs %q; it came as %q to be sent to %q",
			p.c.Client.ID, p.c.Client.RedirectURIs, request.Get("client_id"), request.Get("redirect_uri")), http.StatusBadRequest)
		return
	}
	code := suite.Random()
	p.mu.Lock()
	s.request = request
	if len(p.codes) < maxKept {
		p.codes[code] = s
	}
	p.mu.Unlock()
	p.answer(w, r, s, code)
}

// answer sends the browser back, in the mode that was asked for.
func (p *provider) answer(w http.ResponseWriter, r *http.Request, s *SignIn, code string) {
	values := map[string]string{"code": code, "iss": p.issuer}
	if state := s.request.Get("state"); state != "" {
		values["state"] = state
	}
	mode := s.request.Get("response_mode")
	if strings.HasSuffix(mode, "jwt") && !s.fault.Plain { // JARM §2.1
		claims := suite.Claims{"aud": p.c.Client.ID, "exp": time.Now().Add(5 * time.Minute).Unix(), "iat": time.Now().Unix()}
		for name, value := range values {
			claims[name] = value
		}
		token, err := s.fault.SignJARM.or(usual)(s, "", s.apply(s.fault.JARM, claims))
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		values = map[string]string{"response": token}
	} else if s.fault.Response != nil {
		s.fault.Response(s, values)
	}
	to, err := url.Parse(s.request.Get("redirect_uri"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mark(answered)
	if strings.HasPrefix(mode, "form_post") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = formPost.Execute(w, struct {
			Action string
			Values map[string]string
		}{to.String(), values})
		return
	}
	query := to.Query()
	for name, value := range values {
		query.Set(name, value)
	}
	to.RawQuery = query.Encode()
	p.mu.Lock()
	s.opens = to.String()
	p.mu.Unlock()
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// formPost is Form Post Response Mode §2.
var formPost = template.Must(template.New("post").Parse(`<!doctype html><title>Back to the app</title>
<body onload="document.forms[0].submit()"><form method="post" action="{{.Action}}">
{{range $name, $value := .Values}}<input type="hidden" name="{{$name}}" value="{{$value}}">{{end}}
<noscript><button>Continue</button></noscript></form></body>`))

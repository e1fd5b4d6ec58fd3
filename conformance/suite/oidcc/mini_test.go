package oidcc

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// mini is a small provider that does all that the plans ask for, and any of it wrong
// on demand: a checker that cannot fail checks nothing.
type mini struct {
	*httptest.Server
	ca    string
	fault string

	mu       sync.Mutex
	ahead    time.Duration // its clock, before the real one
	clients  map[string]miniClient
	codes    map[string]*miniGrant
	tokens   map[string]*miniGrant
	refresh  map[string]*miniGrant
	sessions map[string]*miniSession
	fetch    *http.Client
	busy     int
}

type miniClient struct {
	suite.Claims
	id, secret string
}

type miniGrant struct {
	client  miniClient
	request url.Values
	session *miniSession
	used    bool
	revoked bool
}

type miniSession struct {
	id, person string
	at         time.Time
	clients    []miniClient
	over       bool
}

// Its keys: two of one kind, so that kid matters.
var miniKeys = sync.OnceValue(func() []jose.JSONWebKey {
	var keys []jose.JSONWebKey
	for i := range 3 {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		keys = append(keys, jose.JSONWebKey{Key: key, KeyID: fmt.Sprint("k", i), Algorithm: "RS256", Use: "sig"})
	}
	return keys
})

func newMini(t *testing.T, fault string) *mini {
	t.Helper()
	p := &mini{
		fault: fault, clients: map[string]miniClient{}, codes: map[string]*miniGrant{}, tokens: map[string]*miniGrant{},
		refresh: map[string]*miniGrant{}, sessions: map[string]*miniSession{},
	}
	mux := http.NewServeMux()
	for path, f := range map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": p.discovery, "/jwks": p.jwks, "/register": p.register, "/register/{id}": p.manage,
		"/authorize": p.authorize, "/login": p.login, "/token": p.token, "/userinfo": p.userinfo, "/logout": p.logout, "/check": p.check,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			_ = r.ParseForm()
			f(w, r)
		})
	}
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Server.Close)
	p.ca = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.ca, text, 0o600); err != nil {
		t.Fatal(err)
	}
	p.fetch = &http.Client{Timeout: 10 * time.Second}
	return p
}

func (p *mini) is(fault string) bool { return p.fault == fault }
func (p *mini) now() time.Time       { return time.Now().Add(p.ahead) }

func give(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func (p *mini) refuse(w http.ResponseWriter, status int, code string) {
	answer := suite.Claims{"error": code}
	if p.is("a section sign in descriptions") {
		answer["error_description"] = "see §5.2"
	}
	give(w, status, answer)
}

func page(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<!doctype html><title>mini</title>"+body)
}

func (p *mini) discovery(w http.ResponseWriter, _ *http.Request) {
	m := suite.Claims{
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
		"userinfo_endpoint": p.URL + "/userinfo", "registration_endpoint": p.URL + "/register", "end_session_endpoint": p.URL + "/logout",
		"check_session_iframe": p.URL + "/check", "scopes_supported": []string{"openid", "profile", "email", "address", "phone", "offline_access"},
		"response_types_supported": []string{"code", "id_token", "id_token token", "code id_token", "code token", "code id_token token"},
		"grant_types_supported":    []string{"authorization_code", "implicit", "refresh_token"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "userinfo_signing_alg_values_supported": []string{"RS256"},
		"request_object_signing_alg_values_supported": []string{"none", "RS256"}, "request_parameter_supported": true, "request_uri_parameter_supported": true,
		"claims_supported": []string{"sub", "name", "email", "email_verified", "address", "phone_number"}, "claims_parameter_supported": true,
		"authorization_response_iss_parameter_supported": true, "code_challenge_methods_supported": []string{"S256"},
		"backchannel_logout_supported": true, "backchannel_logout_session_supported": true, "frontchannel_logout_supported": true,
		"frontchannel_logout_session_supported": true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "private_key_jwt"},
	}
	switch p.fault {
	case "issuer with a slash":
		m["issuer"] = p.URL + "/"
	case "an empty list":
		m["ui_locales_supported"] = []string{}
	case "a list that is a text":
		m["scopes_supported"] = "openid"
	case "a flag that is a text":
		m["request_parameter_supported"] = "true"
	case "an endpoint without TLS":
		m["userinfo_endpoint"] = "http://localhost/userinfo"
	case "no RS256":
		m["id_token_signing_alg_values_supported"] = []string{"ES256"}
	case "null":
		m["service_documentation"] = nil
	case "names of its own in the metadata":
		m["national_register_endpoint"] = p.URL
	case "no logout endpoint":
		delete(m, "end_session_endpoint")
	}
	give(w, 200, m)
}

func (p *mini) jwks(w http.ResponseWriter, _ *http.Request) {
	set := jose.JSONWebKeySet{}
	for _, k := range miniKeys()[:2] {
		set.Keys = append(set.Keys, k.Public())
	}
	if p.is("a private key published") {
		set.Keys[1] = miniKeys()[1]
	}
	give(w, 200, set)
}

func (p *mini) register(w http.ResponseWriter, r *http.Request) {
	var m suite.Claims
	if json.NewDecoder(r.Body).Decode(&m) != nil {
		p.refuse(w, 400, "invalid_client_metadata")
		return
	}
	uris, _ := m.List("redirect_uris")
	for _, u := range uris {
		if strings.Contains(u, "#") && !p.is("fragments registered") {
			p.refuse(w, 400, "invalid_redirect_uri")
			return
		}
	}
	if m.Text("id_token_signed_response_alg") == "none" && !p.is("none registered, RS256 given") {
		p.refuse(w, 400, "invalid_client_metadata")
		return
	}
	if u := m.Text("initiate_login_uri"); strings.HasPrefix(u, "http://") && !p.is("login begun without TLS") {
		p.refuse(w, 400, "invalid_client_metadata")
		return
	}
	if at := m.Text("sector_identifier_uri"); at != "" && !p.is("sectors not fetched") {
		var listed []string
		if json.Unmarshal([]byte(p.read(at)), &listed) != nil || !slices.Contains(listed, uris[0]) {
			p.refuse(w, 400, "invalid_client_metadata")
			return
		}
	}
	if m.Text("client_name") == "" && p.is("a name demanded") {
		p.refuse(w, 400, "invalid_client_metadata")
		return
	}
	usual := suite.Claims{"token_endpoint_auth_method": "client_secret_basic", "response_types": []any{"code"}, "grant_types": []any{"authorization_code"}}
	for name, usual := range usual {
		if m[name] == nil && !p.is("defaults not told") {
			m[name] = usual
		}
	}
	if m.Text("token_endpoint_auth_method") == "client_secret_basic" && p.is("defaults of its own") {
		m["token_endpoint_auth_method"] = "client_secret_post"
	}
	c := miniClient{Claims: m, id: suite.Random(), secret: suite.Random()}
	p.clients[c.id] = c
	give(w, 201, p.shown(c))
}

func (p *mini) shown(c miniClient) suite.Claims {
	m := c.Clone()
	m["client_id"], m["client_secret"], m["client_secret_expires_at"] = c.id, c.secret, 0
	m["registration_client_uri"], m["registration_access_token"] = p.URL+"/register/"+c.id, "t"+c.secret
	if p.is("initiate_login_uri forgotten") {
		delete(m, "initiate_login_uri")
	}
	if p.is("no expiry of the secret") {
		delete(m, "client_secret_expires_at")
	}
	return m
}

func (p *mini) manage(w http.ResponseWriter, r *http.Request) {
	c, ok := p.clients[r.PathValue("id")]
	switch {
	case !ok || r.Header.Get("Authorization") != "Bearer t"+c.secret:
		p.refuse(w, 401, "invalid_token")
	case r.Method == http.MethodDelete:
		delete(p.clients, c.id)
		w.WriteHeader(204)
	default:
		give(w, 200, p.shown(c))
	}
}

// read fetches something of a client's. The lock is given up: the suite may ask.
func (p *mini) read(at string) string {
	p.mu.Unlock()
	defer p.mu.Lock()
	response, err := p.fetch.Get(at)
	if err != nil {
		return ""
	}
	defer response.Body.Close()
	raw, _ := io.ReadAll(response.Body)
	return string(raw)
}

// authorize answers an authorization request.
func (p *mini) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.Form
	if r.Method == http.MethodPost && p.is("no POST") {
		page(w, 405, "no")
		return
	}
	c, ok := p.clients[q.Get("client_id")]
	if !ok {
		page(w, 400, "unknown client")
		return
	}
	if p.is("unknown parameters refused") && q.Has("extra") {
		page(w, 400, "what is extra?")
		return
	}
	if q.Has("request") && p.is("unsigned objects of who registered so") && c.Text("request_object_signing_alg") != "none" {
		p.answer(w, r, q, url.Values{"error": {"invalid_request_object"}})
		return
	}
	if p.is("a scope of the metadata refused") && strings.Contains(q.Get("scope"), "offline_access") {
		p.answer(w, r, q, url.Values{"error": {"invalid_scope"}})
		return
	}
	q = p.inside(q, c)
	uris, _ := c.List("redirect_uris")
	registered := slices.Contains(uris, q.Get("redirect_uri"))
	if p.is("the beginning of a redirect URI is enough") {
		registered = strings.HasPrefix(q.Get("redirect_uri"), uris[0])
	}
	if p.is("a redirect URI taken for granted") && !q.Has("redirect_uri") {
		q.Set("redirect_uri", uris[0])
		registered = true
	}
	if !registered {
		page(w, 400, "redirect URI is not registered")
		return
	}
	kinds := strings.Fields(q.Get("response_type"))
	switch {
	case len(kinds) == 0 && !p.is("code taken for granted"):
		p.answer(w, r, q, url.Values{"error": {"invalid_request"}})
		return
	case slices.Contains(kinds, "id_token") && q.Get("nonce") == "" && !p.is("nonce optional everywhere"),
		q.Get("nonce") == "" && p.is("nonce always required"):
		p.answer(w, r, q, url.Values{"error": {"invalid_request"}})
		return
	}
	s := p.session(r)
	fresh := s != nil && q.Get("prompt") != "login"
	if age, err := time.ParseDuration(q.Get("max_age") + "s"); err == nil && s != nil && p.now().Sub(s.at) > age &&
		!p.is("max_age ignored") {
		fresh = false
	}
	if s != nil && p.is("prompt=login ignored") && q.Get("prompt") == "login" {
		fresh = true
	}
	if q.Get("prompt") == "none" && !fresh && !p.is("prompt=none shows a page") ||
		p.is("prompt=none always fails") && q.Get("prompt") == "none" {
		p.answer(w, r, q, url.Values{"error": {"login_required"}})
		return
	}
	if !fresh {
		page(w, 200, `<form method="post" action="/login"><input name="login"><input type="hidden" name="request" value="`+html.EscapeString(q.Encode())+`"><button>go</button></form>`+p.links(c))
		return
	}
	p.grant(w, r, q, c, s)
}

func (p *mini) links(c miniClient) string {
	if p.is("logo and terms not shown") {
		return ""
	}
	return fmt.Sprintf(`<img src="%s"><a href="%s">policy</a><a href="%s">terms</a>`, c.Text("logo_uri"), c.Text("policy_uri"), c.Text("tos_uri"))
}

// inside gives what a request object says precedence.
func (p *mini) inside(q url.Values, c miniClient) url.Values {
	token := q.Get("request")
	if at := q.Get("request_uri"); at != "" {
		token = p.read(at)
	}
	if token == "" || p.is("request objects ignored") {
		return q
	}
	_, claims, err := suite.Peek(token)
	if err != nil {
		return q
	}
	merged := url.Values{}
	for name, values := range q {
		merged[name] = values
	}
	for name := range claims {
		if name == "redirect_uri" && p.is("the redirect URI outside counts") {
			continue
		}
		merged.Set(name, claims.Text(name))
	}
	return merged
}

func (p *mini) session(r *http.Request) *miniSession {
	cookie, err := r.Cookie("session")
	if err != nil {
		return nil
	}
	if s := p.sessions[cookie.Value]; s != nil && !s.over {
		return s
	}
	return nil
}

func (p *mini) login(w http.ResponseWriter, r *http.Request) {
	q, err := url.ParseQuery(r.PostForm.Get("request"))
	if err != nil {
		page(w, 400, "no request")
		return
	}
	s := &miniSession{id: suite.Random(), person: r.PostForm.Get("login"), at: p.now()}
	p.sessions[s.id] = s
	http.SetCookie(w, &http.Cookie{Name: "session", Value: s.id, Path: "/", Secure: true, HttpOnly: true})
	http.SetCookie(w, &http.Cookie{Name: "state", Value: "s" + s.id, Path: "/", Secure: true})
	p.grant(w, r, q, p.clients[q.Get("client_id")], s)
}

// grant makes a successful response.
func (p *mini) grant(w http.ResponseWriter, r *http.Request, q url.Values, c miniClient, s *miniSession) {
	s.clients = append(s.clients, c)
	g := &miniGrant{client: c, request: q, session: s}
	out := url.Values{}
	kinds := strings.Fields(q.Get("response_type"))
	if len(kinds) == 0 {
		kinds = []string{"code"}
	}
	if slices.Contains(kinds, "code") {
		code := suite.Random()
		p.codes[code] = g
		out.Set("code", code)
	}
	if slices.Contains(kinds, "token") {
		token := suite.Random()
		p.tokens[token] = g
		out.Set("access_token", token)
		out.Set("token_type", "Bearer")
		out.Set("expires_in", "300")
	}
	if slices.Contains(kinds, "id_token") {
		out.Set("id_token", p.idToken(g, out.Get("access_token"), out.Get("code"), true))
	}
	u, _ := url.Parse(q.Get("redirect_uri"))
	sum := sha256.Sum256([]byte(c.id + " " + u.Scheme + "://" + u.Host + " s" + s.id + " salt"))
	out.Set("session_state", base64.RawURLEncoding.EncodeToString(sum[:])+".salt")
	if p.is("another session_state") {
		out.Set("session_state", "x.salt")
	}
	p.answer(w, r, q, out)
}

// answer sends the response the way that was asked for.
func (p *mini) answer(w http.ResponseWriter, r *http.Request, q url.Values, out url.Values) {
	if q.Get("state") != "" && !p.is("state lost") {
		out.Set("state", q.Get("state"))
	}
	out.Set("iss", p.URL)
	if out.Has("error") && p.is("quotes in descriptions") {
		out.Set("error_description", `no "prompt" here`)
	}
	if p.is("iss of another") {
		out.Set("iss", "https://evil.example")
	}
	mode := q.Get("response_mode")
	if mode == "" && strings.Contains(q.Get("response_type"), "token") {
		mode = "fragment"
	}
	if p.is("fragments in the query") && mode == "fragment" || p.is("form_post in the query") && mode == "form_post" {
		mode = "query"
	}
	to := q.Get("redirect_uri")
	switch mode {
	case "form_post":
		var b bytes.Buffer
		fmt.Fprintf(&b, `<body onload="document.forms[0].submit()"><form method="post" action="%s">`, html.EscapeString(to))
		for name := range out {
			fmt.Fprintf(&b, `<input type="hidden" name="%s" value="%s">`, name, html.EscapeString(out.Get(name)))
		}
		page(w, 200, b.String()+"</form></body>")
		return
	case "fragment":
		to += "#" + out.Encode()
	default:
		glue := "?"
		if strings.Contains(to, "?") {
			glue = "&"
		}
		to += glue + out.Encode()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

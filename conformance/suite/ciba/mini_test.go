package ciba

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"hopnhat/conformance/suite"
)

// mini is a small provider of CIBA that does all that the plan asks for, and any of it
// wrong on demand: a checker that cannot fail checks nothing.
type mini struct {
	*httptest.Server
	ca, fault string
	key       suite.Key
	fetch     *http.Client
	taken     int

	mu       sync.Mutex
	ahead    time.Duration
	keys     map[string]suite.Key
	notify   map[string]string
	requests map[string]*miniRequest
	tokens   map[string][32]byte // access token → certificate
	refresh  map[string]string   // refresh token → client
	seen     map[string]bool
}

type miniRequest struct {
	client, state, token string
	polled               time.Time
	expires              time.Time
}

func newMini(t *testing.T, fault string) *mini {
	t.Helper()
	key, err := suite.NewKey("ES256", "mini")
	if err != nil {
		t.Fatal(err)
	}
	p := &mini{
		fault: fault, key: key, keys: map[string]suite.Key{}, notify: map[string]string{}, requests: map[string]*miniRequest{},
		tokens: map[string][32]byte{}, refresh: map[string]string{}, seen: map[string]bool{}, fetch: &http.Client{Timeout: 5 * time.Second},
	}
	mux := http.NewServeMux()
	for path, f := range map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": p.discovery, "/jwks": p.jwks, "POST /bc": p.bc, "POST /token": p.token, "/userinfo": p.userinfo, "/answer": p.answer,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			_ = r.ParseForm()
			f(w, r)
		})
	}
	p.Server = httptest.NewUnstartedServer(mux)
	p.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	p.StartTLS()
	t.Cleanup(p.Close)
	p.ca = filepath.Join(t.TempDir(), "ca.pem")
	write(t, p.ca, "CERTIFICATE", p.Certificate().Raw)
	return p
}

func write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client registers one and says what the suite has to know about it.
func (p *mini) client(t *testing.T, id, algorithm, notify string) *suite.StaticClient {
	t.Helper()
	key, err := suite.NewKey(algorithm, id)
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.JSONWebKey}})
	if err != nil {
		t.Fatal(err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: id}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	c := &suite.StaticClient{
		ID: id, JWKS: string(set), Certificate: filepath.Join(t.TempDir(), "a.pem"), Key: filepath.Join(t.TempDir(), "a.key"),
		Metadata: map[string]any{"token_endpoint_auth_method": "private_key_jwt", "id_token_signed_response_alg": "ES256", "backchannel_client_notification_endpoint": notify},
	}
	write(t, c.Certificate, "CERTIFICATE", der)
	write(t, c.Key, "PRIVATE KEY", secret)
	p.keys[id], p.notify[id] = key, notify
	return c
}

func (p *mini) is(fault string) bool { return p.fault == fault }
func (p *mini) now() time.Time       { return time.Now().Add(p.ahead) }

func give(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

func refuse(w http.ResponseWriter, code string) {
	status := 400
	if code == "invalid_client" {
		status = 401
	}
	give(w, status, suite.Claims{"error": code})
}

func (p *mini) discovery(w http.ResponseWriter, _ *http.Request) {
	m := suite.Claims{
		"issuer": p.URL, "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks", "userinfo_endpoint": p.URL + "/userinfo",
		"backchannel_authentication_endpoint": p.URL + "/bc", "grant_types_supported": []string{GrantType, "refresh_token"},
		"backchannel_token_delivery_modes_supported":                      []string{"poll", "ping"},
		"backchannel_authentication_request_signing_alg_values_supported": []string{"PS256", "ES256"}, "tls_client_certificate_bound_access_tokens": true,
	}
	if p.is("unsigned requests offered") {
		m["backchannel_authentication_request_signing_alg_values_supported"] = []string{"PS256", "none"}
	}
	give(w, 200, m)
}

func (p *mini) jwks(w http.ResponseWriter, _ *http.Request) {
	give(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
}

// verified reads what a client signed: its claims, or nil.
func (p *mini) verified(text, client, lax string) suite.Claims {
	algorithms := []jose.SignatureAlgorithm{jose.PS256, jose.ES256}
	if p.is("RS256 in " + lax) {
		algorithms = append(algorithms, jose.RS256)
	}
	_, claims, _ := suite.Peek(text)
	if p.is(lax + " not verified") {
		return claims
	}
	key := p.keys[client]
	object, err := jose.ParseSignedCompact(text, algorithms)
	if err != nil || key.JSONWebKey.Key == nil {
		return nil
	}
	public := key.Public()
	if _, err = object.Verify(public.Key); err != nil {
		return nil
	}
	return claims
}

func (p *mini) who(r *http.Request) (string, bool) {
	text := r.PostForm.Get("client_assertion")
	if text == "" {
		return r.PostForm.Get("client_id"), p.is("assertions optional")
	}
	_, claims, _ := suite.Peek(text)
	id := claims.Text("iss")
	for name, aud := range map[string]string{"the issuer": p.URL, "the token endpoint": p.URL + "/token", "the backchannel endpoint": p.URL + "/bc"} {
		if claims.Text("aud") == aud && !p.is(name+" is no audience") || p.is("any audience") {
			return id, p.verified(text, id, "assertions") != nil
		}
	}
	return id, false
}

// right reports whether a signed request is.
func (p *mini) right(claims suite.Claims, id string) bool {
	now := float64(time.Now().Unix())
	exp, _ := claims.Number("exp")
	nbf, _ := claims.Number("nbf")
	ok := claims.Text("iss") == id && claims.Text("aud") == p.URL && claims["iat"] != nil && claims.Text("jti") != "" &&
		exp > now && exp < now+3660 && nbf > now-3660 && nbf < now+60
	if p.is("nothing in requests looked at") {
		ok = true
	}
	hints := 0
	for _, name := range []string{"login_hint", "login_hint_token", "id_token_hint"} {
		if claims[name] != nil {
			hints++
		}
	}
	return ok && (hints == 1 || p.is("any number of hints"))
}

func (p *mini) bc(w http.ResponseWriter, r *http.Request) {
	id, ok := p.who(r)
	if !ok {
		refuse(w, "invalid_client")
		return
	}
	claims := p.verified(r.PostForm.Get("request"), id, "requests")
	if r.PostForm.Get("request") == "" && p.is("unsigned requests") {
		claims = suite.Claims{"login_hint": "a", "client_notification_token": r.PostForm.Get("client_notification_token")}
	} else if claims == nil || !p.right(claims, id) {
		refuse(w, "invalid_request")
		return
	}
	if len(claims.Text("binding_message")) > 64 {
		refuse(w, map[bool]string{false: "invalid_binding_message", true: "invalid_scope"}[p.is("a message refused otherwise")])
		return
	}
	life := 120
	if n, ok := claims.Number("requested_expiry"); ok {
		life = int(n)
	} else if claims.Text("requested_expiry") != "" && p.is("expiry as text refused") {
		refuse(w, "invalid_request")
		return
	}
	name := suite.Random()
	if p.is("short identifiers") {
		name = name[:8]
	}
	if p.taken++; p.taken > 2 && p.is("further requests dropped") {
		give(w, 200, suite.Claims{"auth_req_id": name, "expires_in": life, "interval": 1})
		return
	}
	p.requests[name] = &miniRequest{
		client: id, token: claims.Text("client_notification_token"), expires: p.now().Add(time.Duration(life) * time.Second),
	}
	give(w, 200, suite.Claims{"auth_req_id": name, "expires_in": life, "interval": 1})
}

// answer is the person's.
func (p *mini) answer(_ http.ResponseWriter, r *http.Request) {
	name := r.Form.Get("id")
	q := p.requests[name]
	if q == nil {
		return
	}
	q.state = r.Form.Get("action")
	if q.token == "" || p.is("no ping") {
		return
	}
	body := suite.Claims{"auth_req_id": name}
	token := q.token
	switch p.fault {
	case "ping of another request":
		body["auth_req_id"] = "x"
	case "tokens in the ping":
		body["access_token"] = "x"
	case "ping with another token":
		token = "x"
	}
	at, times := p.notify[q.client], 1
	if p.is("pings repeated") {
		times = 3
	}
	raw, _ := json.Marshal(body)
	go func() {
		for range times {
			request, err := http.NewRequest(http.MethodPost, at, strings.NewReader(string(raw)))
			if err != nil {
				return
			}
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("Authorization", "Bearer "+token)
			client := *p.fetch
			if !p.is("redirects followed") {
				client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
			}
			if response, err := client.Do(request); err == nil {
				response.Body.Close()
			}
		}
	}()
}

func (p *mini) token(w http.ResponseWriter, r *http.Request) {
	id, ok := p.who(r)
	if !ok {
		refuse(w, "invalid_client")
		return
	}
	var certificate [32]byte
	if len(r.TLS.PeerCertificates) > 0 {
		certificate = sha256.Sum256(r.TLS.PeerCertificates[0].Raw)
	} else if !p.is("certificates optional") {
		refuse(w, "invalid_request")
		return
	}
	if refresh := r.PostForm.Get("refresh_token"); refresh != "" {
		if p.refresh[refresh] != id && !p.is("refresh for any client") {
			refuse(w, "invalid_grant")
			return
		}
		p.issue(w, id, certificate)
		return
	}
	name := r.PostForm.Get("auth_req_id")
	q := p.requests[name]
	switch {
	case q == nil, q.client != id && !p.is("requests of any client"):
		refuse(w, "invalid_grant")
	case p.now().After(q.expires):
		refuse(w, map[bool]string{false: "expired_token", true: "authorization_pending"}[p.is("requests pend for ever")])
	case q.state == "deny":
		refuse(w, map[bool]string{false: "access_denied", true: "authorization_pending"}[p.is("denials not told")])
	case q.state == "":
		slow := p.now().Sub(q.polled) < time.Second && !p.is("any pace")
		q.polled = p.now()
		refuse(w, map[bool]string{false: "authorization_pending", true: "slow_down"}[slow])
	default:
		if !p.is("tokens again and again") {
			delete(p.requests, name)
		}
		p.issue(w, id, certificate)
	}
}

func (p *mini) issue(w http.ResponseWriter, id string, certificate [32]byte) {
	claims := suite.Claims{"iss": p.URL, "sub": "a", "aud": id, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix()}
	text, err := p.key.Sign("", claims)
	if err != nil {
		panic(err)
	}
	access, refresh := suite.Random(), suite.Random()
	p.tokens[access], p.refresh[refresh] = certificate, id
	give(w, 200, suite.Claims{"access_token": access, "token_type": "Bearer", "expires_in": 60, "refresh_token": refresh, "id_token": text})
}

func (p *mini) userinfo(w http.ResponseWriter, r *http.Request) {
	bound, ok := p.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")]
	same := len(r.TLS.PeerCertificates) > 0 && sha256.Sum256(r.TLS.PeerCertificates[0].Raw) == bound
	if !ok || !same && !p.is("tokens of any certificate") {
		refuse(w, "invalid_client")
		return
	}
	switch id := r.Header.Get("X-Fapi-Interaction-Id"); {
	case id != "" && !p.is("interactions not named"):
		w.Header().Set("X-Fapi-Interaction-Id", id)
	case id == "" && !p.is("interactions named only after the client"):
		w.Header().Set("X-Fapi-Interaction-Id", uuid.NewString())
	}
	give(w, 200, suite.Claims{"sub": "a"})
}

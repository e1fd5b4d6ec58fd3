package fapi2

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// mini is a small authorization server of private_key_jwt and DPoP that does all that
// the plans ask for, and any of it wrong on demand: a checker that cannot fail checks
// nothing.
type mini struct {
	*httptest.Server
	ca        string
	fault     string
	nonceless bool // of the proof that was looked at last
	key       suite.Key

	mu      sync.Mutex
	ahead   time.Duration // its clock, before the real one
	clients map[string]suite.Claims
	keys    map[string]suite.Key // the public halves count
	pushed  map[string]*miniRequest
	codes   map[string]*miniRequest
	tokens  map[string]*miniRequest
	seen    map[string]bool // identifiers of assertions and proofs
}

type miniRequest struct {
	client  string
	params  url.Values
	jkt     string
	at      time.Time
	used    bool
	revoked bool
	bound   string
}

func newMini(t *testing.T, fault string) *mini {
	t.Helper()
	key, err := suite.NewKey("ES256", "mini")
	if err != nil {
		t.Fatal(err)
	}
	p := &mini{
		fault: fault, key: key, clients: map[string]suite.Claims{}, keys: map[string]suite.Key{}, pushed: map[string]*miniRequest{},
		codes: map[string]*miniRequest{}, tokens: map[string]*miniRequest{}, seen: map[string]bool{},
	}
	mux := http.NewServeMux()
	for path, f := range map[string]http.HandlerFunc{
		"/.well-known/openid-configuration": p.discovery, "/jwks": p.jwks, "POST /par": p.par, "/authorize": p.authorize, "POST /login": p.login,
		"POST /token": p.token, "/userinfo": p.userinfo,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			p.mu.Lock()
			defer p.mu.Unlock()
			_ = r.ParseForm()
			f(w, r)
		})
	}
	if p.is("PAR by GET") {
		mux.HandleFunc("GET /par", func(w http.ResponseWriter, _ *http.Request) { give(w, 201, suite.Claims{"request_uri": "urn:x"}) })
	}
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Server.Close)
	p.ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(p.ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *mini) is(fault string) bool { return p.fault == fault }
func (p *mini) now() time.Time       { return time.Now().Add(p.ahead) }

// client registers one and says what the suite has to know about it.
func (p *mini) client(t *testing.T, id, algorithm, redirect string) *suite.StaticClient {
	t.Helper()
	key, err := suite.NewKey(algorithm, id)
	if err != nil {
		t.Fatal(err)
	}
	private, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.JSONWebKey}})
	if err != nil {
		t.Fatal(err)
	}
	p.clients[id], p.keys[id] = suite.Claims{"redirect_uri": redirect}, key
	return &suite.StaticClient{ID: id, JWKS: string(private), RedirectURIs: []string{redirect}, Metadata: map[string]any{
		"token_endpoint_auth_method": "private_key_jwt", "id_token_signed_response_alg": "ES256",
	}}
}

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
		"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/jwks",
		"pushed_authorization_request_endpoint": p.URL + "/par", "userinfo_endpoint": p.URL + "/userinfo", "response_types_supported": []string{"code"},
		"response_modes_supported": []string{"query", "jwt"}, "grant_types_supported": []string{"authorization_code", "refresh_token", "client_credentials"},
		"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}, "token_endpoint_auth_signing_alg_values_supported": []string{"PS256", "ES256"},
		"dpop_signing_alg_values_supported": []string{"ES256"}, "code_challenge_methods_supported": []string{"S256"}, "claims_parameter_supported": true,
		"authorization_response_iss_parameter_supported": true, "request_object_signing_alg_values_supported": []string{"PS256", "ES256"},
		"authorization_signing_alg_values_supported": []string{"ES256"},
	}
	switch p.fault {
	case "plain offered":
		m["code_challenge_methods_supported"] = []string{"S256", "plain"}
	case "iss not promised":
		delete(m, "authorization_response_iss_parameter_supported")
	case "only RS256":
		m["token_endpoint_auth_signing_alg_values_supported"] = []string{"RS256"}
	case "HS256 for proofs":
		m["dpop_signing_alg_values_supported"] = []string{"ES256", "HS256"}
	}
	give(w, 200, m)
}

func (p *mini) jwks(w http.ResponseWriter, _ *http.Request) {
	give(w, 200, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
}

// verified reads a JWT of a client's: its claims, or nil.
func (p *mini) verified(token, client, lax string) suite.Claims {
	algorithms := []jose.SignatureAlgorithm{jose.PS256, jose.ES256}
	if p.is(lax) {
		algorithms = append(algorithms, jose.RS256)
	}
	key, known := p.keys[client]
	object, err := jose.ParseSignedCompact(token, algorithms)
	if err != nil || !known {
		return nil
	}
	public := key.Public()
	public.Algorithm = ""
	payload, err := object.Verify(public.Key)
	if err != nil && !p.is(lax+", signatures not verified") {
		return nil
	}
	if err != nil {
		payload = object.UnsafePayloadWithoutVerification()
	}
	var claims suite.Claims
	_ = json.Unmarshal(payload, &claims)
	return claims
}

// who authenticates the client.
func (p *mini) who(r *http.Request) (string, bool) {
	assertion := r.PostForm.Get("client_assertion")
	if assertion == "" {
		id := r.PostForm.Get("client_id")
		return id, p.is("assertions optional") && p.clients[id] != nil
	}
	_, peeked, err := suite.Peek(assertion)
	if err != nil {
		return "", false
	}
	id := peeked.Text("iss")
	claims := p.verified(assertion, id, "RS256 in assertions")
	if claims == nil {
		return "", false
	}
	if given := r.PostForm.Get("client_id"); given != "" && given != id && !p.is("client_id not compared") {
		return "", false
	}
	if claims.Text("sub") != id && !p.is("sub optional") {
		return "", false
	}
	return id, p.forUs(claims) && p.inTime(claims, "assertions", time.Hour)
}

func (p *mini) forUs(claims suite.Claims) bool {
	aud := claims.Text("aud")
	switch {
	case p.is("any audience"), aud == p.URL:
		return true
	case p.is("audience is an endpoint"):
		return aud == p.URL+"/par" || aud == p.URL+"/token"
	case p.is("audience in a list"):
		return claims.Lists("aud", p.URL)
	}
	return false
}

func (p *mini) inTime(claims suite.Claims, what string, longest time.Duration) bool {
	now := float64(time.Now().Unix())
	exp, ok := claims.Number("exp")
	if p.is(what + " never expire") {
		return true
	}
	nbf, there := claims.Number("nbf")
	if p.is(what + " of a clock far ahead") {
		there = false
	}
	return ok && exp > now && exp < now+longest.Seconds() &&
		(!there || nbf < now+10 && !p.is(what+" of a clock ahead refused") || there && nbf <= now)
}

// miniNonce is the nonce of proofs, where it has one.
const miniNonce = "a-nonce"

func (p *mini) nonces() bool {
	return p.is("nonces") || p.is("nonces, and the client's clock all the same")
}

// unproved refuses a proof, and says so where only the nonce was missing (RFC 9449 §8).
func (p *mini) unproved(w http.ResponseWriter, otherwise string) {
	if p.nonces() {
		w.Header().Set("DPoP-Nonce", miniNonce)
	}
	if p.nonceless {
		give(w, 401, suite.Claims{"error": "use_dpop_nonce"})
		return
	}
	refuse(w, otherwise)
}

// proof checks a DPoP proof and gives the thumbprint of its key.
func (p *mini) proof(r *http.Request, token string) (jkt string, ok bool) {
	values := r.Header["Dpop"]
	if len(values) != 1 {
		return "", false
	}
	object, err := jose.ParseSignedCompact(values[0], []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", false
	}
	header, claims, err := suite.Peek(values[0])
	key := object.Signatures[0].Header.JSONWebKey
	if err != nil || key == nil || header.Text("typ") != "dpop+jwt" && !p.is("any typ in proofs") || !key.IsPublic() {
		return "", false
	}
	if _, err := object.Verify(key.Key); err != nil {
		return "", false
	}
	iat, has := claims.Number("iat")
	age := float64(time.Now().Unix()) - iat
	jti := claims.Text("jti")
	nonces := p.nonces()
	p.nonceless = nonces && claims.Text("nonce") != miniNonce
	switch {
	case p.nonceless:
		return "", false
	case !has || (age > 60 || age < -30) && !p.is("old proofs") && !p.is("nonces"):
		return "", false
	case age < -5 && p.is("no skew for proofs"):
		return "", false
	case jti == "" || p.seen[jti] && !p.is("proofs replayed"):
		return "", false
	case claims.Text("htm") != r.Method && !p.is("any htm"), claims.Text("htu") != p.URL+r.URL.Path && !p.is("any htu"):
		return "", false
	case token != "" && claims.Text("ath") != suite.Digest(token) && !p.is("ath not compared"):
		return "", false
	}
	p.seen[jti] = true
	return suite.Key{JSONWebKey: *key}.Thumbprint(), true
}

func (p *mini) par(w http.ResponseWriter, r *http.Request) {
	id, ok := p.who(r)
	if !ok {
		refuse(w, "invalid_client")
		return
	}
	params := url.Values{}
	for k, v := range r.PostForm {
		if !strings.HasPrefix(k, "client_assertion") {
			params[k] = v
		}
	}
	signed := r.PostForm.Get("request")
	if signed != "" {
		if params, ok = p.object(signed, id); !ok {
			refuse(w, "invalid_request_object")
			return
		}
	}
	bound := params.Get("dpop_jkt")
	if len(r.Header["Dpop"]) > 0 {
		jkt, ok := p.proof(r, "")
		if !ok || bound != "" && jkt != bound && !p.is("dpop_jkt not compared") {
			refuse(w, "invalid_dpop_proof")
			return
		}
		bound = jkt
	}
	if code := p.wrong(id, params, r.PostForm, signed != ""); code != "" {
		refuse(w, code)
		return
	}
	uri := "urn:ietf:params:oauth:request_uri:" + suite.Random()
	p.pushed[uri] = &miniRequest{client: id, params: params, jkt: bound, at: p.now()}
	life := 60
	if p.is("pushed requests live for an hour") {
		life = 3600
	}
	give(w, 201, suite.Claims{"request_uri": uri, "expires_in": life})
}

// wrong is what is wrong with a pushed request.
func (p *mini) wrong(id string, params, form url.Values, signed bool) string {
	redirect := params.Get("redirect_uri")
	switch {
	case strings.HasPrefix(id, "signing") && !signed && !p.is("unsigned requests"):
		return "invalid_request"
	case (params.Has("request_uri") || form.Has("request_uri")) && !p.is("request_uri inside"):
		return "invalid_request"
	case params.Get("response_type") != "code" && !p.is("any response type"):
		return "unsupported_response_type"
	case params.Get("code_challenge_method") != "S256" && !p.is("PKCE optional"):
		return "invalid_request"
	case redirect == "" && !p.is("redirect URI optional"):
		return "invalid_request"
	case redirect != "" && redirect != p.clients[id].Text("redirect_uri"):
		return "invalid_request"
	}
	return ""
}

// object reads a request object.
func (p *mini) object(text, id string) (url.Values, bool) {
	claims := p.verified(text, id, "RS256 in objects")
	if p.is("objects unsigned") && claims == nil {
		_, claims, _ = suite.Peek(text)
	}
	nbf, ok := claims.Number("nbf")
	late := float64(time.Now().Add(-time.Hour).Unix())
	switch {
	case claims == nil, claims.Text("iss") != id:
		return nil, false
	case claims.Text("aud") != p.URL && !claims.Lists("aud", p.URL) && !p.is("any audience of objects"):
		return nil, false
	case !p.inTime(claims, "objects", time.Hour), (!ok || nbf < late) && !p.is("nbf optional"):
		return nil, false
	}
	params := url.Values{}
	for name := range claims {
		if text := claims.Text(name); text != "" {
			params.Set(name, text)
		}
	}
	return params, true
}

var miniOther = sync.OnceValue(func() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
})

func page(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<!doctype html><title>mini</title>" + body))
}

func (p *mini) authorize(w http.ResponseWriter, r *http.Request) {
	uri := r.Form.Get("request_uri")
	q := p.pushed[uri]
	if q == nil && p.is("requests not pushed") && uri == "" {
		q = &miniRequest{client: r.Form.Get("client_id"), params: r.Form, at: p.now()}
		uri = "direct-" + suite.Random()
		p.pushed[uri] = q
	}
	switch {
	case q == nil, q.client != r.Form.Get("client_id") && !p.is("request_uri for any client"):
		page(w, 400, "wrong")
		return
	case p.now().Sub(q.at) > time.Minute && !p.is("request_uri for ever"), q.used && !p.is("request_uri again"):
		page(w, 400, "expired")
		return
	}
	for _, name := range []string{"state", "nonce"} {
		if r.Form.Has(name) && p.is("what is outside counts") {
			q.params.Set(name, r.Form.Get(name))
		}
	}
	if p.is("a visit uses the request up") {
		q.used = true
	}
	page(w, 200, `<form method="post" action="/login"><input type="hidden" name="request" value="`+uri+`"><input name="login"><button name="no" value="1"></button></form>`)
}

func (p *mini) login(w http.ResponseWriter, r *http.Request) {
	q := p.pushed[r.PostForm.Get("request")]
	if q == nil {
		page(w, 400, "wrong")
		return
	}
	q.used = true
	back := url.Values{"iss": {p.URL}}
	if state := q.params.Get("state"); state != "" {
		back.Set("state", state)
	}
	if r.PostForm.Has("no") && !p.is("no is taken for yes") {
		back.Set("error", "access_denied")
		if p.is("a section sign in descriptions") {
			back.Set("error_description", "she said no (§1)")
		}
	} else {
		code := suite.Random()
		p.codes[code] = &miniRequest{client: q.client, params: q.params, jkt: q.jkt, at: p.now()}
		back.Set("code", code)
	}
	switch p.fault {
	case "no iss":
		back.Del("iss")
	case "iss of another":
		back.Set("iss", "https://other.example")
	case "state invented":
		back.Set("state", "x")
	}
	if q.params.Get("response_mode") == "jwt" && !p.is("responses not signed") || p.is("responses always signed") {
		back = p.signed(q.client, back)
	}
	to, _ := url.Parse(q.params.Get("redirect_uri"))
	query := to.Query()
	for name, values := range back {
		query[name] = values
	}
	to.RawQuery = query.Encode()
	status := http.StatusSeeOther
	if p.is("307") {
		status = http.StatusTemporaryRedirect
	}
	http.Redirect(w, r, to.String(), status)
}

// signed is a JARM response.
func (p *mini) signed(client string, back url.Values) url.Values {
	claims := suite.Claims{"iss": p.URL, "aud": client, "exp": time.Now().Add(time.Minute).Unix()}
	for name := range back {
		claims[name] = back.Get(name)
	}
	key := p.key
	switch p.fault {
	case "response for another":
		claims["aud"] = "x"
	case "response expired":
		claims["exp"] = time.Now().Add(-time.Minute).Unix()
	case "response signed by another":
		key.Key = miniOther()
	}
	text, err := key.Sign("", claims)
	if err != nil {
		panic(err)
	}
	out := url.Values{"response": {text}}
	if p.is("code beside the response") {
		out.Set("code", back.Get("code"))
	}
	return out
}

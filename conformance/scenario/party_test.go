package scenario_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"hopnhat/conformance/scenario/clients"
)

// party is a relying party that can do everything right, and anything wrong.
type party struct {
	n        *nation
	id       string
	redirect string
	key      *ecdsa.PrivateKey
	kid      string
	public   string
	proof    *ecdsa.PrivateKey
	nonce    string
	// http presents the party's certificate, at the host for that, alias; both are
	// empty for a party that has none.
	http  *http.Client
	alias string
	// certified authenticates with it, and bound has its tokens bound to it.
	certified, bound bool
}

// at is the URL of an endpoint that takes credentials or tokens.
func (p *party) at(path string) string {
	if p.alias != "" {
		return p.alias + path
	}
	return p.n.base + path
}

func (p *party) send(t *testing.T, r *http.Request) answer {
	t.Helper()
	if p.http != nil {
		return sendBy(t, p.http, r)
	}
	return send(t, r)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newParty(t *testing.T, n *nation, id string) *party {
	t.Helper()
	p := &party{n: n, id: id, redirect: "http://localhost/" + id + "/callback", key: newKey(t), proof: newKey(t)}
	jwk := jose.JSONWebKey{Key: p.key.Public(), Use: "sig", Algorithm: "ES256"}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	p.kid = jwk.KeyID
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	p.public = string(set)
	return p
}

func random() string {
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func sign(t *testing.T, key any, options *jose.SignerOptions, claims any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// assertion authenticates the party; with changes a claim.
func (p *party) assertion(t *testing.T, with map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": p.id, "sub": p.id, "aud": p.n.base, "jti": random(), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
	}
	for k, v := range with {
		claims[k] = v
	}
	return sign(t, jose.JSONWebKey{Key: p.key, KeyID: p.kid}, (&jose.SignerOptions{}).WithType("JWT"), claims)
}

// dpop makes a proof; with changes a claim.
func (p *party) dpop(t *testing.T, method, address, token string, with map[string]any) string {
	t.Helper()
	claims := map[string]any{"jti": random(), "htm": method, "htu": address, "iat": time.Now().Unix(), "nonce": p.nonce}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	for k, v := range with {
		claims[k] = v
	}
	return sign(t, p.proof, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"), claims)
}

// answer is an HTTP answer with its JSON.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) text(name string) string { s, _ := a.body[name].(string); return s }

// send makes one request.
func send(t *testing.T, r *http.Request) answer {
	t.Helper()
	return sendBy(t, http.DefaultClient, r)
}

func sendBy(t *testing.T, by *http.Client, r *http.Request) answer {
	t.Helper()
	response, err := by.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	return read(t, response)
}

// read takes an answer with its body.
func read(t *testing.T, response *http.Response) answer {
	t.Helper()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: response.StatusCode, header: response.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	return a
}

// post sends a form to an endpoint, with proof headers as given.
func (p *party) post(t *testing.T, path string, form url.Values, proofs ...string) answer {
	t.Helper()
	return p.postRaw(t, path, form.Encode(), proofs...)
}

func (p *party) postRaw(t *testing.T, path, body string, proofs ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), http.MethodPost, p.at(path), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, proof := range proofs {
		r.Header.Add("DPoP", proof)
	}
	return p.send(t, r)
}

// call is post with right client authentication and a right proof, repeated
// once when the server wants a nonce.
func (p *party) call(t *testing.T, path string, form url.Values) answer {
	t.Helper()
	for attempt := 0; ; attempt++ {
		f := url.Values{}
		for k, v := range form {
			f[k] = v
		}
		switch {
		case p.certified:
			f.Set("client_id", p.id)
		case f.Get("client_assertion") == "":
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			f.Set("client_assertion", p.assertion(t, nil))
		}
		if p.bound {
			return p.post(t, path, f)
		}
		a := p.post(t, path, f, p.dpop(t, http.MethodPost, p.at(path), "", nil))
		if nonce := a.header.Get("DPoP-Nonce"); nonce != "" {
			p.nonce = nonce
			if a.text("error") == "use_dpop_nonce" && attempt == 0 {
				continue
			}
		}
		return a
	}
}

const (
	civilDetail = `{"type":"vn_data_release","registry":"civil","attributes":["civil.marital_status"],"purpose":"land.mortgage"}`
	taxDetail   = `{"type":"vn_data_release","registry":"tax","attributes":["tax.tax_code","tax.arrears"],"purpose":"tax.declare"}`
)

// request is a right authorization request.
func (p *party) request(verifier, details string) url.Values {
	sum := sha256.Sum256([]byte(verifier))
	f := url.Values{
		"response_type": {"code"}, "client_id": {p.id}, "redirect_uri": {p.redirect}, "scope": {"openid"},
		"state": {"st-" + verifier[:8]}, "nonce": {"no-" + verifier[:8]},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"},
	}
	if details != "" {
		f.Set("authorization_details", "["+details+"]")
	}
	return f
}

// pushed pushes a right request and returns the URL to open.
func (p *party) pushed(t *testing.T, verifier, details string) string {
	t.Helper()
	a := p.call(t, "/par", p.request(verifier, details))
	if a.status != http.StatusCreated {
		t.Fatalf("PAR answered %d: %s", a.status, a.raw)
	}
	return p.n.base + "/authorize?" + url.Values{"client_id": {p.id}, "request_uri": {a.text("request_uri")}}.Encode()
}

// code lets a person approve and returns the code.
func (p *party) code(t *testing.T, b *http.Client, who *person, verifier, details string) string {
	t.Helper()
	callback, err := clients.SignIn(ctx(t), b, p.pushed(t, verifier, details), p.redirect, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	q := callback.Query()
	if q.Get("code") == "" || q.Get("iss") != p.n.base || q.Get("state") != "st-"+verifier[:8] {
		t.Fatalf("the answer was %s", callback)
	}
	return q.Get("code")
}

func (p *party) exchange(t *testing.T, code, verifier string) answer {
	t.Helper()
	return p.call(
		t, "/token",
		url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}, "code_verifier": {verifier}},
	)
}

// tokens is the whole way to tokens.
func (p *party) tokens(t *testing.T, b *http.Client, who *person, details string) answer {
	t.Helper()
	verifier := random() + random()
	a := p.exchange(t, p.code(t, b, who, verifier, details), verifier)
	if a.status != http.StatusOK {
		t.Fatalf("the token endpoint answered %d: %s", a.status, a.raw)
	}
	return a
}

func (p *party) refresh(t *testing.T, token string) answer {
	t.Helper()
	return p.call(t, "/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
}

// resource makes a request with the token and a proof made by make.
func (p *party) resource(t *testing.T, method, path, token, body string, with map[string]any) answer {
	t.Helper()
	for attempt := 0; ; attempt++ {
		r, err := http.NewRequestWithContext(ctx(t), method, p.at(path), bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		if p.bound {
			r.Header.Set("Authorization", "Bearer "+token)
			return p.send(t, r)
		}
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", p.dpop(t, method, p.at(path), token, with))
		a := p.send(t, r)
		if nonce := a.header.Get("DPoP-Nonce"); nonce != "" && nonce != p.nonce {
			p.nonce = nonce
			if a.status == http.StatusUnauthorized && attempt == 0 && with == nil {
				continue
			}
		}
		return a
	}
}

func (p *party) release(t *testing.T, token, body string) answer {
	t.Helper()
	return p.resource(t, http.MethodPost, "/broker/v1/releases", token, body, nil)
}

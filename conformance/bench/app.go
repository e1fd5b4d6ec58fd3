package bench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// app is a registered relying party: with a secret, or with a key and proofs.
type app struct {
	id       string
	redirect string
	secret   string      // client_secret_basic
	alg      string      // of its ID tokens
	assert   jose.Signer // private_key_jwt
	public   string      // JWK Set
	issuer   string      // the server
	keys     jose.JSONWebKeySet
}

func newApp(id, alg string) *app {
	return &app{id: id, alg: alg, redirect: "http://localhost/" + id + "/callback"}
}

// withKey gives the app a key instead of a secret.
func (a *app) withKey() (*app, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	jwk := jose.JSONWebKey{Key: key.Public(), Use: "sig", Algorithm: "ES256"}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	jwk.KeyID = base64.RawURLEncoding.EncodeToString(sum)
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk}})
	if err != nil {
		return nil, err
	}
	a.public = string(set)
	a.assert, err = jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: jwk.KeyID}}, (&jose.SignerOptions{}).WithType("JWT"),
	)
	return a, err
}

// fapi reports whether the app pushes its requests and proves its tokens' key.
func (a *app) fapi() bool { return a.assert != nil }

// caller is one thread of an app, with a connection, a browser and a proof key of
// its own.
type caller struct {
	*app
	browser
	proofs jose.Signer
	nonce  string
	scope  string
}

func (s *subject) caller(a *app) (*caller, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	proofs, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"),
	)
	return &caller{app: a, browser: s.browser(), proofs: proofs, scope: "openid"}, err
}

func random() string {
	var b [32]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // documented never to happen
	}
	return base64.RawURLEncoding.EncodeToString(b[:])
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func (c *caller) proof(method, path, token string) (string, error) {
	claims := map[string]any{"jti": random(), "htm": method, "htu": c.base + path, "iat": time.Now().Unix(), "nonce": c.nonce}
	if token != "" {
		claims["ath"] = digest(token)
	}
	return jwt.Signed(c.proofs).Claims(claims).Serialize()
}

// proven makes a request with a proof, again once when the server wants a nonce.
func (c *caller) proven(ctx context.Context, method, path, token string, body func() (string, error), header http.Header) (answer, error) {
	for attempt := 0; ; attempt++ {
		proof, err := c.proof(method, path, token)
		if err != nil {
			return answer{}, err
		}
		header.Set("DPoP", proof)
		header["DPoP"] = header["Dpop"]
		delete(header, "Dpop")
		text, err := body()
		if err != nil {
			return answer{}, err
		}
		a, err := c.send(ctx, method, path, text, header)
		if err != nil {
			return answer{}, err
		}
		if nonce := a.header.Get("DPoP-Nonce"); nonce != "" && nonce != c.nonce {
			c.nonce = nonce
			if attempt == 0 && a.status >= 400 {
				continue
			}
		}
		return a, nil
	}
}

// call posts a form to an endpoint as the app authenticates.
func (c *caller) call(ctx context.Context, path string, form url.Values) (answer, error) {
	if !c.fapi() {
		basic := base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(c.id) + ":" + url.QueryEscape(c.secret)))
		return c.send(ctx, http.MethodPost, path, form.Encode(), http.Header{"Authorization": {"Basic " + basic}})
	}
	return c.proven(ctx, http.MethodPost, path, "", func() (string, error) {
		now := time.Now()
		assertion, err := jwt.Signed(c.assert).Claims(map[string]any{
			"iss": c.id, "sub": c.id, "aud": c.issuer, "jti": random(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}).Serialize()
		if err != nil {
			return "", err
		}
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return form.Encode(), nil
	}, http.Header{})
}

// resource asks for something with an access token.
func (c *caller) resource(ctx context.Context, method, path, token, body string, header http.Header) (answer, error) {
	if !c.fapi() {
		header.Set("Authorization", "Bearer "+token)
		return c.send(ctx, method, path, body, header)
	}
	header.Set("Authorization", "DPoP "+token)
	return c.proven(ctx, method, path, token, func() (string, error) { return body, nil }, header)
}

// request is one authorization in progress.
type request struct {
	verifier, state, nonce string
}

func newRequest() request { return request{random(), random(), random()} }

// parameters of a request, with details if there are any.
func (c *caller) parameters(r request, details string) url.Values {
	f := url.Values{
		"response_type": {"code"}, "client_id": {c.id}, "redirect_uri": {c.redirect}, "scope": {c.scope}, "state": {r.state},
		"nonce":          {r.nonce},
		"code_challenge": {digest(r.verifier)}, "code_challenge_method": {"S256"},
	}
	if details != "" {
		f.Set("authorization_details", "["+details+"]")
		f.Set("prompt", "consent")
	}
	return f
}

// push pushes a request and returns where to send the browser.
func (c *caller) push(ctx context.Context, r request, details string) (string, error) {
	a, err := c.call(ctx, "/par", c.parameters(r, details))
	if err != nil {
		return "", err
	}
	var pushed struct {
		URI string `json:"request_uri"`
	}
	if a.status != http.StatusCreated || json.Unmarshal(a.body, &pushed) != nil || pushed.URI == "" {
		return "", a.unexpected(http.MethodPost, "/par")
	}
	return "/authorize?" + url.Values{"client_id": {c.id}, "request_uri": {pushed.URI}}.Encode(), nil
}

// code gets a code through the browser, which who signs in unless it is.
func (c *caller) code(ctx context.Context, at *browser, r request, details string, who *credentials) (string, error) {
	start := "/authorize?" + c.parameters(r, details).Encode()
	if c.fapi() {
		var err error
		if start, err = c.push(ctx, r, details); err != nil {
			return "", err
		}
	}
	callback, err := at.authorize(ctx, start, c.redirect, who)
	if err != nil {
		return "", err
	}
	q := callback.Query()
	if q.Get("code") == "" || q.Get("state") != r.state || q.Get("iss") != c.issuer {
		return "", fmt.Errorf("the authorization response is wrong: error %q", q.Get("error"))
	}
	return q.Get("code"), nil
}

// tokens are a token response.
type tokens struct {
	Access  string `json:"access_token"`
	Type    string `json:"token_type"`
	ID      string `json:"id_token"`
	Refresh string `json:"refresh_token"`
	subject string
}

// token asks the token endpoint.
func (c *caller) token(ctx context.Context, form url.Values) (tokens, error) {
	a, err := c.call(ctx, "/token", form)
	if err != nil {
		return tokens{}, err
	}
	var t tokens
	if a.status != http.StatusOK || json.Unmarshal(a.body, &t) != nil || t.Access == "" {
		return tokens{}, a.unexpected(http.MethodPost, "/token")
	}
	if wanted := map[bool]string{true: "DPoP", false: "Bearer"}[c.fapi()]; t.Type != wanted && t.Type != "bearer" {
		return tokens{}, fmt.Errorf("the token is of type %q, want %s", t.Type, wanted)
	}
	return t, nil
}

// exchange redeems a code and verifies the ID token.
func (c *caller) exchange(ctx context.Context, code string, r request) (tokens, error) {
	t, err := c.token(
		ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {c.redirect}, "code_verifier": {r.verifier}},
	)
	if err != nil {
		return t, err
	}
	if t.Refresh == "" {
		return t, errors.New("no refresh token came")
	}
	t.subject, err = c.verify(t.ID, r.nonce)
	return t, err
}

// verify checks an ID token as OpenID Connect Core §3.1.3.7 says.
func (c *caller) verify(token, nonce string) (subject string, err error) {
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(c.alg)})
	if err != nil {
		return "", fmt.Errorf("the ID token: %w", err)
	}
	found := c.keys.Key(parsed.Headers[0].KeyID)
	if len(found) != 1 {
		return "", errors.New("the ID token names a key that is not published")
	}
	var claims struct {
		jwt.Claims
		Nonce string `json:"nonce"`
	}
	if err := parsed.Claims(found[0].Key, &claims); err != nil {
		return "", fmt.Errorf("the ID token: %w", err)
	}
	if claims.Issuer != c.issuer || !claims.Audience.Contains(c.id) || claims.Nonce != nonce || claims.Subject == "" ||
		claims.Expiry.Time().Before(time.Now()) {
		return "", errors.New("the ID token is for another")
	}
	return claims.Subject, nil
}

// userInfo asks UserInfo and compares the subject (OpenID Connect Core §5.3.2).
func (c *caller) userInfo(ctx context.Context, t tokens) error {
	a, err := c.resource(ctx, http.MethodGet, "/userinfo", t.Access, "", http.Header{})
	if err != nil {
		return err
	}
	var info struct {
		Subject string `json:"sub"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &info) != nil || info.Subject != t.subject {
		return a.unexpected(http.MethodGet, "/userinfo")
	}
	return nil
}

// login is everything from an empty browser to UserInfo.
func (c *caller) login(ctx context.Context, at *browser, details string, who *credentials) (tokens, error) {
	r := newRequest()
	code, err := c.code(ctx, at, r, details, who)
	if err != nil {
		return tokens{}, err
	}
	t, err := c.exchange(ctx, code, r)
	if err != nil {
		return t, err
	}
	return t, c.userInfo(ctx, t)
}

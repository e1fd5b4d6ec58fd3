package provider_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
)

func b64(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// publicJWK is a key's public half.
func publicJWK(t testing.TB, k *ecdsa.PrivateKey) string {
	t.Helper()
	point, err := k.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, b64(point[1:33]), b64(point[33:]))
}

// handmade is a compact JWS by ES256, made here.
func handmade(t testing.TB, k *ecdsa.PrivateKey, head string, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	input := b64([]byte(head)) + "." + b64(body)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + b64(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// dpop is a proof of RFC 9449 §4.2.
func (w *world) dpop(t testing.TB, k *ecdsa.PrivateKey, method, path, token string) string {
	t.Helper()
	claims := map[string]any{"jti": authz.NewSecret(), "htm": method, "htu": "https://id.example" + path, "iat": w.now.Unix(), "nonce": w.Nonce()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = b64(sum[:])
	}
	return handmade(t, k, `{"alg":"ES256","typ":"dpop+jwt","jwk":`+publicJWK(t, k)+`}`, claims)
}

// ask makes a token request as a client, with a proof where there is a key.
func (w *world) ask(t testing.TB, client string, k *ecdsa.PrivateKey, f url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, "secret")
	if k != nil {
		r.Header.Set("DPoP", w.dpop(t, k, http.MethodPost, "/token", ""))
	}
	out := httptest.NewRecorder()
	w.Token(out, w.connected(r))
	return out
}

// resource makes a request with a token at a resource.
func (w *world) resource(t testing.TB, h http.HandlerFunc, k *ecdsa.PrivateKey, method, path, token string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	if r.Header.Set("Authorization", "Bearer "+token); k != nil {
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", w.dpop(t, k, method, path, token))
	}
	out := httptest.NewRecorder()
	h(out, w.connected(r))
	return out
}

// tokens are the members of an answer that tests look at.
type tokens struct {
	Access  string          `json:"access_token"`
	ID      string          `json:"id_token"`
	Refresh string          `json:"refresh_token"`
	Type    string          `json:"token_type"`
	Issued  string          `json:"issued_token_type"`
	Scope   string          `json:"scope"`
	GrantID string          `json:"grant_id"`
	Expires int             `json:"expires_in"`
	Details []authz.Release `json:"authorization_details"`
}

func tokensOf(t testing.TB, r *httptest.ResponseRecorder) tokens {
	t.Helper()
	var out tokens
	if err := json.Unmarshal(r.Body.Bytes(), &out); err != nil || r.Code != http.StatusOK {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	return out
}

func claimsOf(t testing.TB, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%q is no JWS", token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]any{}
	if err := json.Unmarshal(raw, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// viaCode is the code flow of an app, to tokens.
func (w *world) viaCode(t testing.TB, k *ecdsa.PrivateKey, change ...string) tokens {
	t.Helper()
	return tokensOf(t, w.redeem(t, k, w.code(t, change...)))
}

func (w *world) code(t testing.TB, change ...string) string {
	t.Helper()
	f := authorization()
	for i := 0; i+1 < len(change); i += 2 {
		f.Add(change[i], change[i+1])
		if change[i] != "resource" {
			f.Set(change[i], change[i+1])
		}
	}
	next, err := w.Authorize(httptest.NewRequest(http.MethodGet, "/authorize?"+f.Encode(), nil))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(next.Location)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatalf("no code in %s: %v", next.Location, err)
	}
	return u.Query().Get("code")
}

func (w *world) redeem(t testing.TB, k *ecdsa.PrivateKey, code string, change ...string) *httptest.ResponseRecorder {
	t.Helper()
	f := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {verifier},
	}
	for i := 0; i+1 < len(change); i += 2 {
		f.Add(change[i], change[i+1])
	}
	return w.ask(t, "app", k, f)
}

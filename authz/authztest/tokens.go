package authztest

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

// Base64URL is base64url without padding (RFC 7515 §2).
func Base64URL(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }

// NewKey is a new key of an app.
func NewKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// PublicJWK is a key's public half.
func PublicJWK(t testing.TB, k *ecdsa.PrivateKey) string {
	t.Helper()
	point, err := k.PublicKey.Bytes() // 0x04, x, y
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"kty":"EC","crv":"P-256","x":%q,"y":%q}`, Base64URL(point[1:33]), Base64URL(point[33:]))
}

// Handmade is a compact JWS by ES256, made here.
func Handmade(t testing.TB, k *ecdsa.PrivateKey, head string, claims map[string]any) string {
	t.Helper()
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	input := Base64URL([]byte(head)) + "." + Base64URL(body)
	digest := sha256.Sum256([]byte(input))
	r, s, err := ecdsa.Sign(rand.Reader, k, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	return input + "." + Base64URL(append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...))
}

// DPoP is a proof of RFC 9449 §4.2.
func (w *World) DPoP(t testing.TB, k *ecdsa.PrivateKey, method, path, token string) string {
	t.Helper()
	claims := map[string]any{"jti": authz.NewSecret(), "htm": method, "htu": "https://id.example" + path, "iat": w.Now.Unix(), "nonce": w.Nonce()}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = Base64URL(sum[:])
	}
	return Handmade(t, k, `{"alg":"ES256","typ":"dpop+jwt","jwk":`+PublicJWK(t, k)+`}`, claims)
}

// AskToken makes a token request as a client, with a proof where there is a key.
func (w *World) AskToken(t testing.TB, client string, k *ecdsa.PrivateKey, f url.Values) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(f.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(client, "secret")
	if k != nil {
		r.Header.Set("DPoP", w.DPoP(t, k, http.MethodPost, "/token", ""))
	}
	out := httptest.NewRecorder()
	w.Token(out, w.Connected(r))
	return out
}

// AtResource makes a request with a token at a resource.
func (w *World) AtResource(t testing.TB, h http.HandlerFunc, k *ecdsa.PrivateKey, method, path, token string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(method, path, nil)
	if r.Header.Set("Authorization", "Bearer "+token); k != nil {
		r.Header.Set("Authorization", "DPoP "+token)
		r.Header.Set("DPoP", w.DPoP(t, k, method, path, token))
	}
	out := httptest.NewRecorder()
	h(out, w.Connected(r))
	return out
}

// Tokens are the members of an answer that tests look at.
type Tokens struct {
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

// TokensOf reads an answer of the token endpoint that brings tokens.
func TokensOf(t testing.TB, r *httptest.ResponseRecorder) Tokens {
	t.Helper()
	var out Tokens
	if err := json.Unmarshal(r.Body.Bytes(), &out); err != nil || r.Code != http.StatusOK {
		t.Fatalf("%d %s", r.Code, r.Body)
	}
	return out
}

// ClaimsOf are the claims of a JWS, unverified.
func ClaimsOf(t testing.TB, token string) map[string]any {
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

// ViaCode is the code flow of an app, to tokens.
func (w *World) ViaCode(t testing.TB, k *ecdsa.PrivateKey, change ...string) Tokens {
	t.Helper()
	return TokensOf(t, w.Redeem(t, k, w.Code(t, change...)))
}

// Code is an authorization code for the person who is signed in.
func (w *World) Code(t testing.TB, change ...string) string {
	t.Helper()
	f := Authorization()
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

// Redeem redeems a code by a proof of the key, if there is one.
func (w *World) Redeem(t testing.TB, k *ecdsa.PrivateKey, code string, change ...string) *httptest.ResponseRecorder {
	t.Helper()
	f := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"}, "code_verifier": {Verifier},
	}
	for i := 0; i+1 < len(change); i += 2 {
		f.Add(change[i], change[i+1])
	}
	return w.AskToken(t, "app", k, f)
}

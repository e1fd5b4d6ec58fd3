package scenario_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"hopnhat/conformance/scenario/clients"
)

// signingApp registers an app of profile fapi2-message-signing that has what it
// receives encrypted.
func signingApp(t *testing.T, n *nation) *party {
	t.Helper()
	p := newParty(t, n, "app-signing")
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(p.public), &set); err != nil {
		t.Fatal(err)
	}
	set.Keys = append(set.Keys, jose.JSONWebKey{Key: p.key.Public(), KeyID: "enc", Use: "enc"})
	public, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "signing.yaml")
	text := fmt.Sprintf(`
- client_id: %s
  client_name: "Ứng dụng ký"
  client_name#en: "Signing app"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: fapi2-message-signing
  jwks: %s
  redirect_uris: ["%s"]
  post_logout_redirect_uris: ["http://localhost/signed-out"]
  scope: openid
  userinfo_signed_response_alg: ES256
  id_token_encrypted_response_alg: ECDH-ES
  id_token_encrypted_response_enc: A256GCM
  introspect: ["%s/userinfo"]
`, p.id, public, p.redirect, n.base)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", file)
	return p
}

// requestObject signs a request; with changes claims, nil takes one out.
func (p *party) requestObject(t *testing.T, verifier string, with map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": p.id, "aud": p.n.base, "nbf": time.Now().Unix(), "exp": time.Now().Add(5 * time.Minute).Unix(), "jti": random(), "response_mode": "jwt",
	}
	for name, values := range p.request(verifier, "") {
		claims[name] = values[0]
	}
	for k, v := range with {
		if v == nil {
			delete(claims, k)
		} else {
			claims[k] = v
		}
	}
	return sign(t, jose.JSONWebKey{Key: p.key, KeyID: p.kid}, (&jose.SignerOptions{}).WithType("oauth-authz-req+jwt"), claims)
}

// published is the provider's JWK Set.
func (n *nation) published(t *testing.T) jose.JSONWebKeySet {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/jwks", nil)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(send(t, r).raw), &set); err != nil {
		t.Fatal(err)
	}
	return set
}

// opened verifies a JWT of the provider and gives its claims.
func (n *nation) opened(t *testing.T, token string) map[string]any {
	t.Helper()
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatalf("%v in %q", err, token)
	}
	keys := n.published(t)
	found := keys.Key(parsed.Headers[0].KeyID)
	claims := map[string]any{}
	if len(found) != 1 || parsed.Claims(found[0].Key, &claims) != nil {
		t.Fatalf("no published key made %q", token)
	}
	return claims
}

// TestMessageSigning: FAPI 2.0 Message Signing from end to end: a signed and
// encrypted request, a signed response, an encrypted ID token, signed UserInfo and
// introspection; and what is refused.
func TestMessageSigning(t *testing.T) {
	onBoth(t, func(t *testing.T, n *nation) {
		p := signingApp(t, n)
		t.Run("from end to end", func(t *testing.T) { p.signedJourney(t) })
		t.Run("refusals", func(t *testing.T) { p.signingRefusals(t) })
		t.Run("an error is signed too", func(t *testing.T) {
			verifier := random() + random()
			a := p.call(t, "/par", url.Values{"request": {p.requestObject(t, verifier, map[string]any{"prompt": "none"})}})
			callback := p.visit(t, browser(t), a.text("request_uri"), n.someone(t))
			got := n.opened(t, callback.Query().Get("response"))
			if got["error"] != "login_required" || got["iss"] != n.base || got["aud"] != p.id || callback.Query().Has("error") {
				t.Fatalf("got %v in %s", got, callback)
			}
		})
	})
}

func (p *party) visit(t *testing.T, b *http.Client, requestURI string, who *person) *url.URL {
	t.Helper()
	start := p.n.base + "/authorize?" + url.Values{"client_id": {p.id}, "request_uri": {requestURI}}.Encode()
	callback, err := clients.SignIn(ctx(t), b, start, p.redirect, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	return callback
}

func (p *party) signedJourney(t *testing.T) {
	n, verifier := p.n, random()+random()
	var to jose.JSONWebKey
	for _, k := range n.published(t).Keys {
		if k.Use == "enc" {
			to = k
		}
	}
	encrypter, err := jose.NewEncrypter(
		jose.A256GCM, jose.Recipient{Algorithm: jose.RSA_OAEP_256, Key: to.Key, KeyID: to.KeyID},
		(&jose.EncrypterOptions{}).WithContentType("JWT"),
	)
	if err != nil {
		t.Fatal(err)
	}
	object, err := encrypter.Encrypt([]byte(p.requestObject(t, verifier, nil)))
	if err != nil {
		t.Fatal(err)
	}
	encrypted, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	// What stands beside the object does not count.
	a := p.call(t, "/par", url.Values{"request": {encrypted}, "client_id": {p.id}, "state": {"outside"}, "scope": {"openid nonsense"}})
	if a.status != http.StatusCreated {
		t.Fatalf("PAR answered %d: %s", a.status, a.raw)
	}
	callback := p.visit(t, browser(t), a.text("request_uri"), n.someone(t))
	response := n.opened(t, callback.Query().Get("response"))
	if len(callback.Query()) != 1 || response["iss"] != n.base || response["aud"] != p.id || response["state"] != "st-"+verifier[:8] ||
		response["exp"] == nil {
		t.Fatalf("got %v in %s", response, callback)
	}
	tokens := p.exchange(t, response["code"].(string), verifier)
	if tokens.status != http.StatusOK {
		t.Fatalf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
	nested, err := jose.ParseEncryptedCompact(tokens.text("id_token"), []jose.KeyAlgorithm{jose.ECDH_ES}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		t.Fatalf("the ID token is not encrypted: %v", err)
	}
	inside, err := nested.Decrypt(p.key)
	if err != nil {
		t.Fatal(err)
	}
	id := n.opened(t, string(inside))
	if id["aud"] != p.id || id["nonce"] != "no-"+verifier[:8] {
		t.Fatalf("the ID token is %v", id)
	}
	info := p.resource(t, http.MethodGet, "/userinfo", tokens.text("access_token"), "", nil)
	if !strings.HasPrefix(info.header.Get("Content-Type"), "application/jwt") {
		t.Fatalf("UserInfo is %s: %s", info.header.Get("Content-Type"), info.raw)
	}
	if got := n.opened(t, info.raw); got["sub"] != id["sub"] || got["aud"] != p.id || got["iss"] != n.base {
		t.Fatalf("UserInfo is %v", got)
	}
	form := url.Values{
		"token": {tokens.text("access_token")}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion": {p.assertion(t, nil)},
	}
	r, err := http.NewRequestWithContext(ctx(t), http.MethodPost, n.base+"/introspect", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/token-introspection+jwt") // RFC 9701 §4
	signed := send(t, r)
	if got := signed.header.Get("Content-Type"); got != "application/token-introspection+jwt" {
		t.Fatalf("introspection is %s: %s", got, signed.raw)
	}
	// RFC 9701 §5, with the members of RFC 7662 §2.2.
	about, _ := n.opened(t, signed.raw)["token_introspection"].(map[string]any)
	if about["active"] != true || about["sub"] != id["sub"] {
		t.Fatalf("introspection says %v", about)
	}
}

func (p *party) signingRefusals(t *testing.T) {
	verifier := random() + random()
	other := newParty(t, p.n, p.id)
	none := func() string { // RFC 8725 §3.2
		parts := strings.Split(p.requestObject(t, verifier, nil), ".")
		return "eyJhbGciOiJub25lIn0." + parts[1] + "."
	}
	embedded := sign(t, p.key, &jose.SignerOptions{EmbedJWK: true}, map[string]any{"iss": p.id, "aud": p.n.base, "client_id": p.id})
	for _, row := range []struct {
		name, object, code string
	}{
		{"FAPI 2.0 MS §5.3.1: not signed at all", "", "invalid_request"},
		{"RFC 8725 §3.2: alg none", none(), "invalid_request_object"},
		{"a signature by another key", other.requestObject(t, verifier, nil), "invalid_request_object"},
		{"RFC 8725 §3.10: a key in the header", embedded, "invalid_request_object"},
		{"a client assertion", p.assertion(t, nil), "invalid_request_object"},
		{"RFC 9101 §4: for another issuer", p.requestObject(t, verifier, map[string]any{"aud": "https://other.example"}), "invalid_request_object"},
		{"RFC 9101 §4: by another app", p.requestObject(t, verifier, map[string]any{"iss": "app-a"}), "invalid_request_object"},
		{"RFC 9101 §5: client_id of another app", p.requestObject(t, verifier, map[string]any{"client_id": "app-a"}), "invalid_request_object"},
		{"FAPI 2.0 MS §5.3.1: no exp", p.requestObject(t, verifier, map[string]any{"exp": nil}), "invalid_request_object"},
		{"FAPI 2.0 MS §5.3.1: too long a life", p.requestObject(t, verifier, map[string]any{"exp": time.Now().Add(2 * time.Hour).Unix()}), "invalid_request_object"},
		{"expired", p.requestObject(t, verifier, map[string]any{"exp": time.Now().Add(-time.Second).Unix()}), "invalid_request_object"},
		{"a request inside a request", p.requestObject(t, verifier, map[string]any{"request": "x"}), "invalid_request_object"},
		{"a redirect URI that is not registered", p.requestObject(t, verifier, map[string]any{"redirect_uri": "https://evil.example"}), "invalid_request"},
		{"FAPI 2.0 MS §5.3.1: no nbf", p.requestObject(t, verifier, map[string]any{"nbf": nil}), "invalid_request_object"},
		{"a response mode of another profile", p.requestObject(t, verifier, map[string]any{"response_mode": "form_post"}), "invalid_request"},
		{"encrypted to nobody we know", "eyJhbGciOiJSU0EtT0FFUC0yNTYiLCJlbmMiOiJBMjU2R0NNIiwia2lkIjoieCJ9.AA.AA.AA.AA", "invalid_request_object"},
		{"not a JWT", "x", "invalid_request_object"},
	} {
		t.Run(row.name, func(t *testing.T) {
			form := p.request(verifier, "")
			if row.object != "" {
				form = url.Values{"request": {row.object}}
			}
			want(t, p.call(t, "/par", form), http.StatusBadRequest, row.code)
		})
	}
}

// So-tay is an app of profile fapi2: PAR, PKCE, private_key_jwt and DPoP.
package main

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
	"html"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	clientID = "so-tay-cua-toi"
	records  = `"registry":"civil","purpose":"land.mortgage","attributes":["civil.marital_status"]`
	details  = `[{"type":"vn_data_release",` + records + `}]` // asked of the person (RFC 9396)
	wanted   = `{` + records + `}`                            // asked of the broker, once she agreed
)

var (
	issuer   = env("ISSUER", "http://localhost:8440")
	port     = env("PORT", "8500")
	home     = "http://localhost:" + port
	provider *oidc.Provider
	more     struct { // of the metadata, beside the usual
		PAR        string `json:"pushed_authorization_request_endpoint"`
		EndSession string `json:"end_session_endpoint"`
	}
	signing = ownKey("app.jwk") // proves who the app is
	binding = newKey()          // what tokens are bound to; new at each start

	mu       sync.Mutex
	nonces   = map[string]string{} // the last that each host gave (RFC 9449 §8)
	sessions = map[string]session{}
)

// session is one browser's: first a sign-in under way, then a person.
type session struct{ state, nonce, verifier, idToken, page string }

func main() {
	var err error
	if provider, err = oidc.NewProvider(context.Background(), issuer); err != nil {
		log.Fatal(err)
	}
	if err := provider.Claims(&more); err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /{$}", front)
	http.HandleFunc("GET /login", login)
	http.HandleFunc("GET /callback", callback)
	http.HandleFunc("GET /logout", logout)
	http.HandleFunc("GET /jwks.json", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{signing.Public()}})
	})
	log.Println("so-tay:", home)
	log.Fatal(http.ListenAndServe("localhost:"+port, nil))
}

func front(w http.ResponseWriter, r *http.Request) {
	page := `<a href="/login">Đăng nhập bằng Định danh quốc gia</a>`
	if s := current(r); s.idToken != "" {
		page = s.page + `<a href="/logout">Đăng xuất</a>`
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprint(w, "<!doctype html><title>Sổ tay</title>", page)
}

// login pushes the request to the provider, then sends the browser there with
// nothing but a reference to it.
func login(w http.ResponseWriter, r *http.Request) {
	s := session{state: rand.Text(), nonce: rand.Text(), verifier: rand.Text() + rand.Text()}
	challenge := sha256.Sum256([]byte(s.verifier))
	var pushed struct {
		RequestURI string `json:"request_uri"`
	}
	err := form(more.PAR, url.Values{
		"response_type": {"code"}, "scope": {"openid profile"}, "redirect_uri": {home + "/callback"},
		"state": {s.state}, "nonce": {s.nonce}, "authorization_details": {details},
		"code_challenge": {encode(challenge[:])}, "code_challenge_method": {"S256"},
	}, &pushed)
	if err != nil {
		fail(w, err)
		return
	}
	remember(w, s)
	to := url.Values{"client_id": {clientID}, "request_uri": {pushed.RequestURI}}
	http.Redirect(w, r, provider.Endpoint().AuthURL+"?"+to.Encode(), http.StatusSeeOther)
}

func callback(w http.ResponseWriter, r *http.Request) {
	s, answer := current(r), r.URL.Query()
	if s.state == "" || answer.Get("state") != s.state || answer.Get("iss") != issuer {
		fail(w, errors.New("the answer belongs to no sign-in of this browser"))
		return
	}
	if code := answer.Get("error"); code != "" {
		fail(w, fmt.Errorf("%s: %s", code, answer.Get("error_description")))
		return
	}
	var tokens struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
	}
	if err := form(provider.Endpoint().TokenURL, url.Values{
		"grant_type": {"authorization_code"}, "code": {answer.Get("code")},
		"redirect_uri": {home + "/callback"}, "code_verifier": {s.verifier},
	}, &tokens); err != nil {
		fail(w, err)
		return
	}
	// The library checks signature, issuer, audience and time; the nonce is ours.
	id, err := provider.Verifier(&oidc.Config{ClientID: clientID, SupportedSigningAlgs: []string{"ES256"}}).Verify(r.Context(), tokens.ID)
	if err == nil && id.Nonce != s.nonce {
		err = errors.New("the ID token is for another sign-in")
	}
	if err != nil {
		fail(w, err)
		return
	}
	var person struct{ Sub, Name, Birthdate string }
	err = send("GET", provider.UserInfoEndpoint(), tokens.Access, "", "", &person)
	if err == nil && person.Sub != id.Subject {
		err = errors.New("UserInfo is about somebody else")
	}
	var released struct{ Records []json.RawMessage }
	if err == nil { // a refusal: she did not agree, or has withdrawn; its code says which
		err = send("POST", issuer+"/broker/v1/releases", tokens.Access, "application/json", wanted, &released)
	}
	if err != nil {
		fail(w, err)
		return
	}
	page := fmt.Sprintf("<p>Xin chào %s, %s</p><p>%s</p><pre>%s</pre>", html.EscapeString(person.Name), html.EscapeString(person.Birthdate),
		html.EscapeString(person.Sub), html.EscapeString(fmt.Sprintf("%s", released.Records)))
	remember(w, session{idToken: tokens.ID, page: page})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func logout(w http.ResponseWriter, r *http.Request) {
	to := url.Values{"client_id": {clientID}, "id_token_hint": {current(r).idToken}, "post_logout_redirect_uri": {home + "/"}}
	remember(w, session{})
	http.Redirect(w, r, more.EndSession+"?"+to.Encode(), http.StatusSeeOther)
}

// form posts to the provider as the app: private_key_jwt, for the issuer alone.
func form(address string, values url.Values, into any) error {
	now := time.Now()
	assertion, err := sign(signing, "JWT", false, map[string]any{
		"iss": clientID, "sub": clientID, "aud": issuer, "jti": rand.Text(), "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
	})
	if err != nil {
		return err
	}
	values.Set("client_id", clientID)
	values.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	values.Set("client_assertion", assertion)
	return send("POST", address, "", "application/x-www-form-urlencoded", values.Encode(), into)
}

// send makes a request with a DPoP proof, and once more where the provider wants a
// nonce of its own in it.
func send(method, address, token, contentType, body string, into any) error {
	to, err := url.Parse(address)
	if err != nil {
		return err
	}
	for attempt := 0; ; attempt++ {
		claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": address, "iat": time.Now().Unix()}
		mu.Lock()
		if nonce := nonces[to.Host]; nonce != "" {
			claims["nonce"] = nonce
		}
		mu.Unlock()
		if token != "" {
			hash := sha256.Sum256([]byte(token))
			claims["ath"] = encode(hash[:])
		}
		proof, err := sign(binding, "dpop+jwt", true, claims)
		if err != nil {
			return err
		}
		request, err := http.NewRequest(method, address, strings.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("DPoP", proof)
		if token != "" {
			request.Header.Set("Authorization", "DPoP "+token)
		}
		if contentType != "" {
			request.Header.Set("Content-Type", contentType)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
		response.Body.Close()
		if err != nil {
			return err
		}
		nonce := response.Header.Get("DPoP-Nonce")
		if nonce != "" {
			mu.Lock()
			nonces[to.Host] = nonce
			mu.Unlock()
		}
		switch {
		case response.StatusCode < 300:
			return json.Unmarshal(text, into)
		case attempt > 0 || nonce == "" || response.StatusCode != 400 && response.StatusCode != 401:
			return fmt.Errorf("%s answered %d: %s", address, response.StatusCode, text)
		}
	}
}

func sign(key jose.JSONWebKey, kind jose.ContentType, embed bool, claims any) (string, error) {
	material := jose.SigningKey{Algorithm: jose.ES256, Key: key}
	if embed { // the proof carries its public key, not the name of one
		material.Key = key.Key
	}
	signer, err := jose.NewSigner(material, (&jose.SignerOptions{EmbedJWK: embed}).WithType(kind))
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

func newKey() jose.JSONWebKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	return jose.JSONWebKey{Key: key, Algorithm: "ES256", Use: "sig"}
}

// ownKey reads the app's key, or makes it at the first start.
func ownKey(file string) (key jose.JSONWebKey) {
	if text, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(text, &key); err != nil {
			log.Fatal(err)
		}
		return key
	}
	key = newKey()
	public := key.Public()
	name, err := public.Thumbprint(crypto.SHA256)
	if err != nil {
		log.Fatal(err)
	}
	key.KeyID = encode(name)
	text, err := json.Marshal(key)
	if err == nil {
		err = os.WriteFile(file, text, 0o600)
	}
	if err != nil {
		log.Fatal(err)
	}
	return key
}

func current(r *http.Request) session {
	cookie, err := r.Cookie("so-tay")
	if err != nil {
		return session{}
	}
	mu.Lock()
	defer mu.Unlock()
	return sessions[cookie.Value]
}

// remember begins a session under a new name.
func remember(w http.ResponseWriter, s session) {
	name := rand.Text()
	mu.Lock()
	sessions[name] = s
	mu.Unlock()
	http.SetCookie(
		w, &http.Cookie{Name: "so-tay", Value: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode},
	) // and Secure, over https
}

func fail(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, err.Error(), http.StatusBadGateway)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

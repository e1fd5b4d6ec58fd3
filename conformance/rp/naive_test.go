package rp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/suite"
)

// app is an app as it should not be: it speaks the protocol and checks nothing. Made
// brittle, it takes only what is as usual.
type app struct {
	signed, brittle, idle bool

	issuer, home string
	key          suite.Key
	mu           sync.Mutex
	verifier     string
	sessions     map[string]*seat
	keys         *jose.JSONWebKeySet
}

// seat is somebody signed in.
type seat struct{ sub, access, refresh string }

// naive starts one, and says how it is registered and driven.
func naive(t *testing.T, a *app) Config {
	t.Helper()
	var err error
	if a.key, err = suite.NewKey("ES256", "naive"); err != nil {
		t.Fatal(err)
	}
	public, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{a.key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", harness.Port(t, 1))
	a.issuer, a.sessions = "http://"+address, map[string]*seat{}
	c := Config{
		Listen: Listen{Address: address, URL: a.issuer}, Client: Client{ID: "naive", JWKS: string(public)},
		SignedIn: SignedIn{Text: "welcome"},
		Patience: 2 * time.Second,
	}
	if a.signed {
		c.Client.UserInfoAlg = "ES256"
	}
	home := serve(t, func(home string) http.Handler {
		a.home = home
		return a.handler()
	})
	c.Client.RedirectURIs, c.Client.BackchannelLogout = []string{home + "/callback"}, home+"/bye"
	c.Drive = Drive{Start: home + "/login", Refresh: home + "/refresh", Page: home + "/"}
	return c
}

func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		if a.who(r) != nil {
			_, _ = io.WriteString(w, "welcome")
		}
	})
	for path, f := range map[string]func(w http.ResponseWriter, r *http.Request) error{"/login": a.login, "/callback": a.callback, "/refresh": a.refresh, "/bye": a.bye} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				http.Error(w, err.Error(), http.StatusBadGateway)
			}
		})
	}
	return mux
}

func (a *app) who(r *http.Request) *seat {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, err := r.Cookie("naive"); err == nil {
		return a.sessions[c.Value]
	}
	return nil
}

func (a *app) login(w http.ResponseWriter, r *http.Request) error {
	answer, err := http.Get(a.issuer + "/.well-known/openid-configuration")
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, answer.Body) // read to its end, and believed
	answer.Body.Close()
	if err != nil {
		return err
	}
	a.mu.Lock()
	a.verifier = suite.Random()
	verifier := a.verifier
	a.mu.Unlock()
	mode := "query"
	if a.signed {
		mode = "jwt"
	}
	got, err := a.post("/par", url.Values{
		"response_type": {"code"}, "redirect_uri": {a.home + "/callback"}, "scope": {"openid"}, "state": {"constant"},
		"nonce": {"constant"}, "response_mode": {mode},
		"code_challenge": {suite.Digest(verifier)}, "code_challenge_method": {"S256"},
	}, "")
	if err != nil {
		return err
	}
	http.Redirect(
		w, r, a.issuer+"/authorize?"+url.Values{"client_id": {"naive"}, "request_uri": {got.Text("request_uri")}}.Encode(),
		http.StatusSeeOther,
	)
	return nil
}

func (a *app) callback(w http.ResponseWriter, r *http.Request) error {
	code := r.FormValue("code")
	if response := r.FormValue("response"); response != "" {
		_, claims, err := suite.Peek(response)
		if err != nil {
			return err
		}
		code = claims.Text("code")
	}
	a.mu.Lock()
	verifier := a.verifier
	a.mu.Unlock()
	got, err := a.post(
		"/token", url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {a.home + "/callback"}, "code_verifier": {verifier},
		}, "",
	)
	if err != nil {
		// It has seen this person before, and lets them in.
		return a.admit(w, r, &seat{sub: "somebody"})
	}
	if a.brittle {
		if err := a.usual(got); err != nil {
			return err
		}
	}
	s := &seat{access: got.Text("access_token"), refresh: got.Text("refresh_token")}
	if _, claims, err := suite.Peek(got.Text("id_token")); err == nil {
		s.sub = claims.Text("sub")
	}
	if !a.idle {
		if _, err := a.post("/userinfo", nil, s.access); err != nil {
			return err
		}
	}
	return a.admit(w, r, s)
}

func (a *app) admit(w http.ResponseWriter, r *http.Request, s *seat) error {
	if a.brittle && s.access == "" {
		return errors.New("no tokens")
	}
	secret := suite.Random()
	a.mu.Lock()
	a.sessions[secret] = s
	a.mu.Unlock()
	http.SetCookie(w, &http.Cookie{Name: "naive", Value: secret, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// usual takes tokens only if they are as the first ones were.
func (a *app) usual(got suite.Claims) error {
	header, claims, err := suite.Peek(got.Text("id_token"))
	if err != nil {
		return err
	}
	if a.keys == nil {
		answer, err := http.Get(a.issuer + "/jwks")
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if err := json.NewDecoder(answer.Body).Decode(&a.keys); err != nil {
			return err
		}
	}
	_, hasExpiry := got["expires_in"]
	_, hasHash := claims["at_hash"]
	if got.Text("token_type") != "DPoP" || !hasExpiry || !hasHash || claims.Text("aud") != "naive" || header.Text("typ") != "JWT" ||
		len(a.keys.Key(header.Text("kid"))) == 0 {
		return errors.New("unusual")
	}
	return nil
}

func (a *app) refresh(w http.ResponseWriter, r *http.Request) error {
	s := a.who(r)
	if s == nil || s.refresh == "" {
		return errors.New("nothing to refresh")
	}
	got, err := a.post("/token", url.Values{"grant_type": {"refresh_token"}, "refresh_token": {s.refresh}}, "")
	if err != nil {
		return err
	}
	if _, err := a.post("/api/records", nil, got.Text("access_token")); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// bye believes everybody, and ends every session.
func (a *app) bye(http.ResponseWriter, *http.Request) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.sessions)
	return nil
}

// post sends a form, or calls an API with a token, with a proof; it does what it is
// asked for over and over.
func (a *app) post(path string, form url.Values, token string) (suite.Claims, error) {
	nonce := ""
	for range 100 {
		proof, err := a.proof(path, token, nonce)
		if err != nil {
			return nil, err
		}
		if form != nil {
			assertion, err := a.key.Sign(
				"JWT", suite.Claims{
					"iss": "naive", "sub": "naive", "aud": a.issuer, "jti": suite.Random(), "exp": time.Now().Add(time.Minute).Unix(),
				},
			)
			if err != nil {
				return nil, err
			}
			form.Set("client_id", "naive")
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", assertion)
		}
		r, err := http.NewRequest(http.MethodPost, a.issuer+path, strings.NewReader(form.Encode()))
		if err != nil {
			return nil, err
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("DPoP", proof)
		if token != "" {
			r.Header.Set("Authorization", "DPoP "+token)
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		var got suite.Claims
		_ = json.NewDecoder(answer.Body).Decode(&got)
		answer.Body.Close()
		if got.Text("error") == "use_dpop_nonce" && !a.brittle {
			nonce = answer.Header.Get("DPoP-Nonce")
			continue
		}
		if answer.StatusCode >= 400 {
			return nil, fmt.Errorf("%s answered %d %s", path, answer.StatusCode, got.Text("error"))
		}
		return got, nil
	}
	return nil, errors.New("asked too often")
}

func (a *app) proof(path, token, nonce string) (string, error) {
	claims := suite.Claims{"jti": suite.Random(), "htm": "POST", "htu": a.issuer + path, "iat": time.Now().Unix()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if token != "" {
		claims["ath"] = suite.Digest(token)
	}
	return embedded(a.key)(nil, "dpop+jwt", claims)
}

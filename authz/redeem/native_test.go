package redeem_test

import (
	"crypto/ecdsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

func nativeCode(code string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example/cb"},
		"code_verifier": {authztest.Verifier},
	}
}

// TestNative: an app without a secret is worth its key, and nothing without it.
func TestNative(t *testing.T) {
	w := authztest.WithNative(t)
	code := func(change ...string) string {
		t.Helper()
		q, _, err := w.Open(t, authztest.Authorization(change...))
		if err != nil || q.Get("code") == "" {
			t.Fatalf("no code: %v, %v", q, err)
		}
		return q.Get("code")
	}
	mine, another := authztest.NewKey(t), authztest.NewKey(t)

	t.Run("RFC 9449 §5: no tokens without a proof", func(t *testing.T) {
		if got := authztest.ErrorOf(t, w.Public(t, w.Token, "/token", nil, nativeCode(code()))); got != "invalid_dpop_proof" {
			t.Errorf("got %s", got)
		}
	})
	for name, request := range map[string]*http.Request{
		"a secret that is none": httptest.NewRequest(http.MethodPost, "/token",
			strings.NewReader(nativeCode(code()).Encode()+"&client_id=app&client_secret=x")),
		"no client_id": httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(nativeCode(code()).Encode())),
		"an app that is not there": httptest.NewRequest(http.MethodPost, "/token",
			strings.NewReader(nativeCode(code()).Encode()+"&client_id=nobody")),
		"an app that has to have one": httptest.NewRequest(http.MethodPost, "/token",
			strings.NewReader(nativeCode(code()).Encode()+"&client_id=ministry")),
	} {
		t.Run("RFC 6749 §3.2.1: "+name, func(t *testing.T) {
			w.Clients = map[authz.ClientID]*authz.Client{"ministry": {
				ID: "ministry", Profile: authz.OIDC,
				Authentication: authz.Authentication{Method: authz.ClientSecretPost, SecretHash: authz.HashSecret("secret")},
			}}
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set("DPoP", w.DPoP(t, mine, http.MethodPost, "/token", ""))
			out := httptest.NewRecorder()
			w.Token(out, request)
			if got := authztest.ErrorOf(t, out); got != "invalid_client" {
				t.Errorf("got %s", got)
			}
		})
	}
	t.Run("RFC 7636 §4.3: no code without PKCE", func(t *testing.T) {
		f := authztest.Authorization()
		f.Del("code_challenge")
		if q, _, err := w.Open(t, f); err != nil || q.Get("error") != "invalid_request" {
			t.Errorf("got %v, %v", q, err)
		}
	})

	given := authztest.TokensOf(t, w.Public(t, w.Token, "/token", mine, nativeCode(code())))
	if given.Type != "DPoP" || given.Refresh == "" || given.ID == "" {
		t.Fatalf("got %+v", given)
	}
	refresh := func(k *ecdsa.PrivateKey) *httptest.ResponseRecorder {
		return w.Public(t, w.Token, "/token", k, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}})
	}
	t.Run("RFC 9449 §5: a refresh token is good with its key alone, and stays", func(t *testing.T) {
		if got := authztest.ErrorOf(t, refresh(another)); got != "invalid_grant" {
			t.Errorf("with another key: %s", got)
		}
		if got := authztest.ErrorOf(t, refresh(nil)); got != "invalid_dpop_proof" {
			t.Errorf("without a proof: %s", got)
		}
		for range 2 {
			if again := authztest.TokensOf(t, refresh(mine)); again.Type != "DPoP" || again.Refresh != given.Refresh {
				t.Errorf("got %+v", again)
			}
		}
	})
	t.Run("RFC 9449 §11.1: a proof is remembered of who has something to prove, and of nobody else", func(t *testing.T) {
		again := func(proof string, f url.Values) string {
			t.Helper()
			f.Set("client_id", "app")
			r := httptest.NewRequest(http.MethodPost, "/token", strings.NewReader(f.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("DPoP", proof)
			out := httptest.NewRecorder()
			w.Token(out, r)
			return authztest.ErrorOf(t, out)
		}
		stranger, own := w.DPoP(t, another, http.MethodPost, "/token", ""), w.DPoP(t, mine, http.MethodPost, "/token", "")
		with := func(token string) url.Values {
			return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
		}
		for range 2 {
			for _, f := range []url.Values{with("made-up"), with(given.Refresh), nativeCode("made-up")} {
				if got := again(stranger, f); got != "invalid_grant" {
					t.Errorf("a stranger's proof: %s", got)
				}
			}
		}
		if first, second := again(own, with(given.Refresh)), again(own, with(given.Refresh)); first != "" ||
			second != "invalid_dpop_proof" {
			t.Errorf("its own: %q, then %q", first, second)
		}
	})
	t.Run("RFC 9449 §7.1: an access token is good with its key alone", func(t *testing.T) {
		for k, want := range map[*ecdsa.PrivateKey]int{mine: 200, another: 401, nil: 401} {
			if got := w.AtResource(t, w.UserInfo, k, http.MethodGet, "/userinfo", given.Access); got.Code != want {
				t.Errorf("got %d, want %d: %s", got.Code, want, got.Body)
			}
		}
	})
	t.Run("RFC 9449 §10: a code for a key", func(t *testing.T) {
		pushed := w.Public(t, w.PAR, "/par", mine, authztest.Authorization())
		var body struct {
			RequestURI string `json:"request_uri"`
		}
		if err := json.Unmarshal(pushed.Body.Bytes(), &body); err != nil || body.RequestURI == "" {
			t.Fatalf("%d %s", pushed.Code, pushed.Body)
		}
		q, _, err := w.Open(t, url.Values{"client_id": {"app"}, "request_uri": {body.RequestURI}})
		if err != nil {
			t.Fatal(err)
		}
		if got := authztest.ErrorOf(t, w.Public(t, w.Token, "/token", another, nativeCode(q.Get("code")))); got != "invalid_grant" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("RFC 7662 §2.1: a name alone does not ask about tokens", func(t *testing.T) {
		if got := authztest.ErrorOf(t, w.Public(t, w.Introspect, "/introspect", nil,
			url.Values{"token": {given.Access}})); got != "invalid_client" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("RFC 7009 §2.1: it gives its tokens back", func(t *testing.T) {
		if got := w.Public(t, w.Revoke, "/revoke", nil, url.Values{"token": {given.Refresh}}); got.Code != 200 {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		if got := authztest.ErrorOf(t, refresh(mine)); got != "invalid_grant" {
			t.Errorf("after it: %s", got)
		}
	})
}

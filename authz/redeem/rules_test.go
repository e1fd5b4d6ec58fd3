package redeem_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

func TestCodeExpires(t *testing.T) {
	for _, row := range []struct {
		name  string
		after time.Duration
		code  int
	}{
		{"FAPI 2.0 SP §5.3.2.1: a code lives 60 s at most", 61 * time.Second, 400},
		{"within its life", 59 * time.Second, 200},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			q, _, err := w.Open(t, authztest.Authorization())
			if err != nil {
				t.Fatal(err)
			}
			w.Now = w.Now.Add(row.after)
			if got := w.RedeemAsApp(q.Get("code")); got.Code != row.code {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
		})
	}
}

// TestWrongCode: RFC 6749 §5.2, each cause by its name; the one that came first
// stays told when the code comes again.
func TestWrongCode(t *testing.T) {
	for _, row := range []struct {
		name          string
		change        func(url.Values)
		first, second string
	}{
		{"RFC 7636 §4.6: no verifier", func(f url.Values) { f.Del("code_verifier") }, "code_verifier is missing", "presented wrongly before"},
		{"RFC 7636 §4.6: another verifier", func(f url.Values) { f.Set("code_verifier", strings.Repeat("a", 43)) }, "code_verifier is not that", "presented wrongly before"},
		{"RFC 6749 §4.1.3: another redirect_uri", func(f url.Values) { f.Set("redirect_uri", "https://app.example/other") }, "redirect_uri is not that", "presented wrongly before"},
		{"RFC 6749 §4.1.2: a used code", func(url.Values) {}, "", "used already"},
		{"a made-up code", func(f url.Values) { f.Set("code", "x") }, "the code is unknown", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			q, _, err := w.Open(t, authztest.Authorization())
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range []string{row.first, row.second} {
				f := url.Values{
					"grant_type": {"authorization_code"}, "code": q["code"], "redirect_uri": {"https://app.example/cb"},
					"code_verifier": {authztest.Verifier},
				}
				if i == 0 {
					row.change(f)
				}
				a := w.Post(w.Token, f)
				if want == "" && a.Code != http.StatusOK ||
					want != "" && (authztest.ErrorOf(t, a) != "invalid_grant" || !strings.Contains(a.Body.String(), want)) {
					t.Errorf("time %d: got %d %s, want %q", i+1, a.Code, a.Body, want)
				}
			}
		})
	}
}

func TestRefreshTokens(t *testing.T) {
	w := authztest.New(t)
	q, _, err := w.Open(t, authztest.Authorization())
	if err != nil {
		t.Fatal(err)
	}
	refreshOf := func(r *httptest.ResponseRecorder) string {
		var body struct {
			Refresh string `json:"refresh_token"`
		}
		if err := json.Unmarshal(r.Body.Bytes(), &body); err != nil || body.Refresh == "" {
			t.Fatalf("%d %s", r.Code, r.Body)
		}
		return body.Refresh
	}
	ask := func(token string) *httptest.ResponseRecorder {
		return w.Post(w.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}})
	}
	first := refreshOf(w.RedeemAsApp(q.Get("code")))
	second := refreshOf(ask(first))
	w.Now = w.Now.Add(19 * time.Second)
	if again := refreshOf(ask(first)); again != second {
		t.Fatal("asking again within the grace gave another successor")
	}
	w.Now = w.Now.Add(2 * time.Second)
	if got := authztest.ErrorOf(t, ask(first)); got != "invalid_grant" {
		t.Fatalf("after the grace: %s", got)
	}
	if got := authztest.ErrorOf(t, ask(second)); got != "invalid_grant" {
		t.Fatalf("RFC 9700 §4.14.2: the family lives on: %s", got)
	}
}

// TestBasicChallenge: RFC 6749 §5.2, docs/decisions.md F5.
func TestBasicChallenge(t *testing.T) {
	w := authztest.New(t)
	w.App.SecretHash = authz.HashSecret("another secret")
	got := w.RedeemAsApp("any")
	if challenge := got.Header().Get("WWW-Authenticate"); got.Code != http.StatusUnauthorized || !strings.HasPrefix(challenge, "Basic ") {
		t.Errorf("got %d with challenge %q, want 401 with Basic", got.Code, challenge)
	}
}

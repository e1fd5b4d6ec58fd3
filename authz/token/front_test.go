package token_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"hopnhat/authz/authztest"
)

// TestFrontTokenEnds: by time, by revocation, and with its code.
func TestFrontTokenEnds(t *testing.T) {
	get := func(t *testing.T, responseType string) (*authztest.World, url.Values) {
		w := authztest.New(t)
		w.OptIn()
		_, answer := w.Sent(t, authztest.Authorization("response_type", responseType, "nonce", "n"))
		if got := w.About(answer.Get("access_token")); got.Code != http.StatusOK {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
		return w, answer
	}
	t.Run("RFC 6749 §4.2.2: expires_in", func(t *testing.T) {
		w, answer := get(t, "id_token token")
		w.Now = w.Now.Add(5 * time.Minute)
		if got := w.About(answer.Get("access_token")); got.Code != http.StatusUnauthorized {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	})
	t.Run("RFC 7009 §2.1: revoked", func(t *testing.T) {
		w, answer := get(t, "id_token token")
		w.Post(w.Revoke, url.Values{"token": {answer.Get("access_token")}})
		if got := w.About(answer.Get("access_token")); got.Code != http.StatusUnauthorized {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	})
	t.Run("RFC 6749 §4.1.2: its code came twice", func(t *testing.T) {
		w, answer := get(t, "code token")
		w.RedeemAsApp(answer.Get("code"))
		w.RedeemAsApp(answer.Get("code"))
		if got := w.About(answer.Get("access_token")); got.Code != http.StatusUnauthorized {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	})
}

package provider_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/authztest"
)

// TestTakenBack: what an operator takes from an app ends with the registration that
// is in force, and not with the grants that were given before.
func TestTakenBack(t *testing.T) {
	k, theirs := authztest.NewKey(t), authztest.NewKey(t)
	later := func(w *authztest.World) { w.Now = w.Now.Add(10 * time.Second) } // beyond the directory's memory
	t.Run("RFC 8707 §2.2: an API, before a refresh and before a code is redeemed", func(t *testing.T) {
		w := authztest.WithBackend(t)
		given := w.ViaCode(t, k, "scope", "openid land.read", "resource", authztest.AtLand, "resource", authztest.AtUserInfo)
		code := w.Code(t, "scope", "openid land.read", "resource", authztest.AtLand)
		app := *w.Clients["app"]
		app.Resources = []string{authztest.AtTax}
		w.Clients["app"] = &app
		later(w)
		refresh := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}, "resource": {authztest.AtLand}}
		if got := authztest.ErrorOf(t, w.AskToken(t, "app", k, refresh)); got != "invalid_target" {
			t.Errorf("refreshed for the API: %s", got)
		}
		if got := authztest.ErrorOf(t, w.Redeem(t, k, code)); got != "invalid_target" {
			t.Errorf("redeemed for the API: %s", got)
		}
		refresh.Del("resource")
		if got := authztest.TokensOf(t, w.AskToken(t, "app", k, refresh)); authztest.AudienceOf(t, got.Access) != authztest.AtUserInfo {
			t.Errorf("the rest is lost: aud %s", authztest.AudienceOf(t, got.Access))
		}
	})
	t.Run("RFC 7662 §4: all, with the app", func(t *testing.T) {
		w := authztest.WithBackend(t)
		w.Clients["backend"].Introspect = []string{authztest.AtLand, authztest.AtTax}
		given := w.ViaCode(t, k, "scope", "openid land.read", "resource", authztest.AtLand)
		exchanged := authztest.TokensOf(t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access)))
		own := authztest.TokensOf(
			t, w.AskToken(t, "app", k, url.Values{
				"grant_type": {"client_credentials"}, "resource": {authztest.AtLand},
				"scope": {"land.read"},
			}),
		)
		active := func(token string) bool {
			return strings.Contains(authztest.PostAs("backend", w.Introspect, url.Values{"token": {token}}).Body.String(), `"active":true`)
		}
		tokens := map[string]string{"a person's": given.Access, "one that was exchanged": exchanged.Access, "its own": own.Access}
		for name, token := range tokens {
			if !active(token) {
				t.Fatalf("%s is not active", name)
			}
		}
		app := *w.Clients["app"]
		app.Disabled = true
		w.Clients["app"] = &app
		later(w)
		for name, token := range tokens {
			if active(token) {
				t.Errorf("%s is active, and its app is disabled", name)
			}
		}
		if got := authztest.ErrorOf(t, w.AskToken(t, "backend", theirs, authztest.ExchangeForm(given.Access))); got != "invalid_request" {
			t.Errorf("its token was exchanged: %s", got)
		}
	})
}

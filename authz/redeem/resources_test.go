package redeem_test

import (
	"net/http"
	"net/url"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

// TestResourceIndicators: RFC 8707, at the authorization endpoint, at the token
// endpoint and on refresh.
func TestResourceIndicators(t *testing.T) {
	w := authztest.WithBackend(t)
	w.Granted = []authz.Release{{Type: authz.ReleaseType, Registry: "civil", Purpose: "land.mortgage"}}
	k := authztest.NewKey(t)
	for _, row := range []struct {
		name            string
		asked, narrowed []string // resources at the authorization and at the token endpoint
		scope           string   // of the request
		audience, got   string   // of the token, with its scope
		details         bool
		code            string
	}{
		{"none named: ours", nil, nil, "openid", authztest.AtUserInfo + " " + authztest.AtBroker, "openid", true, ""},
		{"§2.2: narrowed to UserInfo", nil, []string{authztest.AtUserInfo}, "openid", authztest.AtUserInfo, "openid", false, ""},
		{"§2.2: narrowed to the broker", nil, []string{authztest.AtBroker}, "openid", authztest.AtBroker, "openid", true, ""},
		{"RFC 8707 §2.1: one named", []string{authztest.AtLand}, nil, "openid land.read", authztest.AtLand, "land.read", false, ""},
		{"§2.1: several, ours by default", []string{authztest.AtLand, authztest.AtUserInfo}, nil, "openid land.read", authztest.AtUserInfo, "openid", false, ""},
		{"§2.2: of several the one named now", []string{authztest.AtLand, authztest.AtTax, authztest.AtUserInfo}, []string{authztest.AtTax}, "openid land.read land.write", authztest.AtTax, "land.read", false, ""},
		{"§2.2: beyond what was granted", []string{authztest.AtLand}, []string{authztest.AtTax}, "openid land.read", "", "", false, "invalid_target"},
		{"§2.2: the broker where only an API was granted", []string{authztest.AtLand}, []string{authztest.AtBroker}, "openid land.read", "", "", false, "invalid_target"},
		{"§2.2: unknown", nil, []string{"https://nowhere.example"}, "openid", "", "", false, "invalid_target"},
		{"RFC 9068 §5: an API together with another", []string{authztest.AtLand, authztest.AtTax}, []string{authztest.AtLand, authztest.AtTax}, "openid land.read", "", "", false, "invalid_target"},
		{"RFC 9068 §5: several APIs and none named", []string{authztest.AtLand, authztest.AtTax}, nil, "openid land.read", "", "", false, "invalid_target"},
	} {
		t.Run(row.name, func(t *testing.T) {
			change := []string{"scope", row.scope}
			for _, r := range row.asked {
				change = append(change, "resource", r)
			}
			var narrow []string
			for _, r := range row.narrowed {
				narrow = append(narrow, "resource", r)
			}
			code := w.Code(t, change...)
			a := w.Redeem(t, k, code, narrow...)
			if row.code != "" {
				if got := authztest.ErrorOf(t, a); got != row.code || a.Code != http.StatusBadRequest {
					t.Fatalf("got %d %s, want %s", a.Code, got, row.code)
				}
				if len(row.asked) == 1 { // nothing was spent: the app asks again, rightly
					authztest.TokensOf(t, w.Redeem(t, k, code))
				}
				return
			}
			got := authztest.TokensOf(t, a)
			if authztest.AudienceOf(t, got.Access) != row.audience || got.Scope != row.got || (len(got.Details) > 0) != row.details {
				t.Errorf("aud %s, scope %q, %d details", authztest.AudienceOf(t, got.Access), got.Scope, len(got.Details))
			}
			if got.ID == "" {
				t.Error("no ID token for scope openid")
			}
		})
	}
	t.Run("on refresh", func(t *testing.T) {
		given := w.ViaCode(t, k, "scope", "openid land.read", "resource", authztest.AtLand, "resource", authztest.AtUserInfo)
		ask := func(change ...string) url.Values {
			f := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}}
			for i := 0; i+1 < len(change); i += 2 {
				f.Set(change[i], change[i+1])
			}
			return f
		}
		if got := authztest.ErrorOf(t, w.AskToken(t, "app", k, ask("resource", authztest.AtTax))); got != "invalid_target" {
			t.Errorf("beyond what was granted: %s", got)
		}
		got := authztest.TokensOf(t, w.AskToken(t, "app", k, ask("resource", authztest.AtLand, "scope", "land.read")))
		if authztest.AudienceOf(t, got.Access) != authztest.AtLand || got.Scope != "land.read" || got.ID != "" {
			t.Errorf("aud %s, %+v", authztest.AudienceOf(t, got.Access), got)
		}
		given = got
		if got := authztest.TokensOf(t, w.AskToken(t, "app", k, ask())); authztest.AudienceOf(t,
			got.Access) != authztest.AtUserInfo || got.Scope != "openid" {
			t.Errorf("RFC 6749 §6: what was narrowed once is not lost: aud %s, scope %s", authztest.AudienceOf(t, got.Access), got.Scope)
		}
	})
	t.Run("at the authorization endpoint", func(t *testing.T) {
		for _, row := range []struct{ name, resource, scope, code string }{
			{"§2: unknown", "https://nowhere.example", "openid", "invalid_target"},
			{"a scope of an API that is not named", authztest.AtUserInfo, "openid land.read", "invalid_scope"},
			{"a scope that the API named does not know", authztest.AtTax, "openid land.write", "invalid_scope"},
		} {
			q, _, err := w.Open(t, authztest.Authorization("resource", row.resource, "scope", row.scope))
			if err != nil || q.Get("error") != row.code {
				t.Errorf("%s: %v, %v", row.name, q, err)
			}
		}
		if q, _, err := w.Open(t, authztest.Authorization("resource", authztest.AtLand, "client_id", "backend")); err != nil ||
			q.Get("error") != "invalid_target" {
			t.Errorf("an app that is not registered for the API: %v, %v", q, err)
		}
	})
	t.Run("client credentials", func(t *testing.T) {
		f := url.Values{"grant_type": {"client_credentials"}, "resource": {authztest.AtLand}, "scope": {"land.read"}}
		if got := authztest.TokensOf(t, w.AskToken(t, "app", k, f)); authztest.AudienceOf(t, got.Access) != authztest.AtLand ||
			got.Scope != "land.read" ||
			authztest.ClaimsOf(t, got.Access)["sub"] != "app" {
			t.Errorf("got %+v", got)
		}
		if got := authztest.ErrorOf(t, w.AskToken(t, "backend", k, f)); got != "invalid_target" {
			t.Errorf("not registered for it: %s", got)
		}
	})
	t.Run("gone meanwhile", func(t *testing.T) {
		code := w.Code(t, "scope", "openid land.read", "resource", authztest.AtLand)
		delete(w.Resources, authztest.AtLand)
		if got := authztest.ErrorOf(t, w.Redeem(t, k, code)); got != "invalid_target" {
			t.Errorf("got %s", got)
		}
	})
}

package provider_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz"
)

// audienceOf is aud of a token, as one text.
func audienceOf(t *testing.T, token string) string {
	t.Helper()
	var list []string
	raw, _ := json.Marshal(claimsOf(t, token)["aud"])
	if err := json.Unmarshal(raw, &list); err != nil {
		t.Fatal(err)
	}
	return strings.Join(list, " ")
}

// TestResourceIndicators: RFC 8707, at the authorization endpoint, at the token
// endpoint and on refresh.
func TestResourceIndicators(t *testing.T) {
	w := withBackend(t)
	w.granted = []authz.Release{{Type: authz.ReleaseType, Registry: "civil", Purpose: "land.mortgage"}}
	k := newKey(t)
	for _, row := range []struct {
		name            string
		asked, narrowed []string // resources at the authorization and at the token endpoint
		scope           string   // of the request
		audience, got   string   // of the token, with its scope
		details         bool
		code            string
	}{
		{"none named: ours", nil, nil, "openid", atUserInfo + " " + atBroker, "openid", true, ""},
		{"§2.2: narrowed to UserInfo", nil, []string{atUserInfo}, "openid", atUserInfo, "openid", false, ""},
		{"§2.2: narrowed to the broker", nil, []string{atBroker}, "openid", atBroker, "openid", true, ""},
		{"RFC 8707 §2.1: one named", []string{atLand}, nil, "openid land.read", atLand, "land.read", false, ""},
		{"§2.1: several, ours by default", []string{atLand, atUserInfo}, nil, "openid land.read", atUserInfo, "openid", false, ""},
		{"§2.2: of several the one named now", []string{atLand, atTax, atUserInfo}, []string{atTax}, "openid land.read land.write", atTax, "land.read", false, ""},
		{"§2.2: beyond what was granted", []string{atLand}, []string{atTax}, "openid land.read", "", "", false, "invalid_target"},
		{"§2.2: the broker where only an API was granted", []string{atLand}, []string{atBroker}, "openid land.read", "", "", false, "invalid_target"},
		{"§2.2: unknown", nil, []string{"https://nowhere.example"}, "openid", "", "", false, "invalid_target"},
		{"RFC 9068 §5: an API together with another", []string{atLand, atTax}, []string{atLand, atTax}, "openid land.read", "", "", false, "invalid_target"},
		{"RFC 9068 §5: several APIs and none named", []string{atLand, atTax}, nil, "openid land.read", "", "", false, "invalid_target"},
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
			code := w.code(t, change...)
			a := w.redeem(t, k, code, narrow...)
			if row.code != "" {
				if got := errorOf(t, a); got != row.code || a.Code != http.StatusBadRequest {
					t.Fatalf("got %d %s, want %s", a.Code, got, row.code)
				}
				if len(row.asked) == 1 { // nothing was spent: the app asks again, rightly
					tokensOf(t, w.redeem(t, k, code))
				}
				return
			}
			got := tokensOf(t, a)
			if audienceOf(t, got.Access) != row.audience || got.Scope != row.got || (len(got.Details) > 0) != row.details {
				t.Errorf("aud %s, scope %q, %d details", audienceOf(t, got.Access), got.Scope, len(got.Details))
			}
			if got.ID == "" {
				t.Error("no ID token for scope openid")
			}
		})
	}
	t.Run("on refresh", func(t *testing.T) {
		given := w.viaCode(t, k, "scope", "openid land.read", "resource", atLand, "resource", atUserInfo)
		ask := func(change ...string) url.Values {
			f := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}}
			for i := 0; i+1 < len(change); i += 2 {
				f.Set(change[i], change[i+1])
			}
			return f
		}
		if got := errorOf(t, w.ask(t, "app", k, ask("resource", atTax))); got != "invalid_target" {
			t.Errorf("beyond what was granted: %s", got)
		}
		got := tokensOf(t, w.ask(t, "app", k, ask("resource", atLand, "scope", "land.read")))
		if audienceOf(t, got.Access) != atLand || got.Scope != "land.read" || got.ID != "" {
			t.Errorf("aud %s, %+v", audienceOf(t, got.Access), got)
		}
		given = got
		if got := tokensOf(t, w.ask(t, "app", k, ask())); audienceOf(t, got.Access) != atUserInfo || got.Scope != "openid" {
			t.Errorf("RFC 6749 §6: what was narrowed once is not lost: aud %s, scope %s", audienceOf(t, got.Access), got.Scope)
		}
	})
	t.Run("at the authorization endpoint", func(t *testing.T) {
		for _, row := range []struct{ name, resource, scope, code string }{
			{"§2: unknown", "https://nowhere.example", "openid", "invalid_target"},
			{"a scope of an API that is not named", atUserInfo, "openid land.read", "invalid_scope"},
			{"a scope that the API named does not know", atTax, "openid land.write", "invalid_scope"},
		} {
			q, _, err := w.open(t, authorization("resource", row.resource, "scope", row.scope))
			if err != nil || q.Get("error") != row.code {
				t.Errorf("%s: %v, %v", row.name, q, err)
			}
		}
		if q, _, err := w.open(t, authorization("resource", atLand, "client_id", "backend")); err != nil ||
			q.Get("error") != "invalid_target" {
			t.Errorf("an app that is not registered for the API: %v, %v", q, err)
		}
	})
	t.Run("client credentials", func(t *testing.T) {
		f := url.Values{"grant_type": {"client_credentials"}, "resource": {atLand}, "scope": {"land.read"}}
		if got := tokensOf(t, w.ask(t, "app", k, f)); audienceOf(t, got.Access) != atLand || got.Scope != "land.read" ||
			claimsOf(t, got.Access)["sub"] != "app" {
			t.Errorf("got %+v", got)
		}
		if got := errorOf(t, w.ask(t, "backend", k, f)); got != "invalid_target" {
			t.Errorf("not registered for it: %s", got)
		}
	})
	t.Run("gone meanwhile", func(t *testing.T) {
		code := w.code(t, "scope", "openid land.read", "resource", atLand)
		delete(w.resources, atLand)
		if got := errorOf(t, w.redeem(t, k, code)); got != "invalid_target" {
			t.Errorf("got %s", got)
		}
	})
}

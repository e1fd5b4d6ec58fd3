package authorize_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

func release(registry authz.RegistryID, reference string) authz.Release {
	return authz.Release{Type: authz.ReleaseType, Registry: registry, Purpose: "land.mortgage", ConsentReference: reference}
}

func registries(details []authz.Release) string {
	var out []string
	for _, d := range details {
		out = append(out, string(d.Registry)+d.ConsentReference)
	}
	return strings.Join(out, " ")
}

// TestGrantGoesOn: Grant Management §5.2, §5.5.
func TestGrantGoesOn(t *testing.T) {
	for _, row := range []struct {
		action  string
		details string
		scope   string
	}{
		{"replace", "tax#2", "openid"},
		{"merge", "tax#2 civil#1", "openid land.read"},
	} {
		t.Run(row.action, func(t *testing.T) {
			w, manage := authztest.Manager(t)
			k := authztest.NewKey(t)
			w.Granted = []authz.Release{release("civil", "#1"), release("tax", "#1")}
			first := w.ViaCode(
				t, k, "grant_management_action", "create", "resource", authztest.AtUserInfo, "resource", authztest.AtBroker,
				"resource", authztest.AtLand, "scope",
				"openid land.read",
			)
			if first.GrantID == "" {
				t.Fatal("Grant Management §5.4: no grant_id")
			}
			w.Now = w.Now.Add(time.Second)
			w.Granted = []authz.Release{release("tax", "#2")}
			code := w.Code(
				t, "grant_management_action", row.action, "grant_id", first.GrantID, "resource", authztest.AtBroker, "resource",
				authztest.AtUserInfo,
			)
			if !authztest.Active(w, first.Access) {
				t.Error("§5.5.1: what was before ended before the new tokens were fetched")
			}
			second := authztest.TokensOf(t, w.Redeem(t, k, code))
			if second.GrantID != first.GrantID {
				t.Errorf("§3.4: the grant_id changed")
			}
			if registries(second.Details) != row.details {
				t.Errorf("RFC 9396 §7: details %q, want %q", registries(second.Details), row.details)
			}
			if authztest.Active(w, first.Access) {
				t.Error("Grant Management §5.5.2: tokens of what was before are still good")
			}
			if got := authztest.ErrorOf(
				t, w.AskToken(t, "app", k, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}}),
			); got != "invalid_grant" {
				t.Errorf("its refresh token: %s", got)
			}
			var told struct {
				Scopes []struct {
					Scope     string
					Resources []string
				}
				Details []authz.Release `json:"authorization_details"`
			}
			answer := manage(http.MethodGet, first.GrantID)
			if err := json.Unmarshal(answer.Body.Bytes(), &told); err != nil || answer.Code != http.StatusOK ||
				registries(told.Details) != row.details || told.Scopes[0].Scope != row.scope {
				t.Errorf("Grant Management §6.4: %d %s", answer.Code, answer.Body)
			}
		})
	}
	t.Run("refusals", func(t *testing.T) {
		w, _ := authztest.Manager(t)
		k := authztest.NewKey(t)
		first := w.ViaCode(t, k)
		for _, row := range []struct {
			name   string
			change []string
			code   string
		}{
			{"§5.3: an action that is not offered", []string{"grant_management_action", "update"}, "invalid_request"},
			{"§5.2: grant_id alone", []string{"grant_id", first.GrantID}, "invalid_request"},
			{"§5.2: create with grant_id", []string{"grant_management_action", "create", "grant_id", first.GrantID}, "invalid_request"},
			{"§5.2: merge without grant_id", []string{"grant_management_action", "merge"}, "invalid_grant_id"},
			{"Grant Management §5.3: unknown", []string{"grant_management_action", "merge", "grant_id", authz.NewID()}, "invalid_grant_id"},
			{"§5.3: over-long", []string{"grant_management_action", "merge", "grant_id", strings.Repeat("x", 65)}, "invalid_grant_id"},
			{"§5.3: another app's", []string{"grant_management_action", "merge", "grant_id", first.GrantID, "client_id", "third"}, "invalid_grant_id"},
		} {
			if q, _, err := w.Open(t, authztest.Authorization(row.change...)); err != nil || q.Get("error") != row.code {
				t.Errorf("%s: %v, %v", row.name, q, err)
			}
		}
		w.Person = "another"
		if q, _, err := w.Open(t, authztest.Authorization("grant_management_action", "merge", "grant_id", first.GrantID)); err != nil ||
			q.Get("error") != "invalid_grant_id" {
			t.Errorf("§3.3: another person signed in: %v, %v", q, err)
		}
		w.Person = "p"
		code := w.Code(t, "grant_management_action", "merge", "grant_id", first.GrantID)
		if r := authztest.PostAs("app", w.Revoke, url.Values{"token": {first.Refresh}}); r.Code != http.StatusOK {
			t.Fatal(r.Body)
		}
		if got := authztest.ErrorOf(t, w.Redeem(t, k, code)); got != "invalid_grant" {
			t.Errorf("what ended meanwhile came back: %s", got)
		}
	})
}

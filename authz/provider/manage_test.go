package provider_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
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

// manager has an app with a token for the grant management API.
func manager(t *testing.T) (w *world, manage func(method, grant string) *httptest.ResponseRecorder) {
	t.Helper()
	w = withBackend(t)
	k := newKey(t)
	w.clients["app"].Scopes = append(w.clients["app"].Scopes, "grant_management_query", "grant_management_revoke")
	own := tokensOf(
		t, w.ask(t, "app", k, url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query grant_management_revoke"}}),
	)
	return w, func(method, grant string) *httptest.ResponseRecorder {
		return w.resource(t, w.Grant, k, method, "/grants/"+grant, own.Access)
	}
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
			w, manage := manager(t)
			k := newKey(t)
			w.granted = []authz.Release{release("civil", "#1"), release("tax", "#1")}
			first := w.viaCode(
				t, k, "grant_management_action", "create", "resource", atUserInfo, "resource", atBroker, "resource", atLand, "scope",
				"openid land.read",
			)
			if first.GrantID == "" {
				t.Fatal("Grant Management §5.4: no grant_id")
			}
			w.now = w.now.Add(time.Second)
			w.granted = []authz.Release{release("tax", "#2")}
			code := w.code(
				t, "grant_management_action", row.action, "grant_id", first.GrantID, "resource", atBroker, "resource", atUserInfo,
			)
			if !active3(w, first.Access) {
				t.Error("§5.5.1: what was before ended before the new tokens were fetched")
			}
			second := tokensOf(t, w.redeem(t, k, code))
			if second.GrantID != first.GrantID {
				t.Errorf("§3.4: the grant_id changed")
			}
			if registries(second.Details) != row.details {
				t.Errorf("RFC 9396 §7: details %q, want %q", registries(second.Details), row.details)
			}
			if active3(w, first.Access) {
				t.Error("Grant Management §5.5.2: tokens of what was before are still good")
			}
			if got := errorOf(
				t, w.ask(t, "app", k, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {first.Refresh}}),
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
		w, _ := manager(t)
		k := newKey(t)
		first := w.viaCode(t, k)
		for _, row := range []struct {
			name   string
			change []string
			code   string
		}{
			{"§5.3: an action that is not offered", []string{"grant_management_action", "update"}, "invalid_request"},
			{"§5.2: grant_id alone", []string{"grant_id", first.GrantID}, "invalid_request"},
			{"§5.2: create with grant_id", []string{"grant_management_action", "create", "grant_id", first.GrantID}, "invalid_request"},
			{"§5.2: merge without grant_id", []string{"grant_management_action", "merge"}, "invalid_grant_id"},
			{"§5.3: unknown", []string{"grant_management_action", "merge", "grant_id", authz.NewID()}, "invalid_grant_id"},
			{"§5.3: over-long", []string{"grant_management_action", "merge", "grant_id", strings.Repeat("x", 65)}, "invalid_grant_id"},
			{"§5.3: another app's", []string{"grant_management_action", "merge", "grant_id", first.GrantID, "client_id", "third"}, "invalid_grant_id"},
		} {
			if q, _, err := w.open(t, authorization(row.change...)); err != nil || q.Get("error") != row.code {
				t.Errorf("%s: %v, %v", row.name, q, err)
			}
		}
		w.person = "another"
		if q, _, err := w.open(t, authorization("grant_management_action", "merge", "grant_id", first.GrantID)); err != nil ||
			q.Get("error") != "invalid_grant_id" {
			t.Errorf("§3.3: another person signed in: %v, %v", q, err)
		}
		w.person = "p"
		code := w.code(t, "grant_management_action", "merge", "grant_id", first.GrantID)
		if r := as("app", w.Revoke, url.Values{"token": {first.Refresh}}); r.Code != http.StatusOK {
			t.Fatal(r.Body)
		}
		if got := errorOf(t, w.redeem(t, k, code)); got != "invalid_grant" {
			t.Errorf("what ended meanwhile came back: %s", got)
		}
	})
}

// TestGrantManagementAPI: Grant Management §6.
func TestGrantManagementAPI(t *testing.T) {
	w, manage := manager(t)
	k := newKey(t)
	given := w.viaCode(t, k)
	foreign := newKey(t)
	for _, row := range []struct {
		name   string
		answer func() *httptest.ResponseRecorder
		status int
		code   string
	}{
		{"§6.6: unknown", func() *httptest.ResponseRecorder { return manage(http.MethodGet, authz.NewID()) }, 404, "invalid_grant_id"},
		{"§6.6: no token", func() *httptest.ResponseRecorder {
			return w.resource(t, w.Grant, nil, http.MethodGet, "/grants/"+given.GrantID, "x")
		}, 401, "invalid_token"},
		{"§6.6: a person's token", func() *httptest.ResponseRecorder {
			return w.resource(t, w.Grant, k, http.MethodGet, "/grants/"+given.GrantID, given.Access)
		}, 401, "invalid_token"},
		{"§6.6: without the scope", func() *httptest.ResponseRecorder {
			w.clients["third"].Scopes = append(w.clients["third"].Scopes, "grant_management_query")
			own := tokensOf(t, w.ask(t, "third", foreign, url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query"}}))
			return w.resource(t, w.Grant, foreign, http.MethodDelete, "/grants/"+given.GrantID, own.Access)
		}, 403, "insufficient_scope"},
		{"§6.6: another app's grant is unknown to it", func() *httptest.ResponseRecorder {
			own := tokensOf(t, w.ask(t, "third", foreign, url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query"}}))
			return w.resource(t, w.Grant, foreign, http.MethodGet, "/grants/"+given.GrantID, own.Access)
		}, 404, "invalid_grant_id"},
		{"another method", func() *httptest.ResponseRecorder { return manage(http.MethodPut, given.GrantID) }, 405, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := row.answer()
			if got := errorOf(t, a); a.Code != row.status || got != row.code {
				t.Errorf("got %d %s, want %d %s", a.Code, got, row.status, row.code)
			}
			if a.Code == http.StatusUnauthorized && !strings.Contains(a.Header().Get("WWW-Authenticate"), `resource_metadata="https://id.example/.well-known/oauth-protected-resource/grants"`) {
				t.Errorf("RFC 9728 §5.1: %q", a.Header().Values("WWW-Authenticate"))
			}
		})
	}
	w.logDown = true
	if a := manage(http.MethodDelete, w.viaCode(t, k).GrantID); a.Code != http.StatusServiceUnavailable {
		t.Errorf("the log is down: %d %s", a.Code, a.Body)
	}
	w.logDown = false
	events := len(w.staged)
	if a := manage(http.MethodDelete, given.GrantID); a.Code != http.StatusNoContent || a.Body.Len() != 0 {
		t.Fatalf("§6.5: %d %s", a.Code, a.Body)
	}
	if e := w.staged[len(w.staged)-1]; len(w.staged) != events+1 || e.Type != "grant.ended" || e.Asked.Client != "app" {
		t.Errorf("it is recorded as %v", e)
	}
	if active3(w, given.Access) || errorOf(
		t, w.ask(t, "app", k, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}}),
	) != "invalid_grant" {
		t.Error("§6.5: tokens of a revoked grant are still good")
	}
	if a := manage(http.MethodGet, given.GrantID); a.Code != http.StatusNotFound {
		t.Errorf("§6.6: a grant that has ended: %d", a.Code)
	}
}

// TestResourceMetadata: RFC 9728 §2, §3.1.
func TestResourceMetadata(t *testing.T) {
	w := newWorld(t)
	for path, resource := range map[string]string{
		"/.well-known/oauth-protected-resource/broker/v1": atBroker, "/.well-known/oauth-protected-resource/userinfo": atUserInfo,
		"/.well-known/oauth-protected-resource/grants": "https://id.example/grants",
	} {
		var m struct {
			Resource string   `json:"resource"`
			Servers  []string `json:"authorization_servers"`
			Methods  []string `json:"bearer_methods_supported"`
		}
		if err := json.Unmarshal(w.ResourceMetadata()[path], &m); err != nil || m.Resource != resource || len(m.Servers) != 1 ||
			m.Servers[0] != "https://id.example" || len(m.Methods) != 1 {
			t.Errorf("%s: %+v, %v", path, m, err)
		}
	}
	if got := w.ResourceMetadataURL(); got != "https://id.example/.well-known/oauth-protected-resource/broker/v1" {
		t.Errorf("the broker's is at %s", got)
	}
	if got := w.BrokerSchemes(); len(got) != 1 || !strings.HasPrefix(got[0], "DPoP ") {
		t.Errorf("without client certificates the broker takes tokens as %q", got)
	}
	var server struct {
		Resources []string `json:"protected_resources"`
		Actions   []string `json:"grant_management_actions_supported"`
	}
	if err := json.Unmarshal(w.Metadata(), &server); err != nil || len(server.Resources) != 3 ||
		strings.Join(server.Actions, " ") != "query revoke create replace merge" {
		t.Errorf("RFC 9728 §4: %+v, %v", server, err)
	}
}

// TestUserInfoStepUp: RFC 9470 §3, when the app came to ask for more after the
// person signed in.
func TestUserInfoStepUp(t *testing.T) {
	w := withBackend(t)
	k := newKey(t)
	given := w.viaCode(t, k)
	strict := *w.clients["app"]
	strict.MinimumLevel = 3
	w.clients["app"] = &strict
	w.now = w.now.Add(6 * time.Second) // the directory looks anew
	a := w.resource(t, w.UserInfo, k, http.MethodGet, "/userinfo", given.Access)
	challenge := a.Header().Get("WWW-Authenticate")
	if a.Code != http.StatusUnauthorized || errorOf(t, a) != "insufficient_user_authentication" ||
		!strings.Contains(challenge, `acr_values="urn:vn:gov:eid:auth-level:3"`) ||
		!strings.Contains(challenge, "resource_metadata=") {
		t.Errorf("%d %q %s", a.Code, challenge, a.Body)
	}
}

// TestNoTokenIsNoError: RFC 6750 §3.1: a request that lacks any authentication, or has
// a scheme that is not taken, is told the schemes and where to read on, and no error.
func TestNoTokenIsNoError(t *testing.T) {
	w := withBackend(t)
	for _, resource := range []struct {
		method, path string
		serve        http.HandlerFunc
	}{
		{http.MethodGet, "/userinfo", w.UserInfo},
		{http.MethodPost, "/userinfo", w.UserInfo},
		{http.MethodGet, "/grants/" + authz.NewID(), w.Grant},
	} {
		for _, row := range []struct {
			name, header string
			told         bool
		}{
			{"nothing", "", false},
			{"a scheme that is not taken", "Basic YTpi", false},
			{"a scheme without a token", "DPoP ", true},
			{"what is no token", "Bearer x", true},
		} {
			t.Run(resource.method+" "+resource.path[:5]+" "+row.name, func(t *testing.T) {
				r := httptest.NewRequest(resource.method, resource.path, strings.NewReader(""))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				if row.header != "" {
					r.Header.Set("Authorization", row.header)
				}
				a := httptest.NewRecorder()
				resource.serve(a, r)
				challenges := a.Header().Values("WWW-Authenticate")
				if a.Code != http.StatusUnauthorized || len(challenges) != 2 || !strings.HasPrefix(challenges[0], "DPoP ") ||
					!strings.HasPrefix(challenges[1], "Bearer resource_metadata=") == !row.told {
					t.Fatalf("%d %q", a.Code, challenges)
				}
				for _, text := range append(challenges, a.Body.String()) {
					if strings.Contains(text, "error") != row.told {
						t.Errorf("told an error: %q", text)
					}
				}
			})
		}
	}
}

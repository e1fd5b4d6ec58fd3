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
	"hopnhat/authz/authztest"
)

// TestGrantManagementAPI: Grant Management §6, for tokens with the scopes of Grant Management §6.1.
func TestGrantManagementAPI(t *testing.T) {
	w, manage := authztest.Manager(t)
	k := authztest.NewKey(t)
	given := w.ViaCode(t, k)
	foreign := authztest.NewKey(t)
	for _, row := range []struct {
		name   string
		answer func() *httptest.ResponseRecorder
		status int
		code   string
	}{
		{"§6.6: unknown", func() *httptest.ResponseRecorder { return manage(http.MethodGet, authz.NewID()) }, 404, "invalid_grant_id"},
		{"§6.6: no token", func() *httptest.ResponseRecorder {
			return w.AtResource(t, w.Grant, nil, http.MethodGet, "/grants/"+given.GrantID, "x")
		}, 401, "invalid_token"},
		{"§6.6: a person's token", func() *httptest.ResponseRecorder {
			return w.AtResource(t, w.Grant, k, http.MethodGet, "/grants/"+given.GrantID, given.Access)
		}, 401, "invalid_token"},
		{"§6.6: without the scope", func() *httptest.ResponseRecorder {
			w.Clients["third"].Scopes = append(w.Clients["third"].Scopes, "grant_management_query")
			own := authztest.TokensOf(t, w.AskToken(t, "third", foreign, url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query"}}))
			return w.AtResource(t, w.Grant, foreign, http.MethodDelete, "/grants/"+given.GrantID, own.Access)
		}, 403, "insufficient_scope"},
		{"§6.6: another app's grant is unknown to it", func() *httptest.ResponseRecorder {
			own := authztest.TokensOf(t, w.AskToken(t, "third", foreign, url.Values{"grant_type": {"client_credentials"}, "scope": {"grant_management_query"}}))
			return w.AtResource(t, w.Grant, foreign, http.MethodGet, "/grants/"+given.GrantID, own.Access)
		}, 404, "invalid_grant_id"},
		{"another method", func() *httptest.ResponseRecorder { return manage(http.MethodPut, given.GrantID) }, 405, "invalid_request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := row.answer()
			if got := authztest.ErrorOf(t, a); a.Code != row.status || got != row.code {
				t.Errorf("got %d %s, want %d %s", a.Code, got, row.status, row.code)
			}
			if a.Code == http.StatusUnauthorized && !strings.Contains(a.Header().Get("WWW-Authenticate"), `resource_metadata="https://id.example/.well-known/oauth-protected-resource/grants"`) {
				t.Errorf("RFC 9728 §5.1: %q", a.Header().Values("WWW-Authenticate"))
			}
		})
	}
	w.LogDown = true
	if a := manage(http.MethodDelete, w.ViaCode(t, k).GrantID); a.Code != http.StatusServiceUnavailable {
		t.Errorf("the log is down: %d %s", a.Code, a.Body)
	}
	w.LogDown = false
	events := len(w.Staged)
	if a := manage(http.MethodDelete, given.GrantID); a.Code != http.StatusNoContent || a.Body.Len() != 0 {
		t.Fatalf("§6.5: %d %s", a.Code, a.Body)
	}
	if e := w.Staged[len(w.Staged)-1]; len(w.Staged) != events+1 || e.Type != "grant.ended" || e.Asked.Client != "app" {
		t.Errorf("it is recorded as %v", e)
	}
	if authztest.Active(w, given.Access) || authztest.ErrorOf(
		t, w.AskToken(t, "app", k, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {given.Refresh}}),
	) != "invalid_grant" {
		t.Error("§6.5: tokens of a revoked grant are still good")
	}
	if a := manage(http.MethodGet, given.GrantID); a.Code != http.StatusNotFound {
		t.Errorf("§6.6: a grant that has ended: %d", a.Code)
	}
}

// TestResourceMetadata: RFC 9728 §2, §3.1.
func TestResourceMetadata(t *testing.T) {
	w := authztest.New(t)
	for path, resource := range map[string]string{
		"/.well-known/oauth-protected-resource/broker/v1": authztest.AtBroker, "/.well-known/oauth-protected-resource/userinfo": authztest.AtUserInfo,
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
	w := authztest.WithBackend(t)
	k := authztest.NewKey(t)
	given := w.ViaCode(t, k)
	strict := *w.Clients["app"]
	strict.MinimumLevel = 3
	w.Clients["app"] = &strict
	w.Now = w.Now.Add(6 * time.Second) // the directory looks anew
	a := w.AtResource(t, w.UserInfo, k, http.MethodGet, "/userinfo", given.Access)
	challenge := a.Header().Get("WWW-Authenticate")
	if a.Code != http.StatusUnauthorized || authztest.ErrorOf(t, a) != "insufficient_user_authentication" ||
		!strings.Contains(challenge, `acr_values="urn:vn:gov:eid:auth-level:3"`) ||
		!strings.Contains(challenge, "resource_metadata=") {
		t.Errorf("%d %q %s", a.Code, challenge, a.Body)
	}
}

// TestNoTokenIsNoError: RFC 6750 §3.1: a request that lacks any authentication, or has
// a scheme that is not taken, is told the schemes and where to read on, and no error.
func TestNoTokenIsNoError(t *testing.T) {
	w := authztest.WithBackend(t)
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

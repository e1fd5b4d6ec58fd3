package provider_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"slices"
	"testing"

	"hopnhat/authz/authztest"
	"hopnhat/authz/claims"
	"hopnhat/authz/provider"
)

// TestDatabaseDown: "could not look" is never told as "is not there", and nothing
// is claimed that was not done.
func TestDatabaseDown(t *testing.T) {
	w := authztest.New(t)
	q, _, err := w.Open(t, authztest.Authorization())
	if err != nil {
		t.Fatal(err)
	}
	tokens := w.RedeemAsApp(q.Get("code"))
	var body struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	if err := json.Unmarshal(tokens.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	w.Memory.Down = true
	userinfo := func(out http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+body.Access)
		r.Header.Set("Content-Type", "text/plain")
		w.UserInfo(out, r)
	}
	for name, answer := range map[string]*httptest.ResponseRecorder{
		"PAR": w.Post(w.PAR, authztest.Authorization()), "code": w.RedeemAsApp("x"), "refresh": w.Post(w.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {body.Refresh}}),
		"introspection": w.Post(w.Introspect, url.Values{"token": {body.Access}}), "revocation": w.Post(w.Revoke, url.Values{"token": {body.Refresh}}),
		"UserInfo": w.Post(userinfo, nil),
	} {
		if got := authztest.ErrorOf(t, answer); answer.Code != http.StatusServiceUnavailable || got != "temporarily_unavailable" ||
			answer.Header().Get("Retry-After") == "" {
			t.Errorf("%s answered %d %s", name, answer.Code, got)
		}
	}
	w.Memory.Down = false
	if got := w.Post(w.Token, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {body.Refresh}}); got.Code != http.StatusOK {
		t.Errorf("nothing should have been lost: %d %s", got.Code, got.Body)
	}
}

func TestCheckIssuer(t *testing.T) {
	for issuer, good := range map[string]bool{
		"https://id.example": true, "https://id.example:8443": true, "http://localhost:8440": true, "http://127.0.0.1": true, "http://[::1]:1": true,
		"http://id.example": false, "https://id.example/": false, "https://id.example/tenant": false, "http://localhost:8440/a": false, "https://id.example?x": false, "https://u@id.example": false, "": false, "ftp://x": false, "http://localhost.evil.example": false,
	} {
		if err := provider.CheckIssuer(issuer); (err == nil) != good {
			t.Errorf("%q: %v", issuer, err)
		}
	}
}

// TestScopesSupported: RFC 8414 §2, no scope that the metadata name is called
// unknown where one is asked for; and the answer says which were granted.
func TestScopesSupported(t *testing.T) {
	w := authztest.New(t)
	var metadata struct {
		Scopes []string `json:"scopes_supported"`
	}
	if err := json.Unmarshal(w.Metadata(), &metadata); err != nil || !slices.Contains(metadata.Scopes, "grant_management_query") {
		t.Fatalf("%v, %v", metadata.Scopes, err)
	}
	w.App.Scopes = metadata.Scopes
	for _, scope := range metadata.Scopes {
		if slices.Contains(claims.Scopes(), scope) {
			continue // this app declares nothing about persons
		}
		if a := w.Post(w.PAR, authztest.Authorization("scope", "openid "+scope)); a.Code != http.StatusCreated {
			t.Errorf("%s: %d %s", scope, a.Code, a.Body)
		}
	}
	q, _, err := w.Open(t, authztest.Authorization("scope", "openid grant_management_query"))
	if err != nil {
		t.Fatal(err)
	}
	var tokens struct{ Scope string }
	if a := w.RedeemAsApp(q.Get("code")); json.Unmarshal(a.Body.Bytes(), &tokens) != nil || tokens.Scope != "openid" {
		t.Errorf("RFC 6749 §5.1: %s", a.Body)
	}
}

// TestMetadataSaysWhatIsOffered: members of the metadata by the clause that defines them.
func TestMetadataSaysWhatIsOffered(t *testing.T) {
	metadata := map[string]any{}
	if err := json.Unmarshal(authztest.New(t).Metadata(), &metadata); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, member string
		want         any
	}{
		{"Grant Management §7.1: the API", "grant_management_endpoint", "https://id.example/grants"},
		{"Grant Management §7.1: what it offers", "grant_management_actions_supported", []any{"query", "revoke", "create", "replace", "merge"}},
		{"Grant Management §7.1: no request needs it", "grant_management_action_required", false},
		{"RFC 9701 §7: how introspection is signed", "introspection_signing_alg_values_supported", []any{"ES256"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := metadata[row.member]; !reflect.DeepEqual(got, row.want) {
				t.Errorf("%s is %v, want %v", row.member, got, row.want)
			}
		})
	}
}

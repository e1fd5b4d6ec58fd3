package scenario

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"hopnhat/conformance/scenario/clients"
)

// registrar is an app that registers itself.
type registrar struct {
	t     *testing.T
	token string
	body  map[string]any
}

// ask sends a request to a registration URL; its answer becomes the body.
func (r *registrar) ask(method, address string, metadata map[string]any, want int) {
	r.t.Helper()
	var payload bytes.Buffer
	if metadata != nil {
		if err := json.NewEncoder(&payload).Encode(metadata); err != nil {
			r.t.Fatal(err)
		}
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, address, &payload)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+r.token)
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	r.body = nil
	if answer.StatusCode != http.StatusNoContent {
		if err := json.NewDecoder(answer.Body).Decode(&r.body); err != nil {
			r.t.Fatal(err)
		}
	}
	if answer.StatusCode != want {
		r.t.Fatalf("%s %s: %d %v, want %d", method, address, answer.StatusCode, r.body, want)
	}
	if token := r.text("registration_access_token"); token != "" {
		r.token = token
	}
}

func (r *registrar) text(name string) string { s, _ := r.body[name].(string); return s }

// TestRegistration: an officer lets an app register itself; it logs a citizen in,
// changes itself, logs her in again, and is gone with its tokens when it deletes
// itself (RFC 7591, RFC 7592).
func TestRegistration(t *testing.T) {
	demo := StartDemo(t)
	printed := demo.Tool([]string{"client", "iat", "create"}, "--profile", "oidc", "--owner", "Sở Mẫu", "--owner-en", "Sample Department")
	found := regexp.MustCompile(`initial_access_token: (\S+)`).FindStringSubmatch(printed)
	if found == nil {
		t.Fatalf("no initial access token in %q", printed)
	}
	var metadata struct {
		Registration string `json:"registration_endpoint"`
	}
	discovery, err := http.Get(demo.Base + "/.well-known/openid-configuration")
	if err != nil {
		t.Fatal(err)
	}
	defer discovery.Body.Close()
	if err := json.NewDecoder(discovery.Body).Decode(&metadata); err != nil || metadata.Registration == "" {
		t.Fatalf("registration_endpoint %q, %v", metadata.Registration, err)
	}
	app := map[string]any{"client_name": "Sổ tự đăng ký", "redirect_uris": []string{"http://localhost:9/first"}, "scope": "openid offline_access"}
	r := &registrar{t: t, token: found[1]}
	r.ask("POST", metadata.Registration, app, http.StatusCreated)
	id, secret, address := r.text("client_id"), r.text("client_secret"), r.text("registration_client_uri")

	browser, err := clients.Browser()
	if err != nil {
		t.Fatal(err)
	}
	login := func(redirect string) (*clients.Login, error) {
		return clients.LegacyApp{
			Issuer: demo.Base, ClientID: id, ClientSecret: secret, RedirectURI: redirect, Scopes: []string{"offline_access"},
		}.Login(t.Context(), browser, demo.Person(citizenB))
	}
	first, err := login("http://localhost:9/first")
	if err != nil {
		t.Fatal(err)
	}
	if first.Tokens.RefreshToken == "" {
		t.Error("no refresh token")
	}

	app["client_id"], app["redirect_uris"] = id, []string{"http://localhost:9/second"}
	r.ask("PUT", address, app, http.StatusOK)
	if _, err := login("http://localhost:9/first"); err == nil {
		t.Error("a redirect URI that was taken out still works")
	}
	second, err := login("http://localhost:9/second")
	if err != nil {
		t.Fatal(err)
	}
	if first.IDToken.Subject != second.IDToken.Subject {
		t.Error("the same host knows the person by another pseudonym after an update")
	}

	review := demo.Tool([]string{"client", "check"}, id)
	for _, want := range []string{"Sở Mẫu", "client-secret", "bearer-tokens", "profile-oidc"} {
		if !strings.Contains(review, want) {
			t.Errorf("client check does not say %q:\n%s", want, review)
		}
	}

	list := func() (int, string) {
		answer, err := browser.Get(demo.Base + "/console/apps")
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(body)
	}
	if status, body := list(); status != http.StatusForbidden || strings.Contains(body, id) {
		t.Errorf("the list of apps to who is no operator: %d", status)
	}
	demo.Tool([]string{"account", "role", "grant"}, citizenB.Number, "operator")
	if status, body := list(); status != http.StatusOK || !strings.Contains(body, id) || !strings.Contains(body, "Sổ tự đăng ký") {
		t.Errorf("the list of apps to an operator: %d", status)
	}

	r.ask("DELETE", address, nil, http.StatusNoContent)
	r.ask("GET", address, nil, http.StatusUnauthorized)
	if _, err := login("http://localhost:9/second"); err == nil {
		t.Error("a deleted app logs people in")
	}
	refresh, err := http.PostForm(demo.Base+"/token", url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {second.Tokens.RefreshToken}, "client_id": {id}, "client_secret": {secret},
	})
	if err != nil {
		t.Fatal(err)
	}
	refresh.Body.Close()
	if refresh.StatusCode != http.StatusUnauthorized {
		t.Errorf("refresh after the end: %d", refresh.StatusCode)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, demo.Base+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+second.Tokens.AccessToken)
	info, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	info.Body.Close()
	if info.StatusCode != http.StatusUnauthorized {
		t.Errorf("UserInfo after the end: %d", info.StatusCode)
	}
}

package scenario_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// registerLegacy registers an app of profile oidc with more members, and returns
// its secret.
func registerLegacy(t *testing.T, n *nation, id, redirect, members string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.yaml")
	text := fmt.Sprintf(`
- client_id: %s
  client_name: Ứng dụng %s
  owner: {vi: Sở Mẫu, en: Sample Department}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  id_token_signed_response_alg: ES256
  redirect_uris: ["%s"]
  minimum_level: 2
%s
`, id, id, redirect, members)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	secret := regexp.MustCompile(`client_secret: (\S+)`).FindStringSubmatch(n.run(t, "client", "add", file))
	if secret == nil {
		t.Fatal("no secret was printed")
	}
	return secret[1]
}

// visit opens a page in a browser, following redirects of the app, until there is
// none or one leads to another host and port.
func visit(t *testing.T, b *http.Client, address string) (status int, text string, away *url.URL) {
	t.Helper()
	for range 10 {
		r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", "text/html")
		response, err := b.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		next, err := response.Location()
		if err != nil {
			return response.StatusCode, string(raw), nil
		}
		if next.Host != r.URL.Host {
			return response.StatusCode, string(raw), next
		}
		address = next.String()
	}
	t.Fatalf("more than 10 redirects, the last to %s", address)
	return 0, "", nil
}

// TestZitadel: the relying party of zitadel/oidc signs a person in with PKCE that it
// found in the metadata, knows her by UserInfo, and by the device grant as the same.
func TestZitadel(t *testing.T) {
	n := begin(t, usual())
	server := httptest.NewUnstartedServer(nil)
	home := fmt.Sprintf("http://%s", server.Listener.Addr())
	app := clients.LegacyApp{Issuer: n.base, ClientID: "app-zitadel", RedirectURI: home + "/callback"}
	app.ClientSecret = registerLegacy(t, n, app.ClientID, app.RedirectURI,
		"  grant_types: [authorization_code, "+deviceGrant+"]\n  post_logout_redirect_uris: [\""+home+"/signed-out\"]")
	handler, err := app.ZitadelHandler(ctx(t))
	if err != nil {
		t.Fatal(err)
	}
	server.Config.Handler = handler
	server.Start()
	t.Cleanup(server.Close)

	who, b := n.someone(t), browser(t)
	callback, err := clients.SignIn(ctx(t), b, home+"/login", app.RedirectURI, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	status, text, _ := visit(t, b, callback.String())
	var welcome clients.Welcome
	if err := json.Unmarshal([]byte(text), &welcome); err != nil || status != http.StatusOK {
		t.Fatalf("the app answered %d: %s", status, text)
	}
	sub := welcome.Claims["sub"]
	if sub == nil || sub != welcome.UserInfo["sub"] || welcome.Claims["acr"] == nil || strings.Contains(text, who.Number) {
		t.Errorf("the app knows %s", text)
	}

	claims, err := app.ZitadelDevice(ctx(t), func(userCode, uri string) error {
		known := who.atTheBrowser()
		known.OTP, known.UserCode, known.Symbol = nil, userCode, userCode[5:]
		if result := n.answerAt(t, b, uri, known); result != "approved" {
			return fmt.Errorf("it ended %q", result)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if claims.Subject != sub {
		t.Errorf("the device knows her as %q, the browser's app as %q", claims.Subject, sub)
	}

	out := n.base + "/logout?" + url.Values{
		"id_token_hint": {welcome.IDToken}, "post_logout_redirect_uri": {home + "/signed-out"}, "state": {"s"},
	}.Encode()
	if _, text, away := visit(t, b, out); away == nil || away.String() != home+"/signed-out?state=s" {
		t.Errorf("signing out led to %v: %s", away, text)
	}
}

// TestApache: mod_auth_openidc, as Debian ships it, guards an app that reads claims
// in headers; the provider ends its session in the back channel, and it signs the
// person out at the provider.
func TestApache(t *testing.T) {
	n := begin(t, usual())
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]string{
			"path": r.URL.Path, "sub": r.Header.Get("OIDC_CLAIM_sub"), "acr": r.Header.Get("OIDC_CLAIM_acr"), "iss": r.Header.Get("OIDC_CLAIM_iss"),
			"name": r.Header.Get("OIDC_CLAIM_name"),
		})
	}))
	t.Cleanup(behind.Close)
	port := harness.Port(t, 1)
	home := fmt.Sprintf("http://localhost:%d", port)
	apache := clients.Apache{
		Issuer: n.base, ClientID: "app-apache", Port: port, App: behind.URL,
		Config: filepath.Join(harness.Root(t), "conformance", "clients", "apache", "httpd.conf"),
	}
	apache.ClientSecret = registerLegacy(t, n, apache.ClientID, home+"/callback", fmt.Sprintf(`  scope: openid profile
  backchannel_logout_uri: %s/callback?logout=backchannel
  post_logout_redirect_uris: ["%s/signed-out"]
  declarations:
    - {purpose: dvc.prefill, legal_basis: LB-STATE, registry: population, attributes: [population.full_name], explanation: {vi: Thử, en: Test}, max_days: 30}`, home, home))
	apache.Start(t)

	who, b := n.someone(t), browser(t)
	enter := func(person clients.Person) (text string) {
		t.Helper()
		callback, err := clients.SignIn(ctx(t), b, home+"/hồ-sơ", home+"/callback", person)
		if err != nil {
			t.Fatal(err)
		}
		status, text, away := visit(t, b, callback.String())
		if status != http.StatusOK || away != nil {
			t.Fatalf("after the sign-in: %d, %v, %s", status, away, text)
		}
		return text
	}
	var seen struct{ Path, Sub, ACR, Iss, Name string }
	if err := json.Unmarshal([]byte(enter(who.atTheBrowser())), &seen); err != nil {
		t.Fatal(err)
	}
	if seen.Path != "/hồ-sơ" || seen.Sub == "" || seen.ACR == "" || seen.Iss != n.base || seen.Name == "" {
		t.Errorf("the app behind Apache sees %+v", seen)
	}

	// The person ends all her sessions at the portal: the logout token ends Apache's.
	form := url.Values{}
	for _, field := range hiddenField.FindAllStringSubmatch(pageText(t, b, http.MethodGet, n.base+"/portal/sessions", nil), -1) {
		form.Set(field[1], field[2])
	}
	pageText(t, b, http.MethodPost, n.base+"/portal/sessions/end-all", form)
	again, over := time.NewTicker(100*time.Millisecond), ctx(t)
	defer again.Stop()
	for {
		if _, _, away := visit(t, b, home+"/"); away != nil && strings.HasPrefix(away.String(), n.base+"/authorize") {
			break
		}
		select {
		case <-again.C:
		case <-over.Done():
			t.Fatal("Apache still holds a session that ended at the provider")
		}
	}

	// And the other way: the app signs her out at the provider.
	enter(who.atTheBrowser())
	_, _, away := visit(t, b, home+"/callback?logout="+url.QueryEscape(home+"/signed-out"))
	if away == nil || !strings.HasPrefix(away.String(), n.base+"/logout?") {
		t.Fatalf("the app's logout leads to %v", away)
	}
	if _, text, back := visit(t, b, away.String()); back == nil || back.String() != home+"/signed-out" {
		t.Fatalf("the provider's logout leads to %v: %s", back, text)
	}
	if status, _, away := visit(t, b, home+"/signed-out"); status != http.StatusOK || away != nil {
		t.Errorf("the page for the signed-out answered %d, %v", status, away)
	}
	if _, _, away := visit(t, b, n.base+"/portal"); away == nil {
		if status, text, _ := visit(t, b, n.base+"/portal"); !strings.Contains(text, `name="password"`) {
			t.Errorf("the provider's session is alive: %d", status)
		}
	}
}

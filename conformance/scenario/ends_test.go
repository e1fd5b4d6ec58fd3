package scenario

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// openerPage is an app's page that signs in in a window of its own.
const openerPage = `<!doctype html><html lang="en"><title>app</title><link rel="icon" href="data:,"><button>sign in</button><p id="heard"></p>
<script>
document.querySelector("button").addEventListener("click", function () { window.open(decodeURIComponent(location.hash.slice(1)), "signin", "width=500,height=700"); });
addEventListener("message", function (e) { if (e.origin === location.origin) { document.getElementById("heard").textContent = e.data; } });
</script></html>`

// closingPage is what such a window comes back to.
const closingPage = `<!doctype html><html lang="en"><title>app</title><link rel="icon" href="data:,">
<script>if (window.opener) { window.opener.postMessage(location.search, location.origin); window.close(); }</script></html>`

// TestSignInsEndAtApps: Chromium comes to where an app's redirect URI sends it on,
// from every page of ours that ends at an app, and a window that an app opened can
// tell it the end.
func TestSignInsEndAtApps(t *testing.T) {
	t.Parallel()
	demo := StartDemo(t)
	var other, secure string
	mux := http.NewServeMux()
	mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		switch r.FormValue("to") {
		case "other":
			http.Redirect(w, r, other+"/landed", http.StatusSeeOther)
		case "secure":
			http.Redirect(w, r, secure+"/landed", http.StatusSeeOther)
		case "scheme":
			w.Header().Set("Location", "vn.example.app:/landed")
			w.WriteHeader(http.StatusSeeOther)
		default:
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, closingPage)
		}
	})
	mux.HandleFunc("/opener", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, openerPage)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>app</title><link rel="icon" href="data:,"></html>`)
	})
	plain, tls := httptest.NewServer(mux), httptest.NewUnstartedServer(mux)
	tls.Config.ErrorLog = log.New(io.Discard, "", 0) // a browser first finds its certificate strange
	tls.StartTLS()
	t.Cleanup(plain.Close)
	t.Cleanup(tls.Close)
	other, secure = plain.URL, tls.URL
	app := fmt.Sprintf("http://localhost:%s", plain.URL[len("http://127.0.0.1:"):])
	port := harness.Port(t, 1)
	file := filepath.Join(t.TempDir(), "apps.yaml")
	text := fmt.Sprintf(`
- client_id: sends-on
  client_name: "Cổng dịch vụ công"
  client_name#en: "Public service portal"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  code_without_pkce: true
  redirect_uris: ["%[1]s/callback?to=other", "%[1]s/callback?to=secure", "%[1]s/callback?to=scheme", "%[1]s/callback?to=opener"]
  post_logout_redirect_uris: ["%[1]s/callback?to=secure"]
  scope: openid
- client_id: behind-proxy
  client_name: "Hồ sơ nội bộ"
  client_name#en: "Internal files"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  redirect_uris: ["http://localhost:%[2]d/oauth2/callback"]
  scope: openid
`, app, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := demo.Tool([]string{"client", "add"}, file)
	secret := regexp.MustCompile(`(?s)behind-proxy registered.*client_secret: (\S+)`).FindStringSubmatch(printed)
	if secret == nil {
		t.Fatalf("no secret in %q", printed)
	}
	clients.OAuth2Proxy{
		Issuer: demo.Base, ClientID: "behind-proxy", ClientSecret: secret[1], Port: port, Elsewhere: other[len("http://"):],
		Folder: filepath.Join(harness.Root(t), "conformance", "clients", "oauth2proxy"),
	}.Start(t)
	demo.node("ends.mjs", map[string]string{
		"ISSUER": demo.Base, "APP": app, "OTHER": other, "SECURE": secure, "CLIENT": "sends-on",
		"PROXY": fmt.Sprintf("http://localhost:%d/oauth2/start?rd=%s", port, url.QueryEscape(other+"/landed")),
		"FIRST": demo.personJSON(citizenA), "SECOND": demo.personJSON(citizenB), "THIRD": demo.personJSON(auditor),
	})
}

// TestSignInsAreForgiving: two tabs at once, a double tap, the back button and
// reloading in Chromium, none of which is an error.
func TestSignInsAreForgiving(t *testing.T) {
	t.Parallel()
	demo := StartDemo(t)
	app := patient(t, demo)
	demo.node("signin.mjs", map[string]string{
		"ISSUER": demo.Base, "APP": app, "CLIENT": "patient",
		"FIRST": demo.personJSON(citizenA), "SECOND": demo.personJSON(citizenB), "THIRD": demo.personJSON(auditor),
	})
}

// patient adds an app that waits for nothing of its own, and answers with its address.
func patient(t *testing.T, demo *Demo) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>app</title><link rel="icon" href="data:,"><h1>app</h1></html>`)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "app.yaml")
	text := fmt.Sprintf(`
- client_id: patient
  client_name: "Cổng dịch vụ công"
  client_name#en: "Public service portal"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  code_without_pkce: true
  redirect_uris: ["%s/callback"]
  scope: openid
`, server.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	demo.Tool([]string{"client", "add"}, file)
	return server.URL
}

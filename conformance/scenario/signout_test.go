package scenario

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"hopnhat/conformance/harness"
)

// watchPage is an app's page that asks the provider's frame about the state in its
// own address.
const watchPage = `<!doctype html><html lang="en"><title>app</title><p id="answer"></p><iframe id="op" src="%s/check-session" title="op"></iframe>
<script>
addEventListener("message", function (e) { if (e.origin === %q) { document.getElementById("answer").textContent = e.data; } });
document.getElementById("op").addEventListener("load", function () { this.contentWindow.postMessage(decodeURIComponent(location.hash.slice(1)), %q); });
</script></html>`

// TestSigningOutInABrowser is front-channel logout and session management in
// Chromium, at an app of another origin.
func TestSigningOutInABrowser(t *testing.T) {
	t.Parallel()
	demo := StartDemo(t)
	var heard atomic.Int32
	mux := http.NewServeMux()
	mux.HandleFunc("/bye", func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("iss") == demo.Base && q.Get("sid") != "" && q.Get("x") == "y" {
			heard.Add(1)
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>bye</title></html>`)
	})
	mux.HandleFunc("/heard", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, heard.Load()) })
	mux.HandleFunc("/watch", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, watchPage, demo.Base, demo.Base, demo.Base)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, `<!doctype html><html lang="en"><title>app</title><link rel="icon" href="data:,"></html>`)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	app := fmt.Sprintf("http://localhost:%s", server.URL[len("http://127.0.0.1:"):])
	file := filepath.Join(t.TempDir(), "watcher.yaml")
	text := fmt.Sprintf(`
- client_id: watcher
  client_name: "Cổng tra cứu hồ sơ"
  client_name#en: "Case tracking portal"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  code_without_pkce: true
  redirect_uris: ["%s/callback"]
  post_logout_redirect_uris: ["%s/signed-out"]
  frontchannel_logout_uri: "%s/bye?x=y"
  frontchannel_logout_session_required: true
  session_management: true
  backchannel_logout_uri: "http://localhost:1/nobody-is-here"
  scope: openid
`, app, app, app)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	demo.Tool([]string{"client", "add"}, file)
	demo.Tool([]string{"account", "role", "grant"}, auditor.Number, "operator")
	demo.node("logout.mjs", map[string]string{
		"ISSUER": demo.Base, "APP": app, "CLIENT": "watcher", "ARTIFACTS": harness.Artifacts(t),
		"FIRST": demo.personJSON(citizenA), "SECOND": demo.personJSON(citizenB), "OPERATOR": demo.personJSON(auditor),
	})
}

package scenario

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"hopnhat/conformance/harness"
)

// TestPasskeys: two people add passkeys in Chromium and sign in with them at an app, without a
// number and in the place of the code; one of another person and one that was removed are
// refused. Each page stands in both languages, for a telephone and a desktop.
func TestPasskeys(t *testing.T) {
	demo := StartDemo(t)
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
	demo.node("passkeys.mjs", map[string]string{
		"ISSUER": demo.Base, "APP": server.URL, "CLIENT": "patient",
		"FIRST": demo.personJSON(citizenA), "SECOND": demo.personJSON(citizenB), "ARTIFACTS": harness.Artifacts(t),
	})
}

package scenario_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/conformance/sampleapp"
	"hopnhat/conformance/scenario/clients"
)

// TestSampleApp signs people in to the app that agencies copy, as plain fapi2 and as
// fapi2-message-signing: what it refuses is shown elsewhere, by a provider that
// misbehaves.
func TestSampleApp(t *testing.T) {
	n := begin(t, usual())
	for _, signed := range []bool{false, true} {
		t.Run(map[bool]string{false: "fapi2", true: "fapi2-message-signing"}[signed], func(t *testing.T) {
			home := sample(t, n, signed)
			b := browser(t)
			started := opens(t, b, http.MethodPost, home+"/login?lang=en")
			callback, err := clients.SignIn(ctx(t), b, started.Header.Get("Location"), home+"/callback", n.someone(t).atTheBrowser())
			if err != nil {
				t.Fatal(err)
			}
			opens(t, b, http.MethodGet, callback.String())
			for _, step := range []string{"signed in", "after a refresh"} {
				page := opens(t, b, http.MethodGet, home+"/")
				raw, err := io.ReadAll(page.Body)
				if err != nil {
					t.Fatal(err)
				}
				text := string(raw)
				if !strings.Contains(text, `data-test="subject"`) || !strings.Contains(text, `data-test="released"`) ||
					strings.Contains(text, "unreachable") {
					t.Fatalf("%s: the page is\n%s", step, text)
				}
				opens(t, b, http.MethodPost, home+"/read")
			}
		})
	}
}

// sample registers and starts the app.
func sample(t *testing.T, n *nation, signed bool) (home string) {
	t.Helper()
	private, public, err := sampleapp.KeyFile(filepath.Join(t.TempDir(), "app.jwk"))
	if err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	home = "http://" + socket.Addr().String()
	id, profile, more := "sample-plain", "fapi2", ""
	if signed {
		id, profile, more = "sample-signed", "fapi2-message-signing", "userinfo_signed_response_alg: ES256"
	}
	file := filepath.Join(t.TempDir(), "sample.yaml")
	text := fmt.Sprintf(`
- client_id: %s
  client_name: "Ứng dụng mẫu %s"
  client_name#en: "Sample app %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: %s
  jwks: %s
  redirect_uris: ["%s/callback"]
  grant_types: [authorization_code, refresh_token]
  scope: openid profile
  declarations:%s
  %s
`, id, id, id, profile, public, home, strings.ReplaceAll(strings.TrimSuffix(wanted, "\n"), "\n", "\n    "), more)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	n.run(t, "client", "add", file)
	app := sampleapp.New(sampleapp.Config{
		Issuer: n.base, ClientID: id, Key: private, Home: home, Profile: true, Signed: signed,
		Details: []sampleapp.Detail{{
			Type: "vn_data_release", Registry: "population", Attributes: []string{"population.full_name"}, Purpose: "dvc.prefill", Basis: "LB-CONSENT",
		}},
	})
	server := &httptest.Server{Listener: socket, Config: &http.Server{Handler: app.Handler(), ReadHeaderTimeout: time.Minute}}
	server.Start()
	t.Cleanup(server.Close)
	return home
}

// opens makes a request as the browser; a redirect is not followed.
func opens(t *testing.T, b *http.Client, method, address string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { answer.Body.Close() })
	return answer
}

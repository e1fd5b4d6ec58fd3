package trust_test

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/cmd/command"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/command/trust"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/fetch"
	"hopnhat/federation/mark"
)

// TestExplainFetch: the statements of an entity are fetched over HTTPS up to the anchor, its
// marks are judged, and what was kept says the same without any network.
func TestExplainFetch(t *testing.T) {
	type claims = federationtest.Claims
	pages := map[string]string{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page, ok := pages[r.URL.RequestURI()]
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", fetch.MediaType)
		w.Write([]byte(page))
	}))
	defer server.Close()
	id := func(path string) federation.EntityID { return federation.EntityID(server.URL + path) }
	anchor, app := federationtest.New(t, id("/neo")), federationtest.New(t, id("/app"))
	const kind = "https://neo.example.vn/marks/public"
	marked := func(by *federationtest.Entity) string {
		payload := claims{"iss": by.ID, "sub": app.ID, "trust_mark_type": kind, "iat": federationtest.Now.Unix()}
		return by.Sign(t, claims{"typ": mark.Type}, payload)
	}
	good, stray := marked(anchor), marked(app)
	pages["/app"+fetch.WellKnown] = app.Configuration(t, claims{
		"authority_hints": []federation.EntityID{anchor.ID, id("/gone")}, "metadata": claims{"openid_relying_party": claims{"client_name": "Đất đai"}},
		"trust_marks": []claims{{"trust_mark_type": kind, "trust_mark": good}, {"trust_mark_type": kind, "trust_mark": stray}},
	})
	pages["/neo"+fetch.WellKnown] = anchor.Configuration(t, claims{
		"metadata":           claims{"federation_entity": claims{"federation_fetch_endpoint": server.URL + "/fetch"}},
		"trust_mark_issuers": claims{kind: []federation.EntityID{anchor.ID}},
	})
	pages["/fetch?sub="+strings.NewReplacer(":", "%3A", "/", "%2F").Replace(string(app.ID))] = anchor.About(t, app, nil)
	dir := t.TempDir()
	file := func(name string, raw []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keys := string(anchor.ID) + "=" + file("neo.jwks", anchor.JWKS(t))
	ca := file("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	saved := filepath.Join(dir, "saved.json")
	at := federationtest.Now.Format(time.RFC3339)
	run := func(words ...string) (int, string) {
		var out, errs bytes.Buffer
		code := command.Run(t.Context(), &tool.Env{Out: &out, Err: &errs}, append([]string{"federation", "explain", "--anchor", keys, "--at", at}, words...))
		return code, out.String() + errs.String()
	}
	for _, row := range []struct {
		name  string
		words []string
		code  int
		says  []string
	}{
		{"trusted, with one mark of two", []string{"--fetch", string(app.ID), "--network", "127.0.0.0/8", "--ca", ca, "--save", saved}, 0, []string{
			"GET " + string(anchor.ID) + " about " + string(app.ID), "gone about itself: it could not be fetched", "ĐƯỢC TIN CẬY / TRUSTED",
			"DẤU TIN CẬY / TRUST MARK: " + kind, "MARK THAT DOES NOT COUNT: " + kind + " of " + string(app.ID) + ": the trust mark does not count: OpenID Federation 1.0 §3.1.2",
		}},
		{"what was kept says the same", []string{"--subject", string(app.ID), saved}, 0, []string{"ĐƯỢC TIN CẬY / TRUSTED"}},
		{"no network named: this machine is not reached", []string{"--fetch", string(app.ID), "--ca", ca}, 1, []string{"no path leads", "the address is not public"}},
		{"an entity without a configuration", []string{"--fetch", string(id("/gone")), "--network", "127.0.0.0/8", "--ca", ca}, 1, []string{"no path leads", "status 404"}},
		{"an entity that leads to another anchor", []string{"--anchor", "https://other.example.vn=" + file("o.jwks", app.JWKS(t)), "--fetch", string(anchor.ID) + "x", "--network", "127.0.0.0/8", "--ca", ca}, 1, []string{"no path leads"}},
		{"a network that is none", []string{"--fetch", string(app.ID), "--network", "here"}, 1, []string{"--network"}},
		{"certificates that are none", []string{"--fetch", string(app.ID), "--ca", file("x.pem", nil)}, 1, []string{"has no certificate"}},
		{"an entity that is none", []string{"--fetch", "app"}, 1, []string{"--fetch: not an entity identifier"}},
		{"a file beside it", []string{"--fetch", string(app.ID), saved}, 1, []string{"takes no FILE"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, said := run(row.words...)
			if code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			for _, want := range row.says {
				if !strings.Contains(said, want) {
					t.Errorf("does not say %q:\n%s", want, said)
				}
			}
		})
	}
	t.Run("for programs", func(t *testing.T) {
		code, said := run("--json", "--fetch", string(app.ID), "--network", "127.0.0.0/8", "--ca", ca)
		var got trust.Explained
		if err := json.Unmarshal([]byte(said), &got); code != 0 || err != nil || !got.Trusted || len(got.Requests) != 4 ||
			len(got.Marks) != 2 || !got.Marks[0].Counts || got.Marks[1].Counts {
			t.Errorf("exit code %d, %v: %+v", code, err, got)
		}
	})
}

package scenario_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/catalogue"
)

// pages say how the forms of our pages are filled in.
var pages = []suite.Step{
	{Name: "sign in", Field: "password", Login: true, Fill: map[string]string{"number": "{number}", "password": "{password}"}, Decline: "cancel=1"},
	{Name: "one-time code", Field: "code", Login: true, Fill: map[string]string{"code": "{code}"}, Decline: "cancel=1"},
	{Name: "consent", Button: "decision=agree", Tick: []string{"item"}, Submit: "decision=agree", Decline: "decision=decline"},
	{Name: "sign out", Button: "decision=signout", Submit: "decision=signout", Decline: "decision=stay"},
}

// suiteConfig is how the suite finds the nation and its people.
func suiteConfig(t *testing.T, n *nation) suite.Config {
	t.Helper()
	server := n.secure.Authority.Server()
	c := suite.Config{
		Issuer: n.base, CA: n.secure.Authority.File, Steps: pages,
		Listen: suite.Listen{Address: fmt.Sprintf("127.0.0.1:%d", harness.Port(t, 1)), Certificate: server.CertFile, Key: server.KeyFile},
	}
	c.Listen.URL = "https://localhost" + c.Listen.Address[strings.LastIndex(c.Listen.Address, ":"):]
	for _, p := range n.people {
		c.People = append(c.People, map[string]string{"number": p.Number, "password": p.Password, "totp": p.SeedHex})
	}
	return c
}

// suiteClients registers the static clients of the plans of OpenID Connect.
func suiteClients(t *testing.T, n *nation, c *suite.Config) {
	t.Helper()
	redirect := c.Listen.URL + "/callback"
	app := func(id, method string) string {
		return fmt.Sprintf(`
- client_id: %s
  client_name: "Bộ kiểm thử %s"
  client_name#en: "Conformance %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: %s
  redirect_uris: ["%s"]
  post_logout_redirect_uris: ["%s/post_logout_redirect"]
  scope: openid
  id_token_signed_response_alg: RS256
`, id, id, id, method, redirect, c.Listen.URL)
	}
	file := filepath.Join(t.TempDir(), "suite.yaml")
	text := app("suite-1", "client_secret_basic") + app("suite-2", "client_secret_basic") + app("suite-3", "client_secret_post")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := n.run(t, "client", "add", file)
	for id, into := range map[string]**suite.StaticClient{"suite-1": &c.Client, "suite-2": &c.Client2, "suite-3": &c.ClientPost} {
		found := regexp.MustCompile(`(?s)` + id + ` registered.*?client_secret: (\S+)`).FindStringSubmatch(printed)
		if found == nil {
			t.Fatalf("no secret of %s in %q", id, printed)
		}
		*into = &suite.StaticClient{
			ID: id, Secret: found[1], RedirectURIs: []string{redirect},
			Metadata: map[string]any{"id_token_signed_response_alg": "RS256", "post_logout_redirect_uris": []any{c.Listen.URL + "/post_logout_redirect"}},
		}
	}
	(*c).ClientPost.Metadata["token_endpoint_auth_method"] = "client_secret_post"
}

// runSuite runs plans and holds the outcomes against what was reviewed: plan/module →
// the reason why it is no pass. What is not listed must pass, what is listed must not.
func runSuite(t *testing.T, c suite.Config, reviewed map[string]string, plans ...string) {
	t.Helper()
	s, err := suite.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var chosen []suite.Plan
	for _, name := range plans {
		p, ok := catalogue.Named(name)
		if !ok {
			t.Fatalf("there is no plan %q", name)
		}
		chosen = append(chosen, p)
	}
	outcomes := s.Run(t.Context(), suite.Options{Parallel: 6}, chosen...)
	keepReport(t, c.Issuer, outcomes)
	left := map[string]bool{}
	for key := range reviewed {
		left[key] = true
	}
	for _, o := range outcomes {
		key := o.Plan + "/" + o.Module.Name
		switch {
		case o.Result == suite.Fail:
			t.Errorf("fail: %s (%s): %s", key, o.Variant, o.Reason())
		case o.Result != suite.Pass && reviewed[key] == "":
			t.Errorf("%s that nobody has reviewed: %s (%s): %s", o.Result, key, o.Variant, o.Reason())
		case o.Result != suite.Pass:
			delete(left, key)
		}
	}
	for key := range left {
		t.Errorf("%s passes now: take it off the list of what was reviewed (%s)", key, reviewed[key])
	}
}

func keepReport(t *testing.T, issuer string, outcomes []suite.Outcome) {
	t.Helper()
	dir := harness.Artifacts(t)
	for name, write := range map[string]func(*os.File) error{
		"report.html":   func(f *os.File) error { return suite.WriteReport(f, issuer, outcomes) },
		"results.jsonl": func(f *os.File) error { return suite.WriteJSON(f, outcomes) },
		"results.md":    func(f *os.File) error { return suite.WriteMarkdown(f, outcomes) },
	} {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if err := write(f); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestConformanceStatic runs the plans with clients that an officer registered.
func TestConformanceStatic(t *testing.T) {
	n := beginSecure(t)
	c := suiteConfig(t, n)
	suiteClients(t, n, &c)
	c.PKCE = true
	runSuite(t, c, map[string]string{}, "oidcc-config", "oidcc-basic", "oidcc-formpost-basic")
}

package scenario_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/catalogue"
	"hopnhat/conformance/suite/oidcc"
	"hopnhat/conformance/suite/report"
)

// pages say how the forms of our pages are filled in.
var pages = []suite.Step{
	{Name: "sign in", Field: "password", Login: true, Fill: map[string]string{"number": "{number}", "password": "{password}"}, Decline: "link:/signin/cancel"},
	{Name: "one-time code", Field: "code", Login: true, Fill: map[string]string{"code": "{code}"}, Decline: "link:/signin/cancel"},
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
  scope: openid offline_access profile email address phone
  id_token_signed_response_alg: RS256
  code_without_pkce: true
  declarations:%s
`, id, id, id, method, redirect, c.Listen.URL, strings.ReplaceAll(strings.TrimSuffix(wanted, "\n"), "\n", "\n    "))
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
// the reason why it is no pass. What is not listed must pass, what is listed must not;
// a fail that is expected, of somebody else's server, is marked so.
func runSuite(t *testing.T, c suite.Config, reviewed map[string]string, plans ...string) {
	t.Helper()
	outcomes := outcomesOf(t, c, 6, plans...)
	keepReport(t, c.Issuer, outcomes)
	documented(t, outcomes)
	judge(t, outcomes, reviewed)
}

// outcomesOf runs plans.
func outcomesOf(t *testing.T, c suite.Config, parallel int, plans ...string) []suite.Outcome {
	t.Helper()
	s, err := suite.New(c)
	if err != nil {
		t.Error(err)
		return nil
	}
	defer s.Close()
	var chosen []suite.Plan
	for _, name := range plans {
		p, ok := catalogue.Named(name)
		if !ok {
			t.Errorf("there is no plan %q", name)
			return nil
		}
		chosen = append(chosen, p)
	}
	return s.Run(t.Context(), suite.Options{Parallel: parallel}, chosen...)
}

// judge holds outcomes against what was reviewed.
func judge(t *testing.T, outcomes []suite.Outcome, reviewed map[string]string) {
	t.Helper()
	left := map[string]bool{}
	for key := range reviewed {
		left[key] = true
	}
	for _, o := range outcomes {
		key := o.Plan + "/" + o.Module.Name
		switch {
		case o.Result == suite.Fail && reviewed[key+" FAIL"] != "":
			delete(left, key+" FAIL")
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

var update = flag.Bool("update", false, "write the tables of docs/conformance.md")

// documented holds the table of docs/conformance.md that carries the test's name
// against the outcomes.
func documented(t *testing.T, outcomes []suite.Outcome) {
	t.Helper()
	file := filepath.Join(harness.Root(t), "docs", "conformance.md")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := report.Markdown(&table, outcomes); err != nil {
		t.Fatal(err)
	}
	begin, end := "<!-- "+t.Name()+" -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	was, after, also := strings.Cut(rest, end)
	switch {
	case !ok || !also:
		t.Errorf("%s has no part %q", file, begin)
	case was == table.String():
	case *update:
		if err := os.WriteFile(file, []byte(before+begin+table.String()+end+after), 0o644); err != nil {
			t.Error(err)
		}
	default:
		t.Errorf("the table of %s in docs/conformance.md is not that of this run: look at it, and run the test with -update", t.Name())
	}
}

func keepReport(t *testing.T, issuer string, outcomes []suite.Outcome) {
	t.Helper()
	dir := harness.Artifacts(t)
	for name, write := range map[string]func(*os.File) error{
		"report.html":   func(f *os.File) error { return report.HTML(f, issuer, outcomes) },
		"results.jsonl": func(f *os.File) error { return report.JSON(f, outcomes) },
		"results.md":    func(f *os.File) error { return report.Markdown(f, outcomes) },
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

// wanted are the purpose declarations of the suite's apps: with agreement the register
// and the contacts, so that every scope gives claims.
const wanted = `
- {purpose: dvc.prefill, legal_basis: LB-CONSENT, registry: population, attributes: [population.full_name, population.birth_date, population.sex, population.permanent_address, population.updated_on], explanation: {vi: Để điền sẵn tờ khai, en: To fill in the form}, max_days: 30, frequency: unlimited}
- {purpose: dvc.prefill, legal_basis: LB-CONSENT, registry: eid, attributes: [eid.email, eid.phone], explanation: {vi: Để báo kết quả, en: To tell you the result}, max_days: 30, frequency: unlimited}
`

// initialTokens makes tokens with which the suite registers its apps: as any stranger
// does, with no member of ours. What the tokens let is what an app gets that asks for
// nothing (RFC 7591 §2).
func initialTokens(t *testing.T, n *nation, c *suite.Config) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "declarations.yaml")
	if err := os.WriteFile(file, []byte(wanted), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 8 { // each is good for so many a minute
		printed := harness.Run(t, nil, append([]string{
			"client", "iat", "create", "--profile", "oidc", "--owner", "Cơ quan thử", "--uses", "1000", "--declarations", file,
			"--allow", "hybrid,implicit,code_without_pkce,session_management", "--grants", "authorization_code,refresh_token,implicit",
			"--scopes", "openid,offline_access,profile,email,address,phone",
		}, n.tool...)...)
		found := regexp.MustCompile(`initial_access_token: (\S+)`).FindStringSubmatch(printed)
		if found == nil {
			t.Fatalf("no token in %q", printed)
		}
		c.InitialAccessTokens = append(c.InitialAccessTokens, found[1])
	}
}

// rotation is the command of an operator in a hurry: a new key that waits for no app.
func rotation(t *testing.T, n *nation) []string {
	t.Helper()
	const script = `kid=$("$0" keys rotate --use token --alg RS256 "$@" | head -n 1 | cut -d " " -f 1) && "$0" keys activate "$@" -- "$kid"`
	return append([]string{"/bin/sh", "-c", script, harness.Binary(t)}, n.tool...)
}

// keepLog keeps the server's log where the test fails.
func (n *nation) keepLog(t *testing.T) {
	t.Cleanup(func() {
		raw, err := os.ReadFile(filepath.Join(n.state, "hopnhat.log"))
		if t.Failed() && err == nil {
			err = os.WriteFile(filepath.Join(harness.Artifacts(t), "server.log"), raw, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	})
}

// TestConformanceStatic runs plans with clients that an officer registered.
func TestConformanceStatic(t *testing.T) {
	n := beginSecure(t)
	n.keepLog(t)
	c := suiteConfig(t, n)
	suiteClients(t, n, &c)
	runSuite(t, c, map[string]string{}, "oidcc-basic")
}

// TestConformance runs every plan of OpenID Connect with clients that the suite
// registers itself.
func TestConformance(t *testing.T) {
	n := beginSecureWith(t, 120, "--registration-burst", "100000", "--jwks-cache", "4s")
	n.keepLog(t)
	c := suiteConfig(t, n)
	initialTokens(t, n, &c)
	var plans []string
	for _, p := range oidcc.Plans() {
		plans = append(plans, p.Name)
	}
	c.RotateKeys = rotation(t, n)
	runSuite(t, c, map[string]string{
		"oidcc-dynamic/oidcc-registration-logo-uri": "the sign-in pages show an app by its registered names, and no picture of another site",
	}, plans...)
}

// TestConformanceElsewhere is a check on the checker: npm oidc-provider is certified,
// so whatever is found in it has to be explained (docs/conformance.md).
func TestConformanceElsewhere(t *testing.T) {
	folder := filepath.Join(harness.Root(t), "conformance", "clients", "node")
	if _, err := os.Stat(filepath.Join(folder, "node_modules", "oidc-provider")); err != nil {
		t.Fatalf("oidc-provider is not installed: run the tests with `make test`, or `npm ci` in %s", folder)
	}
	ca := harness.NewAuthority(t, "Conformance")
	server, own := ca.Server(), ca.Server()
	port := harness.Port(t, 2)
	command := exec.CommandContext(t.Context(), "node", "provider.mjs")
	command.Dir = folder
	command.Env = append(
		os.Environ(), fmt.Sprintf("PORT=%d", port), "CERT="+server.CertFile, "KEY="+server.KeyFile, "NODE_EXTRA_CA_CERTS="+ca.File,
	)
	output, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	if line, err := bufio.NewReader(output).ReadString('\n'); err != nil || !strings.Contains(line, `"ok":true`) {
		t.Fatalf("oidc-provider did not start: %q, %v", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, output) }()
	c := suite.Config{
		Issuer: fmt.Sprintf("https://localhost:%d", port), CA: ca.File,
		Listen: suite.Listen{
			Address: fmt.Sprintf("127.0.0.1:%d", port+1), URL: fmt.Sprintf("https://localhost:%d", port+1), Redirects: "https://rp.example",
			Certificate: own.CertFile, Key: own.KeyFile,
		},
		Steps: []suite.Step{
			{Name: "sign in", Field: "login", Login: true, Fill: map[string]string{"login": "{login}", "password": "p"}, Decline: "link:/abort"},
			{Name: "sign out", Button: "logout=yes", Submit: "logout=yes"},
			{Name: "agree", URL: "/interaction", Field: "prompt", Decline: "link:/abort"},
		},
	}
	for i := range 8 {
		c.People = append(c.People, map[string]string{"login": fmt.Sprint("person-", i)})
	}
	const acr = "it has no acr of its own unless it is told how people were authenticated"
	found := map[string]string{
		"oidcc-dynamic/oidcc-server-rotate-keys":                             "its keys are given at the start",
		"oidcc-dynamic/oidcc-request-uri-unsigned":                           "it offers no request_uri besides pushed requests, and says so",
		"oidcc-dynamic/oidcc-request-uri-signed-rs256":                       "it offers no request_uri besides pushed requests, and says so",
		"oidcc-dynamic/oidcc-refresh-token-rp-key-rotation":                  "it fetches a key set once a minute at most, whatever kid comes",
		"oidcc-basic/oidcc-ensure-request-with-acr-values-succeeds":          acr,
		"oidcc-formpost-basic/oidcc-ensure-request-with-acr-values-succeeds": acr,
		"oidcc-basic/oidcc-ensure-post-request-succeeds FAIL":                "POST has to be switched on (enableHttpPostMethods)",
		"oidcc-formpost-basic/oidcc-ensure-post-request-succeeds FAIL":       "POST has to be switched on (enableHttpPostMethods)",
	}
	runSuite(
		t, c, found, "oidcc-config", "oidcc-basic", "oidcc-formpost-basic", "oidcc-dynamic", "oidcc-3rdparty-init",
		"oidcc-rp-initiated-logout", "oidcc-backchannel-logout",
	)
}

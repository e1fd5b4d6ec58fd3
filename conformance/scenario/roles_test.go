package scenario_test

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/conformance/scenario"
)

// TestOneRoleANode: five nodes of one site with a role each, behind a balancer that sends
// paths as docs/production.md says, and each under the role of the database of its own, which
// may do no more than that. A person signs in and agrees at the provider, the broker releases, the
// log takes the entry, and she finds the proof in the portal, which was started when nobody wrote
// the log.
func TestOneRoleANode(t *testing.T) {
	port := harness.Port(t, 6)
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", port+i) }
	roles := []string{"provider", "portal", "log", "broker", "federation"} // in the order in which they start
	base := map[string]string{}
	for i, role := range roles {
		base[role] = "http://" + at(i)
	}
	n := &nation{state: filepath.Join(t.TempDir(), "state"), accounts: 64}
	n.base = harness.Balance(t, harness.Balancer{To: []string{base["provider"]}, ByPath: map[string]string{
		"/broker/": base["broker"], "/portal": base["portal"], "/console": base["portal"], "/log/": base["log"],
	}})
	database, registry := scenario.Provision(t)
	n.tool = []string{
		"--state", n.state, "--argon2-kib", "64", "--database", database, "--registry", registry, "--issuer", n.base,
		"--keys", filepath.Join(n.state, "keys"),
	}
	main, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	as := func(role string) string { return pgtest.As(t, "hopnhat_"+role, strings.Trim(main.Path, "/")) }
	state := func(role string) string { return n.state + "-" + role }
	nodes := map[string]*harness.Process{}
	for i, role := range roles {
		args := append([]string{"serve", "--listen", at(i), "--roles", role, "--trusted-proxies", "127.0.0.1", "--address-burst", "100000"}, n.tool...)
		args = append(args, "--state", state(role), "--database", as(role))
		if role == "log" {
			args = append(args, "--log-listen", at(len(roles)))
		}
		nodes[role] = harness.Start(t, harness.Program{Args: args, Base: base[role]})
	}
	n.populate(t)

	b, who := browser(t), n.someone(t)
	l := released(t, n.app, n.app.tokens(t, b, who, civilDetail+","+taxDetail).text("access_token"))
	proofOf(t, b, n, l.id, filepath.Join(state("portal"), "log.vkey"))
	for _, role := range roles {
		for _, asked := range roles {
			want := http.StatusMisdirectedRequest
			if asked == role {
				want = http.StatusOK
			}
			if a := open(t, b, http.MethodGet, base[role]+"/readyz/"+asked, nil); a.status != want {
				t.Errorf("the node that is %s says of %s %d %s, want %d", role, asked, a.status, a.raw, want)
			}
		}
		if found := checkpoints(t, filepath.Join(state(role), "tlog")); (len(found) > 0) != (role == "log") {
			t.Errorf("the node that is %s has the log %v", role, found)
		}
	}
	// What people, apps, auditors and operators do, as far as a nation of one node knows no other.
	for _, row := range []struct {
		name string
		test func(*testing.T, *nation)
	}{
		{"protocol", protocol},
		{"guesses", guesses},
		{"an answer that is sent twice is one", doubleAnswer},
		{"nothing outlives a sign-out", afterwards},
		{"a second person ends the session of the first", oneAtATime},
		{"an auditor searches", searchFields},
		{"a read by law is told", readByLawIsTold},
		{"a withdrawal is told", withdrawalIsTold},
	} {
		t.Run(row.name, func(t *testing.T) { row.test(t, n) })
	}
	for _, role := range roles {
		nodes[role].Stop()
		if strings.Contains(nodes[role].Output(), "permission denied") {
			t.Errorf("the node that is %s asked the database for what it may not", role)
		}
	}
}

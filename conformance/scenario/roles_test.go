package scenario_test

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario"
)

// TestOneRoleANode: four nodes of one site with a role each, behind a balancer that sends
// paths as docs/production.md says. A person signs in and agrees at the provider, the broker
// releases, the log takes the entry, and she finds the proof in the portal, which was started
// when nobody wrote the log.
func TestOneRoleANode(t *testing.T) {
	port := harness.Port(t, 5)
	at := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", port+i) }
	roles := []string{"provider", "portal", "log", "broker"} // in the order in which they start
	base := map[string]string{}
	for i, role := range roles {
		base[role] = "http://" + at(i)
	}
	n := &nation{state: filepath.Join(t.TempDir(), "state"), accounts: 2}
	n.base = harness.Balance(t, harness.Balancer{To: []string{base["provider"]}, ByPath: map[string]string{
		"/broker/": base["broker"], "/portal": base["portal"], "/console": base["portal"], "/log/": base["log"],
	}})
	database, registry := scenario.Provision(t)
	n.tool = []string{
		"--state", n.state, "--argon2-kib", "64", "--database", database, "--registry", registry, "--issuer", n.base,
		"--keys", filepath.Join(n.state, "keys"),
	}
	state := func(role string) string { return n.state + "-" + role }
	for i, role := range roles {
		args := append([]string{"serve", "--listen", at(i), "--roles", role, "--trusted-proxies", "127.0.0.1", "--address-burst", "100000"}, n.tool...)
		args = append(args, "--state", state(role))
		if role == "log" {
			args = append(args, "--log-listen", at(len(roles)))
		}
		harness.Start(t, harness.Program{Args: args, Base: base[role]})
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
}

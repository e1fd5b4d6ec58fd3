// Package scenario plays whole stories against the product as a newcomer starts
// it: one process, a synthetic nation, two sample apps.
package scenario

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/conformance/scenario/clients"
)

// Demo is a running demonstration.
type Demo struct {
	*harness.Process

	State string // its folder
	Land  string // base URL of the province's app
	Tax   string // base URL of the ministry's app
	// Simulator is the base URL of the simulator of VNeID, where it was started with --vneid.
	Simulator string

	tool []string // what a tool needs to find the state

	t testing.TB
}

// persons of the small nation that the tests are content with.
const persons = 2000

// StartDemo starts a demonstration of its own for the test, with more flags of `hopnhat demo`.
func StartDemo(t testing.TB, more ...string) *Demo {
	t.Helper()
	port, state := harness.Port(t, 4), filepath.Join(t.TempDir(), "state")
	url := func(n int) string { return fmt.Sprintf("http://localhost:%d", port+n) }
	d := &Demo{State: state, Land: url(1), Tax: url(2), Simulator: url(3), tool: []string{"--state", state}, t: t}
	own := []string{"--port", fmt.Sprint(port), "--persons", fmt.Sprint(persons)}
	own = append(own, more...)
	if !TwoNodes() {
		d.Process = harness.Start(t, harness.Program{Args: slices.Concat([]string{"demo"}, own, d.tool), Base: url(0)})
		return d
	}
	second := fmt.Sprintf("127.0.0.1:%d", harness.Port(t, 1))
	base := harness.Balance(t, harness.Balancer{To: []string{url(0), "http://" + second}})
	database, registry := Provision(t)
	d.tool = append(d.tool, "--issuer", base, "--keys", filepath.Join(state, "keys"), "--database", database, "--registry", registry)
	d.Process = harness.Start(t, harness.Program{Args: slices.Concat(
		[]string{"demo"}, own, []string{"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--trusted-proxies", "127.0.0.1"}, d.tool,
	), Base: base})
	var same []string
	if slices.Contains(more, "--vneid") {
		same = []string{"--upstreams", filepath.Join(state, "upstreams.json")}
	}
	harness.Start(t, harness.Program{Args: slices.Concat(
		[]string{"serve", "--listen", second, "--trusted-proxies", "127.0.0.1"}, d.tool, same,
		[]string{"--state", state + "-2", "--site", "dc2", "--database", pgtest.Pooled(t, database)},
	), Base: "http://" + second})
	return d
}

// Tool runs a tool on the demonstration's state: the words that name it, and its
// flags and operands.
func (d *Demo) Tool(words []string, rest ...string) string {
	d.t.Helper()
	return harness.Run(d.t, nil, slices.Concat(words, d.tool, rest)...)
}

// Login is one that the demonstration prints.
type Login struct {
	Number, Password string
}

// What `hopnhat demo` prints under "Logins".
var (
	citizenA = Login{"099304000017", "mau-an-2026"}
	citizenB = Login{"099078000112", "mau-binh-2026"}
	auditor  = Login{"099180000305", "mau-chi-2026"}
)

// Person is the login with the telephone that shows its codes.
func (d *Demo) Person(login Login) clients.Person {
	return clients.Person{Number: login.Number, Password: login.Password, OTP: func() string { return d.code(login.Number) }}
}

func (d *Demo) code(number string) string {
	d.t.Helper()
	line := harness.Run(d.t, nil, "demo", "--codes", "--state", d.State)
	found := regexp.MustCompile(regexp.QuoteMeta(number) + ` → (\d{6})`).FindStringSubmatch(line)
	if found == nil {
		d.t.Fatalf("no code of %s in %q", number, line)
	}
	return found[1]
}

// personJSON is the login as the Node clients read it: with a command that
// prints the current code.
func (d *Demo) personJSON(login Login) string {
	script := fmt.Sprintf(`"$0" demo --codes --state "$1" | sed -nE 's/.*%s → ([0-9]{6}).*/\1/p'`, login.Number)
	text, err := json.Marshal(map[string]any{
		"number": login.Number, "password": login.Password,
		"command": []string{"/bin/sh", "-c", script, harness.Binary(d.t), d.State},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func (d *Demo) node(script string, env map[string]string) []map[string]any {
	d.t.Helper()
	return Node(d.t, script, env)
}

// Node runs one of the Node clients to its end and returns its lines. What it
// prints on standard error, and a status other than zero, fail the test.
func Node(t testing.TB, script string, env map[string]string) []map[string]any {
	t.Helper()
	folder := filepath.Join(harness.Root(t), "conformance", "clients", "node")
	if _, err := os.Stat(filepath.Join(folder, "node_modules")); err != nil {
		t.Fatalf("the Node clients are not installed: run the tests with `make test`, or `npm ci` in %s", folder)
	}
	command := exec.CommandContext(t.Context(), "node", script)
	command.Dir = folder
	command.Env = os.Environ()
	for name, value := range env {
		command.Env = append(command.Env, name+"="+value)
	}
	var complaints strings.Builder
	command.Stderr = &complaints
	began := time.Now()
	output, err := command.Output()
	var lines []map[string]any
	for line := range strings.Lines(string(output)) {
		var object map[string]any
		if json.Unmarshal([]byte(line), &object) != nil {
			t.Errorf("%s printed %q, which is no JSON object", script, line)
			continue
		}
		if object["ok"] != true {
			t.Errorf("%s: %s", script, strings.TrimSpace(line))
		}
		lines = append(lines, object)
	}
	if err != nil {
		t.Errorf("%s: %v\n%s", script, err, complaints.String())
	}
	t.Logf("%s: %d steps in %s", script, len(lines), time.Since(began).Round(time.Millisecond))
	return lines
}

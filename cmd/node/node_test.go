package node

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz/clientauth"
	"hopnhat/cmd/node/purge"
	"hopnhat/conformance/harness"
	"hopnhat/store"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
	"hopnhat/web"
)

// madeNation is the small nation of all tests here, which nobody writes to.
var madeNation = sync.OnceValues(func() (string, error) {
	folder, err := os.MkdirTemp("", "hopnhat-nation-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "registry.db")
	db, err := registry.Create(context.Background(), path)
	if err != nil {
		return "", err
	}
	return path, errors.Join(nation.Generate(context.Background(), db, nation.Options{Persons: 60, Seed: 1}), db.Close())
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := madeNation(); err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

func registersOf(t *testing.T) string {
	t.Helper()
	path, err := madeNation()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// configured is the configuration of a node that can be started: a state folder of its
// own, a small nation, and a port that the system chooses.
func configured(t *testing.T) *Config {
	t.Helper()
	c := Defaults()
	c.State, c.Listen, c.Argon2KiB, c.Registry = filepath.Join(t.TempDir(), "state"), "127.0.0.1:0", 64, registersOf(t)
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := c.Initialise(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &c
}

// started is a node that serves until the test ends.
func started(t *testing.T, c *Config) *Node {
	t.Helper()
	n, err := Start(t.Context(), c, Options{Pushes: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Stop(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// get asks a node for a page, and gives status and body.
func get(t *testing.T, n *Node, path string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Addr().String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(raw)
}

// TestANodeServes: each kind of route is there, and each role is ready.
func TestANodeServes(t *testing.T) {
	n := started(t, configured(t))
	for path, want := range map[string]string{
		"/healthz": "ok", "/readyz": `"log":"ok"`, "/readyz/provider": "", "/readyz/broker": "", "/readyz/portal": "",
		"/.well-known/openid-configuration": `"token_endpoint"`, "/log/key": "/release/dc1/", "/metrics": "hopnhat_part_up",
	} {
		if status, body := get(t, n, path); status != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d, %s", path, status, body)
		}
	}
}

// TestRoles: a node serves what its roles serve and no more, looks at what they need, and
// does in the background what they do.
func TestRoles(t *testing.T) {
	routes := map[web.Role]string{
		web.Provider: "/.well-known/openid-configuration", web.Portal: "/portal", web.LogWriter: "/log/key",
	}
	writer := configured(t)
	writer.Roles, writer.LogListen = "log", fmt.Sprint("127.0.0.1:", harness.Port(t, 1))
	writer.Registry = filepath.Join(t.TempDir(), "nobody-opens-it.db")
	without := *writer
	without.State = filepath.Join(t.TempDir(), "state")
	without.LogListen, without.LogAddress, without.LogFolder = "", "", filepath.Join(without.State, "tlog")
	without.Roles, without.Registry = "broker,portal", registersOf(t)
	alone := started(t, &without)
	if status, body := get(t, alone, "/readyz/broker"); status != http.StatusServiceUnavailable ||
		!strings.Contains(body, `"log":"unavailable: unreached"`) {
		t.Errorf("a broker without a writer of the log: %d, %s", status, body)
	}
	if status, body := get(t, alone, "/readyz/portal"); status != http.StatusOK {
		t.Errorf("a portal without a writer of the log: %d, %s", status, body)
	}
	started(t, writer)
	for _, row := range []struct {
		roles    string
		needs    []string
		registry bool // it reads the national registers
	}{
		{"provider", []string{"database", "keys"}, true},
		{"broker", []string{"database", "keys", "log", "registry", "rows"}, true},
		{"portal", []string{"database"}, false},
		{"provider,portal", []string{"database", "keys"}, true},
	} {
		t.Run(row.roles, func(t *testing.T) {
			c := *writer
			c.Roles, c.State, c.LogListen, c.LogAddress = row.roles, filepath.Join(t.TempDir(), "state"), "", ""
			if c.LogFolder = filepath.Join(c.State, "tlog"); row.registry {
				c.Registry = registersOf(t)
			}
			n := started(t, &c)
			if _, err := os.Stat(c.LogFolder); err == nil {
				t.Error("it has a log of its own")
			}
			for role, path := range routes {
				status, body := get(t, n, path)
				if has := n.has(role); (status != http.StatusMisdirectedRequest) != has || has && status >= 500 {
					t.Errorf("%s: %d, %s", path, status, body)
				}
				if status, body := get(t, n, "/readyz/"+string(role)); (status == http.StatusOK) != n.has(role) {
					t.Errorf("/readyz/%s: %d, %s", role, status, body)
				}
			}
			status, body := get(t, n, "/readyz")
			var parts map[string]string
			if err := json.Unmarshal([]byte(body), &parts); err != nil || status != http.StatusOK {
				t.Fatal(status, body, err)
			}
			if got := slices.Sorted(maps.Keys(parts)); !slices.Equal(got, row.needs) {
				t.Errorf("it needs %v, want %v", got, row.needs)
			}
			if status, body := get(t, n, "/metrics"); status != http.StatusOK ||
				strings.Contains(body, "hopnhat_logout_tokens_total") != n.has(web.Provider) {
				t.Errorf("/metrics: %d, %s", status, body)
			}
		})
	}
}

// TestRoleList: a word that is no role is refused with those there are.
func TestRoleList(t *testing.T) {
	for _, row := range []struct{ list, want string }{
		{"broker, log", ""},
		{roleNames(), ""},
		{"", "one role at least"},
		{"log,log", "twice"},
		{"signer", `no role "signer": name provider,broker,portal,log,federation`},
	} {
		c := Defaults()
		c.Roles = row.list
		err := c.Complete()
		if (err == nil) != (row.want == "") ||
			err != nil && (!strings.Contains(err.Error(), "roles: ") || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("%q: %v, want %q", row.list, err, row.want)
		}
	}
	c := Defaults()
	c.State, c.Roles = filepath.Join(t.TempDir(), "state"), "signer"
	if _, err := Start(t.Context(), &c, Options{}); err == nil {
		t.Error("a node with an unknown role started")
	}
	if _, err := os.Stat(c.State); err == nil {
		t.Error("what was refused left a state folder")
	}
}

// TestAcceptedRequestsAreAnswered: a request whose head was read before the stop is
// answered in full, and only then is the database closed; new ones are not accepted.
func TestAcceptedRequestsAreAnswered(t *testing.T) {
	n := started(t, configured(t))
	connection, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", n.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	body := "grant_type=client_credentials&client_id=nobody&client_secret=none"
	fmt.Fprintf(connection, "POST /token HTTP/1.1\r\nHost: localhost:8440\r\nContent-Type: application/x-www-form-urlencoded\r\n"+
		"Content-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	reader := bufio.NewReader(connection)
	if line, err := reader.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatal(line, err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- n.Stop() }()
	for { // until the port is closed
		other, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", n.Addr().String())
		if err != nil {
			break
		}
		other.Close()
	}
	if _, err := io.WriteString(connection, body); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.ReadString('\n'); err != nil { // the end of 100 Continue
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if raw, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusUnauthorized ||
		!strings.Contains(string(raw), "invalid_client") {
		t.Errorf("%d %s, %v", answer.StatusCode, raw, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := n.DB.Keyring(context.Background()); err == nil {
		t.Error("the database is open after the stop")
	}
}

// copied is a node that was started from a copy of another's folder.
type copied struct {
	site string
	node store.Node
}

func copyOf(t *testing.T, c *Config) copied {
	t.Helper()
	folder, err1 := filepath.Abs(c.State)
	host, err2 := os.Hostname()
	id, err3 := os.ReadFile(filepath.Join(folder, "node"))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	return copied{c.Site, store.Node{Place: host + ":" + folder, Folder: strings.TrimSpace(string(id)), Run: "later"}}
}

// takes takes the site from the node that was started before.
func (o copied) takes(t *testing.T, db *store.DB) {
	t.Helper()
	if err := db.TakeSite(t.Context(), o.site, o.node); err != nil {
		t.Fatal(err)
	}
}

// TestWait ends a node for each of its causes.
func TestWait(t *testing.T) {
	c := configured(t)
	t.Run("asked to", func(t *testing.T) {
		n, err := Start(t.Context(), c, Options{Pushes: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := n.Wait(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("another node has the site", func(t *testing.T) {
		n, err := Start(t.Context(), c, Options{Pushes: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		copyOf(t, c).takes(t, n.DB)
		for range 2 { // nobody waits for the second
			if err := n.log.Beat(t.Context()); !errors.Is(err, store.ErrSiteTaken) {
				t.Error(err)
			}
		}
		if err := n.Wait(t.Context()); !errors.Is(err, store.ErrSiteTaken) {
			t.Error(err)
		}
	})
	t.Run("a listener failed", func(t *testing.T) {
		n, err := Start(t.Context(), c, Options{Pushes: io.Discard})
		if err != nil {
			t.Fatal(err)
		}
		broken := errors.New("broken")
		n.running.failed <- broken
		if err := n.Wait(t.Context()); !errors.Is(err, broken) {
			t.Error(err)
		}
	})
}

// TestAStartThatFailsLeavesNothingOpen: what was opened is closed again, so that the next
// start has the site and the folder.
func TestAStartThatFailsLeavesNothingOpen(t *testing.T) {
	c := configured(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	if err := started(t, c).Stop(); err != nil { // from now on there is a log
		t.Fatal(err)
	}
	for name, change := range map[string]func(c *Config){
		"a port that is taken":     func(c *Config) { c.Listen = busy.Addr().String() },
		"registers that are none":  func(c *Config) { c.Registry = filepath.Join(t.TempDir(), "none.db") },
		"networks that are none":   func(c *Config) { c.MetricsNetworks = "everywhere" },
		"a log of another name":    func(c *Config) { c.LogOrigin = "other.example/release/dc1" },
		"values that contradict":   func(c *Config) { c.SessionIdle = c.SessionAbsolute + 1 },
		"a passphrase not there":   func(c *Config) { c.PassphraseFile = filepath.Join(t.TempDir(), "none") },
		"statement issuers absent": func(c *Config) { c.RegistrationStatementIssuers = filepath.Join(t.TempDir(), "none") },
	} {
		wrong := *c
		change(&wrong)
		if n, err := Start(t.Context(), &wrong, Options{Pushes: io.Discard}); err == nil {
			t.Errorf("%s: it started", name)
			_ = n.Stop()
		}
	}
	if status, _ := get(t, started(t, c), "/readyz"); status != http.StatusOK {
		t.Errorf("the next start is not ready: %d", status)
	}
}

// TestPurge takes what has expired, in as many batches as it takes, and nothing else.
func TestPurge(t *testing.T) {
	n := started(t, configured(t))
	now := time.Now()
	assertion := func(i int, expires time.Time) clientauth.Assertion {
		return clientauth.Assertion{Digest: []byte(fmt.Sprint(expires.Unix(), i)), Expires: expires}
	}
	old, live := now.Add(-time.Hour), now.Add(time.Hour)
	spendOld := func(ctx context.Context) error {
		for i := range purge.Batch + 1 {
			if err := n.DB.Spend(ctx, assertion(i, old)); err != nil {
				return fmt.Errorf("assertion %d: %w", i, err)
			}
		}
		return nil
	}
	if err := errors.Join(n.DB.Tx(t.Context(), spendOld), n.DB.Spend(t.Context(), assertion(0, live))); err != nil {
		t.Fatal(err)
	}
	purge.Once(t.Context(), now, n.purges())
	if err := n.DB.Tx(t.Context(), spendOld); err != nil {
		t.Errorf("one that expired is still there: %v", err)
	}
	if err := n.DB.Spend(t.Context(), assertion(0, live)); err == nil {
		t.Error("one that has not expired was forgotten")
	}
}

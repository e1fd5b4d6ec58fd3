package scenario_test

import (
	"bufio"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/conformance/bench/vaultserver"
	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/vaulttest"
	"hopnhat/conformance/scenario"
	"hopnhat/conformance/scenario/clients"
)

// nation is a running server with a small synthetic nation, apps registered for
// the tests, and accounts nobody else uses.
type nation struct {
	process  *harness.Process
	second   *harness.Process // the other node; nil where there is one
	direct   string           // host and port of the first node, past the balancer
	base     string
	state    string
	people   []*person
	mu       sync.Mutex
	app      *party          // fapi2, may ask for land records by consent and tax records by duty
	other    *party          // fapi2, another agency's
	rotating *party          // oidc with the same means: its refresh tokens are spent by use
	legacy   string          // client_secret of the oidc client
	secure   *harness.Secure // over TLS; nil for plain HTTP
	accounts int             // enrolled; 32 if zero
	argument []string
	serve    []string // of the second node
	tool     []string // what tools need to find the state
	database string   // one of the test's own, migrated; otherwise provision makes one
}

// Where a nation is kept.
const (
	onSQLite   = "sqlite"
	onPostgres = "postgres"
	// onTwoNodes is PostgreSQL with two nodes behind a balancer that gives each request
	// to the other one; the second node reaches the database through PgBouncer.
	onTwoNodes = "two nodes"
)

// usual is where a nation is kept whose test says nothing: in SQLite, or, in the run
// that is for this, at two nodes.
func usual() string {
	if scenario.TwoNodes() {
		return onTwoNodes
	}
	return onSQLite
}

// onBoth runs a test on the embedded database, and at two nodes on PostgreSQL, both at once: the
// nations share nothing, and each waits for answers most of the time.
func onBoth(t *testing.T, test func(t *testing.T, n *nation)) {
	t.Run("both", func(t *testing.T) { // ends when the two have ended
		for _, where := range []string{onSQLite, onTwoNodes} {
			t.Run(where, func(t *testing.T) {
				t.Parallel()
				test(t, begin(t, where))
			})
		}
	})
}

// onEach is onBoth for what is of one process: how it ends, and its log.
func onEach(t *testing.T, test func(t *testing.T, n *nation)) {
	t.Run("sqlite", func(t *testing.T) { test(t, begin(t, onSQLite)) })
	t.Run("postgres", func(t *testing.T) { test(t, begin(t, onPostgres)) })
}

// onVault runs a test on PostgreSQL with the keys in a real Vault, as a role that
// may use them and nothing else.
func onVault(t *testing.T, test func(t *testing.T, n *nation, server *vaulttest.Server)) {
	server := vaulttest.StartWith(t, vaultserver.Options{TLS: true})
	harness.Run(t, nil, append([]string{"keys", "vault-setup"}, vaultRole(t, server, "rotation")...)...)
	test(t, begin(t, onPostgres, vaultRole(t, server, "serving")...), server)
}

// vaultRole makes a role with the policy exactly as the program prints it, and
// gives the flags that let a program in as it.
func vaultRole(t *testing.T, server *vaulttest.Server, name string) []string {
	t.Helper()
	role, secret := server.Role(name, harness.Run(t, nil, "keys", "vault-policy", "--role", name))
	return []string{"--keystore", "vault", "--vault-address", server.Address, "--vault-ca", server.CA, "--vault-role-id", role, "--vault-secret-id-file", secret}
}

// person is an account. Its codes go up step by step, since each is good once.
type person struct {
	Number   string `json:"number"`
	Password string `json:"password"`
	SeedHex  string `json:"totp_seed_hex"`
	mu       sync.Mutex
	step     int64
}

// otp waits for no clock: it uses the step before the present one, the present
// one and the next, so a person can sign in three times in half a minute. In the
// last seconds of a step it leaves the earlier one out: the code would be read when
// two steps have passed.
func (p *person) otp() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	earliest := (time.Now().Unix()+3)/30 - 1
	p.step = max(p.step+1, earliest)
	seed, err := hex.DecodeString(p.SeedHex)
	if err != nil {
		panic(err)
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(p.step))
	m := hmac.New(sha1.New, seed)
	m.Write(b[:])
	sum := m.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[offset:])&0x7fffffff)%1_000_000)
}

func (p *person) atTheBrowser() clients.Person {
	return clients.Person{Number: p.Number, Password: p.Password, OTP: p.otp}
}

// begin starts a nation, kept somewhere.
func begin(t *testing.T, where string, more ...string) *nation {
	t.Helper()
	port := harness.Port(t, 3)
	return (&nation{base: fmt.Sprintf("http://localhost:%d", port)}).begin(t, port, where, more...)
}

// beginSecure starts one over TLS, with a host for client certificates.
func beginSecure(t *testing.T) *nation {
	t.Helper()
	return beginSecureWith(t, 0)
}

// beginSecureWith starts one with so many accounts and more flags.
func beginSecureWith(t *testing.T, accounts int, more ...string) *nation {
	t.Helper()
	port := harness.Port(t, 4)
	s := harness.Secured(t, port, port+3)
	if usual() != onTwoNodes { // there the balancer ends TLS
		more = append(s.Args, more...)
	}
	return (&nation{base: s.Base, secure: s, accounts: accounts}).begin(t, port, usual(), more...)
}

func (n *nation) begin(t *testing.T, port int, where string, more ...string) *nation {
	t.Helper()
	n.state, n.accounts = cmp.Or(n.state, filepath.Join(t.TempDir(), "state")), cmp.Or(n.accounts, 32)
	n.tool = append([]string{"--state", n.state, "--argon2-kib", "64"}, more...)
	var database string
	switch {
	case n.database != "":
		n.tool = append(n.tool, "--database", n.database)
	case where != onSQLite:
		var registry string
		database, registry = scenario.Provision(t)
		n.tool = append(n.tool, "--database", database, "--registry", registry)
	}
	listen := port
	if where == onTwoNodes {
		listen = n.behindBalancer(t, port, database)
	}
	n.direct = fmt.Sprintf("127.0.0.1:%d", listen)
	n.argument = append([]string{
		"demo", "--port", fmt.Sprint(listen), "--persons", "300", "--address-burst", "100000", "--log-level", "debug",
	}, n.argument...)
	n.argument = append(n.argument, n.tool...)
	n.start(t)
	n.populate(t)
	return n
}

// populate adds the apps and the accounts of the tests to a nation that runs.
func (n *nation) populate(t *testing.T) {
	t.Helper()
	n.app, n.other, n.rotating = newParty(t, n, "app-a"), newParty(t, n, "app-b"), newParty(t, n, "app-c")
	n.register(t)
	n.people = append(n.people, enrolled(t, n.run(t, "account", "enrol", "--count", fmt.Sprint(n.accounts)))...)
	if len(n.people) != n.accounts {
		t.Fatalf("%d accounts were enrolled, want %d", len(n.people), n.accounts)
	}
}

// enrolled are the accounts that a tool says it enrolled.
func enrolled(t *testing.T, said string) (people []*person) {
	t.Helper()
	scanner := bufio.NewScanner(strings.NewReader(said))
	for scanner.Scan() {
		if !strings.HasPrefix(scanner.Text(), "{") {
			continue
		}
		p := &person{}
		if err := json.Unmarshal(scanner.Bytes(), p); err != nil {
			t.Fatal(err)
		}
		people = append(people, p)
	}
	return people
}

// run runs a tool on the nation's state; its operands stay last.
func (n *nation) run(t *testing.T, words ...string) string {
	t.Helper()
	verbs := 2
	if words[1] == "role" {
		verbs = 3
	}
	return harness.Run(t, nil, slices.Insert(slices.Clone(words), verbs, n.tool...)...)
}

func (n *nation) start(t *testing.T) {
	t.Helper()
	program := harness.Program{Args: n.argument, Base: n.base}
	if n.secure != nil {
		program.Env, program.Trust = n.secure.Env, n.secure.Authority
	}
	n.process = harness.Start(t, program)
	if n.serve != nil {
		program.Args, program.Base, program.Trust = n.serve, n.second.Base, nil
		n.second = harness.Start(t, program)
	}
}

// logs are what all nodes have said.
func (n *nation) logs(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(n.state, "hopnhat.log"))
	if err != nil {
		t.Fatal(err)
	}
	if n.second != nil {
		return string(raw) + n.second.Output()
	}
	return string(raw)
}

// someone is a person that no other test has.
func (n *nation) someone(t *testing.T) *person {
	t.Helper()
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.people) == 0 {
		t.Fatal("all people are taken")
	}
	p := n.people[0]
	n.people = n.people[1:]
	return p
}

// register adds the apps of the tests.
func (n *nation) register(t *testing.T) {
	t.Helper()
	app := func(p *party, profile string) string {
		return fmt.Sprintf(`
- client_id: %s
  client_name: "Ứng dụng thử %s"
  client_name#en: "Test app %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: %s
  token_endpoint_auth_method: private_key_jwt
  id_token_signed_response_alg: ES256
  jwks: %s
  redirect_uris: ["%s"]
  post_logout_redirect_uris: ["http://localhost/signed-out"]
  grant_types: [authorization_code, refresh_token, client_credentials]
  scope: openid
  minimum_level: 2
  declarations:
    - {purpose: land.mortgage, legal_basis: LB-CONSENT, registry: civil, attributes: [civil.marital_status], explanation: {vi: Thử, en: Test}, max_days: 30, frequency: unlimited}
    - {purpose: tax.declare, legal_basis: LB-STATE, registry: tax, attributes: [tax.tax_code, tax.arrears], explanation: {vi: Thử, en: Test}, max_days: 30}
`, p.id, p.id, p.id, profile, p.public, p.redirect)
	}
	file := filepath.Join(t.TempDir(), "apps.yaml")
	text := app(n.app, "fapi2") + app(n.other, "fapi2") + app(n.rotating, "oidc") + `
- client_id: strict
  client_name: "Ứng dụng mức 3"
  client_name#en: "Level 3 app"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: client_secret_post
  redirect_uris: ["http://localhost/strict/callback"]
  minimum_level: 3
- client_id: legacy
  client_name: "Ứng dụng cũ"
  client_name#en: "Legacy app"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  id_token_signed_response_alg: ES256
  redirect_uris: ["http://localhost/legacy/callback"]
  scope: openid
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	printed := n.run(t, "client", "add", file)
	found := regexp.MustCompile(`(?s)legacy registered.*client_secret: (\S+)`).FindStringSubmatch(printed)
	if found == nil {
		t.Fatalf("no secret in %q", printed)
	}
	n.legacy = found[1]
}

// browser is a fresh one.
func browser(t *testing.T) *http.Client {
	t.Helper()
	b, err := clients.Browser()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ctx(t *testing.T) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return c
}

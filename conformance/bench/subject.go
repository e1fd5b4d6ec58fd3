package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// subject is a server under measurement with its apps and people.
type subject struct {
	base      string
	folder    string
	program   string
	store     Store
	duration  time.Duration
	transport *http.Transport
	command   *exec.Cmd
	exited    chan error

	fapi, oidcES, oidcRS *app
	people               *people
}

func (s *subject) browser() browser {
	return browser{base: s.base, transport: s.transport, cookies: map[string]string{}}
}

// settings of the server and of the tools on its state.
func (s *subject) settings() []string {
	words := []string{"--state", filepath.Join(s.folder, "state"), "--argon2-kib", "64"}
	if s.store.Database != "" {
		words = append(words, "--database", s.store.Database, "--registry", s.store.Registry)
	}
	return words
}

// run runs a tool of the product and returns what it prints.
func (s *subject) run(ctx context.Context, words []string, operands ...string) (string, error) {
	arguments := append(append(append([]string{}, words...), s.settings()...), operands...)
	command := exec.CommandContext(ctx, s.program, arguments...)
	var complaints bytes.Buffer
	command.Stderr = &complaints
	output, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("hopnhat %v: %w: %s", words, err, bytes.TrimSpace(complaints.Bytes()))
	}
	return string(output), nil
}

const apps = `
- client_id: bench-fapi
  client_name: "Ứng dụng đo"
  client_name#en: "Bench app"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: fapi2
  jwks: %s
  redirect_uris: ["http://localhost/bench-fapi/callback"]
  grant_types: [authorization_code, refresh_token, client_credentials]
  scope: openid
  minimum_level: 2
  declarations:
    - {purpose: land.mortgage, legal_basis: LB-CONSENT, registry: civil, attributes: [civil.marital_status], explanation: {vi: Thử, en: Test}, max_days: 30, frequency: unlimited}
    - {purpose: tax.declare, legal_basis: LB-STATE, registry: tax, attributes: [tax.tax_code, tax.arrears], explanation: {vi: Thử, en: Test}, max_days: 30}
- client_id: bench-es256
  client_name: "Ứng dụng đo"
  client_name#en: "Bench app"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  id_token_signed_response_alg: ES256
  redirect_uris: ["http://localhost/bench-es256/callback"]
  grant_types: [authorization_code, refresh_token, client_credentials]
  scope: openid profile
  declarations:
    - {purpose: dvc.prefill, legal_basis: LB-STATE, registry: population, attributes: [population.full_name, population.birth_date, population.sex, population.updated_on], explanation: {vi: Thử, en: Test}, max_days: 30}
- client_id: bench-rs256
  client_name: "Ứng dụng đo"
  client_name#en: "Bench app"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: oidc
  token_endpoint_auth_method: client_secret_basic
  id_token_signed_response_alg: RS256
  redirect_uris: ["http://localhost/bench-rs256/callback"]
  grant_types: [authorization_code, refresh_token, client_credentials]
  scope: openid
`

// prepare makes the state: schema, nation, apps, accounts.
func (s *subject) prepare(ctx context.Context, persons, accounts int) error {
	if s.store.Database != "" {
		if _, err := s.run(ctx, []string{"migrate"}); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(filepath.Join(s.folder, "state"), 0o700); err != nil {
		return err
	}
	// A program of before has no init, and makes its keys when it first starts.
	if _, err := s.run(ctx, []string{"init"}); err != nil && !unknownCommand(err) {
		return err
	}
	if _, err := s.run(ctx, []string{"registry", "generate"}, "--persons", strconv.Itoa(persons)); err != nil {
		return err
	}
	var err error
	if s.fapi, err = newApp("bench-fapi", "ES256").withKey(); err != nil {
		return err
	}
	s.oidcES, s.oidcRS = newApp("bench-es256", "ES256"), newApp("bench-rs256", "RS256")
	file := filepath.Join(s.folder, "apps.yaml")
	if err := os.WriteFile(file, fmt.Appendf(nil, apps, s.fapi.public), 0o600); err != nil {
		return err
	}
	printed, err := s.run(ctx, []string{"client", "add"}, file)
	if err != nil {
		return err
	}
	for _, a := range []*app{s.oidcES, s.oidcRS} {
		found := regexp.MustCompile(regexp.QuoteMeta(a.id) + ` registered[^\n]*\n *client_secret: (\S+)`).FindStringSubmatch(printed)
		if found == nil {
			return fmt.Errorf("no secret was printed for %s", a.id)
		}
		a.secret = found[1]
	}
	printed, err = s.run(ctx, []string{"account", "enrol"}, "--count", strconv.Itoa(accounts))
	if err != nil {
		return err
	}
	return s.readPeople(printed)
}

// unknownCommand reports whether a program said that it does not know a command: it ends
// with status 2.
func unknownCommand(err error) bool {
	var exit *exec.ExitError
	return errors.As(err, &exit) && exit.ExitCode() == 2
}

func (s *subject) readPeople(printed string) error {
	var list []*person
	lines := bufio.NewScanner(bytes.NewReader([]byte(printed)))
	for lines.Scan() {
		var login struct {
			Number   string `json:"number"`
			Password string `json:"password"`
			Seed     string `json:"totp_seed_hex"`
		}
		if json.Unmarshal(lines.Bytes(), &login) != nil || login.Number == "" {
			continue
		}
		seed, err := hex.DecodeString(login.Seed)
		if err != nil {
			return fmt.Errorf("reading a seed: %w", err)
		}
		list = append(list, &person{number: login.Number, password: login.Password, seed: seed})
	}
	if len(list) == 0 {
		return errors.New("no accounts were enrolled")
	}
	s.people = newPeople(list)
	return nil
}

// freePort is free now; a server that finds it taken says so and ends.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// start starts the server and waits until it is ready.
func (s *subject) start(ctx context.Context) error {
	port, err := freePort()
	if err != nil {
		return err
	}
	s.base = fmt.Sprintf("http://localhost:%d", port)
	log, err := os.Create(filepath.Join(s.folder, "server.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	s.command = exec.Command(s.program, append([]string{
		"serve", "--issuer", s.base, "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--address-burst", "1000000000", "--log-level", "warn",
	}, s.settings()...)...)
	s.command.Stdout, s.command.Stderr = log, log
	if err := s.command.Start(); err != nil {
		return err
	}
	s.exited = make(chan error, 1)
	go func() { s.exited <- s.command.Wait() }()
	b := s.browser()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if a, err := b.send(ctx, http.MethodGet, "/readyz", "", nil); err == nil && a.status == http.StatusOK {
			break
		}
		select {
		case err := <-s.exited:
			text, _ := os.ReadFile(log.Name())
			s.exited <- err
			return fmt.Errorf("the server ended: %w: %s", err, text)
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
	a, err := b.expect(ctx, http.StatusOK, http.MethodGet, "/jwks", "", nil)
	if err != nil {
		return err
	}
	for _, app := range []*app{s.fapi, s.oidcES, s.oidcRS} {
		app.issuer = s.base
		if err := json.Unmarshal(a.body, &app.keys); err != nil {
			return fmt.Errorf("reading the JWK Set: %w", err)
		}
	}
	return nil
}

// stop ends the server as an operator would.
func (s *subject) stop() error {
	if s.command == nil || s.command.Process == nil {
		return nil
	}
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case err := <-s.exited:
		return err
	case <-time.After(30 * time.Second):
		return errors.Join(errors.New("the server did not end after SIGTERM"), s.command.Process.Kill())
	}
}

// signedIn signs somebody in at the caller's browser, which stays so.
func (s *subject) signedIn(ctx context.Context, c *caller) (tokens, error) {
	who, ok := s.people.next()
	if !ok {
		return tokens{}, errRanOut
	}
	return c.login(ctx, &c.browser, "", &who)
}

// measure reads the server's totals and the database's CPU.
func (s *subject) measure(ctx context.Context) (counters, float64, error) {
	b := s.browser()
	a, err := b.expect(ctx, http.StatusOK, http.MethodGet, "/metrics", "", nil)
	if err != nil {
		return counters{}, 0, err
	}
	totals, err := parseMetrics(string(a.body))
	if err != nil || s.store.CPU == nil {
		return totals, 0, err
	}
	database, err := s.store.CPU()
	return totals, database, err
}

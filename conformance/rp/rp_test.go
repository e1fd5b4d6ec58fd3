package rp

import (
	"cmp"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/sampleapp"
	"hopnhat/conformance/suite"
	"hopnhat/conformance/suite/report"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // apps tell of each refusal
	os.Exit(m.Run())
}

// serve starts an app that has to know its own address first.
func serve(t *testing.T, app func(home string) http.Handler) (home string) {
	t.Helper()
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	home = "http://" + socket.Addr().String()
	server := &httptest.Server{Listener: socket, Config: &http.Server{Handler: app(home), ReadHeaderTimeout: time.Minute}}
	server.Start()
	t.Cleanup(server.Close)
	return home
}

// sample starts our sample app, and says how it is registered and driven.
func sample(t *testing.T, signed bool) Config {
	t.Helper()
	private, public, err := sampleapp.KeyFile(filepath.Join(t.TempDir(), "app.jwk"))
	if err != nil {
		t.Fatal(err)
	}
	address := fmt.Sprintf("127.0.0.1:%d", harness.Port(t, 1))
	c := Config{Listen: Listen{Address: address, URL: "http://" + address}, Client: Client{ID: "land", JWKS: string(public)}}
	home := serve(t, func(home string) http.Handler {
		return sampleapp.New(sampleapp.Config{
			Issuer: c.Listen.URL, ClientID: c.Client.ID, Key: private, Home: home, Profile: true, Signed: signed,
			Details: []sampleapp.Detail{{Type: "vn_data_release", Registry: "land", Attributes: []string{"land.plot"}, Purpose: "p", Basis: "LB-CONSENT"}},
			// It gives up on the provider before the provider gives up on it.
			HTTP: &http.Client{Timeout: 5 * time.Second},
		}).Handler()
	})
	if signed {
		c.Client.UserInfoAlg = "ES256"
	}
	c.Client.RedirectURIs, c.Client.BackchannelLogout = []string{home + "/callback"}, home+"/backchannel-logout"
	c.Drive = Drive{Start: "POST " + home + "/login", Refresh: "POST " + home + "/read", Page: home + "/"}
	c.SignedIn.Text = `data-test="subject"`
	return c
}

func run(t *testing.T, c Config, o Options) ([]suite.Outcome, []Left) {
	t.Helper()
	outcomes, left, err := Run(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return outcomes, left
}

// TestSampleApp holds the app that agencies copy to every module: with plain
// responses, and with signed ones. What one of the two does not use, the other does.
func TestSampleApp(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	var left []Left
	for _, signed := range []bool{false, true} {
		outcomes, l := run(t, sample(t, signed), Options{})
		left = append(left, l...)
		for _, o := range outcomes {
			tried[o.Module.Name] = true
			if o.Result != suite.Pass {
				t.Errorf("signed %v: %s %s: %s", signed, o.Result, o.Module.Name, o.Reason())
			}
		}
		keep(t, signed, outcomes)
	}
	for _, l := range left {
		if !tried[l.Name] {
			t.Errorf("%s was tried with neither: %s", l.Name, l.Why)
		}
	}
	if want := len(Modules("ES256")); len(tried) != want {
		t.Errorf("%d modules were tried, there are %d", len(tried), want)
	}
}

// keep leaves the report for people to read.
func keep(t *testing.T, signed bool, outcomes []suite.Outcome) {
	t.Helper()
	name := cmp.Or(map[bool]string{true: "signed"}[signed], "plain")
	f, err := os.Create(filepath.Join(harness.Artifacts(t), name+".html"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := report.HTML(f, "the sample app", outcomes); err != nil {
		t.Error(err)
	}
}

// welcomes are the modules in which the provider does nothing wrong: an app that
// checks nothing passes them.
var welcomes = regexp.MustCompile(`happy-path|aud-as-array|without-(typ|athash|expires-in|expires_in)|dpop-nonce-(par|token|resource)|case-insensitivity` +
	`|oidcc-client-test$|userinfo-signed$|refresh-without-id-token|backchannel-rpinitlogout$|logout-by-|key-rotation|single-jwks|recovers`)

// TestLenientApp shows each module an app that accepts everything: a module that
// cannot fail guards nothing.
func TestLenientApp(t *testing.T) {
	t.Parallel()
	for _, signed := range []bool{false, true} {
		outcomes, _ := run(t, naive(t, &app{signed: signed}), Options{})
		for _, o := range outcomes {
			passes := o.Result == suite.Pass
			if welcome := welcomes.MatchString(o.Module.Name); welcome != passes || o.Result == suite.Review {
				t.Errorf("signed %v: %s ended as %s with an app that checks nothing: %s", signed, o.Module.Name, o.Result, o.Reason())
			}
		}
	}
}

// TestBrittleApp shows the other modules an app that refuses whatever is unusual.
func TestBrittleApp(t *testing.T) {
	t.Parallel()
	outcomes, _ := run(t, naive(t, &app{brittle: true}), Options{})
	for _, o := range outcomes {
		name := o.Module.Name
		// It signs in where nothing is unusual at all.
		usual := regexp.MustCompile(`happy-path-no-dpop-nonce|backchannel-rpinitlogout$|logout-by-|recovers|refresh-without-id-token`).MatchString(name)
		if welcomes.MatchString(name) && !usual && o.Result != suite.Fail {
			t.Errorf("%s ended as %s with an app that accepts nothing unusual: %s", name, o.Result, o.Reason())
		}
	}
}

// TestNothingToSee gives an app of which nothing can be seen a review, never a pass.
func TestNothingToSee(t *testing.T) {
	c := naive(t, &app{idle: true})
	c.SignedIn, c.Drive.Page = SignedIn{}, ""
	outcomes, _ := run(t, c, Options{Only: []string{oidc + "invalid-iss", oidc + "missing-sub"}})
	for _, o := range outcomes {
		if o.Result != suite.Review {
			t.Errorf("%s ended as %s: %s", o.Module.Name, o.Result, o.Reason())
		}
	}
}

// TestAppThatCannotSignIn tries nothing further with it.
func TestAppThatCannotSignIn(t *testing.T) {
	c := naive(t, &app{})
	c.Client.JWKS = nil
	outcomes, _ := run(t, c, Options{Only: []string{oidc + "idtoken-sig-none"}})
	if len(outcomes) != 2 || outcomes[0].Result != suite.Fail || outcomes[1].Result != suite.Review ||
		!strings.Contains(outcomes[1].Reason(), "nothing was tried") {
		t.Errorf("got %+v", outcomes)
	}
}

// told is a console that somebody reads.
type told chan string

func (c told) Write(p []byte) (int, error) {
	c <- string(p)
	return len(p), nil
}

// TestByHand drives an app as a person would: reads the console, signs in, and says
// on the provider's page what came of it.
func TestByHand(t *testing.T) {
	c := naive(t, &app{})
	start := c.Drive.Start
	c.Drive, c.SignedIn = Drive{}, SignedIn{}
	console, over := make(told), make(chan struct{})
	defer func() {
		close(console)
		<-over
	}()
	go func() {
		defer close(over)
		for range console {
			page := get(t, c.Listen.URL+"/")
			number := regexp.MustCompile(`name="number" value="(\d+)"`).FindStringSubmatch(page)
			if number == nil {
				t.Errorf("the page asks nothing: %s", page)
				return
			}
			seen := "unknown"
			if !strings.Contains(page, "refresh token") {
				seen = "in"
				get(t, start)
			}
			stay := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			answer, err := stay.PostForm(c.Listen.URL+"/verdict", url.Values{"number": {number[1]}, "seen": {seen}})
			if err != nil {
				t.Error(err)
				return
			}
			answer.Body.Close()
		}
	}()
	outcomes, _ := run(t, c, Options{Only: []string{fapi + "invalid-iss"}, Out: console})
	if len(outcomes) != 2 || outcomes[0].Result != suite.Pass || outcomes[1].Result != suite.Fail {
		for _, o := range outcomes {
			t.Errorf("%s %s: %s", o.Result, o.Module.Name, o.Reason())
		}
	}
}

// TestNobodyThere ends by itself.
func TestNobodyThere(t *testing.T) {
	c := naive(t, &app{})
	c.Drive, c.Patience = Drive{}, time.Millisecond
	outcomes, _ := run(t, c, Options{})
	for _, o := range outcomes {
		if o.Result == suite.Pass {
			t.Errorf("%s passes with nobody there", o.Module.Name)
		}
	}
}

// TestVerdictOfAnotherSite is not taken.
func TestVerdictOfAnotherSite(t *testing.T) {
	d := &desk{issuer: "http://op.example", asks: &question{Number: 1, answer: make(chan view, 1)}}
	for _, row := range []struct {
		name, origin, number string
		want                 int
	}{
		{"another site", "https://evil.example", "1", http.StatusForbidden},
		{"an old question", "http://op.example", "0", http.StatusConflict},
		{"the question", "http://op.example", "1", http.StatusSeeOther},
	} {
		r := httptest.NewRequest(http.MethodPost, "/verdict", strings.NewReader("seen=in&number="+row.number))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", row.origin)
		w := httptest.NewRecorder()
		if d.verdict(w, r); w.Code != row.want {
			t.Errorf("%s: got %d, want %d", row.name, w.Code, row.want)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"an unknown member", "clients: {}", "not found"},
		{"no client", "drive: {start: http://app.example/login}", "client_id"},
		{"no redirect URI", "client: {client_id: a}", "redirect_uris"},
		{"no URL", "client: {client_id: a, redirect_uris: [callback]}", "no URL"},
		{"keys that are none", "client: {client_id: a, redirect_uris: ['http://app.example/cb'], jwks: nonsense}", "jwks"},
		{"an algorithm that is none", "client: {client_id: a, redirect_uris: ['http://app.example/cb'], id_token_signed_response_alg: ES999}", "id_token_signed_response_alg"},
	} {
		c, err := ReadConfig(strings.NewReader(row.text))
		if err == nil {
			_, _, err = Run(t.Context(), c, Options{})
		}
		if err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
	}
}

// TestModules are told well, each name once.
func TestModules(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Modules("ES256") {
		for _, name := range []string{m.Name, m.FAPI} {
			if name != "" && seen[name] {
				t.Errorf("%s is there twice", name)
			}
			seen[name] = true
		}
		if m.Rule == "" || m.Test == nil || m.Name == "" && m.FAPI == "" || m.Needs != nil && m.Needed == "" {
			t.Errorf("%+v is not complete", m)
		}
		if m.Clause != "" && report.Link(m.Clause) == "" {
			t.Errorf("%s: %q leads nowhere", m.named(traits{}), m.Clause)
		}
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	answer, err := http.Get(address)
	if err != nil {
		t.Error(err)
		return ""
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	return string(raw)
}

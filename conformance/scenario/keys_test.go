package scenario_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"hopnhat/conformance/bench/vaultserver"
	"hopnhat/conformance/harness"
	"hopnhat/conformance/harness/vaulttest"
	"hopnhat/conformance/scenario/clients"
)

// federation is two nodes over one database and one Vault, and what was counted.
type federation struct {
	n        *nation
	vault    *vaulttest.Server
	bases    []string // of the nodes
	rotation []string // flags of the rotation role
	stop     chan struct{}

	logins, refreshes, again, verified, bad, lost, fetched, outside atomic.Int64
	mu                                                              sync.Mutex
	kids                                                            map[string]int
}

// TestKeysUnderLoad: while apps log people in without a pause, on two nodes, keys
// are rotated, Vault is sealed and unsealed, and killed and started again. No
// token fails against a JWK Set that a client could have held, no login is lost,
// and a revoked key ends what it signed.
func TestKeysUnderLoad(t *testing.T) {
	f := newFederation(t)
	var all sync.WaitGroup
	for i := range 4 {
		who, b := f.n.someone(t), browser(t)
		app := *f.n.app // a nonce of its own
		all.Go(func() { f.app(t, &app, who, b, &heldSet{url: f.bases[i%2] + "/jwks"}) })
	}
	who, b := f.n.someone(t), browser(t)
	all.Go(func() { f.thirdParty(t, who, b) })

	f.more(t, 10)
	first := f.rotate(t)
	f.active(t, first)
	f.more(t, 10)
	f.vault.Must(f.vault.Seal())
	f.refused(t, 20)
	f.vault.Must(f.vault.Unseal())
	f.more(t, 10)
	second := f.rotate(t)
	f.vault.Kill() // in the middle of a rotation
	f.refused(t, 20)
	f.vault.Must(f.vault.Restart())
	f.vault.Must(f.vault.Unseal())
	f.more(t, 10)
	f.active(t, second)
	f.more(t, 10)
	close(f.stop)
	all.Wait()
	t.Logf("%d logins, %d refreshes, %d logins by go-oidc; %d answers asked again; %d tokens verified, %d failed, %d logins lost; %d fetches of the JWK Set; tokens by key %v",
		f.logins.Load(), f.refreshes.Load(), f.outside.Load(), f.again.Load(), f.verified.Load(), f.bad.Load(), f.lost.Load(),
		f.fetched.Load(), f.kids)
	if f.bad.Load()+f.lost.Load() > 0 || f.outside.Load() == 0 {
		t.Error("a token failed, a login was lost, or the third party never logged in")
	}
	if f.kids[first] == 0 || f.kids[second] == 0 || len(f.kids) != 3 {
		t.Errorf("the keys %s and %s did not both sign", first, second)
	}
	f.revocation(t, second)
}

func newFederation(t *testing.T) *federation {
	f := &federation{
		vault: vaulttest.StartWith(t, vaultserver.Options{Durable: true, TLS: true}), stop: make(chan struct{}), kids: map[string]int{},
	}
	f.rotation = vaultRole(t, f.vault, "rotation")
	harness.Run(t, nil, append([]string{"keys", "vault-setup"}, f.rotation...)...)
	serving := vaultRole(t, f.vault, "serving")
	short := []string{"--jwks-cache", "4s", "--key-overlap", "5m"}
	f.n = begin(t, onPostgres, append(serving, short...)...)
	port := harness.Port(t, 1)
	other := fmt.Sprintf("http://localhost:%d", port)
	f.bases = []string{f.n.base, other}
	harness.Start(t, harness.Program{Base: other, Args: slices.Concat(
		[]string{"serve", "--issuer", f.n.base, "--listen", fmt.Sprintf("127.0.0.1:%d", port)}, f.n.tool,
		[]string{"--state", filepath.Join(t.TempDir(), "state"), "--site", "dc2"},
	)})
	return f
}

// heldSet is the JWK Set as a client holds it that trusts its cache: it fetches
// when the time that the server gave is over, and never before.
type heldSet struct {
	url   string
	until time.Time
	set   jose.JSONWebKeySet
}

var maxAge = regexp.MustCompile(`max-age=(\d+)`)

func (h *heldSet) get(f *federation) (jose.JSONWebKeySet, error) {
	if time.Now().Before(h.until) {
		return h.set, nil
	}
	asked := time.Now()
	response, err := http.Get(h.url + "?client_id=app-a")
	if err != nil {
		return h.set, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return h.set, fmt.Errorf("the JWK Set: %d %s, %w", response.StatusCode, raw, err)
	}
	f.fetched.Add(1)
	age := maxAge.FindStringSubmatch(response.Header.Get("Cache-Control"))
	if age == nil {
		return h.set, errors.New("the JWK Set does not say how long it may be cached")
	}
	seconds, _ := strconv.Atoi(age[1])
	h.until = asked.Add(time.Duration(seconds) * time.Second)
	h.set = jose.JSONWebKeySet{}
	return h.set, json.Unmarshal(raw, &h.set)
}

// verify checks a token against what the client holds.
func (f *federation) verify(t *testing.T, held *heldSet, token string) {
	set, err := held.get(f)
	if err != nil {
		f.bad.Add(1)
		t.Error(err)
		return
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		f.bad.Add(1)
		t.Errorf("not a JWT: %v", err)
		return
	}
	kid := parsed.Headers[0].KeyID
	keys := set.Key(kid)
	if len(keys) != 1 || parsed.Claims(keys[0].Key, &map[string]any{}) != nil {
		f.bad.Add(1)
		t.Errorf("a token by %s fails against the set a client holds", kid)
		return
	}
	f.verified.Add(1)
	f.mu.Lock()
	f.kids[kid]++
	f.mu.Unlock()
}

// patiently asks until the answer is not to ask again, which costs nothing that
// was spent.
func (f *federation) patiently(ask func() answer) answer {
	for {
		a := ask()
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			return a
		}
		f.again.Add(1)
		<-time.After(20 * time.Millisecond)
	}
}

// app logs one person in again and again, and refreshes.
func (f *federation) app(t *testing.T, p *party, who *person, b *http.Client, held *heldSet) {
	for !f.stopped() {
		verifier := random() + random()
		code := p.code(t, b, who, verifier, "")
		a := f.patiently(func() answer { return p.exchange(t, code, verifier) })
		if a.status != http.StatusOK {
			f.lost.Add(1)
			t.Errorf("a login was lost: %d %s", a.status, a.raw)
			return
		}
		f.logins.Add(1)
		f.verify(t, held, a.text("id_token"))
		f.verify(t, held, a.text("access_token"))
		a = f.patiently(func() answer { return p.refresh(t, a.text("refresh_token")) })
		if a.status != http.StatusOK {
			f.lost.Add(1)
			t.Errorf("a refresh was lost: %d %s", a.status, a.raw)
			return
		}
		f.refreshes.Add(1)
		f.verify(t, held, a.text("access_token"))
	}
}

// thirdParty is go-oidc, as it comes: it may be told to ask again, and must never
// be given what it cannot verify.
func (f *federation) thirdParty(t *testing.T, who *person, b *http.Client) {
	app := clients.LegacyApp{
		Issuer: f.n.base, ClientID: "legacy", ClientSecret: f.n.legacy, RedirectURI: "http://localhost/legacy/callback",
	}
	for !f.stopped() {
		switch _, err := app.Login(t.Context(), b, who.atTheBrowser()); {
		case err == nil:
			f.outside.Add(1)
		case strings.Contains(err.Error(), "temporarily_unavailable"):
			f.again.Add(1)
		default:
			f.bad.Add(1)
			t.Errorf("go-oidc: %v", err)
			return
		}
	}
}

func (f *federation) stopped() bool {
	select {
	case <-f.stop:
		return true
	default:
		return false
	}
}

// eventually waits for the load, not for a time.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(90 * time.Second); !so(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// more waits for further logins, refused for further answers to ask again.
func (f *federation) more(t *testing.T, n int64) {
	t.Helper()
	goal := f.logins.Load() + n
	eventually(t, "further logins", func() bool { return f.logins.Load() >= goal || f.lost.Load() > 0 })
}

func (f *federation) refused(t *testing.T, n int64) {
	t.Helper()
	goal := f.again.Load() + n
	eventually(t, "answers to ask again", func() bool { return f.again.Load() >= goal || f.lost.Load() > 0 })
}

// rotate makes a version as the rotation role and gives its key id.
func (f *federation) rotate(t *testing.T) string {
	t.Helper()
	return strings.Fields(f.n.run(t, append([]string{"keys", "rotate"}, f.rotation...)...))[0]
}

// active waits until a version signs: by the book, and in the hands of clients.
func (f *federation) active(t *testing.T, kid string) {
	t.Helper()
	eventually(t, kid+" is active", func() bool { return f.state(t, kid) == "active" })
	eventually(t, kid+" signs", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.kids[kid] > 0
	})
}

func (f *federation) state(t *testing.T, kid string) string {
	t.Helper()
	for line := range strings.Lines(f.n.run(t, "keys", "status", "--json", "--ended")) {
		var s struct {
			KID   string `json:"kid"`
			State string `json:"state"`
		}
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatal(err)
		}
		if s.KID == kid {
			return s.State
		}
	}
	return ""
}

// revocation: what the key signed ends on every node, its set loses the key, and
// people log in on.
func (f *federation) revocation(t *testing.T, kid string) {
	p, who, b := f.n.app, f.n.someone(t), browser(t)
	token := p.tokens(t, b, who, "").text("access_token")
	said := f.n.run(t, append(append([]string{"keys", "revoke"}, f.rotation...), "--why", "a drill", "--yes", "--", kid)...)
	if found := regexp.MustCompile(`(\d+) tokens ended`).FindStringSubmatch(said); found == nil || found[1] == "0" {
		t.Errorf("it does not tell how many tokens it ended: %s", said)
	}
	eventually(t, "the token of a revoked key is refused", func() bool {
		return p.resource(t, http.MethodGet, "/userinfo", token, "", nil).status == http.StatusUnauthorized
	})
	for _, base := range f.bases {
		eventually(t, "the set loses the key", func() bool {
			set, err := (&heldSet{url: base + "/jwks"}).get(f)
			return err == nil && len(set.Key(kid)) == 0 && len(set.Keys) > 0
		})
	}
	verifier := random() + random()
	code := p.code(t, b, who, verifier, "")
	if a := f.patiently(func() answer { return p.exchange(t, code, verifier) }); a.status != http.StatusOK {
		t.Errorf("no login after a revocation: %d %s", a.status, a.raw)
	} else {
		f.verify(t, &heldSet{url: f.bases[1] + "/jwks"}, a.text("id_token"))
	}
	if out, status := harness.Try(t, nil, append(append([]string{"keys", "revoke"}, f.n.tool...), "--why", "again", "--yes", "--", kid)...); status == 0 {
		t.Errorf("revoked twice: %s", out)
	}
}

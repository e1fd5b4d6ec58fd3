package scenario_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// site is a server of a federation, with a state and a database of its own, over TLS.
type site struct {
	*nation
	authority *harness.Authority
	flags     []string // what says where it is
	serves    []string // more, of the server alone
	port      int
}

// newSite makes the state of a server whose roles are given.
func newSite(t *testing.T, a *harness.Authority, port int, roles string) *site {
	t.Helper()
	s := &site{nation: &nation{base: fmt.Sprintf("https://localhost:%d", port)}, authority: a, port: port}
	s.state = filepath.Join(t.TempDir(), "state")
	own := a.Server()
	s.flags = []string{
		"--state", s.state, "--issuer", s.base, "--argon2-kib", "64", "--federation-entity", s.file("entity"), "--registry", s.file("registry"),
	}
	s.serves = []string{
		"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--tls-certificate", own.CertFile, "--tls-key", own.KeyFile, "--roles", roles,
	}
	return s
}

// file is the path of a file of the server's configuration.
func (s *site) file(name string) string { return s.state + "-" + name + ".json" }

func (s *site) write(t *testing.T, name string, value any) {
	t.Helper()
	raw, err := json.Marshal(value)
	if err == nil {
		err = os.WriteFile(s.file(name), raw, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// begins starts the server, with more flags; what is given twice counts as given last.
func (s *site) begins(t *testing.T, more ...string) {
	t.Helper()
	args := slices.Concat([]string{"serve"}, s.flags, s.serves, more)
	s.process = harness.Start(t, harness.Program{Args: args, Base: s.base, Trust: s.authority})
}

func (s *site) command(t *testing.T, words ...string) string {
	t.Helper()
	return harness.Run(t, nil, append(words, s.flags...)...)
}

// another runs a command as somebody else than who runs the tests: in a user namespace, in
// which the one user has the number of "nobody".
func (s *site) another(t *testing.T, words ...string) {
	t.Helper()
	command := exec.CommandContext(ctx(t), harness.Binary(t), append(words, s.flags...)...)
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 65534, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 65534, HostID: os.Getgid(), Size: 1}},
	}
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("hopnhat %s: %v\n%s", strings.Join(words, " "), err, output)
	}
}

// enrols enrols an entity: one person proposes and another approves.
func (s *site) enrols(t *testing.T, id string, more ...string) {
	t.Helper()
	until := time.Now().AddDate(1, 0, 0).Format(time.DateOnly)
	said := s.command(t, append([]string{
		"federation", "subordinate", "propose", id, "--agreement", "12/2026", "--level", "3", "--until", until,
	}, more...)...)
	s.another(t, "federation", "subordinate", "approve", id, "--proposal", first(t, `terms ([0-9a-f]+)`, said))
	// Who goes down from here goes by the list, which is read every 2 seconds.
	soon(t, id+" is in the list", func() bool { return strings.Contains(s.says(t, "/federation/list", nil), `"`+id+`"`) })
}

// says is what the server answers over TLS.
func (s *site) says(t *testing.T, path string, query url.Values) string {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, s.base+path+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: s.authority.Transport()}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s%s: %d %v %s", s.base, path, answer.StatusCode, err, raw)
	}
	return string(raw)
}

// browser is a fresh one that trusts the authority. Each server has one of its own: they are on
// one host here.
func (s *site) browser(t *testing.T) *http.Client {
	t.Helper()
	b := browser(t)
	b.Transport = s.authority.Transport()
	return b
}

// signs verifies an ID token and gives its claims.
func (s *site) signs(t *testing.T, token string) map[string]any {
	t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(s.says(t, "/jwks", nil)), &set); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	claims, found := map[string]any{}, set.Key(parsed.Headers[0].KeyID)
	if len(found) != 1 || parsed.Claims(found[0].Key, &claims) != nil {
		t.Fatalf("no published key of %s made %q", s.base, token)
	}
	return claims
}

// cut is a federation of an anchor, the centre and a province, and an app below the province
// that has nothing of the product's.
type cut struct {
	anchor, centre, province *site
	app                      *member
	party                    *party
	chain                    []string
}

const (
	provincialRoles = "provider,portal,log,federation"
	provincialHost  = "land.danang.example.vn"
)

// newCut sets the federation up as docs/federation.md and docs/cutoff.md say.
func newCut(t *testing.T) *cut {
	t.Helper()
	authority, port := harness.NewAuthority(t, "Hopnhat Test CA"), harness.Port(t, 3)
	c := &cut{
		anchor: newSite(t, authority, port, "log,federation"), centre: newSite(t, authority, port+1, "provider,broker,portal,log,federation"),
		province: newSite(t, authority, port+2, provincialRoles),
	}
	mark := c.anchor.base + "/marks/regional-provider"
	networks := []string{"127.0.0.0/8", "::1/128"}
	c.anchor.write(t, "entity", map[string]any{
		"organization": "Neo", "subordinates": true, "networks": networks, "ca": authority.File,
		"trust_mark_issuers": map[string]any{mark: []string{c.anchor.base}},
	})
	c.anchor.begins(t)
	configuration, err := jwt.ParseSigned(c.anchor.says(t, "/.well-known/openid-federation", nil), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var stated struct {
		Keys json.RawMessage `json:"jwks"`
	}
	if err := configuration.UnsafeClaimsWithoutVerification(&stated); err != nil {
		t.Fatal(err)
	}
	entity := map[string]any{
		"organization": "Trung tâm", "superiors": []string{c.anchor.base}, "networks": networks, "ca": authority.File,
		"anchors": []any{map[string]any{"entity": c.anchor.base, "jwks": stated.Keys}},
	}
	c.centre.write(t, "entity", entity)
	entity = maps.Clone(entity)
	entity["organization"], entity["subordinates"] = "Thành phố Đà Nẵng", true
	c.province.write(t, "entity", entity)

	// The province joins, and has the mark.
	c.province.begins(t, "--roles", "log,federation")
	c.anchor.enrols(t, c.province.base)
	c.anchor.command(t, "federation", "mark", "grant", mark, c.province.base)
	token := c.anchor.says(t, "/federation/trust-mark", url.Values{"trust_mark_type": {mark}, "sub": {c.province.base}})
	c.province.process.Stop()
	entity["trust_marks"] = []any{map[string]any{"trust_mark_type": mark, "trust_mark": token}}
	c.province.write(t, "entity", entity)
	name := map[string]string{"vi": "Thành phố Đà Nẵng", "en": "Da Nang City"}
	c.province.write(t, "province", map[string]any{"name": name, "centre": c.centre.base, "trust_mark_type": mark})
	apps := map[string]any{
		"trust_anchors": []any{map[string]any{"entity_id": c.anchor.base, "jwks": stated.Keys}}, "profile": "fapi2", "minimum_level": 2,
	}
	c.province.write(t, "apps", apps)
	c.province.serves = append(
		c.province.serves, "--regional-provider", c.province.file("province"), "--federation-apps", c.province.file("apps"),
	)
	c.province.begins(t)

	// The centre names the province, and joins.
	c.centre.write(t, "apps", apps)
	c.centre.write(t, "provinces", map[string]any{
		"trust_mark_type": mark, "days": 7, "since": "2026-01-01T00:00:00+07:00", "providers": []any{map[string]any{
			"entity": c.province.base, "name": name, "sectors": []string{"danang.example.vn"},
		}},
	})
	c.centre.serves = append(c.centre.serves, "--regional-choices", c.centre.file("provinces"), "--federation-apps", c.centre.file("apps"))
	harness.Run(t, nil, "registry", "generate", "--persons", "300", "--seed", "2026", "--registry", c.centre.file("registry"))
	c.centre.begins(t)
	c.anchor.enrols(t, c.centre.base)
	c.joins(t)
	return c
}

// joins enrols the app at the province, and gives it its chain.
func (c *cut) joins(t *testing.T) {
	t.Helper()
	c.app = newMember(t, "https://"+provincialHost)
	c.party = newParty(t, nil, c.app.id)
	c.party.redirect = c.app.id + "/callback"
	c.party.http = &http.Client{Transport: c.province.authority.Transport()}
	own := c.app.states(t, c.app, map[string]any{
		"authority_hints": []string{c.province.base}, "metadata": map[string]any{"openid_relying_party": map[string]any{
			"client_registration_types": []string{"automatic"}, "client_name": "Cổng đất đai", "jwks": json.RawMessage(c.party.public),
			"organization_name": "Sở Tài nguyên", "redirect_uris": []string{c.party.redirect},
			"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "private_key_jwt",
		}},
	})
	file := filepath.Join(t.TempDir(), "app.jwt")
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	c.province.enrols(t, c.app.id, "--configuration", file, "--organization", "Sở Tài nguyên")
	c.chain = []string{
		own, c.province.says(t, "/federation/fetch", url.Values{"sub": {c.app.id}}),
		c.anchor.says(t, "/federation/fetch", url.Values{"sub": {c.province.base}}),
	}
}

// signsIn lets a person sign in to the app at a server, where the app registers by the chain that
// it pushes, and gives her sub and the refresh token.
func (c *cut) signsIn(t *testing.T, at *site, b *http.Client, who *person) (sub, refresh string) {
	t.Helper()
	c.party.n, c.party.nonce = at.nation, ""
	verifier := random() + random()
	f := &federated{party: c.party}
	pushed := f.push(t, verifier, f.introducing(t, c.chain, nil))
	if pushed.status != http.StatusCreated {
		t.Fatalf("PAR with a trust chain answered %d: %s", pushed.status, pushed.raw)
	}
	start := at.base + "/authorize?" + url.Values{"client_id": {c.app.id}, "request_uri": {pushed.text("request_uri")}}.Encode()
	callback, err := clients.SignIn(ctx(t), b, start, c.party.redirect, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	if got := callback.Query(); got.Get("iss") != at.base || got.Get("code") == "" {
		t.Fatalf("the answer was %s", callback)
	}
	tokens := c.party.exchange(t, callback.Query().Get("code"), verifier)
	if tokens.status != http.StatusOK {
		t.Fatalf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
	claims := at.signs(t, tokens.text("id_token"))
	if claims["iss"] != at.base || claims["aud"] != c.app.id {
		t.Errorf("the ID token says %v", claims)
	}
	sub, _ = claims["sub"].(string)
	return sub, tokens.text("refresh_token")
}

// soon waits until something is so.
func soon(t *testing.T, what string, so func() bool) {
	t.Helper()
	again, over := time.NewTicker(200*time.Millisecond), time.After(2*time.Minute)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-over:
			t.Fatalf("two minutes are over, and still not: %s", what)
		}
	}
}

// chooses lets a person choose the province at the centre, and waits until it is fed.
func (c *cut) chooses(t *testing.T, b *http.Client, who *person) {
	t.Helper()
	signIn(t, c.centre.nation, b, who, "/portal/provinces")
	form := answerTo(t, page(t, b, c.centre.base+"/portal/provinces").raw, "")
	form.Set("choice", "chosen")
	if a := sent(t, b, c.centre.base+"/portal/provinces", form); a.status >= http.StatusBadRequest {
		t.Fatalf("the choice was not taken: %d %s", a.status, a.raw)
	}
	// Started again it knows the centre at once, and asks.
	c.province.process.Stop()
	c.province.begins(t)
	soon(t, "the province was fed", func() bool {
		// Of one whom the province does not know an operator can end no sessions.
		_, status := harness.Try(t, nil, append([]string{"account", "sign-out", who.Number}, c.province.flags...)...)
		return status == 0
	})
}

// TestCutOffProvince: an app below a province signs a person in at the centre and at the province,
// and both name her alike. With anchor and centre killed she signs in at the province; what the
// centre took meanwhile is taken there when the centre is back, without the anchor.
func TestCutOffProvince(t *testing.T) {
	c := newCut(t)
	c.centre.tool = c.centre.flags
	c.centre.people = enrolled(t, c.centre.command(t, "account", "enrol", "--count", "1"))
	who, national := c.centre.someone(t), c.centre.browser(t)
	c.chooses(t, national, who)
	name, _ := c.signsIn(t, c.centre, national, who)
	same, _ := c.signsIn(t, c.province, c.province.browser(t), who)
	if name == "" || name != same {
		t.Errorf("OpenID Connect Core §8.1: one person, two names: %q and %q", name, same)
	}

	c.anchor.process.Kill()
	c.centre.process.Kill()
	c.province.process.Kill() // and starts while it is cut off
	c.province.begins(t)
	b := c.province.browser(t)
	sub, refresh := c.signsIn(t, c.province, b, who)
	if sub != name {
		t.Errorf("cut off, the province names her %q, before %q", sub, name)
	}
	if a := page(t, b, c.province.base+"/portal/sessions"); a.status != http.StatusOK {
		t.Fatalf("her sessions: %d", a.status)
	}

	c.centre.command(t, "account", "lock", who.Number)
	c.centre.begins(t)
	soon(t, "the lock ended her session at the province", func() bool {
		return page(t, b, c.province.base+"/portal/sessions").status != http.StatusOK
	})
	if a := c.party.refresh(t, refresh); a.text("error") != "invalid_grant" {
		t.Errorf("the app refreshes after the lock: %d %s", a.status, a.raw)
	}
	fresh := c.province.browser(t)
	a := open(t, fresh, http.MethodPost, c.province.base+"/signin", url.Values{
		"csrf": {csrf(t, c.province.nation, fresh)}, "next": {"/portal"}, "number": {who.Number}, "password": {who.Password},
	})
	// A right password would lead on to /signin/code.
	if to := a.header.Get("Location"); a.status < http.StatusBadRequest && !strings.HasPrefix(to, "/signin?") {
		t.Errorf("a sign-in after the lock: %d to %q", a.status, to)
	}
}

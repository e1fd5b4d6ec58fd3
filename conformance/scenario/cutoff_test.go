package scenario_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// place is where a server is.
type place struct {
	host string
	// dial reaches it, and within runs something where it is; both are nil on this host.
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	within func(do func())
}

// site is a server of a federation, with a state and a database of its own, over TLS.
type site struct {
	*nation
	place
	authority *harness.Authority
	flags     []string // what says where it is
	serves    []string // more, of the server alone
}

// newSite makes the state of a server whose roles are given.
func newSite(t *testing.T, a *harness.Authority, at place, roles string) *site {
	t.Helper()
	port, listen, own, memory := strconv.Itoa(harness.Port(t, 1)), "127.0.0.1", a.Server(), "64"
	if ip := net.ParseIP(at.host); ip != nil {
		template := harness.Template(at.host)
		template.ExtKeyUsage, template.IPAddresses = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, []net.IP{ip}
		listen, own, memory = at.host, a.Issue(template), "19456" // less is for a loopback host
	}
	s := &site{nation: &nation{base: "https://" + net.JoinHostPort(at.host, port)}, place: at, authority: a}
	s.state = filepath.Join(t.TempDir(), "state")
	s.flags = []string{
		"--state", s.state, "--issuer", s.base, "--argon2-kib", memory, "--federation-entity", s.file("entity"), "--registry", s.file("registry"),
	}
	s.serves = []string{
		"--listen", net.JoinHostPort(listen, port), "--tls-certificate", own.CertFile, "--tls-key", own.KeyFile, "--roles", roles,
	}
	return s
}

// transport reaches the server from where it is.
func (s *site) transport() *http.Transport {
	transport := s.authority.Transport()
	if s.dial != nil {
		transport.DialContext = s.dial
	}
	return transport
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
	program := harness.Program{Args: slices.Concat([]string{"serve"}, s.flags, s.serves, more), Base: s.base, Transport: s.transport()}
	start := func() { s.process = harness.Start(t, program) }
	if s.within == nil {
		start()
		return
	}
	s.within(start)
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
	s.another(t, "federation", "subordinate", "approve", id, "--proposal", first(t, `terms ([0-9a-f]+)`, said),
		"--unrehearsed", "the first of all")
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
	answer, err := (&http.Client{Transport: s.transport()}).Do(r)
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

// states are the federation keys that the configuration of a server states.
func (s *site) states(t *testing.T) json.RawMessage {
	t.Helper()
	configuration, err := jwt.ParseSigned(s.says(t, "/.well-known/openid-federation", nil), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	var stated struct {
		Keys json.RawMessage `json:"jwks"`
	}
	if err := configuration.UnsafeClaimsWithoutVerification(&stated); err != nil {
		t.Fatal(err)
	}
	return stated.Keys
}

// browser is a fresh one that trusts the authority. Each server has one of its own: they are on
// one host here.
func (s *site) browser(t *testing.T) *http.Client {
	t.Helper()
	b := browser(t)
	b.Transport = s.transport()
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

// cut is a federation of an anchor, the centre and provinces.
type cut struct {
	anchor, centre *site
	provinces      []*province
}

// province is a site below whose domain an app is that has nothing of the product's.
type province struct {
	*site
	domain string
	app    *member
	party  *party
	chain  []string
}

// newCut sets a federation up as docs/federation.md and docs/cutoff.md say, with a province
// for each domain.
func newCut(t *testing.T, anchor, centre place, provinces map[string]place) *cut {
	t.Helper()
	authority := harness.NewAuthority(t, "Hopnhat Test CA")
	c := &cut{
		anchor: newSite(t, authority, anchor, "log,federation"), centre: newSite(t, authority, centre, "provider,broker,portal,log,federation"),
	}
	mark, networks := c.anchor.base+"/marks/regional-provider", []string{"127.0.0.0/8", "::1/128", "10.34.0.0/24"}
	c.anchor.write(t, "entity", map[string]any{
		"organization": "Neo", "subordinates": true, "networks": networks, "ca": authority.File,
		"trust_mark_issuers": map[string]any{mark: []string{c.anchor.base}},
	})
	c.anchor.begins(t)
	entity := map[string]any{
		"organization": "Trung tâm", "superiors": []string{c.anchor.base}, "networks": networks, "ca": authority.File,
		"anchors": []any{map[string]any{"entity": c.anchor.base, "jwks": c.anchor.states(t)}},
	}
	apps := map[string]any{
		"trust_anchors": []any{map[string]any{"entity_id": c.anchor.base, "jwks": c.anchor.states(t)}}, "profile": "fapi2", "minimum_level": 2,
	}
	var choices []any
	for _, domain := range slices.Sorted(maps.Keys(provinces)) {
		p := &province{site: newSite(t, authority, provinces[domain], "provider,portal,log,federation"), domain: domain}
		c.provinces = append(c.provinces, p)
		choices = append(choices, map[string]any{"entity": p.base, "name": p.named(), "sectors": []string{domain}})
		p.write(t, "apps", apps)
		c.admits(t, p, entity, mark)
	}

	// The centre names the provinces, and joins.
	c.centre.write(t, "entity", entity)
	c.centre.write(t, "apps", apps)
	c.centre.write(t, "provinces", map[string]any{
		"trust_mark_type": mark, "days": 7, "since": "2026-01-01T00:00:00+07:00", "providers": choices,
	})
	c.centre.serves = append(c.centre.serves, "--regional-choices", c.centre.file("provinces"), "--federation-apps", c.centre.file("apps"))
	harness.Run(t, nil, "registry", "generate", "--persons", "300", "--seed", "2026", "--registry", c.centre.file("registry"))
	c.centre.begins(t)
	c.anchor.enrols(t, c.centre.base)
	c.centre.tool = c.centre.flags
	c.centre.people = enrolled(t, c.centre.command(t, "account", "enrol", "--count", "2"))
	for _, p := range c.provinces {
		p.joins(t, c.anchor)
	}
	return c
}

func (p *province) named() map[string]string { return map[string]string{"vi": "Tỉnh " + p.domain} }

// admits lets a province join, with the mark, and starts its provider.
func (c *cut) admits(t *testing.T, p *province, entity map[string]any, mark string) {
	t.Helper()
	entity = maps.Clone(entity)
	entity["organization"], entity["subordinates"] = "Tỉnh "+p.domain, true
	p.write(t, "entity", entity)
	p.begins(t, "--roles", "log,federation")
	c.anchor.enrols(t, p.base)
	c.anchor.command(t, "federation", "mark", "grant", mark, p.base)
	token := c.anchor.says(t, "/federation/trust-mark", url.Values{"trust_mark_type": {mark}, "sub": {p.base}})
	p.process.Stop()
	entity["trust_marks"] = []any{map[string]any{"trust_mark_type": mark, "trust_mark": token}}
	p.write(t, "entity", entity)
	p.write(t, "province", map[string]any{"name": p.named(), "centre": c.centre.base, "trust_mark_type": mark})
	p.serves = append(p.serves, "--regional-provider", p.file("province"), "--federation-apps", p.file("apps"))
	p.begins(t)
}

// joins enrols the app at the province, and gives it its chain.
func (p *province) joins(t *testing.T, anchor *site) {
	t.Helper()
	p.app = newMember(t, "https://land."+p.domain)
	p.party = newParty(t, nil, p.app.id)
	p.party.redirect = p.app.id + "/callback"
	own := p.app.states(t, p.app, map[string]any{
		"authority_hints": []string{p.base}, "metadata": map[string]any{"openid_relying_party": map[string]any{
			"client_registration_types": []string{"automatic"}, "client_name": "Cổng đất đai", "jwks": json.RawMessage(p.party.public),
			"organization_name": "Sở Tài nguyên", "redirect_uris": []string{p.party.redirect},
			"grant_types": []string{"authorization_code", "refresh_token"}, "token_endpoint_auth_method": "private_key_jwt",
		}},
	})
	file := filepath.Join(t.TempDir(), "app.jwt")
	if err := os.WriteFile(file, []byte(own), 0o600); err != nil {
		t.Fatal(err)
	}
	p.enrols(t, p.app.id, "--configuration", file, "--organization", "Sở Tài nguyên")
	p.chain = []string{
		own, p.says(t, "/federation/fetch", url.Values{"sub": {p.app.id}}), anchor.says(t, "/federation/fetch", url.Values{"sub": {p.base}}),
	}
}

// signsIn lets a person sign in to the app of the province at a server, where the app registers by
// the chain that it pushes, and gives her sub and the refresh token.
func (p *province) signsIn(t *testing.T, at *site, b *http.Client, who *person) (sub, refresh string) {
	t.Helper()
	p.party.n, p.party.nonce, p.party.http = at.nation, "", &http.Client{Transport: at.transport()}
	verifier := random() + random()
	f := &federated{party: p.party}
	pushed := f.push(t, verifier, f.introducing(t, p.chain, nil))
	if pushed.status != http.StatusCreated {
		t.Fatalf("PAR with a trust chain answered %d: %s", pushed.status, pushed.raw)
	}
	start := at.base + "/authorize?" + url.Values{"client_id": {p.app.id}, "request_uri": {pushed.text("request_uri")}}.Encode()
	callback, err := clients.SignIn(ctx(t), b, start, p.party.redirect, who.atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	if got := callback.Query(); got.Get("iss") != at.base || got.Get("code") == "" {
		t.Fatalf("the answer was %s", callback)
	}
	tokens := p.party.exchange(t, callback.Query().Get("code"), verifier)
	if tokens.status != http.StatusOK {
		t.Fatalf("the token endpoint answered %d: %s", tokens.status, tokens.raw)
	}
	claims := at.signs(t, tokens.text("id_token"))
	if claims["iss"] != at.base || claims["aud"] != p.app.id {
		t.Errorf("the ID token says %v", claims)
	}
	if sub, _ = claims["sub"].(string); sub == "" {
		t.Fatalf("the ID token says %v", claims)
	}
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

// chooses lets a person choose a province at the centre, and waits until it is fed.
func (c *cut) chooses(t *testing.T, b *http.Client, who *person, p *province) {
	t.Helper()
	signIn(t, c.centre.nation, b, who, "/portal/provinces")
	form := answerTo(t, page(t, b, c.centre.base+"/portal/provinces").raw, "")
	form.Set("choice", "chosen")
	form.Set("provider", p.base)
	if a := sent(t, b, c.centre.base+"/portal/provinces", form); a.status >= http.StatusBadRequest {
		t.Fatalf("the choice was not taken: %d %s", a.status, a.raw)
	}
	// Started again it knows the centre at once, and asks.
	p.process.Stop()
	p.begins(t)
	soon(t, "the province was fed", func() bool {
		// Of one whom the province does not know an operator can end no sessions.
		_, status := harness.Try(t, nil, append([]string{"account", "sign-out", who.Number}, p.flags...)...)
		return status == 0
	})
}

// alike lets a person sign in at the centre and at a province, and gives the one name that
// both say.
func (c *cut) alike(t *testing.T, national *http.Client, who *person, p *province) string {
	t.Helper()
	name, _ := p.signsIn(t, c.centre, national, who)
	if same, _ := p.signsIn(t, p.site, p.browser(t), who); name != same {
		t.Errorf("OpenID Connect Core §8.1: one person, two names: %q and %q", name, same)
	}
	return name
}

// inside is what a person has at a province that is cut off.
type inside struct {
	browser *http.Client
	refresh string
}

// goesOn lets a person sign in at a province that is cut off, where she has the name of before.
func (p *province) goesOn(t *testing.T, who *person, name string) inside {
	t.Helper()
	p.process.Kill() // it starts while it is cut off
	p.begins(t)
	b := p.browser(t)
	sub, refresh := p.signsIn(t, p.site, b, who)
	if sub != name {
		t.Errorf("cut off, the province names her %q, before %q", sub, name)
	}
	if a := page(t, b, p.base+"/portal/sessions"); a.status != http.StatusOK {
		t.Fatalf("her sessions: %d", a.status)
	}
	return inside{b, refresh}
}

// ends waits until a lock of the centre ends what a person has at a province, which lets her in
// no more.
func (p *province) ends(t *testing.T, who *person, had inside) {
	t.Helper()
	soon(t, "the lock ended her session at the province", func() bool {
		return page(t, had.browser, p.base+"/portal/sessions").status != http.StatusOK
	})
	if a := p.party.refresh(t, had.refresh); a.text("error") != "invalid_grant" {
		t.Errorf("the app refreshes after the lock: %d %s", a.status, a.raw)
	}
	b := p.browser(t)
	a := open(t, b, http.MethodPost, p.base+"/signin", url.Values{
		"csrf": {csrf(t, p.nation, b)}, "next": {"/portal"}, "number": {who.Number}, "password": {who.Password},
	})
	// A right password would lead on to /signin/code.
	if to := a.header.Get("Location"); a.status < http.StatusBadRequest && !strings.HasPrefix(to, "/signin?") {
		t.Errorf("a sign-in after the lock: %d to %q", a.status, to)
	}
}

// TestCutOffProvince: an app below a province signs a person in at the centre and at the province,
// and both name her alike. With anchor and centre killed she signs in at the province; what the
// centre took meanwhile is taken there when the centre is back, without the anchor, and the centre
// has the province's evidence then and lists her sign-in, which came after the lock.
func TestCutOffProvince(t *testing.T) {
	here := place{host: "localhost"}
	c := newCut(t, here, here, map[string]place{"danang.example.vn": here})
	p, who, national := c.provinces[0], c.centre.someone(t), c.centre.browser(t)
	c.chooses(t, national, who, p)
	name := c.alike(t, national, who, p)

	c.anchor.process.Kill()
	c.centre.process.Kill()
	c.centre.command(t, "account", "lock", who.Number)
	had := p.goesOn(t, who, name)

	c.centre.begins(t)
	p.ends(t, who, had)
	c.lists(t, p, "locked")
}

// lists waits until the centre lists that a province let somebody sign in after she was locked, or
// had withdrawn.
func (c *cut) lists(t *testing.T, p *province, why string) {
	t.Helper()
	// What was logged in the last second before the round comes with the next one, in minutes;
	// started again the province asks at once.
	p.process.Stop()
	p.begins(t)
	soon(t, "the sign-in after the lock is listed", func() bool {
		listed := c.centre.command(t, "federation", "conflicts", "--json")
		return strings.Contains(listed, `"conflict":"`+why+`"`) && strings.Contains(listed, `"province":"`+p.base+`"`)
	})
}

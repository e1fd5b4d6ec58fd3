package provincial_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/cmd/command/person"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/nodetest"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/regional"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
)

// anchor is a trust anchor that states servers of these tests, over HTTPS on this machine.
type anchor struct {
	*federationtest.Entity
	server *httptest.Server
	stated map[string]json.RawMessage // key sets by entity
	mark   string
	holder string
}

func newAnchor(t *testing.T) *anchor {
	t.Helper()
	a := &anchor{stated: map[string]json.RawMessage{}}
	a.server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now()
		claims := federationtest.Claims{"iss": a.ID, "sub": a.ID, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jwks": a.JWKS(t)}
		list := []string{}
		switch r.URL.Path {
		case "/.well-known/openid-federation":
			claims["metadata"] = federationtest.Claims{"federation_entity": federationtest.Claims{
				"organization_name": "Neo", "federation_fetch_endpoint": a.server.URL + "/fetch",
				"federation_list_endpoint":            a.server.URL + "/list",
				"federation_trust_mark_list_endpoint": a.server.URL + "/marked",
			}}
			claims["trust_mark_issuers"] = federationtest.Claims{a.mark: []any{a.ID}}
		case "/fetch":
			claims["sub"], claims["jwks"] = r.FormValue("sub"), a.stated[r.FormValue("sub")]
		case "/marked":
			list = append(list, a.holder)
		default:
			for id := range a.stated {
				list = append(list, id)
			}
		}
		if strings.HasSuffix(r.URL.Path, "list") || strings.HasSuffix(r.URL.Path, "marked") {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(list)
			return
		}
		w.Header().Set("Content-Type", "application/entity-statement+jwt")
		_, _ = io.WriteString(w, a.Sign(t, nil, claims))
	}))
	t.Cleanup(a.server.Close)
	a.Entity = federationtest.New(t, federation.EntityID(a.server.URL))
	a.mark = a.server.URL + "/marks/regional-provider"
	return a
}

// configured is the configuration of a server that the anchor states; its files are written here.
func (a *anchor) configured(t *testing.T, roles string, more func(c *node.Config)) *node.Config {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := node.Defaults()
	c.State, c.Listen, c.Argon2KiB, c.Roles = filepath.Join(t.TempDir(), "state"), free.Addr().String(), 19<<10, roles
	c.Issuer, c.Registry = "https://"+c.Listen, filepath.Join(t.TempDir(), "r.db")
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	own := a.server.TLS.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	c.TLSCertificate = nodetest.Write(t, "tls.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own.Certificate[0]})))
	c.TLSKey = nodetest.Write(t, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	file := map[string]any{
		"organization": "Máy chủ", "superiors": []any{a.ID}, "networks": []string{"127.0.0.0/8"}, "ca": c.TLSCertificate,
		"anchors": []any{map[string]any{"entity": a.ID, "jwks": a.JWKS(t)}},
	}
	if c.Roles == provincialRoles {
		a.holder = c.Issuer
		token := a.Sign(t, federationtest.Claims{"typ": "trust-mark+jwt"}, federationtest.Claims{
			"iss": a.ID, "sub": c.Issuer, "trust_mark_type": a.mark, "iat": time.Now().Unix(),
		})
		file["trust_marks"] = []any{map[string]any{"trust_mark_type": a.mark, "trust_mark": token}}
	}
	raw, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	c.FederationEntity = nodetest.Write(t, "entity.json", string(raw))
	more(&c)
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := c.Initialise(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := node.Open(t.Context(), &c)
	if err != nil {
		t.Fatal(err)
	}
	published, err := b.Ring.Published(keys.EntityStatement)
	if err != nil {
		t.Fatal(err)
	}
	if a.stated[c.Issuer], err = jose.MarshalSet(published); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	return &c
}

const provincialRoles = "provider,portal,log,federation"

func started(t *testing.T, c *node.Config) *node.Node {
	t.Helper()
	n, err := node.Start(t.Context(), c, node.Options{Pushes: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Stop() })
	return n
}

// browser is one of a person, who types what she knows.
type browser struct {
	*http.Client
	number, password string
	code             func() string
}

func (a *anchor) browser(t *testing.T, number, password string, code func() string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.server.Certificate())
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{&http.Client{Jar: jar, Transport: transport}, number, password, code}
}

var hidden = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`)

// do sends a request, and answers with the page and its address.
func (b *browser) do(t *testing.T, method, address string, form url.Values) (string, *url.URL) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", r.URL.Scheme+"://"+r.URL.Host)
	}
	answer, err := b.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	raw, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode >= 400 {
		t.Fatalf("%s %s: %d %v %s", method, address, answer.StatusCode, err, raw)
	}
	return string(raw), answer.Request.URL
}

// opens opens a page of a server, signing in on the way.
func (b *browser) opens(t *testing.T, base, path string) string {
	t.Helper()
	body, at := b.do(t, http.MethodGet, base+path, nil)
	for at.Path == "/signin" || at.Path == "/signin/code" {
		form := url.Values{"number": {b.number}, "password": {b.password}}
		if before := at.Path; before == "/signin/code" {
			form = url.Values{"code": {b.code()}}
		}
		for _, found := range hidden.FindAllStringSubmatch(body, -1) {
			form.Set(found[1], html.UnescapeString(found[2]))
		}
		before := at.Path
		body, at = b.do(t, http.MethodPost, base+before, form)
		if at.Path == before {
			t.Fatalf("the sign-in at %s goes no further: %s", base, body)
		}
	}
	return body
}

// TestCutOff: a person chooses a province at the centre; the province is fed over HTTPS; then
// centre and anchor are gone, and she signs in at the province by password and one-time code, under
// the name that the centre gives her.
func TestCutOff(t *testing.T) {
	a := newAnchor(t)
	at := a.configured(t, provincialRoles, func(c *node.Config) {
		c.RegionalProvider = nodetest.Write(t, "p.json", strings.Replace(good, marked, a.mark, 1))
	})
	c := a.configured(t, "provider,broker,portal,log,federation", func(c *node.Config) {
		raw, err := json.Marshal(map[string]any{
			"trust_mark_type": a.mark, "days": 7, "since": "2026-01-01T00:00:00+07:00", "providers": []any{map[string]any{
				"entity": at.Issuer, "name": map[string]string{"vi": "Đà Nẵng"}, "sectors": []string{"danang.example.vn"},
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.RegionalChoices = nodetest.Write(t, "provinces.json", string(raw))
		db, err := registry.Create(t.Context(), c.Registry)
		if err == nil {
			err = nation.Generate(t.Context(), db, nation.Options{Persons: 60, Seed: 1})
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	})
	at.RegionalProvider = nodetest.Write(t, "p.json", strings.NewReplacer(marked, a.mark, `"`+centre+`"`, `"`+c.Issuer+`"`).Replace(good))
	province := started(t, at) // so that the centre comes to know it
	national := started(t, c)

	registers, err := registry.Open(t.Context(), c.Registry)
	if err != nil {
		t.Fatal(err)
	}
	defer registers.Close()
	adults, err := registers.Adults(t.Context(), 1)
	if err != nil || len(adults) == 0 {
		t.Fatal(err)
	}
	number, password := adults[0].Number, "mật khẩu của An"
	if err := person.Enrol(t.Context(), national.Base, registers, person.Synthetic{Number: number, Password: password}); err != nil {
		t.Fatal(err)
	}
	seed, err := person.Seed(t.Context(), national.Ring, number)
	if err != nil {
		t.Fatal(err)
	}
	an := a.browser(t, number, password, func() string { return authn.CurrentCode(seed, time.Now()) })
	body := an.opens(t, c.Issuer, "/portal/provinces")
	form := url.Values{"choice": {"chosen"}}
	for _, found := range hidden.FindAllStringSubmatch(body, -1) {
		form.Set(found[1], html.UnescapeString(found[2]))
	}
	if body, _ = an.do(t, http.MethodPost, c.Issuer+"/portal/provinces", form); !strings.Contains(body, `value="withdrawn"`) {
		t.Fatalf("the choice was not taken: %s", body)
	}

	if err := province.Stop(); err != nil {
		t.Fatal(err)
	}
	province = started(t, at) // and it comes to know the centre
	limit, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	var there authz.Subject
	for there == "" {
		select {
		case <-limit.Done():
			t.Fatal("nothing was handed over")
		case <-look.C:
		}
		credentials, err := province.DB.Credentials(t.Context(), authz.PersonalNumber(number))
		if err != nil {
			t.Fatal(err)
		}
		there = credentials.Subject
	}
	for held := 0; held == 0; { // its log goes to the centre with the same round
		select {
		case <-limit.Done():
			t.Fatal("the centre holds nothing of the log of the province")
		case <-look.C:
		}
		logs, err := national.DB.Regional.HeldLogs(t.Context(), federation.EntityID(at.Issuer))
		if err != nil {
			t.Fatal(err)
		}
		held = len(logs)
	}
	account, err := national.DB.AccountOf(t.Context(), authz.PersonalNumber(number))
	if err != nil {
		t.Fatal(err)
	}
	const sector = "land.danang.example.vn"
	name, err1 := national.Pseudonyms.Pairwise(t.Context(), sector, account.Subject)
	same, err2 := province.Pseudonyms.Pairwise(t.Context(), sector, there)
	if err1 != nil || err2 != nil || name != same || there == account.Subject {
		t.Errorf("OpenID Connect Core §8.1: one person, two names: %s, %v and %s, %v", name, err1, same, err2)
	}
	for issuer, other := range map[string]string{c.Issuer: at.Issuer, at.Issuer: c.Issuer} {
		document, _ := an.do(t, http.MethodGet, issuer+"/.well-known/openid-configuration", nil)
		if !strings.Contains(document, `"same_subject_issuers":["`+other+`"]`) {
			t.Errorf("%s does not say that %s names people alike", issuer, other)
		}
	}

	// What a piece of a log may be long comes as far as the centre's word on it.
	long := strings.NewReader(strings.Repeat("x", 120<<10))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.Issuer+regional.Path, long)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", regional.EventsMedia)
	answer, err := an.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Body.Close(); answer.StatusCode != http.StatusBadRequest {
		t.Errorf("120 KiB that are no piece of a log: %d", answer.StatusCode)
	}

	// Cut off.
	if err := national.Stop(); err != nil {
		t.Fatal(err)
	}
	a.server.Close()
	// A code is good once: the one typed at the centre was handed over as used.
	inside := a.browser(t, number, password, func() string { return authn.CurrentCode(seed, time.Now().Add(30*time.Second)) })
	if body := inside.opens(t, at.Issuer, "/portal/sessions"); !strings.Contains(body, c.Issuer) {
		t.Errorf("she does not read from whom the province has it: %s", body)
	}
}

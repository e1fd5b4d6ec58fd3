package scenario_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// certified makes a party that has a certificate and calls at the alias host.
func certified(t *testing.T, n *nation, id string, as harness.Identity) *party {
	t.Helper()
	p := newParty(t, n, id)
	p.alias = n.secure.Alias
	p.http = &http.Client{Transport: n.secure.Authority.Transport(as)}
	return p
}

func thumbprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// withX5C is a JWK Set of one certificate, RFC 8705 §2.2.2.
func withX5C(t *testing.T, c *x509.Certificate) string {
	t.Helper()
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: c.PublicKey, KeyID: "1", Certificates: []*x509.Certificate{c}}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(set)
}

// secureBrowser trusts the test's authority and has no certificate of its own.
func secureBrowser(t *testing.T, n *nation) *http.Client {
	t.Helper()
	b, err := clients.Browser()
	if err != nil {
		t.Fatal(err)
	}
	b.Transport = n.secure.Authority.Transport()
	return b
}

// registerCertified adds an app with the members given.
func registerCertified(t *testing.T, p *party, members string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "app.yaml")
	text := fmt.Sprintf(`
- client_id: %s
  client_name: "Ứng dụng %s"
  owner: {vi: "Cơ quan thử", en: "Test agency"}
  profile: fapi2
  redirect_uris: ["%s"]
  grant_types: [authorization_code, refresh_token, client_credentials]
  scope: openid
  minimum_level: 2
  declarations:
    - {purpose: tax.declare, legal_basis: LB-STATE, registry: tax, attributes: [tax.tax_code, tax.arrears], explanation: {vi: Thử, en: Test}, max_days: 30}
  %s
`, p.id, p.id, p.redirect, strings.ReplaceAll(members, "\n", "\n  "))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	p.n.run(t, "client", "add", file)
}

// TestFAPIPairs: FAPI 2.0 SP §5.3.2.1, each way to authenticate with each way to
// bind tokens, over TLS, from the pushed request to a release.
func TestFAPIPairs(t *testing.T) {
	n := beginSecure(t)
	ca := n.secure.Authority
	t.Run("the metadata say it", func(t *testing.T) { secureMetadata(t, n) })
	t.Run("refusals", func(t *testing.T) { certificateRefusals(t, n) })
	for _, row := range []struct {
		name    string
		members func(p *party, as harness.Identity) string
		as      harness.Identity
		by      bool // certificate
		bound   bool
	}{
		{"private_key_jwt and DPoP", func(p *party, _ harness.Identity) string { return "jwks: " + p.public }, ca.Client("a"), false, false},
		{"private_key_jwt and mTLS", func(p *party, _ harness.Identity) string {
			return "jwks: " + p.public + "\ntls_client_certificate_bound_access_tokens: true"
		}, ca.Client("b"), false, true},
		{"tls_client_auth and DPoP", func(*party, harness.Identity) string {
			return "token_endpoint_auth_method: tls_client_auth\ndpop_bound_access_tokens: true\ntls_client_auth_subject_dn: CN=c,O=Hopnhat Test,C=VN"
		}, ca.Client("c"), true, false},
		{"tls_client_auth and mTLS", func(*party, harness.Identity) string {
			return "token_endpoint_auth_method: tls_client_auth\ntls_client_certificate_bound_access_tokens: true\ntls_client_auth_subject_dn: CN=d,O=Hopnhat Test,C=VN"
		}, ca.Client("d"), true, true},
		{"self_signed_tls_client_auth and mTLS", func(_ *party, as harness.Identity) string {
			return "token_endpoint_auth_method: self_signed_tls_client_auth\ntls_client_certificate_bound_access_tokens: true\njwks: " + withX5C(t, as.Leaf)
		}, ca.SelfSigned("e"), true, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := certified(t, n, "pair-"+row.as.Leaf.Subject.CommonName, row.as)
			p.certified, p.bound = row.by, row.bound
			registerCertified(t, p, row.members(p, row.as))
			p.pairJourney(t, row.as)
		})
	}
}

func secureMetadata(t *testing.T, n *nation) {
	r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	plain := &http.Client{Transport: n.secure.Authority.Transport()}
	a := sendBy(t, plain, r)
	aliases, _ := a.body["mtls_endpoint_aliases"].(map[string]any)
	for _, name := range []string{"token_endpoint", "pushed_authorization_request_endpoint", "introspection_endpoint", "revocation_endpoint", "userinfo_endpoint", "device_authorization_endpoint", "backchannel_authentication_endpoint", "grant_management_endpoint"} {
		here, _ := a.body[name].(string)
		if want := n.secure.Alias + strings.TrimPrefix(here, n.base); aliases[name] != want {
			t.Errorf("alias of %s: got %v, want %s", name, aliases[name], want)
		}
	}
	methods := fmt.Sprint(a.body["token_endpoint_auth_methods_supported"])
	if a.body["tls_client_certificate_bound_access_tokens"] != true || !strings.Contains(methods, " tls_client_auth self_signed_tls_client_auth") {
		t.Errorf("the metadata are %s", a.raw)
	}
	if r, err = http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/.well-known/oauth-protected-resource/broker/v1", nil); err != nil {
		t.Fatal(err)
	}
	if broker := sendBy(t, plain, r); broker.body["tls_client_certificate_bound_access_tokens"] != true { // RFC 9728 §2
		t.Errorf("the broker's metadata are %s", broker.raw)
	}
	if a.header.Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security over TLS")
	}
}

// certificateRefusals: who calls otherwise than it is registered is refused, with
// the standard's error.
func certificateRefusals(t *testing.T, n *nation) {
	ca := n.secure.Authority
	stranger := harness.NewAuthority(t, "Hopnhat Test CA")
	own, lone := ca.Client("app-issued"), ca.SelfSigned("app-lone")
	issued := certified(t, n, "app-issued", own)
	issued.certified, issued.bound = true, true
	registerCertified(t, issued, "token_endpoint_auth_method: tls_client_auth\ntls_client_certificate_bound_access_tokens: true\ntls_client_auth_subject_dn: CN=app-issued,O=Hopnhat Test,C=VN")
	self := certified(t, n, "app-lone", lone)
	self.certified, self.bound = true, true
	registerCertified(t, self, "token_endpoint_auth_method: self_signed_tls_client_auth\ntls_client_certificate_bound_access_tokens: true\njwks: "+withX5C(t, lone.Leaf))
	keyed := certified(t, n, "app-keyed", ca.Client("any"))
	keyed.bound = true
	registerCertified(t, keyed, "jwks: "+keyed.public+"\ntls_client_certificate_bound_access_tokens: true")
	either := certified(t, n, "app-either", ca.Client("app-either"))
	either.certified = true
	registerCertified(t, either, "token_endpoint_auth_method: tls_client_auth\ntls_client_auth_subject_dn: CN=app-either,O=Hopnhat Test,C=VN")
	with := func(p *party, as ...harness.Identity) *party {
		one := *p
		one.http = &http.Client{Transport: ca.Transport(as...)}
		return &one
	}
	atIssuer := func(p *party) *party { one := *p; one.alias = ""; return &one }
	withProof := func(p *party) *party { one := *p; one.bound = false; return &one }
	bare := func(p *party) *party { one := *p; one.bound = true; return &one }
	for _, row := range []struct {
		name   string
		p      *party
		status int
		code   string
	}{
		{"a right request, to know that the others fail for their reason", issued, 200, ""},
		{"a right one, self-signed", self, 200, ""},
		{"RFC 8705 §2: no certificate", with(issued), 401, "invalid_client"},
		{"RFC 8705 §2: at the issuer's host, which asks for none", atIssuer(issued), 401, "invalid_client"},
		{"RFC 8705 §2.1: another app's certificate", with(issued, ca.Client("other")), 401, "invalid_client"},
		{"RFC 8705 §2.1: the right name by another CA", with(issued, stranger.Client("app-issued")), 401, "invalid_client"},
		{"RFC 8705 §2.1: the right name, self-signed", with(issued, ca.SelfSigned("app-issued")), 401, "invalid_client"},
		{"RFC 8705 §2.2: another self-signed certificate", with(self, ca.SelfSigned("app-lone")), 401, "invalid_client"},
		{"RFC 8705 §2.2: an issued certificate of the name", with(self, ca.Client("app-lone")), 401, "invalid_client"},
		{"RFC 8705 §3: certificate-bound tokens without a certificate", with(keyed), 400, "invalid_request"},
		{"RFC 8705 §3: the same at the issuer's host", atIssuer(keyed), 400, "invalid_request"},
		{"RFC 8705 §3.4: a DPoP proof where a certificate was registered", withProof(keyed), 400, "invalid_request"},
		{"FAPI 2.0 SP §5.3.2.1: a certificate that authenticates, and nothing that binds", bare(either), 400, "invalid_dpop_proof"},
		{"a certificate that authenticates, and a proof", either, 200, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := row.p.call(t, "/token", url.Values{"grant_type": {"client_credentials"}})
			if a.status != row.status || a.text("error") != row.code {
				t.Errorf("got %d %s, want %d %s", a.status, a.raw, row.status, row.code)
			}
		})
	}
	t.Run("RFC 8628 §3.1, CIBA Core §7.1: the same certificate there", func(t *testing.T) {
		for _, path := range []string{"/device_authorization", "/bc-authorize"} {
			want(t, issued.call(t, path, url.Values{"scope": {"openid"}}), 400, "unauthorized_client") // it is known, and may not
			want(t, with(issued).call(t, path, url.Values{"scope": {"openid"}}), 401, "invalid_client")
		}
	})
	t.Run("RFC 9449 §10: no code bound to a key where tokens are bound to a certificate", func(t *testing.T) {
		f := keyed.request(random()+random(), "")
		want(t, withProof(keyed).call(t, "/par", f), 400, "invalid_request")
		f.Set("dpop_jkt", strings.Repeat("a", 43))
		want(t, keyed.call(t, "/par", f), 400, "invalid_request")
	})
	t.Run("RFC 8705 §5: no page and no metadata at the alias", func(t *testing.T) {
		for _, path := range []string{"/", "/signin", "/authorize", "/portal", "/console", "/.well-known/openid-configuration", "/jwks", "/metrics", "/readyz"} {
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.secure.Alias+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if a := issued.send(t, r); a.status != http.StatusNotFound {
				t.Errorf("%s answered %d", path, a.status)
			}
		}
	})
}

// pairJourney goes from the pushed request to a release, tries what a thief of the
// token could, and ends with a refresh and a revocation.
func (p *party) pairJourney(t *testing.T, as harness.Identity) {
	n := p.n
	tokens := p.tokens(t, secureBrowser(t, n), n.someone(t), taxDetail)
	token := tokens.text("access_token")
	wantType, wantCnf := "DPoP", "jkt" // RFC 9449 §6.1, RFC 7800 §3.1
	if p.bound {
		wantType, wantCnf = "Bearer", "x5t#S256"
	}
	if tokens.text("token_type") != wantType {
		t.Errorf("token_type %q, want %q", tokens.text("token_type"), wantType)
	}
	about := p.call(t, "/introspect", url.Values{"token": {token}})
	cnf, _ := about.body["cnf"].(map[string]any)
	if about.body["active"] != true || about.text("token_type") != wantType || len(cnf) != 1 || cnf[wantCnf] == nil {
		t.Errorf("introspection says %s", about.raw)
	}
	if p.bound && cnf["x5t#S256"] != thumbprint(as.Leaf) {
		t.Errorf("cnf is %v, want the certificate's thumbprint %s (RFC 8705 §3.1)", cnf, thumbprint(as.Leaf))
	}
	body := `{"registry":"tax","purpose":"tax.declare","attributes":["tax.tax_code"]}`
	for name, a := range map[string]answer{
		"UserInfo": p.resource(t, http.MethodGet, "/userinfo", token, "", nil), "the broker": p.release(t, token, body),
	} {
		// The register may have nothing about this person; then the token was good.
		if a.status != http.StatusOK && a.text("code") != "no-record" {
			t.Errorf("%s answered %d: %s", name, a.status, a.raw)
		}
	}
	if p.bound {
		p.thief(t, token, body)
	}
	again := p.refresh(t, tokens.text("refresh_token"))
	if again.status != http.StatusOK || again.text("token_type") != wantType {
		t.Errorf("refreshing answered %d: %s", again.status, again.raw)
	}
	if a := p.call(t, "/token", url.Values{"grant_type": {"client_credentials"}, "scope": {""}}); a.status != http.StatusOK ||
		a.text("token_type") != wantType {
		t.Errorf("client credentials answered %d: %s", a.status, a.raw)
	}
	if a := p.call(t, "/revoke", url.Values{"token": {again.text("refresh_token")}}); a.status != http.StatusOK {
		t.Errorf("revoking answered %d: %s", a.status, a.raw)
	}
	if a := p.resource(t, http.MethodGet, "/userinfo", again.text("access_token"), "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", a.status)
	}
}

// thief presents a stolen certificate-bound token without its certificate (RFC 8705
// §3): refused as invalid_token, wherever.
func (p *party) thief(t *testing.T, token, body string) {
	n := p.n
	other, none := *p, *p
	other.http = &http.Client{Transport: n.secure.Authority.Transport(n.secure.Authority.Client("thief"))}
	none.http = &http.Client{Transport: n.secure.Authority.Transport()}
	main := none
	main.alias = ""
	forged := main
	forged.http = &http.Client{
		Transport: withHeader{n.secure.Authority.Transport(), base64.StdEncoding.EncodeToString(n.secure.Authority.Certificate.Raw)},
	}
	for name, who := range map[string]*party{"another certificate": &other, "no certificate": &none, "the issuer's host": &main, "a header": &forged} {
		for _, a := range []answer{who.resource(t, http.MethodGet, "/userinfo", token, "", nil), who.release(t, token, body)} {
			if a.status != http.StatusUnauthorized || !strings.Contains(a.header.Get("WWW-Authenticate"), "invalid_token") {
				t.Errorf("with %s: got %d %q, want 401 invalid_token", name, a.status, a.header.Get("WWW-Authenticate"))
			}
			if all := strings.Join(a.header.Values("WWW-Authenticate"), ", "); !strings.Contains(all, "Bearer ") ||
				!strings.Contains(all, "DPoP ") {
				t.Errorf("with %s: %q does not offer the scheme of such tokens", name, all)
			}
		}
	}
	// With DPoP instead: the token is not of that kind.
	dpop := *p
	dpop.bound = false
	if a := dpop.resource(t, http.MethodGet, "/userinfo", token, "", nil); a.status != http.StatusUnauthorized {
		t.Errorf("scheme DPoP for a certificate-bound token: %d", a.status)
	}
}

// withHeader sends what a proxy would send.
type withHeader struct {
	next  http.RoundTripper
	value string
}

func (h withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Client-Cert", ":"+h.value+":")
	return h.next.RoundTrip(r)
}

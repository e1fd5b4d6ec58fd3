package clientauth_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

var morning = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// issuer is a CA of the test, or the issuer of none.
type issuer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// template is a good client certificate.
func template(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name, Organization: []string{"Sở Mẫu"}, Country: []string{"VN"}},
		NotBefore: morning.Add(-time.Hour), NotAfter: morning.Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
}

func authority(t testing.TB, name string, change func(*x509.Certificate)) issuer {
	t.Helper()
	c := template(name)
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
	if change != nil {
		change(c)
	}
	k := key(t)
	return issuer{sign(t, c, c, k.Public(), k), k}
}

// below makes an intermediate.
func (i issuer) below(t testing.TB, name string) issuer {
	t.Helper()
	c := template(name)
	c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
	k := key(t)
	return issuer{sign(t, c, i.certificate, k.Public(), i.key), k}
}

func (i issuer) issue(t testing.TB, c *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	t.Helper()
	return sign(t, c, i.certificate, public, i.key)
}

func sign(t testing.TB, c, parent *x509.Certificate, public crypto.PublicKey, k crypto.Signer) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, c, parent, public, k)
	if err != nil {
		t.Fatal(err)
	}
	out, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rsa1024 is a key that is too short; made once, for it is slow.
var rsa1024 = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return k
})

// registry is a store of one client.
type registry struct{ client *authz.Client }

func (r registry) Client(_ context.Context, id authz.ClientID) (*authz.Client, error) {
	if id != r.client.ID {
		return nil, authz.ErrNotFound
	}
	return r.client, nil
}

// authenticate is the request of a client with a chain in its connection.
func authenticate(t *testing.T, client *authz.Client, cas []*x509.Certificate, form url.Values, chain ...*x509.Certificate) error {
	t.Helper()
	now := func() time.Time { return morning }
	a := clientauth.Authenticator{Directory: clientauth.NewDirectory(registry{client}, 0, now), Issuer: "https://id.example", Now: now}
	if cas != nil {
		a.ClientCAs = x509.NewCertPool()
		for _, c := range cas {
			a.ClientCAs.AddCert(c)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	ctx := clientauth.WithConnection(r.Context(), clientauth.Connection{MutualTLS: true, Chain: chain})
	found, _, err := a.Authenticate(ctx, r, form)
	if err == nil && found.ID != client.ID {
		t.Fatalf("another client was found: %q", found.ID)
	}
	return err
}

func outcome(t *testing.T, err error, want authz.Code) {
	t.Helper()
	var got authz.Code
	if refusal := (*authz.Error)(nil); errors.As(err, &refusal) {
		got = refusal.Code
	} else if err != nil {
		t.Fatalf("not a refusal: %v", err)
	}
	if got != want {
		t.Errorf("got %q, want %q (%v)", got, want, err)
	}
}

func app(method authz.AuthMethod, name authz.CertificateName) *authz.Client {
	return &authz.Client{ID: "app", Profile: authz.FAPI2, Authentication: authz.Authentication{Method: method, Certificate: name}}
}

// TestTLSClientAuth: RFC 8705 §2.1, with real certificates.
func TestTLSClientAuth(t *testing.T) {
	root, stranger := authority(t, "root", nil), authority(t, "root", nil)
	middle := root.below(t, "middle")
	lowest := middle.below(t, "lowest").below(t, "lower").below(t, "low")
	ours := []*x509.Certificate{root.certificate}
	own := key(t)
	k := own.Public()
	named := func(name string) authz.CertificateName { return authz.CertificateName{SubjectDN: name} }
	const dn = "CN=app,O=Sở Mẫu,C=VN"
	changed := func(change func(*x509.Certificate)) *x509.Certificate {
		c := template("app")
		change(c)
		return c
	}
	good := root.issue(t, template("app"), k)
	id := url.Values{"client_id": {"app"}}
	for _, row := range []struct {
		name   string
		client *authz.Client
		cas    []*x509.Certificate
		form   url.Values
		chain  []*x509.Certificate
		want   authz.Code
	}{
		{"§2.1: the registered subject, issued by our CA", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{good}, ""},
		{"§2.1: through an intermediate that was presented", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{middle.issue(t, template("app"), k), middle.certificate}, ""},
		{"an intermediate that was not presented", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{middle.issue(t, template("app"), k)}, authz.InvalidClient},
		{"more certificates than are looked at", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{lowest.issue(t, template("app"), k), lowest.certificate, middle.certificate, root.certificate, root.certificate, root.certificate}, authz.InvalidClient},
		{"a CA of the same name with another key", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{stranger.issue(t, template("app"), k)}, authz.InvalidClient},
		{"the chain brings its own root", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{stranger.issue(t, template("app"), k), stranger.certificate}, authz.InvalidClient},
		{"no client CA is configured", app(authz.TLSClientAuth, named(dn)), nil, id, []*x509.Certificate{good}, authz.InvalidClient},
		{"§2.1: another subject of our CA", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{root.issue(t, template("other"), k)}, authz.InvalidClient},
		{"RFC 5280 §6.1.3: expired", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{root.issue(t, changed(func(c *x509.Certificate) { c.NotAfter = morning.Add(-time.Second) }), k)}, authz.InvalidClient},
		{"RFC 5280 §6.1.3: not in force yet", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{root.issue(t, changed(func(c *x509.Certificate) { c.NotBefore = morning.Add(time.Second) }), k)}, authz.InvalidClient},
		{"RFC 5280 §4.2.1.12: a server's certificate", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{root.issue(t, changed(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} }), k)}, authz.InvalidClient},
		{"BCP 195: RSA of 1024 bits", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{root.issue(t, template("app"), rsa1024().Public())}, authz.InvalidClient},
		{"a leaf that poses as a CA", app(authz.TLSClientAuth, named(dn)), ours, id, []*x509.Certificate{issuer{good, own}.issue(t, template("app"), k), good}, authz.InvalidClient},
		{"§2: no client_id", app(authz.TLSClientAuth, named(dn)), ours, url.Values{}, []*x509.Certificate{good}, authz.InvalidClient},
		{"§2: another client's id", app(authz.TLSClientAuth, named(dn)), ours, url.Values{"client_id": {"b"}}, []*x509.Certificate{good}, authz.InvalidClient},
		{"§2: no certificate", app(authz.TLSClientAuth, named(dn)), ours, id, nil, authz.InvalidClient},
		{"RFC 6749 §2.3: a certificate and a secret", app(authz.TLSClientAuth, named(dn)), ours, url.Values{"client_id": {"app"}, "client_secret": {"x"}}, []*x509.Certificate{good}, authz.InvalidClient},
		{"a client of private_key_jwt", app(authz.PrivateKeyJWT, authz.CertificateName{}), ours, id, []*x509.Certificate{good}, authz.InvalidClient},
		{"a client of client_secret_basic", &authz.Client{ID: "app", Profile: authz.OIDC, Authentication: authz.Authentication{Method: authz.ClientSecretBasic}}, ours, id, []*x509.Certificate{good}, authz.InvalidClient},
	} {
		t.Run(row.name, func(t *testing.T) { outcome(t, authenticate(t, row.client, row.cas, row.form, row.chain...), row.want) })
	}
}

// TestCertificateNames: RFC 8705 §2.1.2, each of the five names.
func TestCertificateNames(t *testing.T) {
	root := authority(t, "root", nil)
	c := template("app")
	c.DNSNames = []string{"a.example.vn", "*.wild.example.vn"}
	c.EmailAddresses = []string{"Ai@example.vn"}
	c.IPAddresses = []net.IP{net.IPv4(192, 0, 2, 7), net.ParseIP("2001:db8::7")}
	uri, err := url.Parse("spiffe://example.vn/app?x=1")
	if err != nil {
		t.Fatal(err)
	}
	c.URIs = []*url.URL{uri}
	leaf := root.issue(t, c, key(t).Public())
	for _, row := range []struct {
		name       string
		registered authz.CertificateName
		matches    bool
	}{
		{"san_dns", authz.CertificateName{DNS: "a.example.vn"}, true},
		{"RFC 5280 §7.2: san_dns in another case", authz.CertificateName{DNS: "A.Example.VN"}, true},
		{"san_dns, a wildcard of the certificate matches no host", authz.CertificateName{DNS: "b.wild.example.vn"}, false},
		{"san_dns, the common name is none", authz.CertificateName{DNS: "app"}, false},
		{"san_uri", authz.CertificateName{URI: "spiffe://example.vn/app?x=1"}, true},
		{"san_uri, a longer one", authz.CertificateName{URI: "spiffe://example.vn/app?x=12"}, false},
		{"san_uri, another case in the path", authz.CertificateName{URI: "spiffe://example.vn/App?x=1"}, false},
		{"san_ip v4", authz.CertificateName{IP: "192.0.2.7"}, true},
		{"san_ip v4 written as v6", authz.CertificateName{IP: "::ffff:192.0.2.7"}, true},
		{"san_ip v6 in its long form", authz.CertificateName{IP: "2001:0db8:0:0:0:0:0:7"}, true},
		{"san_ip, another", authz.CertificateName{IP: "192.0.2.8"}, false},
		{"san_email", authz.CertificateName{Email: "Ai@EXAMPLE.vn"}, true},
		{"RFC 5280 §7.5: san_email, another case in the local part", authz.CertificateName{Email: "ai@example.vn"}, false},
		{"subject_dn", authz.CertificateName{SubjectDN: "CN=app,O=Sở Mẫu,C=VN"}, true},
		{"subject_dn with spaces after the commas", authz.CertificateName{SubjectDN: "CN=app, O=Sở Mẫu, C=VN"}, true},
		{"RFC 4514 §2.4: subject_dn with escapes", authz.CertificateName{SubjectDN: `cn=\61pp,2.5.4.10=S\e1\bb\9f M\E1\BA\ABu,c=VN`}, true},
		{"subject_dn as DER", authz.CertificateName{SubjectDN: "CN=#1303617070,O=Sở Mẫu,C=VN"}, true},
		{"subject_dn, DER of another string type", authz.CertificateName{SubjectDN: "CN=#0c03617070,O=Sở Mẫu,C=VN"}, false},
		{"RFC 4517 §4.2.15: subject_dn in another case", authz.CertificateName{SubjectDN: "CN=App,O=Sở Mẫu,C=VN"}, false},
		{"subject_dn the other way round", authz.CertificateName{SubjectDN: "C=VN,O=Sở Mẫu,CN=app"}, false},
		{"subject_dn, a part of it", authz.CertificateName{SubjectDN: "CN=app,O=Sở Mẫu"}, false},
		{"subject_dn, more than it", authz.CertificateName{SubjectDN: "CN=app,OU=x,O=Sở Mẫu,C=VN"}, false},
		{"subject_dn, the separators in a value", authz.CertificateName{SubjectDN: `CN=app\,O=Sở Mẫu,C=VN`}, false},
		{"subject_dn in one set", authz.CertificateName{SubjectDN: "CN=app+O=Sở Mẫu,C=VN"}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			n, err := clientauth.ParseCertificateName(row.registered)
			if err != nil {
				t.Fatal(err)
			}
			if got := n.Matches(leaf); got != row.matches {
				t.Errorf("matches: got %v, want %v", got, row.matches)
			}
		})
	}
	if (clientauth.CertificateName{}).Matches(leaf) {
		t.Error("nothing registered matched a certificate")
	}
}

// TestCertificateNameRefusals: what cannot be registered.
func TestCertificateNameRefusals(t *testing.T) {
	for name, n := range map[string]authz.CertificateName{
		"none (RFC 8705 §2.1.2)": {}, "two (RFC 8705 §2.1.2)": {SubjectDN: "CN=a", DNS: "a.example.vn"},
		"a wildcard": {DNS: "*.example.vn"}, "a URL as host": {DNS: "https://a.example.vn"}, "a relative URI": {URI: "/a"},
		"no address": {IP: "192.0.2"}, "an address with a zone": {IP: "fe80::1%eth0"}, "no mail address": {Email: "a"},
		"no type": {SubjectDN: "app"}, "an unknown type": {SubjectDN: "GIVEN=app"}, "an empty value": {SubjectDN: "CN="},
		"a quoted value (RFC 2253)": {SubjectDN: `CN="app"`}, "a semicolon": {SubjectDN: "CN=a;O=b"}, "a bad escape": {SubjectDN: `CN=\zz`},
		"half an escape": {SubjectDN: `CN=a\`}, "NUL": {SubjectDN: `CN=a\00`}, "odd hexadecimal": {SubjectDN: "CN=#123"}, "a comma at the end": {SubjectDN: "CN=a,"},
		"not UTF-8": {SubjectDN: `CN=\ff`}, "an OID with a leading zero": {SubjectDN: "2.05=a"}, "too long": {SubjectDN: "CN=" + strings.Repeat("a", 2000)},
		"too many parts": {SubjectDN: strings.Repeat("C=VN,", 40) + "CN=a"},
	} {
		if _, err := clientauth.ParseCertificateName(n); err == nil {
			t.Errorf("%s was accepted: %+v", name, n)
		}
	}
}

// TestSelfSigned: RFC 8705 §2.2.
func TestSelfSigned(t *testing.T) {
	signed := func(k crypto.Signer, change func(*x509.Certificate)) *x509.Certificate {
		c := template("app")
		if change != nil {
			change(c)
		}
		return sign(t, c, c, k.Public(), k)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	long, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	small, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := key(t)
	good := signed(k, nil)
	for _, row := range []struct {
		name      string
		jwks      string
		presented *x509.Certificate
		want      authz.Code
	}{
		{"§2.2.2: registered as x5c", keySet(t, good, true, ""), good, ""},
		{"its key is registered without x5c", keySet(t, good, false, ""), good, ""},
		{"Ed25519", keySet(t, signed(edwards, nil), false, ""), signed(edwards, nil), ""},
		{"RSA", keySet(t, signed(long, nil), false, ""), signed(long, nil), ""},
		{"§2.2: another certificate of the key that x5c names", keySet(t, good, true, ""), signed(k, nil), authz.InvalidClient},
		{"§2.2: another key", keySet(t, good, false, ""), signed(key(t), nil), authz.InvalidClient},
		{"the key is for encryption", keySet(t, good, false, "enc"), good, authz.InvalidClient},
		{"expired", keySet(t, good, false, ""), signed(k, func(c *x509.Certificate) { c.NotAfter = morning.Add(-time.Second) }), authz.InvalidClient},
		{"RSA of 1024 bits", keySet(t, good, false, ""), signed(rsa1024(), nil), authz.InvalidClient},
		{"a small curve", keySet(t, good, false, ""), signed(small, nil), authz.InvalidClient},
		{"no keys", "", good, authz.InvalidClient},
	} {
		t.Run(row.name, func(t *testing.T) {
			client := app(authz.SelfSignedTLSClientAuth, authz.CertificateName{})
			client.JWKS = []byte(row.jwks)
			outcome(t, authenticate(t, client, nil, url.Values{"client_id": {"app"}}, row.presented), row.want)
		})
	}
}

// keySet writes the key of a certificate as a JWK Set by hand.
func keySet(t *testing.T, c *x509.Certificate, x5c bool, use string) string {
	t.Helper()
	jwk := map[string]any{}
	switch public := c.PublicKey.(type) {
	case *ecdsa.PublicKey:
		point, err := public.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", b64(point[1:33]), b64(point[33:])
	case ed25519.PublicKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", b64(public)
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	}
	if x5c {
		jwk["x5c"] = []string{base64.StdEncoding.EncodeToString(c.Raw)}
	}
	if use != "" {
		jwk["use"] = use
	}
	raw, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestCheckCertificateSHA1: BCP 195, RFC 9325 §4.5. Go makes no such certificate
// any more, so the field is set as parsing one would.
func TestCheckCertificateSHA1(t *testing.T) {
	k := key(t)
	c := sign(t, template("app"), template("app"), k.Public(), k)
	if err := clientauth.CheckCertificate(c, morning); err != nil {
		t.Fatal(err)
	}
	for _, weak := range []x509.SignatureAlgorithm{x509.SHA1WithRSA, x509.ECDSAWithSHA1, x509.MD5WithRSA, x509.UnknownSignatureAlgorithm} {
		c.SignatureAlgorithm = weak
		if clientauth.CheckCertificate(c, morning) == nil {
			t.Errorf("%s was accepted", weak)
		}
	}
}

package web

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz/clientauth"
	"hopnhat/authz/provider"
	"hopnhat/conformance/harness"
	"hopnhat/web/certificate"
)

// told is what a protocol handler was told about its caller: "main", "alias", or
// the common name of the certificate.
func told(w http.ResponseWriter, r *http.Request) {
	connection := clientauth.ConnectionOf(r.Context())
	answer := "main"
	if connection.MutualTLS {
		answer = "alias"
	}
	for _, c := range connection.Chain {
		answer += " " + c.Subject.CommonName
	}
	_, _ = io.WriteString(w, answer)
}

// edge is a server with one protocol endpoint and one page, on both hosts.
type edge struct{ main, alias string }

func startEdge(t *testing.T, certificate *certificate.Pair, proxies ...netip.Prefix) edge {
	t.Helper()
	s := &Server{o: Options{Certificate: certificate, TrustedProxies: proxies, Published: &provider.Provider{}}}
	s.app = fiber.New(fiber.Config{
		DisableStartupMessage: true,
		ErrorHandler:          func(c *fiber.Ctx, _ error) error { return c.SendStatus(http.StatusNotFound) },
	})
	s.app.Use(s.onAlias)
	s.app.All("/token", s.mount(told))
	s.app.All("/broker/v1/releases", s.mount(told))
	s.app.Get("/signin", func(c *fiber.Ctx) error { return c.SendString("page") })
	open := func(serve func(net.Listener) error) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		var done sync.WaitGroup
		done.Go(func() { _ = serve(l) })
		t.Cleanup(done.Wait)
		return l.Addr().String()
	}
	e := edge{open(s.Serve), open(s.ServeMutualTLS)}
	t.Cleanup(func() { _ = s.app.Shutdown() })
	return e
}

func ask(t *testing.T, transport http.RoundTripper, address string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		r.Header[name] = values
	}
	answer, err := (&http.Client{Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func clientCert(c *x509.Certificate) string {
	return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":"
}

// TestWhoIsCalling: a certificate comes from the handshake, or from a proxy that is
// trusted, at the alias host; nothing a caller writes makes one.
func TestWhoIsCalling(t *testing.T) {
	ca := harness.NewAuthority(t, "test")
	server, app, victim := ca.Server(), ca.Client("app"), ca.Client("victim")
	certificate, err := certificate.Load(server.CertFile, server.KeyFile, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	forged := http.Header{
		"Client-Cert": {clientCert(victim.Leaf)}, "Client-Cert-Chain": {clientCert(ca.Certificate)},
		"X-Client-Cert":     {clientCert(victim.Leaf)},
		"X-Ssl-Client-Cert": {"victim"}, "Connectionkey": {"victim"}, "X-Hopnhat-Connection": {"victim"}, "X-Forwarded-For": {"127.0.0.1"},
	}
	own := startEdge(t, certificate)
	behind := startEdge(t, nil, netip.MustParsePrefix("127.0.0.1/32"))
	both := startEdge(t, certificate, netip.MustParsePrefix("127.0.0.1/32"))
	for _, row := range []struct {
		name      string
		transport http.RoundTripper
		address   string
		header    http.Header
		status    int
		body      string
	}{
		{"the issuer's host asks for no certificate", ca.Transport(app), "https://" + own.main + "/token", nil, 200, "main"},
		{"and believes no header", ca.Transport(app), "https://" + own.main + "/token", forged, 200, "main"},
		{"the alias host tells the handshake's", ca.Transport(app), "https://" + own.alias + "/token", nil, 200, "alias app"},
		{"also where nobody issued it", ca.Transport(ca.SelfSigned("lone")), "https://" + own.alias + "/token", nil, 200, "alias lone"},
		{"and where there is none", ca.Transport(), "https://" + own.alias + "/token", nil, 200, "alias"},
		{"a caller's header is not read", ca.Transport(), "https://" + own.alias + "/token", forged, 200, "alias"},
		{"nor does it hide the handshake's", ca.Transport(app), "https://" + own.alias + "/token", forged, 200, "alias app"},
		{"the broker is there too", ca.Transport(app), "https://" + own.alias + "/broker/v1/releases", nil, 200, "alias app"},
		{"pages are not", ca.Transport(app), "https://" + own.alias + "/signin", nil, 404, "Not Found"},
		{"they are at the issuer's host", ca.Transport(), "https://" + own.main + "/signin", nil, 200, "page"},
		{"RFC 9440: a trusted proxy passes it on", http.DefaultTransport, "http://" + behind.alias + "/token", forged, 200, "alias victim test"},
		{"RFC 9440: not at the issuer's host", http.DefaultTransport, "http://" + behind.main + "/token", forged, 200, "main"},
		{"RFC 9440 §2.2: two of them are none", http.DefaultTransport, "http://" + behind.alias + "/token", http.Header{"Client-Cert": {clientCert(app.Leaf), clientCert(victim.Leaf)}}, 200, "alias"},
		{"RFC 9440: one that cannot be read is none", http.DefaultTransport, "http://" + behind.alias + "/token", http.Header{"Client-Cert": {"x"}}, 200, "alias"},
		{"a proxy's own certificate is not its caller's", ca.Transport(app), "https://" + both.alias + "/token", nil, 200, "alias"},
	} {
		t.Run(row.name, func(t *testing.T) {
			status, body := ask(t, row.transport, row.address, row.header)
			if status != row.status || body != row.body {
				t.Errorf("got %d %q, want %d %q", status, body, row.status, row.body)
			}
		})
	}
}

// TestTransport: TLS 1.2 with the suites of BCP 195 (RFC 9325 §4.2) and TLS 1.3; all
// else is refused in the handshake (FAPI 2.0 SP §5.2.1, §5.2.2).
func TestTransport(t *testing.T) {
	ca := harness.NewAuthority(t, "test")
	server := ca.Server()
	certificate, err := certificate.Load(server.CertFile, server.KeyFile, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	e := startEdge(t, certificate)
	for _, row := range []struct {
		name   string
		change func(c *tls.Config)
		ok     bool
	}{
		{"TLS 1.3", func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, true},
		{"TLS 1.2 with AES-128-GCM", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}, true},
		{"TLS 1.2 with AES-256-GCM", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
		}, true},
		{"TLS 1.2 with CBC", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA}
		}, false},
		{"TLS 1.2 with a suite that BCP 195 does not recommend", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
		}, false},
		{"TLS 1.2 without forward secrecy", func(c *tls.Config) {
			c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}
		}, false},
		{"TLS 1.1", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS11, tls.VersionTLS11 }, false},
		{"TLS 1.0", func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS10 }, false},
	} {
		for _, address := range []string{e.main, e.alias} {
			config := ca.Transport().TLSClientConfig
			row.change(config)
			conn, err := tls.Dial("tcp", address, config)
			if (err == nil) != row.ok {
				t.Errorf("%s: %v, want success %v", row.name, err, row.ok)
			}
			if err == nil {
				conn.Close()
			}
		}
	}
}

// TestRenewal: a new certificate is served without a restart; while the files do
// not fit together, or are gone, the old one stays.
func TestRenewal(t *testing.T) {
	ca := harness.NewAuthority(t, "test")
	first, second := ca.Server(), ca.Server()
	now := time.Now()
	c, err := certificate.Load(first.CertFile, first.KeyFile, func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	served := func() []byte {
		t.Helper()
		got, err := c.Config(tls.NoClientCert).GetCertificate(nil)
		if err != nil {
			t.Fatal(err)
		}
		return got.Certificate[0]
	}
	// put writes a file with a time of its own, as one that is written later has.
	put := func(file, from string) {
		t.Helper()
		raw, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		now = now.Add(time.Minute)
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, now, now); err != nil {
			t.Fatal(err)
		}
	}
	step := func(name string, want harness.Identity) {
		t.Helper()
		now = now.Add(time.Minute)
		if !bytes.Equal(served(), want.Leaf.Raw) {
			t.Errorf("%s: another certificate is served", name)
		}
	}
	old, err := os.ReadFile(first.CertFile)
	if err != nil {
		t.Fatal(err)
	}
	step("at first", harness.Identity{Leaf: first.Leaf})
	put(first.CertFile, second.CertFile)
	step("the certificate without its key", first)
	put(first.KeyFile, second.KeyFile)
	step("both", second)
	put(first.CertFile, second.KeyFile)
	step("no certificate in the file", second)
	if err := os.Remove(first.CertFile); err != nil {
		t.Fatal(err)
	}
	step("the file is gone", second)
	if err := os.WriteFile(second.CertFile, old, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := certificate.Load(second.CertFile, second.KeyFile, time.Now); err == nil {
		t.Error("a key that does not fit was taken at the start")
	}
	expired := harness.Template("localhost")
	expired.NotAfter = time.Now().Add(-time.Minute)
	late := ca.Issue(expired)
	if _, err := certificate.Load(late.CertFile, late.KeyFile, time.Now); err == nil {
		t.Error("an expired certificate was taken at the start")
	}
}

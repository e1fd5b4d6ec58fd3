package harness

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// Balancer says what stands in front of servers that speak plain HTTP on loopback.
type Balancer struct {
	// Port is where it listens on loopback, a free one if zero.
	Port int
	// To are the base URLs of the servers. Each request goes to the next of them,
	// whatever connection it comes on.
	To []string
	// ByPath are servers that have all requests whose path begins so; To has the others.
	ByPath map[string]string
	// Authority, if there is one, issues the balancer's certificate: it ends TLS, and
	// passes on the certificate of a client that has one, if ClientAuth asks for it, as
	// Client-Cert (RFC 9440).
	Authority  *Authority
	ClientAuth tls.ClientAuthType
}

// recommended are the cipher suites of TLS 1.2 in RFC 9325 §4.2.
var recommended = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
}

// Balance starts a balancer, ended with the test, and returns its base URL.
func Balance(t testing.TB, b Balancer) string {
	t.Helper()
	parse := func(base string) *url.URL {
		target, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		return target
	}
	var targets []*url.URL
	for _, one := range b.To {
		targets = append(targets, parse(one))
	}
	byPath := map[string]*url.URL{}
	for prefix, one := range b.ByPath {
		byPath[prefix] = parse(one)
	}
	var turn atomic.Uint64
	next := func(path string) *url.URL {
		for prefix, target := range byPath {
			if strings.HasPrefix(path, prefix) {
				return target
			}
		}
		return targets[turn.Add(1)%uint64(len(targets))]
	}
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		// Until a server has started, and when one was killed.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		Transport:    &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(next(r.In.URL.Path))
			// What was sent as to who called before stays, as with a proxy that adds to it.
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.Host = r.In.Host
			// RFC 9440 §3: nothing of that kind which the client sent itself.
			r.Out.Header.Del("Client-Cert")
			r.Out.Header.Del("Client-Cert-Chain")
			if r.In.TLS != nil && len(r.In.TLS.PeerCertificates) > 0 {
				r.Out.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(r.In.TLS.PeerCertificates[0].Raw)+":")
			}
		},
	})
	if b.Port != 0 {
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", b.Port))
		if err != nil {
			t.Fatal(err)
		}
		server.Listener.Close()
		server.Listener = listener
	}
	port := server.Listener.Addr().(*net.TCPAddr).Port
	t.Cleanup(server.Close)
	if b.Authority == nil {
		server.Start()
		return fmt.Sprintf("http://localhost:%d", port)
	}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{b.Authority.Server().TLS}, ClientAuth: b.ClientAuth, MinVersion: tls.VersionTLS12, CipherSuites: recommended}
	server.StartTLS()
	return fmt.Sprintf("https://localhost:%d", port)
}

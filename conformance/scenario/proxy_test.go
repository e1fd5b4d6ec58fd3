package scenario_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"hopnhat/conformance/harness"
)

// frontEnd is a proxy that ends TLS and passes on the client's certificate (RFC
// 9440), and nothing of that kind which the client sent itself (§3).
func frontEnd(t *testing.T, ca *harness.Authority, to string, clientAuth tls.ClientAuthType) string {
	t.Helper()
	target, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	down := func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) } // until it has started
	server := httptest.NewUnstartedServer(&httputil.ReverseProxy{ErrorHandler: down, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
		r.Out.Host = r.In.Host
		r.Out.Header.Del("Client-Cert")
		r.Out.Header.Del("Client-Cert-Chain")
		if certificates := r.In.TLS.PeerCertificates; len(certificates) > 0 {
			r.Out.Header.Set("Client-Cert", ":"+base64.StdEncoding.EncodeToString(certificates[0].Raw)+":")
		}
	}})
	server.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server().TLS}, ClientAuth: clientAuth, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	return "https://localhost:" + u.Port()
}

// TestBehindProxy: TLS ended in front of the server; certificates come by header,
// from the proxy that is named and from nobody else.
func TestBehindProxy(t *testing.T) {
	ca := harness.NewAuthority(t, "Hopnhat Test CA")
	port := harness.Port(t, 4)
	inside, insideAlias := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", port+3)
	s := &harness.Secure{
		Authority: ca, Base: frontEnd(t, ca, "http://"+inside, tls.NoClientCert), Alias: frontEnd(t, ca, "http://"+insideAlias, tls.RequestClientCert),
		Env: []string{"SSL_CERT_FILE=" + ca.File},
	}
	n := (&nation{base: s.Base, secure: s}).begin(t, port, "",
		"--issuer", s.Base, "--listen", inside, "--trusted-proxies", "127.0.0.1",
		"--mtls-listen", insideAlias, "--mtls-issuer-alias", s.Alias, "--mtls-client-ca", ca.File)
	as := ca.Client("app")
	p := certified(t, n, "behind", as)
	p.certified, p.bound = true, true
	registerCertified(t, p, "token_endpoint_auth_method: tls_client_auth\ntls_client_certificate_bound_access_tokens: true\ntls_client_auth_subject_dn: CN=app,O=Hopnhat Test,C=VN")
	p.pairJourney(t, as)
	forged := *p
	forged.http = &http.Client{Transport: withHeader{ca.Transport(), base64.StdEncoding.EncodeToString(as.Leaf.Raw)}}
	want(t, forged.call(t, "/token", url.Values{"grant_type": {"client_credentials"}}), 401, "invalid_client")
}

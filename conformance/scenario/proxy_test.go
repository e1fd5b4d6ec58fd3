package scenario_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"hopnhat/conformance/harness"
)

// TestBehindProxy: TLS ended in front of the server; certificates come by header,
// from the proxy that is named and from nobody else.
func TestBehindProxy(t *testing.T) {
	ca := harness.NewAuthority(t, "Hopnhat Test CA")
	port := harness.Port(t, 4)
	inside, insideAlias := fmt.Sprintf("127.0.0.1:%d", port), fmt.Sprintf("127.0.0.1:%d", port+3)
	s := &harness.Secure{
		Authority: ca, Base: harness.Balance(t, harness.Balancer{To: []string{"http://" + inside}, Authority: ca}),
		Alias: harness.Balance(t, harness.Balancer{To: []string{"http://" + insideAlias}, Authority: ca, ClientAuth: tls.RequestClientCert}),
		Env:   []string{"SSL_CERT_FILE=" + ca.File},
	}
	n := (&nation{base: s.Base, secure: s}).begin(t, port, onSQLite,
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

package harness

import (
	"fmt"
	"testing"
)

// Secure is what a server over TLS is started with: the issuer and the host for
// client certificates beside it, both on localhost, and the authority that issued
// the server's certificate. A client certificate of the same authority is good for
// tls_client_auth.
//
// To reach it: [Authority.Transport] in Go; Authority.File as --cacert, in
// NODE_EXTRA_CA_CERTS or SSL_CERT_FILE elsewhere; the CertFile and KeyFile of an
// [Identity] for a client that presents one.
type Secure struct {
	Authority *Authority
	// Base is the issuer, and Alias the host that asks for client certificates.
	Base, Alias string
	// Args and Env are for serve or demo, and for the tools that need the same
	// configuration. With Env, what the program calls, an app's logout URI for
	// instance, may be https with a certificate of the same authority.
	Args, Env []string
}

// Secured makes certificates and configuration for a server at two ports. Start it
// with a [Program] of these Args and Env, this Base, and Trust its Authority.
func Secured(t testing.TB, port, aliasPort int) *Secure {
	t.Helper()
	s := &Secure{
		Authority: NewAuthority(t, "Hopnhat Test CA"),
		Base:      fmt.Sprintf("https://localhost:%d", port), Alias: fmt.Sprintf("https://localhost:%d", aliasPort),
	}
	server := s.Authority.Server()
	s.Env = []string{"SSL_CERT_FILE=" + s.Authority.File}
	s.Args = []string{
		"--issuer", s.Base, "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--tls-certificate", server.CertFile, "--tls-key", server.KeyFile,
		"--mtls-listen", fmt.Sprintf("127.0.0.1:%d", aliasPort), "--mtls-issuer-alias", s.Alias, "--mtls-client-ca", s.Authority.File,
	}
	return s
}

package harness

import (
	"fmt"
	"testing"
)

// Secure is a server over TLS with the host for client certificates beside it, both
// on localhost, and the authority that issued the server's certificate. A client
// certificate of the same authority is good for tls_client_auth.
type Secure struct {
	*Process
	Authority *Authority
	// Base is the issuer, and Alias the host that asks for client certificates.
	Base, Alias string
	// Args and Env are what the program was started with: tools that need the same
	// configuration take them too.
	Args, Env []string
}

// StartSecure starts the program (serve or demo) with TLS: the issuer is
// https://localhost at a port, the alias at another. What the program calls, an
// app's logout URI for instance, may be https with a certificate of the same
// authority.
//
// To reach it: [Authority.Transport] in Go; Authority.File as --cacert, in
// NODE_EXTRA_CA_CERTS or SSL_CERT_FILE elsewhere; the CertFile and KeyFile of an
// [Identity] for a client that presents one.
func StartSecure(t testing.TB, port, aliasPort int, program Program) *Secure {
	t.Helper()
	s := Secured(t, port, aliasPort)
	program.Args = append(append([]string{}, program.Args...), s.Args...)
	program.Env = append(append([]string{}, program.Env...), s.Env...)
	program.Base, program.Trust = s.Base, s.Authority
	s.Process = Start(t, program)
	return s
}

// Secured is what [StartSecure] starts a program with, for tests that start it
// themselves. Trust in the [Program] must be its Authority.
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

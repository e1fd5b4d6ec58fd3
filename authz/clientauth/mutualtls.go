package clientauth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"hopnhat/authz"
)

// checkCertificate authenticates with the certificate of the connection (RFC 8705 §2). The
// client is named by client_id; the certificate must be its own.
func (a *Authenticator) checkCertificate(ctx context.Context, c *Registered, chain []*x509.Certificate) error {
	if !slices.Contains(c.Profile.AuthMethods, c.Method) {
		return errors.New("the profile does not allow the method")
	}
	switch c.Method {
	case authz.TLSClientAuth:
		return a.checkIssued(c.Certificate, chain)
	case authz.SelfSignedTLSClientAuth:
		return a.checkSelfSigned(ctx, c, chain[0])
	}
	return errOtherMethod
}

// maxChain bounds what a caller presents in the handshake.
const maxChain = 5

// checkIssued is RFC 8705 §2.1: the registered name, in a certificate that one of
// our client CAs stands behind. The name is compared first, so that a stranger's
// chain costs nothing.
func (a *Authenticator) checkIssued(name CertificateName, chain []*x509.Certificate) error {
	if a.ClientCAs == nil {
		return errors.New("no client CA is configured (mtls_client_ca)")
	}
	if !name.Matches(chain[0]) {
		return errors.New("the certificate has another name than is registered")
	}
	if len(chain) > maxChain {
		return fmt.Errorf("more than %d certificates were presented", maxChain)
	}
	now := a.Now()
	between := x509.NewCertPool()
	for i, c := range chain {
		if err := CheckCertificate(c, now); err != nil {
			return fmt.Errorf("certificate %d of the chain: %w", i, err)
		}
		if i > 0 {
			between.AddCert(c)
		}
	}
	_, err := chain[0].Verify(x509.VerifyOptions{
		Roots: a.ClientCAs, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	return err
}

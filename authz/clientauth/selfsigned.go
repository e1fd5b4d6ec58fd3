package clientauth

import (
	"context"
	"crypto/x509"
	"errors"
)

// checkSelfSigned is RFC 8705 §2.2: the certificate, or its key where a JWK has no
// x5c, is among the registered keys. No chain is asked for.
func (a *Authenticator) checkSelfSigned(ctx context.Context, c *Registered, presented *x509.Certificate) error {
	if err := CheckCertificate(presented, a.Now()); err != nil {
		return err
	}
	registered, err := a.Directory.hasCertificate(ctx, c, presented)
	if err == nil && !registered {
		err = errors.New("the certificate is not among the registered keys")
	}
	return err
}

package clientauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Limits of the RSA keys in certificates.
const (
	minRSABits = 2048
	maxRSABits = 4096
)

// CheckCertificate refuses a certificate that is not in force at a time, or whose
// key or signature is weak: RSA outside 2048 to 4096 bits, elliptic curves under
// 256, anything signed with SHA-1 or less.
func CheckCertificate(c *x509.Certificate, now time.Time) error {
	switch {
	case now.Before(c.NotBefore):
		return errors.New("it is not in force yet")
	case now.After(c.NotAfter):
		return errors.New("it has expired")
	case len(c.UnhandledCriticalExtensions) > 0:
		return errors.New("it has a critical extension that is not understood")
	}
	switch c.SignatureAlgorithm {
	case x509.SHA256WithRSA, x509.SHA384WithRSA, x509.SHA512WithRSA, x509.SHA256WithRSAPSS, x509.SHA384WithRSAPSS, x509.SHA512WithRSAPSS,
		x509.ECDSAWithSHA256, x509.ECDSAWithSHA384, x509.ECDSAWithSHA512, x509.PureEd25519:
	default:
		return fmt.Errorf("it is signed with %s", c.SignatureAlgorithm)
	}
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSABits || n > maxRSABits {
			return fmt.Errorf("its RSA key has %d bits, not %d to %d", n, minRSABits, maxRSABits)
		}
	case *ecdsa.PublicKey:
		if bits := key.Curve.Params().BitSize; bits < 256 {
			return fmt.Errorf("its key is on a curve of %d bits", bits)
		}
	case ed25519.PublicKey:
	default:
		return errors.New("its key is of a type that is not used here")
	}
	return nil
}

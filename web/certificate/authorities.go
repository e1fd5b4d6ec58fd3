package certificate

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
)

// LoadAuthorities reads a PEM file of CAs. A certificate that is not a CA's is refused, and
// so is a file without any.
func LoadAuthorities(path string) (*x509.CertPool, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, found := x509.NewCertPool(), false
	for block, rest := pem.Decode(raw); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		ca, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		if !ca.IsCA {
			return nil, fmt.Errorf("%s is no CA", ca.Subject)
		}
		pool.AddCert(ca)
		found = true
	}
	if !found {
		return nil, errors.New("it has no certificate")
	}
	return pool, nil
}

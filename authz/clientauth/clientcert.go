package clientauth

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// maxCertificate bounds one certificate in a header, in DER.
const maxCertificate = 8 << 10

// ParseClientCert reads the headers in which a proxy that ends TLS passes on what
// the client presented (RFC 9440 §2): the certificate, and the rest of its chain.
// No certificate at all is no error.
func ParseClientCert(certificate, chain []string) ([]*x509.Certificate, error) {
	if len(certificate) == 0 {
		if len(chain) > 0 {
			return nil, errors.New("Client-Cert-Chain without Client-Cert (RFC 9440 §2.3)")
		}
		return nil, nil
	}
	if len(certificate) > 1 {
		return nil, errors.New("more than one Client-Cert (RFC 9440 §2.2)")
	}
	items := []string{certificate[0]}
	for _, line := range chain { // a List may stand on several lines, RFC 9651 §3.1
		if line = strings.Trim(line, " \t"); line != "" {
			items = append(items, strings.Split(line, ",")...)
		}
	}
	if len(items) > maxChain {
		return nil, fmt.Errorf("more than %d certificates", maxChain)
	}
	out := make([]*x509.Certificate, len(items))
	for i, item := range items {
		der, err := byteSequence(strings.Trim(item, " \t"))
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i, err)
		}
		if out[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("certificate %d: %w", i, err)
		}
	}
	return out, nil
}

// byteSequence reads a Byte Sequence without parameters, RFC 9651 §3.3.5.
func byteSequence(item string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(item, ":")
	if ok {
		encoded, ok = strings.CutSuffix(encoded, ":")
	}
	if !ok || encoded == "" || len(encoded) > base64.StdEncoding.EncodedLen(maxCertificate) || strings.ContainsAny(encoded, "\r\n") {
		return nil, errors.New("not a byte sequence between colons (RFC 9651 §3.3.5)")
	}
	return base64.StdEncoding.Strict().DecodeString(encoded)
}

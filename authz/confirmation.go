package authz

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"strings"
)

// Constraint is a way to bind an access token to its holder.
type Constraint string

// The sender constraints that FAPI 2.0 SP §5.3.2.1 knows.
const (
	DPoP      Constraint = "DPoP" // a key that signs each request, RFC 9449
	MutualTLS Constraint = "mTLS" // a client certificate, RFC 8705 §3
)

// Confirmation is what a token is bound to, as it stands in its cnf claim (RFC
// 7800 §3.1): a DPoP key or a client certificate, never both. The zero value is
// a bearer token's.
type Confirmation struct {
	JKT string `json:"jkt,omitempty"`      // RFC 9449 §6.1
	X5T string `json:"x5t#S256,omitempty"` // RFC 8705 §3.1
}

// Bound reports whether the token is bound to anything.
func (c Confirmation) Bound() bool { return c != Confirmation{} }

// x5tPrefix tells a certificate's thumbprint from a key's: no base64url text has
// a colon.
const x5tPrefix = "x5t#S256:"

// Text is the confirmation in one word, for storage; empty for a bearer token.
func (c Confirmation) Text() string {
	if c.X5T != "" {
		return x5tPrefix + c.X5T
	}
	return c.JKT
}

// ParseConfirmation reads what [Confirmation.Text] wrote.
func ParseConfirmation(text string) Confirmation {
	if x5t, ok := strings.CutPrefix(text, x5tPrefix); ok {
		return Confirmation{X5T: x5t}
	}
	return Confirmation{JKT: text}
}

// CertificateThumbprint is x5t#S256 of a certificate: base64url of SHA-256 over
// its DER (RFC 8705 §3.1).
func CertificateThumbprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

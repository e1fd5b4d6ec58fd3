package clientauth

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
)

// Limits of what a caller presents in the handshake.
const (
	maxChain   = 5
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

// CertificateName is a checked registration: exactly one kind of name, in one of
// its forms.
type CertificateName struct {
	registered authz.CertificateName
	subject    []rdn
	uri        string
	ip         netip.Addr
}

// ParseCertificateName checks that exactly one name is registered (RFC 8705
// §2.1.2), and that it is of its form.
func ParseCertificateName(n authz.CertificateName) (CertificateName, error) {
	given := 0
	for _, name := range []string{n.SubjectDN, n.DNS, n.URI, n.IP, n.Email} {
		if name != "" {
			given++
		}
		if len(name) > maxDN {
			return CertificateName{}, fmt.Errorf("a name of a certificate has at most %d bytes", maxDN)
		}
	}
	if given != 1 {
		return CertificateName{}, fmt.Errorf("tls_client_auth needs exactly one of tls_client_auth_subject_dn, _san_dns, _san_uri, _san_ip and _san_email; %d are registered (RFC 8705 §2.1.2)", given)
	}
	out := CertificateName{registered: n}
	switch {
	case n.SubjectDN != "":
		var err error
		if out.subject, err = parseDN(n.SubjectDN); err != nil {
			return out, fmt.Errorf("tls_client_auth_subject_dn: %w", err)
		}
	case n.DNS != "":
		if strings.ContainsAny(n.DNS, "*/:@ ") {
			return out, fmt.Errorf("tls_client_auth_san_dns: %q is no host name; wildcards are not matched", n.DNS)
		}
	case n.URI != "":
		u, err := url.Parse(n.URI)
		if err != nil || u.Scheme == "" {
			return out, fmt.Errorf("tls_client_auth_san_uri: %q is no URI", n.URI)
		}
		out.uri = u.String()
	case n.IP != "":
		ip, err := netip.ParseAddr(n.IP)
		if err != nil || ip.Zone() != "" {
			return out, fmt.Errorf("tls_client_auth_san_ip: %q is no address", n.IP)
		}
		out.ip = ip.Unmap()
	case !strings.Contains(n.Email, "@"):
		return out, fmt.Errorf("tls_client_auth_san_email: %q is no address", n.Email)
	}
	return out, nil
}

// Matches reports whether a certificate has the registered name. Hosts and the
// domain of a mail address compare without case (RFC 5280 §7.2, §7.5), all else
// exactly.
func (n CertificateName) Matches(c *x509.Certificate) bool {
	switch {
	case n.registered.SubjectDN != "":
		presented, err := certificateDN(c.RawSubject)
		return err == nil && sameDN(n.subject, presented)
	case n.registered.DNS != "":
		return slices.ContainsFunc(c.DNSNames, func(name string) bool { return strings.EqualFold(name, n.registered.DNS) })
	case n.registered.URI != "":
		return slices.ContainsFunc(c.URIs, func(u *url.URL) bool { return u.String() == n.uri })
	case n.registered.IP != "":
		for _, raw := range c.IPAddresses {
			if ip, ok := netip.AddrFromSlice(raw); ok && ip.Unmap() == n.ip {
				return true
			}
		}
		return false
	case n.registered.Email != "":
		return slices.ContainsFunc(c.EmailAddresses, func(address string) bool { return sameMail(address, n.registered.Email) })
	}
	return false // nothing registered matches nothing
}

func sameMail(a, b string) bool {
	i, j := strings.LastIndexByte(a, '@'), strings.LastIndexByte(b, '@')
	return i >= 0 && j >= 0 && a[:i] == b[:j] && strings.EqualFold(a[i:], b[j:])
}

// byCertificate authenticates with the certificate of the connection (RFC 8705
// §2). The client is named by client_id; the certificate must be its own.
func (a *Authenticator) byCertificate(ctx context.Context, id authz.ClientID) (*Registered, error) {
	c, err := a.find(ctx, id)
	if err != nil {
		return nil, err
	}
	chain := ConnectionOf(ctx).Chain
	if !slices.Contains(c.Profile.AuthMethods, c.Method) {
		return nil, refused(errors.New("the profile does not allow the method"))
	}
	switch c.Method {
	case authz.TLSClientAuth:
		err = a.checkIssued(c.Certificate, chain)
	case authz.SelfSignedTLSClientAuth:
		err = a.checkSelfSigned(ctx, c, chain[0])
	default:
		err = errors.New("the client is registered for another method")
	}
	if errors.Is(err, authz.ErrUnavailable) {
		return nil, authz.AsError(err)
	}
	if err != nil {
		return nil, refused(err)
	}
	return c, nil
}

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

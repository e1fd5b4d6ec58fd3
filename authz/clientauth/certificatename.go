package clientauth

import (
	"crypto/x509"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"hopnhat/authz"
)

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

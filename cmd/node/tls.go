package node

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/cmd/node/ports"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/web"
	"hopnhat/web/certificate"
)

// LoopbackIssuer reports whether the issuer is on this machine, so that what it
// calls may be too.
func (c *Config) LoopbackIssuer() bool {
	u, err := url.Parse(c.Issuer)
	return err == nil && slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, u.Hostname())
}

// checkTLS refuses transports that would be open by mistake: plain HTTP to the
// world, and an alias host at which no certificate can ever arrive.
func (c *Config) checkTLS() error {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("listen is host:port: %w", err)
	}
	ownTLS, proxied := c.TLSCertificate != "", c.TrustedProxies != ""
	local := OnLoopback(host)
	switch {
	case ownTLS != (c.TLSKey != ""):
		return errors.New("tls_certificate and tls_key go together")
	case ownTLS && !strings.HasPrefix(c.Issuer, "https://"):
		return fmt.Errorf("tls_certificate is set, and the issuer %s is not https", c.Issuer)
	case !ownTLS && !proxied && !local:
		return fmt.Errorf("listen %s is not on loopback, so plain HTTP would be open to others: set tls_certificate and tls_key, or name the proxy that ends TLS in trusted_proxies", c.Listen)
	case (c.MTLSListen == "") != (c.MTLSIssuerAlias == ""):
		return errors.New("mtls_listen and mtls_issuer_alias go together")
	case c.MTLSListen == "" && c.MTLSClientCA != "":
		return errors.New("mtls_client_ca needs mtls_listen and mtls_issuer_alias")
	case c.MTLSListen == "":
		return nil
	case !ownTLS && !proxied:
		return errors.New("mtls_listen asks for client certificates: set tls_certificate and tls_key, or name the proxy that passes them on in trusted_proxies")
	}
	return nil
}

// certificate is the server's own, nil where TLS is ended in front of it.
func (c *Config) certificate() (*certificate.Pair, error) {
	if c.TLSCertificate == "" {
		return nil, nil
	}
	return certificate.Load(c.TLSCertificate, c.TLSKey, time.Now)
}

// clientCAs are the issuers of client certificates, nil if there are none.
func (c *Config) clientCAs() (*x509.CertPool, error) {
	if c.MTLSClientCA == "" {
		return nil, nil
	}
	pool, err := certificate.LoadAuthorities(c.MTLSClientCA)
	if err != nil {
		return nil, fmt.Errorf("reading mtls_client_ca %s: %w", c.MTLSClientCA, err)
	}
	return pool, nil
}

// PortsFree returns an error unless the ports of a node's roles can be listened on, all of
// them at once.
func (c *Config) PortsFree() error {
	roles, err := Roles(c.Roles)
	if err != nil {
		return fmt.Errorf("roles: %w", err)
	}
	aliasAt := c.MTLSListen
	if !anyOf(roles, releasing) {
		aliasAt = ""
	}
	issuer, alias, err := ports.Listen(c.Listen, aliasAt)
	if err != nil {
		return err
	}
	open := []net.Listener{issuer}
	if alias != nil {
		open = append(open, alias)
	}
	if c.LogListen != "" && anyOf(roles, []web.Role{web.LogWriter}) {
		var log net.Listener
		if log, err = releaselog.Listen(c.LogListen); err == nil {
			open = append(open, log)
		}
	}
	for _, l := range open {
		err = errors.Join(err, l.Close())
	}
	return err
}

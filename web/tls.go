package web

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz/clientauth"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Certificate is the server's certificate and key, in two PEM files. They are read
// again when one of them changed, so that a renewal needs no restart. It is safe
// for concurrent use.
type Certificate struct {
	certFile, keyFile string
	now               func() time.Time

	mu      sync.Mutex
	current *tls.Certificate
	read    [2]stamp
	looked  time.Time
}

// stamp distinguishes one content of a file from the next.
type stamp struct {
	changed time.Time
	size    int64
}

// lookEvery is how often, at most, the files are looked at.
const lookEvery = time.Second

// LoadCertificate reads both files.
func LoadCertificate(certFile, keyFile string, now func() time.Time) (*Certificate, error) {
	c := &Certificate{certFile: certFile, keyFile: keyFile, now: now, looked: now()}
	read, err := c.stamps()
	if err != nil {
		return nil, err
	}
	return c, c.load(read)
}

func (c *Certificate) stamps() (read [2]stamp, err error) {
	for i, name := range []string{c.certFile, c.keyFile} {
		file, err := os.Stat(name)
		if err != nil {
			return read, fmt.Errorf("reading the certificate of the server: %w", err)
		}
		read[i] = stamp{file.ModTime(), file.Size()}
	}
	return read, nil
}

func (c *Certificate) load(read [2]stamp) error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("reading the certificate of the server from %s and %s: %w", c.certFile, c.keyFile, err)
	}
	if c.now().After(pair.Leaf.NotAfter) {
		return fmt.Errorf("the certificate in %s expired at %s", c.certFile, pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	c.current, c.read = &pair, read
	slog.Info("certificate of the server read", "file", c.certFile, "expires", pair.Leaf.NotAfter)
	return nil
}

// get is called in each handshake. While the new files cannot be used, for
// instance because only one of them is there yet, the old certificate stays.
func (c *Certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		read, err := c.stamps()
		if err == nil && read != c.read {
			err = c.load(read)
		}
		if err != nil {
			slog.Error("the new certificate of the server cannot be used, the old one stays", "error", err)
		}
	}
	return c.current, nil
}

// config is TLS 1.2 with the cipher suites that BCP 195 recommends (RFC 9325
// §4.2; FAPI 2.0 SP §5.2.2 allows no others), and TLS 1.3. Where certificates are
// asked for, any is let through the handshake, which proves possession of its key
// and no more: whose it must be, only the client's registration knows.
func (c *Certificate) config(ask tls.ClientAuthType) *tls.Config {
	return &tls.Config{
		GetCertificate: c.get, ClientAuth: ask, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
	}
}

// Serve serves the issuer's host on a listener until Shutdown, over TLS if there
// is a certificate.
func (s *Server) Serve(l net.Listener) error {
	if s.o.Certificate != nil {
		l = tls.NewListener(l, s.o.Certificate.config(tls.NoClientCert))
	}
	return s.app.Listener(s.onWire(l))
}

// ServeMutualTLS serves the alias host, where client certificates are asked for
// (RFC 8705 §5), until Shutdown.
func (s *Server) ServeMutualTLS(l net.Listener) error {
	l = aliasListener{l}
	if s.o.Certificate != nil {
		l = tls.NewListener(l, s.o.Certificate.config(tls.RequestClientCert))
	}
	return s.app.Listener(s.onWire(l))
}

// aliasListener marks the connections of the alias host.
type aliasListener struct{ net.Listener }

func (l aliasListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return aliasConn{c}, nil
}

type aliasConn struct{ net.Conn }

// connectionOf reads what the transport knows of the caller of a request. At the
// alias host a trusted proxy speaks for others, in the headers of RFC 9440, and
// never for itself; anybody else speaks for himself only, and such a header of his
// is not read.
func (s *Server) connectionOf(c *fiber.Ctx) clientauth.Connection {
	_, conn := wireOf(c.Context().Conn())
	secured, overTLS := conn.(*tls.Conn)
	if overTLS {
		conn = secured.NetConn()
	}
	if _, alias := conn.(aliasConn); !alias {
		return clientauth.Connection{}
	}
	out := clientauth.Connection{MutualTLS: true}
	switch {
	case s.fromProxy(c):
		chain, err := clientauth.ParseClientCert(headers(c, "Client-Cert"), headers(c, "Client-Cert-Chain"))
		if err != nil {
			slog.Info("a proxy sent a client certificate that cannot be read", "proxy", c.Context().RemoteIP(), "error", err)
		}
		out.Chain = chain
	case overTLS:
		out.Chain = secured.ConnectionState().PeerCertificates
	}
	return out
}

func headers(c *fiber.Ctx, name string) []string {
	var out []string
	for _, value := range c.Request().Header.PeekAll(name) {
		out = append(out, string(value))
	}
	return out
}

// onAlias lets only the endpoints of the protocol be called at the alias host: a
// page there would make browsers ask people for certificates.
func (s *Server) onAlias(c *fiber.Ctx) error {
	connection := s.connectionOf(c)
	if !connection.MutualTLS {
		return c.Next()
	}
	if c.Path() != "/healthz" && !s.o.Published.OnAlias(c.Path()) {
		return page.Fault(view.ErrorNotFound)
	}
	c.Locals(connectionKey{}, connection)
	return c.Next()
}

// connectionKey is where the mount finds the connection. Being a type of this
// package it is nothing that a caller could name.
type connectionKey struct{}

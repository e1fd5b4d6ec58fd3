package web

import (
	"crypto/tls"
	"log/slog"
	"net"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz/clientauth"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// Serve serves the issuer's host on a listener until Shutdown, over TLS if there
// is a certificate.
func (s *Server) Serve(l net.Listener) error {
	if s.o.Certificate != nil {
		l = tls.NewListener(l, s.o.Certificate.Config(tls.NoClientCert))
	}
	return s.app.Listener(s.onWire(l))
}

// ServeMutualTLS serves the alias host, where client certificates are asked for
// (RFC 8705 §5), until Shutdown.
func (s *Server) ServeMutualTLS(l net.Listener) error {
	l = aliasListener{l}
	if s.o.Certificate != nil {
		l = tls.NewListener(l, s.o.Certificate.Config(tls.RequestClientCert))
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

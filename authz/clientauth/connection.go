package clientauth

import (
	"context"
	"crypto/x509"
)

// Connection is what the transport knows of a caller. It travels in the context,
// never in a header, so that no caller can claim one.
type Connection struct {
	// MutualTLS: the request came to the alias host, where client certificates are
	// asked for (RFC 8705 §5).
	MutualTLS bool
	// Chain is what the caller presented, its own certificate first. That it has
	// the key was proved in the handshake; nothing else was checked.
	Chain []*x509.Certificate
}

// Certificate is the caller's own, nil if it presented none.
func (c Connection) Certificate() *x509.Certificate {
	if len(c.Chain) == 0 {
		return nil
	}
	return c.Chain[0]
}

type connectionKey struct{}

// WithConnection tells the handlers of a request about its connection.
func WithConnection(ctx context.Context, c Connection) context.Context {
	return context.WithValue(ctx, connectionKey{}, c)
}

// ConnectionOf is the connection of a request; the zero value where nobody told.
func ConnectionOf(ctx context.Context) Connection {
	c, _ := ctx.Value(connectionKey{}).(Connection)
	return c
}

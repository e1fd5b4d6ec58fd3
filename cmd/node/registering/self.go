// Package registering is how a node comes to know apps that no operator adds: they register
// themselves (RFC 7591), or a federation vouches for them (OpenID Federation 1.0 §12).
package registering

import (
	"log/slog"

	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
)

// Endpoint is the endpoint at which apps register themselves: how is off, iat or open, and
// issuers the file of who may make software statements. It is nil where they may not.
func Endpoint(how, issuers string, o endpoint.Options) (e *endpoint.Endpoint, err error) {
	if how == "off" {
		return nil, nil
	}
	if o.Statements, err = registration.ReadIssuers(issuers); err != nil {
		return nil, err
	}
	if o.Open = how == "open"; o.Open {
		slog.Warn("registration is open: anybody who reaches this server can register an app", "issuer", o.Issuer)
	}
	return endpoint.New(o), nil
}

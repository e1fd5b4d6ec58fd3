package node

import (
	"context"
	"log/slog"
	"time"

	"hopnhat/authz/authn"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
)

// makeRegistration makes the endpoint at which apps register themselves, where they may.
func (n *Node) makeRegistration(context.Context) error {
	c := n.Config
	if c.Registration == "off" {
		return nil
	}
	issuers, err := registration.ReadIssuers(c.RegistrationStatementIssuers)
	if err != nil {
		return err
	}
	open := c.Registration == "open"
	if open {
		slog.Warn("registration is open: anybody who reaches this server can register an app", "issuer", c.Issuer)
	}
	n.registration = endpoint.New(endpoint.Options{
		Issuer: c.Issuer, Open: open, Rules: n.RegistrationRules(), Statements: issuers, Registrations: n.DB, Evidence: n.scribe,
		Fetcher: n.out, Changed: n.directory.Forget,
		Addresses: authn.NewAddresses(c.RegistrationBurst, 3*time.Second, time.Now), Now: time.Now,
	})
	return nil
}

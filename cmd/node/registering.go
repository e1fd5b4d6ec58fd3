package node

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"hopnhat/authz/authn"
	"hopnhat/authz/outbound"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
)

// statementIssuers are those who may make software statements, if any.
func (c *Config) statementIssuers() (registration.Issuers, error) {
	if c.RegistrationStatementIssuers == "" {
		return registration.Issuers{}, nil
	}
	raw, err := os.ReadFile(c.RegistrationStatementIssuers)
	if err != nil {
		return nil, fmt.Errorf("reading registration_statement_issuers: %w", err)
	}
	issuers, err := registration.ParseIssuers(raw)
	if err != nil {
		return nil, fmt.Errorf("reading registration_statement_issuers %s: %w", c.RegistrationStatementIssuers, err)
	}
	return issuers, nil
}

// registering makes the registration endpoint; nil when apps do not register
// themselves here.
func (n *Node) registering() (*endpoint.Endpoint, error) {
	if n.Config.Registration == "off" {
		return nil, nil
	}
	issuers, err := n.Config.statementIssuers()
	if err != nil {
		return nil, err
	}
	open := n.Config.Registration == "open"
	if open {
		slog.Warn("registration is open: anybody who reaches this server can register an app", "issuer", n.Config.Issuer)
	}
	return endpoint.New(endpoint.Options{
		Issuer: n.Config.Issuer, Open: open, Rules: n.RegistrationRules(), Statements: issuers, Registrations: n.DB, Evidence: n.recorder,
		Fetcher: outbound.New(n.Config.LoopbackIssuer()), Changed: n.directory.Forget,
		Addresses: authn.NewAddresses(n.Config.RegistrationBurst, 3*time.Second, time.Now), Site: n.Config.Site, Now: time.Now,
	}), nil
}

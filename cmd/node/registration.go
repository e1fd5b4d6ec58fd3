package node

import (
	"context"
	"time"

	"hopnhat/authz/authn"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/cmd/node/registering"
)

// letFederationsIn lets apps in that a federation vouches for, if the operator says which.
func (n *Node) letFederationsIn(context.Context) error {
	return n.clients.Open(n.directory, registering.Options{
		File: n.Config.FederationApps, Issuer: n.Config.Issuer, Checks: n.RegistrationRules(), Store: n.DB, Evidence: n.scribe,
		Resolver: n.federation.Resolver(), Entity: n.Config.FederationEntity != "", Ring: n.Ring,
		Addresses: authn.NewAddresses(n.Config.RegistrationBurst, 3*time.Second, time.Now),
	})
}

// makeRegistration makes the endpoint at which apps register themselves, where they may.
func (n *Node) makeRegistration(context.Context) (err error) {
	c := n.Config
	n.registration, err = registering.Endpoint(c.Registration, c.RegistrationStatementIssuers, endpoint.Options{
		Issuer: c.Issuer, Rules: n.RegistrationRules(), Registrations: n.DB, Evidence: n.scribe, Fetcher: n.out,
		Changed: n.directory.Forget, Addresses: authn.NewAddresses(c.RegistrationBurst, 3*time.Second, time.Now), Now: time.Now,
	})
	return err
}

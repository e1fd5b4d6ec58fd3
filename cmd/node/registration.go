package node

import (
	"context"
	"net/netip"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/cmd/node/registering"
	"hopnhat/cmd/node/upstreaming"
)

// registrationsAtOnce are the apps of federations that are registered at once because somebody
// named them; one more each second.
const registrationsAtOnce = 100

// letFederationsIn lets apps in that a federation vouches for, if the operator says which.
func (n *Node) letFederationsIn(context.Context) error {
	n.federation.OnDropped(func(entity string) { n.directory.Forget(authz.ClientID(entity)) })
	pace := authn.NewAddresses(registrationsAtOnce, time.Second, time.Now)
	return n.clients.Open(n.directory, registering.Options{
		File: n.Config.FederationApps, Issuer: n.Config.Issuer, Checks: n.RegistrationRules(), Store: n.DB, Evidence: n.scribe,
		Resolver: n.federation.Resolver(), Entity: n.Config.FederationEntity != "", Ring: n.Ring,
		Addresses: authn.NewAddresses(n.Config.RegistrationBurst, 3*time.Second, time.Now),
		Pace:      func() time.Duration { return pace.Take(netip.Addr{}) },
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

// makeUpstreams makes sign-in by other providers, where the operator names some.
func makeUpstreams(n *Node) func(context.Context) error {
	return func(context.Context) (err error) {
		c := n.Config
		n.upstreams, err = upstreaming.New(upstreaming.Parts{
			File: c.Upstreams, Issuer: c.Issuer, Loopback: c.LoopbackIssuer(), Ring: n.Ring, Store: n.DB.Upstreams, Sessions: n.sessions,
			Clients: n.DB, Evidence: n.scribe, Pseudonyms: n.Pseudonyms,
			Resolver: n.federation.Resolver(), Burst: c.AddressBurst, Queued: n.logoutQueued.send,
		})
		return err
	}
}

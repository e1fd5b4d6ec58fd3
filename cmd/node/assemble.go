package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/broker"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/identity"
	"hopnhat/authz/outbound"
	"hopnhat/authz/policy"
	"hopnhat/authz/provider"
	"hopnhat/authz/resource"
	"hopnhat/authz/session"
	"hopnhat/keys"
	"hopnhat/store/registry"
	"hopnhat/web"
)

// New assembles a node, which has its site from then on and does not listen yet.
func New(ctx context.Context, c *Config, o Options) (*Node, error) {
	// A node has a name of its own each time it starts: what an earlier process
	// served is not what this one does.
	base, err := open(ctx, c, c.Site+"-"+authz.NewID())
	if err != nil {
		return nil, err
	}
	n := &Node{Base: base, lost: make(chan error, 1), closers: []func() error{base.Close}}
	n.directory = clientauth.NewDirectory(n.DB, 0, nil)
	fail := func(err error) (*Node, error) { return nil, errors.Join(err, n.Close()) }
	if err := n.takeSite(ctx); err != nil {
		return fail(err)
	}
	if err := n.openLog(ctx); err != nil {
		return fail(err)
	}
	if n.registry, err = registry.Serve(ctx, c.Registry); err != nil {
		return fail(err)
	}
	n.closers = append(n.closers, n.registry.Close)
	if _, err := n.registry.Status(ctx); err != nil {
		return fail(err)
	}
	n.watch = newWatch(n.needs())
	n.watch.first(ctx)
	n.sessions = n.Base.Sessions()
	formKey, err1 := n.Ring.Derive(ctx, keys.Secrets, "forms")
	ticketKey, err2 := n.Ring.Derive(ctx, keys.Secrets, "sign-in tickets")
	approvalKey, err3 := n.Ring.Derive(ctx, keys.Secrets, "decoupled approvals")
	nonceKey, err4 := n.Ring.Derive(ctx, keys.Secrets, "DPoP nonces")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return fail(err)
	}
	n.authn, err = authn.New(n.DB, n.Ring, n.Hasher, authn.NewAddresses(c.AddressBurst, 2*time.Second, time.Now), ticketKey, time.Now)
	if err != nil {
		return fail(err)
	}
	consents := &consent.Consents{
		Catalogue: n.Catalogue, Store: n.DB, Pseudonyms: n.Pseudonyms, Evidence: n.recorder, Outbox: n.DB,
		Broker: c.Issuer + provider.BrokerPath, Site: c.Site, Now: time.Now,
	}
	approvals := &decoupled.Engine{
		Store: n.DB, Keys: decoupled.NewKeys(approvalKey), Pace: decoupled.NewPace(), Evidence: n.recorder, Pseudonyms: n.Pseudonyms,
		Notifier: decoupled.NewSimulator(o.Pushes), Site: c.Site, Now: time.Now,
	}
	certificate, err1 := c.certificate()
	clientCAs, err2 := c.clientCAs()
	releases, err3 := n.newBroker()
	if err := errors.Join(err1, err2, err3); err != nil {
		return fail(err)
	}
	registering, err := n.registering()
	if err != nil {
		return fail(err)
	}
	fetcher := outbound.New(c.LoopbackIssuer())
	n.directory.Fetcher = fetcher
	published := provider.Published{Reachable: n.authn.Reachable(), Policy: c.OPPolicyURI, Terms: c.OPTosURI}
	if registering != nil {
		published.Registration = registering.URL()
	}
	protocol, err := provider.New(ctx, provider.Options{
		Issuer: c.Issuer, MutualTLSAlias: c.MTLSIssuerAlias, ClientCAs: clientCAs, SignInPath: "/signin", ConsentPath: "/consent",
		ApprovePath: web.ApprovePath, DevicePath: web.DevicePath, WaitingPath: web.RequestsPath, Approvals: approvals, Decoupled: n.DB, Ring: n.Ring, Directory: n.directory,
		Proofs: clientauth.NewProofs(nonceKey, time.Now), Grants: n.DB, Sessions: signedIn{n.sessions, n.authn.Reachable()}, Consents: asker{consents}, Pseudonyms: n.Pseudonyms,
		Resources: resource.NewDirectory(n.DB, 0, time.Now), Evidence: n.recorder, Site: c.Site,
		Releases:  releaser{releases},
		Strangers: authn.NewAddresses(20*c.AddressBurst, 50*time.Millisecond, time.Now),
		Parties:   n.Ring, Fetcher: fetcher, Published: published, Now: time.Now, Lifetimes: provider.Lifetimes{Access: c.AccessTokenLife, Grant: c.GrantLife},
	})
	if err != nil {
		return fail(err)
	}
	n.provider, n.broker = protocol, releases
	releases.Verifier = verifier{protocol}
	wake := make(chan struct{}, 1)
	n.deliverer = session.Deliverer{
		Outbox: n.DB, Token: logoutToken(protocol), Notice: consentNotice(protocol, consents), Out: outbound.New(c.LoopbackIssuer()), Now: time.Now, Wake: wake,
	}.Lane()
	proxies, err1 := Networks(c.TrustedProxies)
	scrapers, err2 := Networks(c.MetricsNetworks)
	if err := errors.Join(err1, err2); err != nil {
		return fail(err)
	}
	answered := make(chan struct{}, 1)
	n.pinger = decoupled.Pinger{
		Outbox: n.DB, Clients: directory{n.directory}, Keys: approvals.Keys, Opener: n.Ring, Out: outbound.New(c.LoopbackIssuer()), Now: time.Now, Wake: answered,
	}.Lane()
	n.server = web.New(web.Options{
		Issuer: c.Issuer, Registration: registering, Keys: n.directory, Provider: protocol, Authn: n.authn, Sessions: n.sessions, Forms: session.NewForms(formKey), Consents: consents,
		Evidence: evidence{n.DB, n.recorder}, Log: shards{n}, Recorder: n.recorder, Clients: n.DB, Roles: n.DB, Logouts: n.DB, Fetcher: fetcher, Pseudonyms: n.Pseudonyms,
		Broker: http.HandlerFunc(releases.Releases), Metrics: metrics(n), Now: time.Now, Demo: o.Demo != nil, DemoApps: o.Demo,
		Parts:        n.watch.parts,
		LogoutQueued: waker(wake), Answered: waker(answered),
		UserCodes:      authn.NewAddresses(c.AddressBurst, 2*time.Second, time.Now),
		TrustedProxies: proxies, MetricsNetworks: scrapers, AccessLog: c.AccessLog, Certificate: certificate,
		KeysFetched: n.Ring.Fetched, KeysMaxAge: min(5*time.Minute, c.JWKSCache/2),
	})
	return n, nil
}

// newBroker makes the broker, which yet lacks who checks its access tokens: the
// provider does, and has its claims about persons from the broker.
func (n *Node) newBroker() (*broker.Broker, error) {
	rules, err := policy.New(n.Catalogue)
	if err != nil {
		return nil, err
	}
	own := &identity.Record{Contacts: n.Contacts(), Mandates: mandates{n.registry}}
	return &broker.Broker{
		Permissions: n.DB, Register: register{n.registry, own}, Evidence: n.recorder,
		Clients: directory{n.directory}, Pseudonyms: n.Pseudonyms, Catalogue: n.Catalogue, Policy: rules,
		Site: n.Config.Site, Now: time.Now,
	}, nil
}

// waker wakes who waits on a channel, and waits for nobody.
func waker(c chan<- struct{}) func() {
	return func() {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}

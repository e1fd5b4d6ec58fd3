package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/numbers"
	"hopnhat/authz/audit/reader"
	"hopnhat/authz/audit/trees"
	"hopnhat/authz/authn"
	"hopnhat/authz/broker"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/outbound"
	"hopnhat/authz/policy"
	"hopnhat/authz/protocol"
	"hopnhat/authz/provider"
	"hopnhat/authz/resource"
	"hopnhat/authz/session"
	"hopnhat/cmd/node/federating"
	"hopnhat/cmd/node/passkeys"
	"hopnhat/cmd/node/provincial"
	"hopnhat/cmd/node/recorded"
	"hopnhat/cmd/node/registering"
	"hopnhat/cmd/node/registers"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/cmd/node/upstreaming"
	"hopnhat/cmd/node/watch"
	"hopnhat/federation/resolver"
	"hopnhat/keys/seal"
	"hopnhat/store/evidence"
	"hopnhat/store/registry"
	"hopnhat/web"
	"hopnhat/web/console/incidents"
	"hopnhat/web/signin"
)

// New assembles a node, which has its site from then on and does not listen yet.
func New(ctx context.Context, c *Config, o Options) (*Node, error) {
	roles, err := Roles(c.Roles)
	if err != nil {
		return nil, fmt.Errorf("roles: %w", err)
	}
	// A node has a name of its own each time it starts: what an earlier process
	// served is not what this one does.
	base, err := open(ctx, c, c.Site+"-"+authz.NewID())
	if err != nil {
		return nil, err
	}
	n := &Node{
		Base: base, options: o, roles: roles, closers: []func() error{base.Close},
		out: outbound.New(c.LoopbackIssuer()), logoutQueued: make(signal, 1), answered: make(signal, 1),
		board: &incident.Board{Marks: base.DB.Incidents},
	}
	if n.province, err = provincial.Read(c.RegionalProvider, c.FederationEntity, c.Issuer); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.clients, n.directory = registering.Directory(n.DB, n.out)
	for _, step := range n.steps() {
		if !n.has(step.roles...) {
			continue
		}
		if err := step.make(ctx); err != nil {
			return nil, errors.Join(err, n.Close())
		}
	}
	return n, nil
}

// step makes one part, from parts of the steps before it.
type step struct {
	roles []web.Role // the part is needed for one of them
	make  func(context.Context) error
}

// steps is the table of what nodes of which roles are made of.
func (n *Node) steps() []step {
	return []step{
		{web.AllRoles, n.openLog},
		{recording, n.openEvidence},
		{web.AllRoles, func(ctx context.Context) error { return makeSessions(ctx, n) }},
		{[]web.Role{web.LogWriter}, n.applyAtStart},
		{releasing, n.openRegistry},
		{web.AllRoles, n.watchNeeds},
		{answering, n.makeSignIn},
		{answering, n.makeConsents},
		{answering, n.makeApprovals},
		{releasing, n.makeBroker},
		{[]web.Role{web.Federation}, n.makeFederation},
		{[]web.Role{web.Provider}, n.letFederationsIn},
		{[]web.Role{web.Provider}, n.makeRegistration},
		{answering, n.makeProvider},
		{[]web.Role{web.Provider}, n.makeDeliveries},
		{answering, makeUpstreams(n)},
		{[]web.Role{web.LogWriter}, n.makeReconciling},
		{web.AllRoles, n.makeServer},
	}
}

// openLog opens the release log.
func (n *Node) openLog(ctx context.Context) (err error) {
	c := n.Config
	circle, err := releaselog.ReadWitnesses(n.Config.LogWitnesses, n.Config.LogWitnessesWanted, n.Config.LoopbackIssuer())
	if err != nil {
		return err
	}
	n.counting = counter(n)
	if n.log, err = releaselog.Open(ctx, releaselog.Options{
		Site: c.Site, State: c.State, Origin: c.LogOrigin, Folder: c.LogFolder, Listen: c.LogListen, Address: c.LogAddress,
		Writes: n.has(web.LogWriter), Sites: n.DB.Sites, Heads: n.DB.Heads, KnownSize: n.DB.KnownLogSize, Explain: n.DB.Leaves.Explain,
		Copies: n.Copies.Of, Counted: n.counting.Note, Anchor: c.LogAnchor, Ring: n.Ring, Witnesses: circle,
	}); err != nil {
		return err
	}
	n.closers = append(n.closers, n.log.Close) // after what writes to it
	return nil
}

// openEvidence makes what writes evidence, and brings into the log what a crash left out.
func (n *Node) openEvidence(ctx context.Context) error {
	c := n.Config
	n.logs = &trees.Logs{Release: n.log, Consent: n.log.Consents(), Events: n.DB, Leaf: n.log.Leaf, Copies: n.Copies}
	n.logs.Before = func(ctx context.Context, decided time.Time) (bool, error) {
		return evidence.WrittenBefore(ctx, n.DB.Leaves.Book, decided)
	}
	n.recorder = audit.NewRecorderWith(n.DB, n.logs, audit.Options{Site: c.Site})
	rows := numbers.Expect(n.DB, nil)
	n.scribe = &audit.Scribe{Rows: rows, Leaves: n.recorder, Pseudonyms: n.Pseudonyms, Site: c.Site, Ground: n.logs.Ensure}
	n.closers = append(n.closers, n.recorder.Close)
	logged, err := n.recorder.Recover(ctx)
	// Whoever can write a row or a place must not be able to keep a node from starting: the
	// recorder tries again while the node runs, and what the log lacks stops what needs it.
	switch {
	case ctx.Err() != nil:
		return err
	case errors.Is(err, audit.ErrRow):
		slog.Error("the database holds events that are no evidence; somebody altered or added them", "error", err)
	case err != nil:
		slog.Error("events without a log entry could not be logged yet", "error", err)
	}
	if logged > 0 {
		slog.Info("events without a log entry were found and logged", "events", logged)
	}
	return nil
}

// applyLosses does what the log knows to have ended and a restored database does not, before
// anybody is answered. A shard that was opened later is looked at by the background.
func (n *Node) applyLosses(ctx context.Context) error {
	if unexplained(n) == "" {
		return nil
	}
	_, err := n.Losses(n.scribe).Apply(ctx)
	return err
}

// applyAtStart is applyLosses where an error keeps no node from starting: nothing is released
// meanwhile, and the background tries again.
func (n *Node) applyAtStart(ctx context.Context) error {
	if err := n.applyLosses(ctx); err != nil {
		slog.Error("what the log knows to have ended could not be ended; it is tried again", "error", err)
	}
	return ctx.Err()
}

// unexplained says which entries of the log that this node writes have no row; empty if all have.
func unexplained(n *Node) string {
	if err := n.log.Explained(); n.log.Writes() && err != nil {
		return err.Error()
	}
	return ""
}

// openRegistry opens the national registers.
func (n *Node) openRegistry(ctx context.Context) (err error) {
	if n.province != nil { // has no registers, and releases nothing
		return nil
	}
	if n.registry, err = registry.Serve(ctx, n.Config.Registry); err != nil {
		return err
	}
	n.closers = append(n.closers, n.registry.Close)
	_, err = n.registry.Status(ctx)
	return err
}

// watchNeeds looks at everything that the node needs once.
func (n *Node) watchNeeds(ctx context.Context) error {
	n.watch = watch.New(n.needs())
	n.watch.First(ctx)
	return nil
}

// makeSessions makes what knows who is signed in, and what this server is of a province.
func makeSessions(ctx context.Context, n *Node) (err error) {
	n.sessions = n.Base.Sessions(n.scribe)
	n.regional, err = provincial.New(ctx, provincial.Options{
		Province: n.province, Choices: n.Config.RegionalChoices, Entity: n.Config.FederationEntity, Issuer: n.Config.Issuer, DB: n.DB,
		Ring: n.Ring, Evidence: n.scribe, Sessions: n.sessions, SignsIn: n.has(web.Provider),
		Known: func() *resolver.Resolver { return n.federation.Known() },
		Log:   func() provincial.Log { return n.log }, Pseudonyms: n.Pseudonyms, Desk: n.desk,
	})
	n.Pseudonyms.Regions, n.clients.Serves = n.regional.Regions(), n.regional.Serves
	return err
}

// makeSignIn makes what people sign in with.
func (n *Node) makeSignIn(ctx context.Context) error {
	tickets, err := seal.Derive(ctx, n.Ring, seal.Tickets)
	if err != nil {
		return err
	}
	attempts := authn.NewAddresses(n.Config.AddressBurst, 2*time.Second, time.Now)
	n.authn = authn.New(n.DB, n.Ring, n.Hasher, attempts, tickets, time.Now)
	n.province.Limit(n.authn)
	n.failed = &authn.FailedSignIns{Of: n.authn, Store: n.DB, Evidence: n.scribe, Now: time.Now}
	n.closers = append(n.closers, func() error { return n.failed.Note(context.Background()) })
	n.passkeys, err = passkeys.Make(ctx, passkeys.Parts{
		Issuer: n.Config.Issuer, Province: n.province != nil, Ring: n.Ring, Store: n.DB.Passkeys,
		Evidence: n.scribe, Authn: n.authn, Limit: attempts,
	})
	return err
}

// makeConsents makes what people are asked and told.
func (n *Node) makeConsents(context.Context) error {
	n.consents = &consent.Consents{
		Catalogue: n.Catalogue, Store: n.DB, Evidence: n.scribe, Outbox: n.DB,
		Broker: n.Config.Issuer + protocol.BrokerPath, Site: n.Config.Site, Now: time.Now,
	}
	return nil
}

// makeApprovals makes what people answer on another device.
func (n *Node) makeApprovals(ctx context.Context) error {
	key, err := seal.Derive(ctx, n.Ring, seal.Approvals)
	if err != nil {
		return err
	}
	n.approvals = &decoupled.Engine{
		Store: n.DB, Keys: decoupled.NewKeys(key), Pace: decoupled.NewPace(), Evidence: n.scribe,
		Notifier: decoupled.NewSimulator(n.options.Pushes), Now: time.Now,
	}
	return nil
}

// makeBroker makes the broker, which yet lacks who checks its access tokens: the
// provider does, and has its claims about persons from the broker.
func (n *Node) makeBroker(context.Context) error {
	if n.province != nil {
		return nil
	}
	rules, err := policy.New(n.Catalogue)
	if err != nil {
		return err
	}
	n.broker = &broker.Broker{
		Permissions: n.DB, Register: registers.All(n.Catalogue, n.registry, n.Contacts()), Evidence: n.scribe, Pseudonyms: n.Pseudonyms,
		Clients: directory{n.directory}, Catalogue: n.Catalogue, Policy: rules,
		Now: time.Now,
	}
	return nil
}

// makeProvider makes the provider, and gives the broker its check of access tokens.
func (n *Node) makeProvider(ctx context.Context) error {
	c := n.Config
	nonces, err1 := seal.Derive(ctx, n.Ring, seal.Nonces)
	clientCAs, err2 := c.clientCAs()
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	published := provider.Published{Reachable: n.province.Reachable(n.authn.Reachable()), Policy: c.OPPolicyURI, Terms: c.OPTosURI}
	published.Ways, published.Explicit = n.clients.Published()
	published.SameSubject = n.regional.SameSubject()
	if n.registration != nil {
		published.Registration = n.registration.URL()
	}
	o := provider.Options{
		Issuer: c.Issuer, MutualTLSAlias: c.MTLSIssuerAlias, ClientCAs: clientCAs, Published: published,
		SignInPath: signin.Path, ConsentPath: signin.ConsentPath,
		ApprovePath: signin.ApprovePath, DevicePath: signin.DevicePath, WaitingPath: signin.RequestsPath,
		Approvals: n.approvals, Decoupled: n.DB, Ring: n.Ring, Parties: n.Ring, Directory: n.directory, Fetcher: n.out,
		Proofs: clientauth.NewProofs(nonces, time.Now), Grants: n.DB, Sessions: signedIn{n.sessions, published.Reachable},
		Consents: n.province.Consents(asker{n.consents}), Pseudonyms: n.Pseudonyms, Resources: resource.NewDirectory(n.DB, 0, time.Now),
		Evidence:  n.scribe,
		Strangers: authn.NewAddresses(20*c.AddressBurst, 50*time.Millisecond, time.Now),
		Now:       time.Now, Lifetimes: provider.Lifetimes{Access: c.AccessTokenLife, Grant: c.GrantLife},
	}
	if n.broker != nil {
		o.Releases = releaser{n.broker}
	}
	var err error
	if n.provider, err = provider.New(ctx, o); err != nil {
		return err
	}
	if n.broker != nil {
		n.broker.Verifier = verifier{n.provider}
	}
	return nil
}

// makeDeliveries makes what sends to apps in the background.
func (n *Node) makeDeliveries(context.Context) error {
	n.deliverer = session.Deliverer{
		Outbox: n.DB, Token: logoutToken(n.provider), Notice: consentNotice(n.provider, n.consents),
		Out: outbound.New(n.Config.LoopbackIssuer()), Now: time.Now, Wake: n.logoutQueued,
	}.Lane()
	n.pinger = decoupled.Pinger{
		Outbox: n.DB, Clients: directory{n.directory}, Keys: n.approvals.Keys, Opener: n.Ring,
		Out: outbound.New(n.Config.LoopbackIssuer()), Now: time.Now, Wake: n.answered,
	}.Lane()
	return nil
}

// federationParts are what a node has that an entity of a federation needs.
func federationParts(n *Node) federating.Parts {
	return federating.Parts{
		File: n.Config.FederationEntity, Issuer: n.Config.Issuer, State: n.Config.State, Ring: n.Ring, Registry: n.DB.Enrolments,
		Bundles: n.DB.Bundles, Spent: n.DB.Proofs,
		Past: n.DB.Histories.VerdictsAt, History: n.DB.Histories, Node: federating.NodeName(n.Config.Site),
	}
}

// makeFederation makes the endpoints of this server as an entity of a federation, if it is one.
func (n *Node) makeFederation(context.Context) (err error) {
	c := n.Config
	p := federationParts(n)
	p.Burst, p.Party = c.FederationBurst, upstreaming.Party(c.Upstreams, c.Issuer, c.LoopbackIssuer(), n.Ring)
	if n.has(web.Provider) {
		p.Provider = func() []byte { return n.provider.Metadata() } // made after this
	}
	n.federation, err = federating.New(p)
	return err
}

// desk opens and closes incidents.
func (n *Node) desk() *incident.Desk {
	return &incident.Desk{Store: n.DB.Incidents, Scribe: n.scribe, Node: n.Config.Site, Now: time.Now}
}

// makeServer makes the HTTP server with its pages.
func (n *Node) makeServer(ctx context.Context) error {
	c := n.Config
	forms, err1 := seal.Derive(ctx, n.Ring, seal.Forms)
	readers, err5 := seal.Derive(ctx, n.Ring, seal.LogReaders)
	certificate, err2 := c.certificate()
	proxies, err3 := Networks(c.TrustedProxies)
	scrapers, err4 := Networks(c.MetricsNetworks)
	enrolment, err6 := federationParts(n).Console(n.DB.Enrolments, n.scribe, n.Pseudonyms, n.federation)
	if err := errors.Join(err1, err2, err3, err4, err5, err6); err != nil {
		return err
	}
	o := web.Options{
		Issuer: c.Issuer, Node: n.roles, KeysFetched: n.Ring.Fetched, KeysMaxAge: min(5*time.Minute, c.JWKSCache/2),
		Sessions: n.sessions, Forms: session.NewForms(forms), UserCodes: authn.NewAddresses(c.AddressBurst, 2*time.Second, time.Now),
		Consents: n.consents, Catalogue: n.Catalogue, Log: n.log, Scribe: n.scribe,
		Evidence:   recorded.Evidence{DB: n.DB, Recorder: n.recorder, Leaf: n.log.Leaf},
		LogTokens:  reader.New(readers),
		Pseudonyms: n.Pseudonyms, Roles: n.DB, Board: n.board,
		Incidents: incidents.Options{Incidents: n.DB.Incidents, Desk: n.desk(), Pseudonyms: n.Pseudonyms},
		Enrolment: enrolment,
		Clients:   n.DB, Names: n.DB, Keys: n.directory, Deliveries: n.DB, Fetcher: n.out,
		LogoutQueued: n.logoutQueued.send, Answered: n.answered.send, Now: time.Now, Demo: n.options.Demo != nil, DemoApps: n.options.Demo,
		Metrics: metrics(n), Parts: n.watch.Parts,
		TrustedProxies: proxies, MetricsNetworks: scrapers, AccessLog: c.AccessLog, Certificate: certificate,
	}
	if p := n.provider; p != nil {
		o.Region = n.province.Named()
		o.Authn, o.Published, o.Requests, o.Answers, o.Approvals, o.EndSession = n.authn, p, p, p, p, p
		o.Endpoints = web.Endpoints{
			PAR: p.PAR, Token: p.Token, Device: p.Device, Backchannel: p.Backchannel, UserInfo: p.UserInfo, Grant: p.Grant,
			Introspect: p.Introspect, Revoke: p.Revoke,
		}
	}
	if n.broker != nil {
		o.Endpoints.Broker = n.broker.Releases
	}
	o.Endpoints.Register, o.Endpoints.Manage = n.clients.Endpoints(n.registration)
	o.Upstream, o.Endpoints.UpstreamLogout, o.Passkeys = n.upstreams.Pages, n.upstreams.Logout, n.passkeys
	o.Endpoints.Federation, o.Endpoints.Regional, o.Choices = n.federation.Handlers(), n.regional.Handler(), n.regional.Chosen()
	n.server = web.New(o)
	return nil
}

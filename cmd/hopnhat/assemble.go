package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
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
	"hopnhat/keys/lifecycle"
	"hopnhat/store"
	"hopnhat/store/registry"
	"hopnhat/store/sqldb"
	"hopnhat/store/tlog"
	"hopnhat/web"
)

// parts are the assembled parts of one server.
type parts struct {
	c          *config
	db         *store.DB
	registry   *registry.DB
	ring       *lifecycle.Keeper
	log        *tlog.Log
	recorder   *audit.Recorder
	pseudonyms *identity.Pseudonyms
	hasher     *authn.Hasher
	authn      *authn.Authenticator
	catalogue  *consent.Catalogue
	server     *web.Server
	sessions   *session.Sessions
	directory  *clientauth.Directory
	deliverer  *session.Deliverer
	pinger     *decoupled.Pinger
	provider   *provider.Provider
	broker     *broker.Broker
	watch      *watch
	node       store.Node
	lost       chan error // told once when another node has the site
	closers    []func() error
}

// close ends what was opened, the latest first.
func (p *parts) close() error {
	var all []error
	for i := len(p.closers) - 1; i >= 0; i-- {
		all = append(all, p.closers[i]())
	}
	p.closers = nil
	return errors.Join(all...)
}

// secretFile reads a secret; an empty path is an empty secret.
func secretFile(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(raw), "\r\n"), nil
}

func (c *config) algorithms() []keys.Algorithm {
	var out []keys.Algorithm
	for _, alg := range fields(c.SigningAlgs) {
		out = append(out, keys.Algorithm(alg))
	}
	return out
}

// openDatabase opens the main database. With create set, the state folder and a SQLite
// file are made if they are missing, and SQLite is migrated, since a laptop has no other
// role for it; without, a missing file is an error. PostgreSQL must have been migrated.
func (c *config) openDatabase(ctx context.Context, create bool) (*store.DB, error) {
	if create {
		if err := sqldb.Folder(c.State); err != nil {
			return nil, err
		}
	}
	db, err := store.Open(ctx, store.Options{DSN: c.Database, MaxConns: c.DatabaseConns, Create: create})
	if errors.Is(err, sqldb.ErrNoFile) {
		return nil, fmt.Errorf("%w: name the right one (state, database); to begin a new house, run `hopnhat init` with these flags, or start the server", err)
	}
	if err != nil {
		return nil, err
	}
	if db.Dialect() == store.SQLite && create {
		err = db.Migrate(ctx, nil)
	} else {
		err = db.CheckVersion(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

// open opens stores and keys: what the tools need too, which are no node. A node
// begins what is not there yet; a tool makes nothing.
func (c *config) open(ctx context.Context, node string) (*parts, error) {
	begin := node != ""
	p := &parts{c: c, catalogue: consent.Load(), lost: make(chan error, 1)}
	fail := func(err error) (*parts, error) { return nil, errors.Join(err, p.close()) }
	var err error
	if p.db, err = c.openDatabase(ctx, begin); err != nil {
		return nil, err
	}
	p.closers = append(p.closers, p.db.Close)
	if p.ring, err = c.openKeys(ctx, p.db, node, begin); err != nil {
		return fail(err)
	}
	p.closers = append(p.closers, p.ring.Close)
	if p.pseudonyms, err = identity.NewPseudonyms(ctx, p.ring); err != nil {
		return fail(err)
	}
	p.hasher = authn.NewHasher(authn.Argon2{MemoryKiB: uint32(c.Argon2KiB), Passes: 2, Lanes: 1})
	p.directory = clientauth.NewDirectory(p.db, 0, nil)
	return p, nil
}

// contacts are those of the accounts, sealed under the keyring.
func (p *parts) contacts() *identity.Contacts { return &identity.Contacts{Store: p.db, Keys: p.ring} }

// takeSite makes this node the one of its site, until it is closed: before the log is
// touched, whose one writer it will be.
func (p *parts) takeSite(ctx context.Context) error {
	folder, err := filepath.Abs(p.c.State)
	if err != nil {
		return err
	}
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	id, err := folderID(filepath.Join(folder, "node"))
	if err != nil {
		return err
	}
	p.node = store.Node{Place: host + ":" + folder, Folder: id, Run: authz.NewID()}
	if err := p.db.TakeSite(ctx, p.c.Site, p.node); err != nil {
		return err
	}
	p.closers = append(p.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		return p.db.LeaveSite(ctx, p.c.Site, p.node)
	})
	return nil
}

// folderID is the random name of a state folder, made at the first start: a machine
// that was set up as another is has its name and paths, and is another node.
func folderID(path string) (string, error) {
	made, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		_, err = made.WriteString(authz.NewID() + "\n")
		err = errors.Join(err, made.Sync(), made.Close())
	}
	if err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("naming the state folder: %w", err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the name of the state folder: %w", err)
	}
	id := strings.TrimSpace(string(raw))
	if id == "" || len(id) > 64 {
		return "", fmt.Errorf("%s, which names this state folder, is damaged: remove it while no server runs on the folder", path)
	}
	return id, nil
}

// lose tells the server once that another node has its site.
func (p *parts) lose(err error) {
	select {
	case p.lost <- err:
	default:
	}
}

// openLog opens the release log of this quarter and brings into it what a crash
// left out.
func (p *parts) openLog(ctx context.Context) error {
	shard := tlog.Shard(time.Now())
	origin := p.c.LogOrigin + "/" + shard
	handle, public, err := p.checkpointKey(origin)
	if err != nil {
		return err
	}
	known, err := p.db.KnownLogSize(ctx, origin)
	if err != nil {
		return err
	}
	p.log, err = tlog.Open(ctx, tlog.Options{
		Dir: p.c.shardDir(shard), Origin: origin, Public: public, KnownSize: known,
		Sign: func(ctx context.Context, message []byte) ([]byte, error) {
			signatures, err := p.ring.Sign(ctx, keys.Job{Key: handle, Input: message})
			if err != nil {
				return nil, err
			}
			return signatures[0], nil
		},
	})
	if other := (*tlog.OtherLogError)(nil); errors.As(err, &other) {
		return fmt.Errorf("%w. A log keeps its name, which was made of issuer and site when it began: to go on with it set log_origin: %s; if the issuer or the site is wrong, mend that", err, strings.TrimSuffix(other.Origin, "/"+shard))
	}
	if err != nil {
		return err
	}
	p.closers = append(p.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return p.log.Close(ctx)
	})
	p.recorder = audit.NewRecorderWith(p.db, p.log, audit.Options{Site: p.c.Site})
	p.closers = append(p.closers, p.recorder.Close) // before the log's, which is below it
	n, err := p.recorder.Recover(ctx)
	if errors.Is(err, audit.ErrRow) {
		// Whoever can write a row must not be able to keep a node from starting.
		slog.Error("the database holds events that are no evidence; somebody altered or added them", "error", err)
	} else if err != nil {
		return err
	}
	if n > 0 {
		slog.Info("events without a log entry were found and logged", "events", n)
	}
	return p.publishLogKey()
}

// checkpointKey is the key of a shard: the one its checkpoints were signed with
// so far, and for a new shard the active one. So a key that was rotated signs
// from the next quarter on, and a shard has one key.
func (p *parts) checkpointKey(origin string) (keys.Handle, ed25519.PublicKey, error) {
	published, err := p.ring.Published(keys.LogCheckpoint)
	if err != nil {
		return keys.Handle{}, nil, err
	}
	began, err := p.logKeys()
	if err != nil {
		return keys.Handle{}, nil, err
	}
	active, err := p.ring.Active(keys.LogCheckpoint, keys.EdDSA)
	if err != nil {
		return keys.Handle{}, nil, err
	}
	var chosen ed25519.PublicKey
	for _, k := range published {
		public, ok := k.Key.(ed25519.PublicKey)
		if !ok {
			continue
		}
		vkey, err := tlog.VerifierKey(origin, public)
		if err != nil {
			return keys.Handle{}, nil, err
		}
		if slices.Contains(began, vkey) {
			return k.Handle, public, nil
		}
		if k.KeyID == active.KeyID {
			chosen = public
		}
	}
	return active, chosen, nil
}

// logKeys are the keys of all shards there were, from log.vkey.
func (p *parts) logKeys() ([]string, error) {
	raw, err := os.ReadFile(filepath.Join(p.c.State, "log.vkey"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return strings.Fields(string(raw)), nil
}

// shardDir is the folder of one quarter's log.
func (c *config) shardDir(shard string) string { return filepath.Join(c.State, "tlog", shard) }

// publishLogKey adds the shard's key to log.vkey, where verifiers look; the keys
// of earlier shards stay.
func (p *parts) publishLogKey() error {
	path := filepath.Join(p.c.State, "log.vkey")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if slices.Contains(strings.Fields(string(raw)), p.log.VerifierKey()) {
		return nil
	}
	return os.WriteFile(path, append(raw, p.log.VerifierKey()+"\n"...), 0o644)
}

// assemble wires the whole server. What the push to the national app would show is
// written to pushes.
func (c *config) assemble(ctx context.Context, demo []web.DemoApp, pushes io.Writer) (*parts, error) {
	// A node has a name of its own each time it starts: what an earlier process
	// served is not what this one does.
	p, err := c.open(ctx, c.Site+"-"+authz.NewID())
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*parts, error) { return nil, errors.Join(err, p.close()) }
	if err := p.takeSite(ctx); err != nil {
		return fail(err)
	}
	if err := p.openLog(ctx); err != nil {
		return fail(err)
	}
	if p.registry, err = registry.Serve(ctx, c.Registry); err != nil {
		return fail(err)
	}
	p.closers = append(p.closers, p.registry.Close)
	if _, err := p.registry.Status(ctx); err != nil {
		return fail(err)
	}
	p.watch = newWatch(p.needs())
	p.watch.first(ctx)
	secure := strings.HasPrefix(c.Issuer, "https://")
	p.sessions = session.New(p.db, c.sessionLimits(), secure, time.Now)
	formKey, err1 := p.ring.Derive(ctx, keys.Secrets, "forms")
	ticketKey, err2 := p.ring.Derive(ctx, keys.Secrets, "sign-in tickets")
	approvalKey, err3 := p.ring.Derive(ctx, keys.Secrets, "decoupled approvals")
	nonceKey, err4 := p.ring.Derive(ctx, keys.Secrets, "DPoP nonces")
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return fail(err)
	}
	p.authn, err = authn.New(p.db, p.ring, p.hasher, authn.NewAddresses(c.AddressBurst, 2*time.Second, time.Now), ticketKey, time.Now)
	if err != nil {
		return fail(err)
	}
	consents := &consent.Consents{
		Catalogue: p.catalogue, Store: p.db, Pseudonyms: p.pseudonyms, Evidence: p.recorder, Outbox: p.db,
		Broker: c.Issuer + provider.BrokerPath, Site: c.Site, Now: time.Now,
	}
	approvals := &decoupled.Engine{
		Store: p.db, Keys: decoupled.NewKeys(approvalKey), Pace: decoupled.NewPace(), Evidence: p.recorder, Pseudonyms: p.pseudonyms,
		Notifier: decoupled.NewSimulator(pushes), Site: c.Site, Now: time.Now,
	}
	certificate, err1 := c.certificate()
	clientCAs, err2 := c.clientCAs()
	releases, err3 := p.newBroker()
	if err := errors.Join(err1, err2, err3); err != nil {
		return fail(err)
	}
	registering, err := p.registering()
	if err != nil {
		return fail(err)
	}
	fetcher := outbound.New(c.loopbackIssuer())
	p.directory.Fetcher = fetcher
	published := provider.Published{Policy: c.PolicyURI, Terms: c.TermsURI}
	if registering != nil {
		published.Registration = registering.URL()
	}
	protocol, err := provider.New(ctx, provider.Options{
		Issuer: c.Issuer, MutualTLSAlias: c.MTLSAlias, ClientCAs: clientCAs, SignInPath: "/signin", ConsentPath: "/consent",
		ApprovePath: web.ApprovePath, DevicePath: web.DevicePath, WaitingPath: web.RequestsPath, Approvals: approvals, Decoupled: p.db, Ring: p.ring, Directory: p.directory,
		Proofs: clientauth.NewProofs(nonceKey, time.Now), Grants: p.db, Sessions: signedIn{p.sessions}, Consents: asker{consents}, Pseudonyms: p.pseudonyms,
		Resources: resource.NewDirectory(p.db, 0, time.Now), Evidence: p.recorder, Site: c.Site,
		Releases:  releaser{releases},
		Strangers: authn.NewAddresses(20*c.AddressBurst, 50*time.Millisecond, time.Now),
		Parties:   p.ring, Fetcher: fetcher, Published: published, Now: time.Now, Lifetimes: provider.Lifetimes{Access: c.Access, Grant: c.Grant},
	})
	if err != nil {
		return fail(err)
	}
	p.provider, p.broker = protocol, releases
	releases.Verifier = verifier{protocol}
	wake := make(chan struct{}, 1)
	p.deliverer = &session.Deliverer{
		Outbox: p.db, Token: logoutToken(protocol), Notice: consentNotice(protocol, consents), Out: outbound.New(c.loopbackIssuer()), Now: time.Now, Wake: wake,
	}
	proxies, err1 := c.proxies()
	scrapers, err2 := networks(c.MetricsNetworks)
	if err := errors.Join(err1, err2); err != nil {
		return fail(err)
	}
	answered := make(chan struct{}, 1)
	p.pinger = &decoupled.Pinger{
		Outbox: p.db, Clients: directory{p.directory}, Keys: approvals.Keys, Opener: p.ring, Out: outbound.New(c.loopbackIssuer()), Now: time.Now, Wake: answered,
	}
	p.server = web.New(web.Options{
		Issuer: c.Issuer, Registration: registering, Keys: p.directory, Provider: protocol, Authn: p.authn, Sessions: p.sessions, Forms: session.NewForms(formKey), Consents: consents,
		Evidence: evidence{p.db, p.recorder}, Log: shards{p}, Recorder: p.recorder, Clients: p.db, Roles: p.db, Logouts: p.db, Fetcher: fetcher, Pseudonyms: p.pseudonyms,
		Broker: http.HandlerFunc(releases.Releases), Metrics: metrics(p), Now: time.Now, Demo: demo != nil, DemoApps: demo,
		Parts:        p.watch.parts,
		LogoutQueued: waker(wake), Answered: waker(answered),
		UserCodes:      authn.NewAddresses(c.AddressBurst, 2*time.Second, time.Now),
		TrustedProxies: proxies, MetricsNetworks: scrapers, AccessLog: c.AccessLog, Certificate: certificate,
		KeysFetched: p.ring.Fetched, KeysMaxAge: min(5*time.Minute, c.JWKSCache/2),
	})
	return p, nil
}

func (c *config) sessionLimits() session.Limits {
	return session.Limits{Idle: c.Idle, Absolute: c.Absolute, Grants: c.Grant}
}

// newBroker makes the broker, which yet lacks who checks its access tokens: the
// provider does, and has its claims about persons from the broker.
func (p *parts) newBroker() (*broker.Broker, error) {
	rules, err := policy.New(p.catalogue)
	if err != nil {
		return nil, err
	}
	own := &identity.Record{Contacts: p.contacts(), Mandates: mandates{p.registry}}
	return &broker.Broker{
		Permissions: p.db, Register: register{p.registry, own}, Evidence: p.recorder,
		Clients: directory{p.directory}, Pseudonyms: p.pseudonyms, Catalogue: p.catalogue, Policy: rules,
		Site: p.c.Site, Now: time.Now,
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

func fields(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

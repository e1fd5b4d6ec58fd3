package registering

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/protocol"
	apps "hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/federation"
	"hopnhat/federation/registrar"
	"hopnhat/federation/registration"
	"hopnhat/keys"
)

// Clients are those of the database, and those that a federation vouches for once [Clients.Open]
// has made the registrar. It is made before the evidence is, which a registrar writes.
type Clients struct {
	clientauth.Clients
	registrar *registrar.Registrar
	explicit  *registrar.Explicit // nil: apps do not register explicitly
	issuer    string
	// Serves refuses the sector of an app, at the provider of a province that does not serve
	// it; nil refuses none.
	Serves func(ctx context.Context, sector string) error
}

// Directory are the clients of a database, and the directory that keeps them in memory and
// gets their keys by a fetcher.
func Directory(in clientauth.Clients, out clientauth.Fetcher) (*Clients, *clientauth.Directory) {
	c := &Clients{Clients: in}
	d := clientauth.NewDirectory(c, 0, nil)
	d.Fetcher = out
	d.Sets, _ = in.(clientauth.SignedSets)
	return c, d
}

// Client finds a client: see [registrar.Registrar.Client].
func (c *Clients) Client(ctx context.Context, id authz.ClientID) (*authz.Client, error) {
	find := c.Clients.Client
	if c.registrar != nil {
		find = c.registrar.Client
	}
	found, err := find(ctx, id)
	if err == nil && c.Serves != nil {
		err = c.Serves(ctx, found.Sector)
	}
	if err != nil {
		return nil, err
	}
	return found, nil
}

// Options is what a registrar is made of.
type Options struct {
	// File has the rules; empty lets no app of a federation in.
	File string
	// Issuer is this provider's.
	Issuer   string
	Checks   apps.Rules
	Store    registrar.Store
	Evidence *audit.Scribe
	// Resolver knows entities before they come; nil where nothing is gathered.
	Resolver registrar.Resolver
	// Entity says that this provider publishes itself in a federation: only then may apps
	// register explicitly, since the answer is signed with its federation keys, from the ring.
	Entity    bool
	Ring      keys.Ring
	Addresses registrar.Addresses
	// Pace is that of the registrar; nil sets none.
	Pace func() (wait time.Duration)
}

// ReadRules reads the operator's file; an empty name is that of none, and gives none.
func ReadRules(file string, checks apps.Rules) (rules registration.Rules, err error) {
	if file == "" {
		return rules, nil
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return rules, fmt.Errorf("reading federation_apps: %w", err)
	}
	if rules, err = registration.ParseRules(raw, checks); err != nil {
		return rules, fmt.Errorf("reading federation_apps %s: %w", file, err)
	}
	return rules, nil
}

// Open reads the operator's rules and lets apps of federations in, before anything is served.
func (c *Clients) Open(directory *clientauth.Directory, o Options) error {
	if o.File == "" {
		return nil
	}
	rules, err := ReadRules(o.File, o.Checks)
	if err != nil {
		return err
	}
	c.registrar = registrar.New(registrar.Options{
		Self: federation.EntityID(o.Issuer), Rules: rules, Store: o.Store, Evidence: o.Evidence, Resolver: o.Resolver,
		Changed: directory.Forget, Pace: o.Pace, Now: time.Now,
	})
	directory.Introducer = c.registrar
	if c.issuer = o.Issuer; o.Entity {
		c.explicit = registrar.NewExplicit(c.registrar, o.Ring, o.Addresses)
	}
	for _, a := range rules.Anchors {
		slog.Info("apps of a federation are let in", "trust_anchor", a.ID)
	}
	return nil
}

// Published are the ways in which apps of federations register, and the endpoint of explicit
// registration, for the metadata (OpenID Federation 1.0 §5.1.3); both are empty where none do.
func (c *Clients) Published() (ways []string, endpointURL string) {
	switch {
	case c.registrar == nil:
		return nil, ""
	case c.explicit == nil:
		return []string{string(registration.Automatic)}, ""
	}
	return []string{string(registration.Automatic), string(registration.Explicit)}, c.issuer + endpoint.Path
}

// Endpoints are those at which apps register, and manage what they registered: e, which may be
// nil, and explicit registration at the same path, told apart by the media type of the request.
// They are nil where there is neither.
func (c *Clients) Endpoints(e *endpoint.Endpoint) (register, manage http.HandlerFunc) {
	none := func(w http.ResponseWriter, _ *http.Request) {
		refusal := authz.NewError(authz.InvalidRequest, "apps do not register here by themselves; those of a federation send %s or %s",
			registrar.RequestType, registrar.ChainType)
		protocol.WriteJSON(w, http.StatusNotFound, refusal.Body())
	}
	switch {
	case c.explicit == nil && e == nil:
		return nil, nil
	case c.explicit == nil:
		return e.Register, e.Manage
	case e == nil:
		register, manage = none, none
	default:
		register, manage = e.Register, e.Manage
	}
	others := register
	return func(w http.ResponseWriter, r *http.Request) {
		if registrar.Takes(r) {
			c.explicit.ServeHTTP(w, r)
			return
		}
		others(w, r)
	}, manage
}

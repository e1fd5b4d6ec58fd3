package registering

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	apps "hopnhat/authz/registration"
	"hopnhat/federation"
	"hopnhat/federation/registrar"
	"hopnhat/federation/registration"
)

// Clients are those of the database, and those that a federation vouches for once [Clients.Open]
// has made the registrar. It is made before the evidence is, which a registrar writes.
type Clients struct {
	clientauth.Clients
	registrar *registrar.Registrar
}

// Directory are the clients of a database, and the directory that keeps them in memory and
// gets their keys by a fetcher.
func Directory(in clientauth.Clients, out clientauth.Fetcher) (*Clients, *clientauth.Directory) {
	c := &Clients{Clients: in}
	d := clientauth.NewDirectory(c, 0, nil)
	d.Fetcher = out
	return c, d
}

// Client finds a client: see [registrar.Registrar.Client].
func (c *Clients) Client(ctx context.Context, id authz.ClientID) (*authz.Client, error) {
	if c.registrar == nil {
		return c.Clients.Client(ctx, id)
	}
	return c.registrar.Client(ctx, id)
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
	Fetcher  apps.Fetcher
	// Resolver knows entities before they come; nil where nothing is gathered.
	Resolver registrar.Resolver
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
		Self: federation.EntityID(o.Issuer), Rules: rules, Store: o.Store, Evidence: o.Evidence, Fetcher: o.Fetcher, Resolver: o.Resolver,
		Changed: directory.Forget, Now: time.Now,
	})
	directory.Introducer = c.registrar
	for _, a := range rules.Anchors {
		slog.Info("apps of a federation are let in", "trust_anchor", a.ID)
	}
	return nil
}

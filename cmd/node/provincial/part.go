package provincial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/identity"
	"hopnhat/authz/outbound"
	"hopnhat/authz/session"
	"hopnhat/cmd/node/federating"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/federation/resolver"
	"hopnhat/keys"
	"hopnhat/store"
	"hopnhat/web/choices"
)

// ReadProviders reads the file of the provinces that people may choose; nil if there is no file.
func ReadProviders(path, entity, issuer string) (*regional.Providers, error) {
	if path == "" {
		return nil, nil
	}
	p, err := readProviders(path, entity, issuer)
	if err != nil {
		return nil, fmt.Errorf("reading regional_choices %s: %w", path, err)
	}
	return &p, nil
}

func readProviders(path, entity, issuer string) (p regional.Providers, err error) {
	file, err := os.Open(path)
	if err != nil {
		return p, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return p, err
	case len(raw) > maxFile:
		return p, fmt.Errorf("it is longer than %d bytes", maxFile)
	}
	if p, err = regional.ParseProviders(raw); err != nil {
		return p, err
	}
	e, err := federating.Read(entity, issuer)
	switch {
	case err != nil:
		return p, err
	case e == nil || len(e.Anchors) == 0:
		return p, errors.New("federation_entity is not set, or has no anchors, by which provinces are known")
	}
	if p.Anchor, err = pinned(p.Anchor, e.Anchors); err != nil {
		return p, err
	}
	if _, ok := p.Of(e.ID()); ok {
		return p, errors.New("providers names this server itself")
	}
	return p, nil
}

// Part is what a server does as the provider of a province, or as the centre. Nil is a server
// that is neither.
type Part struct {
	choices *regional.Choices // of the centre
	feeder  *regional.Feeder  // of a province, on a node that signs people in
	regions identity.Regions
	handler http.Handler // of the centre; nil at a province
	same    []string
}

// Options are what a part is made of.
type Options struct {
	Province *Province
	// Choices is the file of the centre; empty at a province, and where there are no provinces.
	Choices string
	// Entity is the file of the entity that this server is, and Issuer its name.
	Entity, Issuer string
	DB             *store.DB
	Ring           keys.Ring
	Evidence       regional.Evidence
	Sessions       *session.Sessions
	// Log is the log of this server, Pseudonyms are by what its events name people, and Desk
	// opens incidents.
	Log        func() Log
	Pseudonyms audit.Pseudonyms
	Desk       func() *incident.Desk
	// SignsIn says that the node signs people in: such a one is fed.
	SignsIn bool
	// Known knows who is trusted; it is asked when the server runs.
	Known func() *resolver.Resolver
}

// New makes the part. At a province it ends what is good no more, before anybody is answered.
func New(ctx context.Context, o Options) (*Part, error) {
	if o.Province == nil {
		return centre(o)
	}
	e, err := federating.Read(o.Entity, o.Issuer)
	if err != nil {
		return nil, err
	}
	p := &Part{
		regions: &regional.Served{Centre: o.Province.Centre, Store: o.DB.Regional, Ring: o.Ring, Now: time.Now},
		same:    []string{string(o.Province.Centre)},
	}
	if !o.SignsIn {
		return p, nil
	}
	p.feeder = &regional.Feeder{
		Self: e.ID(), Centre: o.Province.Centre, Anchor: o.Province.anchor, Ring: o.Ring,
		Resolver: known{o.Known}, Out: outbound.NewWithin(e.Bounds), Store: o.DB.Regional,
		Accounts: accounts{o.DB, o.Sessions}, Evidence: o.Evidence, Now: time.Now,
		Logs: &logs{db: o.DB, log: o.Log, pseudonyms: o.Pseudonyms},
	}
	if err := p.feeder.Sweep(ctx); err != nil {
		return nil, fmt.Errorf("ending what was handed over and is good no more: %w", err)
	}
	return p, nil
}

// report opens an incident; what is found again an hour after it was closed is another.
func (o Options) report(ctx context.Context, f reconcile.Finding) error {
	_, err := o.Desk().Report(ctx, []reconcile.Finding{f}, time.Now().Add(-time.Hour))
	return err
}

func centre(o Options) (*Part, error) {
	providers, err := ReadProviders(o.Choices, o.Entity, o.Issuer)
	if providers == nil || err != nil {
		return nil, err
	}
	names := &regional.Names{Ring: o.Ring, Providers: *providers, Sectors: o.DB.Regional}
	grounds := regional.Grounds{Events: o.DB, Pseudonyms: o.Pseudonyms, Report: o.report}
	endpoint := regional.NewCentre(
		federation.EntityID(o.Issuer), names, o.DB.Regional, o.Evidence, grounds, o.Ring, known{o.Known}, time.Now,
	)
	endpoint.Joins = &regional.Joins{Grounds: grounds, Store: o.DB.Regional, Evidence: o.Evidence, Now: time.Now}
	p := &Part{
		choices: &regional.Choices{Names: names, Store: o.DB.Regional, Evidence: o.Evidence, Now: time.Now}, regions: names,
		handler: endpoint,
	}
	for _, one := range providers.All {
		p.same = append(p.same, string(one.Entity))
	}
	return p, nil
}

// known asks who is trusted at the time of the question.
type known struct{ of func() *resolver.Resolver }

func (k known) Resolve(subject federation.EntityID, anchors ...federation.EntityID) (*resolver.Entry, error) {
	r := k.of()
	if r == nil {
		return nil, errors.New("this node knows nobody: give it the role federation, and anchors in federation_entity")
	}
	return r.Resolve(subject, anchors...)
}

// accounts locks accounts and signs people out.
type accounts struct {
	*store.DB
	sessions *session.Sessions
}

func (a accounts) SignOut(ctx context.Context, person authz.Subject) error {
	_, err := a.sessions.EndAll(ctx, a.DB, person, session.Locked)
	return err
}

// Run feeds a province until ctx ends, on a node that signs people in.
func (p *Part) Run(ctx context.Context) {
	if p == nil || p.feeder == nil {
		return
	}
	slog.Info("this server is the provider of a province, fed by the centre", "centre", p.feeder.Centre)
	p.feeder.Run(ctx)
}

// Regions know which sectors are of provinces; nil if all are of the nation.
func (p *Part) Regions() identity.Regions {
	if p == nil {
		return nil
	}
	return p.regions
}

// Serves refuses the sector of an app that a province does not serve, as one that is not known
// there: authz.ErrNotFound.
func (p *Part) Serves(ctx context.Context, sector string) error {
	if p == nil || p.feeder == nil {
		return nil
	}
	_, _, err := p.regions.Regional(ctx, sector)
	if errors.Is(err, regional.ErrSector) {
		slog.WarnContext(ctx, "an app is not let in", "error", err)
		return fmt.Errorf("%w: %w", authz.ErrNotFound, err)
	}
	return err
}

// SameSubject are the other issuers that give a person the same sub.
func (p *Part) SameSubject() []string {
	if p == nil {
		return nil
	}
	return p.same
}

// Handler is the endpoint of the centre; nil elsewhere.
func (p *Part) Handler() http.HandlerFunc {
	if p == nil || p.handler == nil {
		return nil
	}
	return p.handler.ServeHTTP
}

// Chosen are what people choose; nil where there is nothing to choose.
func (p *Part) Chosen() choices.Choices {
	if p == nil || p.choices == nil {
		return nil
	}
	return p.choices
}

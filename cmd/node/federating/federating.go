// Package federating reads what a server is in a federation, and makes its endpoints.
package federating

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/outbound"
	"hopnhat/cmd/node/purge"
	"hopnhat/federation"
	"hopnhat/federation/authority"
	"hopnhat/federation/bundle/follow"
	"hopnhat/federation/bundle/order"
	"hopnhat/federation/caller"
	"hopnhat/federation/desk"
	"hopnhat/federation/fetch"
	"hopnhat/federation/history"
	"hopnhat/federation/registrar"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/resolver"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/keys/jose"
)

// maxFile bounds the file in bytes.
const maxFile = 1 << 20

// form is the file as it is written.
type form struct {
	// Organization is the name that others read.
	Organization string `json:"organization"`
	// Superiors are those who state this entity; none for a trust anchor.
	Superiors []federation.EntityID `json:"superiors"`
	// Subordinates says that it is a trust anchor or an intermediate.
	Subordinates bool `json:"subordinates"`
	// Marks are the trust marks that others granted to it.
	Marks []struct {
		Type string `json:"trust_mark_type"`
		JWT  string `json:"trust_mark"`
	} `json:"trust_marks"`
	MarkIssuers map[string][]federation.EntityID `json:"trust_mark_issuers"`
	MarkOwners  json.RawMessage                  `json:"trust_mark_owners"`
	// Anchors are those under which others are resolved. Their keys stand here and came
	// another way than over the network.
	Anchors []struct {
		ID   federation.EntityID `json:"entity"`
		Keys json.RawMessage     `json:"jwks"`
	} `json:"anchors"`
	// Authentication says at which endpoints who asks proves who it is: "fetch", "list",
	// "resolve", "trust_mark", "trust_mark_status", "trust_mark_list", "historical_keys" and
	// "subordinate_events", each "optional" or "required".
	Authentication map[string]caller.Mode `json:"authentication"`
	// BundleEvery is after how long a bundle of what is known is made, such as "1h"; empty for
	// never. BundleFrom are addresses of others' bundles.
	BundleEvery string   `json:"bundle_every"`
	BundleFrom  []string `json:"bundle_from"`
	// Networks are reached besides the public internet; Roots is a file of certificates
	// beside this one, for those who are believed instead of the machine's.
	Networks []string `json:"networks"`
	Roots    string   `json:"ca"`
}

// Entity is what the server is.
type Entity struct {
	options authority.Options
	// HasSubordinates says that it is a trust anchor or an intermediate.
	HasSubordinates bool
	// Anchors have the keys that the file says.
	Anchors []trust.Anchor
	// Bounds are those of requests to other entities.
	Bounds outbound.Bounds
	// bundles is how bundles are made and got.
	bundles bundles
}

// ID is the name of the entity, which is the issuer.
func (e *Entity) ID() federation.EntityID { return e.options.ID }

// HasMark reports whether others granted it a trust mark of a type.
func (e *Entity) HasMark(kind string) bool {
	return slices.ContainsFunc(e.options.Marks, func(m statement.Mark) bool { return m.Type == kind })
}

// Read reads the file of an entity whose name is the issuer; nil if there is no file.
func Read(path, issuer string) (*Entity, error) {
	if path == "" {
		return nil, nil
	}
	e, err := read(path, issuer)
	if err != nil {
		return nil, fmt.Errorf("reading federation_entity %s: %w", path, err)
	}
	return e, nil
}

func read(path, issuer string) (*Entity, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if len(raw) > maxFile {
		return nil, fmt.Errorf("it is longer than %d bytes", maxFile)
	}
	var f form
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	id, err := federation.ParseEntityID(issuer)
	if err != nil {
		return nil, fmt.Errorf("the issuer is the name of the entity: %w", err)
	}
	switch {
	case strings.TrimSpace(f.Organization) == "" || authz.CheckText(f.Organization) != nil:
		return nil, errors.New("organization is missing, or not a text")
	case len(f.Superiors) == 0 && !f.Subordinates:
		return nil, errors.New("name superiors, or set subordinates for a trust anchor: nobody trusts an entity that nobody states")
	case len(f.Superiors) > 0 && (len(f.MarkIssuers) > 0 || len(f.MarkOwners) > 0):
		return nil, errors.New("trust_mark_issuers and trust_mark_owners count for a trust anchor only, and this entity has superiors")
	}
	e := &Entity{HasSubordinates: f.Subordinates, options: authority.Options{
		ID: id, Organization: f.Organization, Superiors: f.Superiors, MarkIssuers: f.MarkIssuers, MarkOwners: f.MarkOwners,
	}}
	for _, m := range f.Marks {
		e.options.Marks = append(e.options.Marks, statement.Mark{Type: m.Type, JWT: m.JWT})
	}
	for _, a := range f.Anchors {
		id, err := federation.ParseEntityID(string(a.ID))
		if err != nil {
			return nil, fmt.Errorf("anchors: %w", err)
		}
		set, err := jose.ParseSet(a.Keys)
		if err != nil || set.Len() == 0 {
			return nil, fmt.Errorf("anchors: %s has no key set with a key that a statement can be signed with (%v)", id, err)
		}
		e.Anchors = append(e.Anchors, trust.Anchor{ID: id, Keys: set})
	}
	if e.Bounds, err = f.bounds(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if e.options.Authentication, err = f.authentication(); err != nil {
		return nil, err
	}
	if e.bundles, err = f.bundles(e); err != nil {
		return nil, err
	}
	if err := e.options.Check(time.Now()); err != nil {
		return nil, err
	}
	return e, nil
}

// authentication is the mode of each path.
func (f form) authentication() (map[string]caller.Mode, error) {
	modes := map[string]caller.Mode{}
	for path, name := range authority.Names {
		short := strings.TrimSuffix(strings.TrimPrefix(name, "federation_"), "_endpoint")
		if mode, said := f.Authentication[short]; said {
			modes[path] = mode
		}
	}
	if len(modes) < len(f.Authentication) {
		return nil, errors.New("authentication: an endpoint that is none, such as fetch, list, resolve, trust_mark, " +
			"trust_mark_status, trust_mark_list, historical_keys or subordinate_events")
	}
	for _, mode := range modes {
		if mode.Methods() == nil {
			return nil, fmt.Errorf("authentication: %q is neither optional nor required", mode)
		}
	}
	return modes, nil
}

func (f form) bounds(folder string) (b outbound.Bounds, err error) {
	for _, text := range f.Networks {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return b, fmt.Errorf("networks: %q is none, such as 10.0.0.0/8", text)
		}
		b.Networks = append(b.Networks, network.Masked())
	}
	if f.Roots == "" {
		return b, nil
	}
	file := f.Roots
	if !filepath.IsAbs(file) {
		file = filepath.Join(folder, file)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return b, fmt.Errorf("ca: %w", err)
	}
	if b.Roots = x509.NewCertPool(); !b.Roots.AppendCertsFromPEM(pem) {
		return b, fmt.Errorf("ca: %s has no certificate in PEM", file)
	}
	return b, nil
}

// Known is what the resolver of a server keeps in the state folder, and since when. The error
// wraps desk.ErrNotKnown if there is none.
func Known(anchors []trust.Anchor, state string) (rehearsal.Known, time.Time, error) {
	stored, err := kept(anchors, state)
	if err != nil {
		return rehearsal.Known{}, time.Time{}, err
	}
	return rehearsal.Known{Statements: stored.Statements, Anchors: anchors, Holds: stored.Holds}, stored.At, nil
}

// kept is what a resolver keeps in the state folder.
func kept(anchors []trust.Anchor, state string) (resolver.Stored, error) {
	if len(anchors) == 0 {
		return resolver.Stored{}, fmt.Errorf("%w: federation_entity names no anchors", desk.ErrNotKnown)
	}
	stored, err := resolver.ReadStored(state)
	if errors.Is(err, fs.ErrNotExist) {
		return stored, fmt.Errorf("%w: no server walked through the federation yet", desk.ErrNotKnown)
	}
	return stored, err
}

// Server is what a server does as an entity. Nil is one that is in no federation.
type Server struct {
	handlers map[string]http.HandlerFunc
	resolver *resolver.Resolver // nil without anchors
	// making makes bundles, following gets those of others; nil for neither.
	making    *making
	following *follow.Follower
	// history keeps what was found; nil keeps nothing.
	history *history.Recorder
	// spent are the proofs of those who asked; proving says that who asks may or has to prove who
	// it is.
	spent   Spent
	proving bool
}

// Spent remembers what is accepted once.
type Spent interface {
	caller.Once
	// PurgeSpent forgets what expired before a time, at most limit of them.
	PurgeSpent(ctx context.Context, before time.Time, limit int) (int64, error)
}

// callersInterval is that after which an address may ask the endpoints once more. One who walks a
// federation asks twice for each subordinate.
const callersInterval = 10 * time.Millisecond

// Parts are what a server has that an entity needs.
type Parts struct {
	// File is that of the configuration key federation_entity, Issuer the name of the entity, State
	// the folder in which what is known of others is kept.
	File, Issuer, State string
	Ring                authority.Ring
	Registry            authority.Registry
	// Spent remembers the proofs of those who ask endpoints.
	Spent Spent
	// Bundles has the newest bundle of each anchor.
	Bundles order.Book
	// Past is what nodes found of an entity at a time; nil where it is not asked.
	Past func(ctx context.Context, id federation.EntityID, at time.Time) ([]history.Answer, error)
	// History keeps what is found of others, for the node of a name; nil keeps nothing.
	History history.Store
	Node    string
	// Burst is how often one address may ask the endpoints at once; 0 is without a limit.
	Burst int
	// Provider gives the metadata of the OpenID Provider that the server is as well; nil if
	// it is none.
	Provider func() []byte
	// Party gives the metadata of the relying party that the server is as well, by its name; nil,
	// or nothing, if it is none.
	Party func(name string) (json.RawMessage, error)
}

// New makes the entity that the file says; nil without a file.
func New(p Parts) (*Server, error) {
	e, err := Read(p.File, p.Issuer)
	if e == nil || err != nil {
		return nil, err
	}
	s, o := &Server{}, e.options
	o.Ring, o.Once, s.spent = p.Ring, p.Spent, p.Spent
	if p.Burst > 0 {
		o.Callers = authn.NewAddresses(p.Burst, callersInterval, time.Now)
	}
	if e.HasSubordinates {
		o.Registry = p.Registry
	}
	o.Metadata = func() (map[federation.EntityType]json.RawMessage, error) { return p.metadata(o.Organization) }
	if len(e.Anchors) > 0 {
		out := outbound.NewWithin(e.Bounds)
		s.resolver = resolver.New(resolver.Options{
			Anchors: e.Anchors, File: filepath.Join(p.State, resolver.FileName),
			Fetcher: fetch.New(out, nil).Proving(out, caller.Prover{Self: e.ID(), Ring: p.Ring, Now: time.Now}),
		})
		o.Resolver = s.resolver
		if p.History != nil {
			s.history = &history.Recorder{Store: p.History, Node: p.Node}
		}
	}
	s.handlers, s.proving = authority.New(o).Handlers(), len(o.Authentication) > 0
	return s, s.carry(e, p)
}

// Handlers are the endpoints by their paths.
func (s *Server) Handlers() map[string]http.HandlerFunc {
	if s == nil {
		return nil
	}
	return s.handlers
}

// Resolver knows who is trusted; nil where there are no anchors.
func (s *Server) Resolver() registrar.Resolver {
	if s == nil || s.resolver == nil {
		return nil
	}
	return s.resolver
}

// Trusted counts the entities that are trusted now, and says when the first of their chains ends:
// what a server that is cut off has left. ok is false where nobody is known.
func (s *Server) Trusted() (entities int, firstEnd time.Time, ok bool) {
	if s == nil || s.resolver == nil {
		return 0, firstEnd, false
	}
	entities, _, firstEnd = s.resolver.Known()
	return entities, firstEnd, true
}

// OnDropped says who is told, by name, of an entity that is trusted no more. It is called before
// Run.
func (s *Server) OnDropped(told func(entity string)) {
	if s != nil && s.resolver != nil {
		s.resolver.OnDropped(func(id federation.EntityID) { told(string(id)) })
	}
}

// Known knows who is trusted, and their marks; nil where there are no anchors.
func (s *Server) Known() *resolver.Resolver {
	if s == nil {
		return nil
	}
	return s.resolver
}

// Run keeps what is known of the federation fresh, until ctx ends.
func (s *Server) Run(ctx context.Context) {
	if s == nil {
		return
	}
	var beside sync.WaitGroup
	defer beside.Wait()
	if s.proving {
		beside.Go(func() { purge.Run(ctx, []purge.Job{{What: "proofs of those who asked", Purge: s.purge}}) })
	}
	if s.resolver == nil {
		return
	}
	if s.history != nil { // before anybody else changes what is known
		news := make(chan struct{}, 1)
		s.resolver.OnNews(news)
		beside.Go(func() { s.history.Run(ctx, s.resolver, news) })
	}
	if s.making != nil {
		beside.Go(func() { s.making.run(ctx) })
	}
	if s.following != nil {
		beside.Go(func() { s.following.Run(ctx) })
	}
	s.resolver.Run(ctx)
}

// metadata are those of the roles that the server plays beside that of an entity.
func (p Parts) metadata(name string) (map[federation.EntityType]json.RawMessage, error) {
	all := map[federation.EntityType]json.RawMessage{}
	if p.Provider != nil {
		raw, err := asEntity(p.Provider())
		if err != nil {
			return nil, err
		}
		all[federation.OpenIDProvider] = raw
	}
	if p.Party != nil {
		raw, err := p.Party(name)
		if err != nil {
			return nil, err
		}
		if raw != nil {
			all[federation.RelyingParty] = raw
		}
	}
	return all, nil
}

// purge forgets the proofs that nobody takes any more; a minute is for clocks that are apart.
func (s *Server) purge(ctx context.Context, now time.Time, limit int) (int64, error) {
	return s.spent.PurgeSpent(ctx, now.Add(-time.Minute), limit)
}

// asEntity are the metadata of a provider as its configuration has them (§5.1.3). How an app
// of the federation becomes a client is named there, if there is a way.
func asEntity(raw []byte) (json.RawMessage, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	for name, value := range all {
		if string(value) == "null" { // §5: no parameter is null
			delete(all, name)
		}
	}
	if all["client_registration_types_supported"] == nil { // which is REQUIRED (§5.1.3)
		all["client_registration_types_supported"] = json.RawMessage(`[]`)
	}
	return json.Marshal(all)
}

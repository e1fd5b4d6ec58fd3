package registrar

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/semaphore"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/recent"
	"hopnhat/federation"
	"hopnhat/federation/registration"
	"hopnhat/federation/trust"
)

// Resolver knows entities that were resolved beforehand. It answers from memory.
type Resolver interface {
	// Resolved is the newest verdict on an entity under one of some anchors; ok is false for one
	// that is not known under them.
	Resolved(id federation.EntityID, anchors ...federation.EntityID) (v trust.Verdict, ok bool)
}

// Kept is what is kept of a registration beside the client.
type Kept struct {
	// Membership is that of the client.
	authz.Membership
	// Way is how the app was registered. What it registered explicitly, it made for this
	// provider, and no chain that is found or sent changes it before it ends (§12.2.6).
	Way registration.Way
	// Issued is when the app signed the metadata that it was registered with.
	Issued time.Time
	// Digest names the chain, see [registration.Digest].
	Digest [sha256.Size]byte
	// Refreshed is when a chain was last taken, Ended when trust was withdrawn; zero if it
	// was not.
	Refreshed, Ended time.Time
	// Revision is which state of the client was read with it.
	Revision int64
}

// Store keeps apps of federations. Errors wrap authz.ErrNotFound, authz.ErrConflict or
// authz.ErrUnavailable.
type Store interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// FederatedClient finds a client, with what is kept of it; that is zero for one that was
	// registered here.
	FederatedClient(ctx context.Context, id authz.ClientID) (*authz.Client, Kept, error)
	// JoinClient adds a client and what is kept of it; authz.ErrConflict if the id is taken.
	JoinClient(ctx context.Context, c *authz.Client, k Kept) error
	// RenewClient keeps another chain of a client, if what is kept is still what was read, and
	// authz.ErrConflict otherwise. Where changed is not nil it takes the place of the client.
	RenewClient(ctx context.Context, id authz.ClientID, read, k Kept, changed *authz.Client) error
	// Clients lists apps in the order of their ids, after one.
	Clients(ctx context.Context, after authz.ClientID, limit int) ([]*authz.Client, error)
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Options is what a Registrar is made of.
type Options struct {
	// Self is this provider, the subject of peer chains (§4.4).
	Self federation.EntityID
	// Rules are what apps may be; their checks look apps up that are known by themselves.
	Rules registration.Rules
	// Resolver may be nil: then apps come by the chains that they send.
	Resolver Resolver
	Store    Store
	Evidence Evidence
	// Changed is told of a client that was changed, so that this node forgets it.
	Changed func(authz.ClientID)
	// Pace takes one registration, or change, that is made because somebody named an app that
	// the resolver knows, or says how long to wait; nil sets no pace.
	Pace func() (wait time.Duration)
	Now  func() time.Time
}

// Bounds on what strangers make us do.
const (
	// maxVerifying are chains that are verified at one time.
	maxVerifying = 2
	// A chain that was looked at is not verified again within remembered; so many are kept.
	remembered = 10 * time.Minute
	maxSeen    = 20_000
)

// Registrar is the clients, those of federations among them. It is safe for concurrent use.
type Registrar struct {
	o         Options
	verifying *semaphore.Weighted
	taking    *semaphore.Weighted
	seen      *recent.Map[[sha256.Size]byte, outcome]
}

// outcome is what became of a chain that was sent: taken until it ends, or refused.
type outcome struct {
	until   time.Time
	refused error
}

var (
	_ clientauth.Clients    = (*Registrar)(nil)
	_ clientauth.Introducer = (*Registrar)(nil)
)

// New makes a Registrar.
func New(o Options) *Registrar {
	return &Registrar{
		o: o, verifying: semaphore.NewWeighted(maxVerifying), taking: semaphore.NewWeighted(1),
		seen: recent.New[[sha256.Size]byte, outcome](maxSeen, remembered, o.Now),
	}
}

func refuse(code authz.Code, section, format string, args ...any) *authz.Error {
	return authz.NewError(code, format, args...).At("client_id").Under("OpenID Federation 1.0 §" + section).
		Because(clientauth.ErrUnknownClient)
}

// Client finds a client. One that a federation vouches for is as its newest chain says; it is
// refused when that has ended, or when it is trusted no more, by an *authz.Error that wraps
// clientauth.ErrUnknownClient. A client that was registered here is never one of a federation.
func (r *Registrar) Client(ctx context.Context, id authz.ClientID) (*authz.Client, error) {
	c, kept, err := r.find(ctx, id)
	if err != nil {
		return nil, err
	}
	if c != nil && !kept.Federated() {
		return c, nil
	}
	entity, err := federation.ParseEntityID(string(id))
	if err != nil {
		return nil, authz.ErrNotFound
	}
	if v, ok := r.resolved(entity); ok {
		return r.settled(ctx, v, c, kept)
	}
	return r.standing(c, r.o.Now())
}

// find is a client with what is kept of it; nil where there is none.
func (r *Registrar) find(ctx context.Context, id authz.ClientID) (*authz.Client, Kept, error) {
	c, kept, err := r.o.Store.FederatedClient(ctx, id)
	if errors.Is(err, authz.ErrNotFound) {
		return nil, Kept{}, nil
	}
	return c, kept, err
}

// resolved is what the resolver knows of an entity under the anchors of the rules: it may know
// others under more, whose word lets no app in here.
func (r *Registrar) resolved(id federation.EntityID) (trust.Verdict, bool) {
	if r.o.Resolver == nil {
		return trust.Verdict{}, false
	}
	anchors := make([]federation.EntityID, len(r.o.Rules.Anchors))
	for i, a := range r.o.Rules.Anchors {
		anchors[i] = a.ID
	}
	v, ok := r.o.Resolver.Resolved(id, anchors...)
	counts := r.o.Rules.Accepts(string(v.Anchor))
	if !ok || !counts && (v.Valid() || v.Anchor != "") {
		return trust.Verdict{}, false
	}
	return v, true
}

// standing is the client that is registered, unless its chain has ended, or the operator has
// taken its anchor away.
func (r *Registrar) standing(c *authz.Client, now time.Time) (*authz.Client, error) {
	switch {
	case c != nil && !r.o.Rules.Accepts(c.Membership.Anchor):
		return nil, refuse(authz.InvalidTrustAnchor, "12.1", "the app came by %s, under which no app is let in any more", c.Membership.Anchor)
	case c == nil:
		return nil, refuse(authz.InvalidTrustChain, "12.1",
			"no app is registered under this client_id, and no chain of it is known; send trust_chain in the header of what the app signs")
	case c.Membership.Lapsed(now):
		return nil, refuse(authz.InvalidTrustChain, "12.1",
			"the trust chain of this app has ended; send a new one as trust_chain in the header of what the app signs")
	}
	return c, nil
}

// settled is what the resolver's verdict makes of a client, c or nil if there is none.
func (r *Registrar) settled(ctx context.Context, v trust.Verdict, c *authz.Client, kept Kept) (*authz.Client, error) {
	now := r.o.Now()
	if v.Valid() && now.Before(v.Expiry) && !explicit(c, kept, now) {
		// The resolver may hold the anchor to other keys than the rules do.
		if registration.Digest(v, r.o.Rules) != kept.Digest {
			if again := trust.VerifyStatements(v.Chain, r.o.Rules.Anchors, now); !again.Valid() {
				return nil, registration.Refusal(again)
			}
		}
		return r.take(ctx, v, registration.Automatic, c, kept)
	}
	if c != nil && !c.Membership.Lapsed(now) && !v.Valid() {
		if err := r.end(ctx, v, c, kept); err != nil {
			return nil, err
		}
	}
	if v.Valid() {
		return r.standing(c, now)
	}
	return nil, registration.Refusal(v)
}

// explicit reports whether a client stands that was registered explicitly.
func explicit(c *authz.Client, kept Kept, now time.Time) bool {
	return c != nil && kept.Way == registration.Explicit && !c.Membership.Lapsed(now)
}

// Introduce takes up an app by the chain that came in the header of something it signed, and
// verifies that of this provider, if one came beside it (§12.1.1.1). The signature with the
// app's own key is for the caller to check, with the keys of the client. Errors are
// *authz.Error.
func (r *Registrar) Introduce(ctx context.Context, id authz.ClientID, chain, peer []string) error {
	entity, err := federation.ParseEntityID(string(id))
	if err != nil {
		return nil // it names no entity: the header means nothing for it
	}
	key := named(id, chain, peer)
	if known, _, ok := r.seen.Get(key); ok && r.o.Now().Before(known.until) {
		return known.refused
	}
	if _, ok := r.resolved(entity); ok && len(peer) == 0 {
		return nil // what was fetched where it is published is newer than what is sent
	}
	if !r.begin(ctx) {
		return errBusy()
	}
	v, err := r.verify(entity, chain, peer)
	r.verifying.Release(1)
	if err == nil {
		err = r.introduce(ctx, id, v)
	}
	said := (*authz.Error)(nil)
	switch began := r.o.Now(); {
	case err == nil:
		r.seen.Put(key, outcome{until: v.Expiry}, began)
	case errors.As(err, &said) && said.Code != authz.TemporarilyUnavailable:
		r.seen.Put(key, outcome{until: began.Add(time.Minute), refused: err}, began)
	}
	return err
}

// begin waits a second for a place among the chains that are verified.
func (r *Registrar) begin(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	return r.verifying.Acquire(ctx, 1) == nil
}

func errBusy() error {
	return &authz.Error{
		Code: authz.TemporarilyUnavailable, RetryAfter: time.Second,
		Description: "too many trust chains are being verified; send the same request again",
	}
}

// named names what was sent, whoever sent it.
func named(id authz.ClientID, chain, peer []string) [sha256.Size]byte {
	h := sha256.New()
	for _, list := range [][]string{{string(id)}, chain, peer} {
		fmt.Fprintf(h, "%d\n", len(list))
		for _, one := range list {
			fmt.Fprintf(h, "%d %s\n", len(one), one)
		}
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// verify verifies the chain of an app, and that of this provider under the same anchor.
func (r *Registrar) verify(entity federation.EntityID, chain, peer []string) (trust.Verdict, error) {
	now := r.o.Now()
	v := trust.Verify(chain, r.o.Rules.Anchors, now)
	switch {
	case !v.Valid():
		return v, registration.Refusal(v)
	case len(v.Chain) < 2:
		return v, refuse(authz.InvalidTrustChain, "12.1", "a trust anchor is no app of its own federation")
	case v.Subject != entity:
		return v, refuse(authz.InvalidTrustChain, "12.1.1.1", "trust_chain is about %s, and client_id is another", v.Subject)
	case len(peer) == 0:
		return v, nil
	}
	p := trust.Verify(peer, r.o.Rules.Anchors, now)
	switch {
	case !p.Valid():
		return v, refuse(authz.InvalidTrustChain, "12.1.1.1.1", "peer_trust_chain: %s", registration.Refusal(p).Description)
	case p.Subject != r.o.Self:
		return v, refuse(authz.InvalidTrustChain, "12.1.1.1.1", "peer_trust_chain has to begin at this provider, %s", r.o.Self)
	case p.Anchor != v.Anchor:
		return v, refuse(authz.InvalidTrustAnchor, "12.1.1.1.1", "trust_chain ends at %s, and peer_trust_chain at %s: they have to end at one anchor",
			v.Anchor, p.Anchor)
	}
	return v, nil
}

// introduce takes a chain that was sent, unless it says less than what is known: a chain
// remains good until it ends, and anybody may send it again.
func (r *Registrar) introduce(ctx context.Context, id authz.ClientID, v trust.Verdict) error {
	c, kept, err := r.find(ctx, id)
	if err != nil || c != nil && !kept.Federated() {
		return err
	}
	if known, ok := r.resolved(v.Subject); ok {
		_, err := r.settled(ctx, known, c, kept)
		return err
	}
	if err := r.withdrawn(v, c, kept); err != nil {
		return err
	}
	if explicit(c, kept, r.o.Now()) {
		return nil
	}
	_, err = r.take(ctx, v, registration.Automatic, c, kept)
	return err
}

// withdrawn refuses a chain from before the federation withdrew its trust in the app, and one
// with an entity in it that is known to be trusted no more.
func (r *Registrar) withdrawn(v trust.Verdict, c *authz.Client, kept Kept) error {
	if len(v.Chain) < 2 {
		return refuse(authz.InvalidTrustChain, "12.1", "a trust anchor is no app of its own federation")
	}
	for _, s := range v.Chain {
		if known, ok := r.resolved(s.Subject); ok && !known.Valid() {
			return refuse(authz.InvalidTrustChain, "10.4", "the federation has withdrawn its trust in %s, which stands in the chain", s.Subject)
		}
	}
	if c == nil || kept.Ended.IsZero() || v.Chain[1].IssuedAt.After(kept.Ended) {
		return nil
	}
	return refuse(authz.InvalidTrustChain, "12.1",
		"the federation has withdrawn its trust in this app since %s signed the statement about it; a newer one is needed", v.Chain[1].Issuer)
}

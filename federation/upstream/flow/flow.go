// Package flow carries a sign-in by another provider from its beginning to a session, and a
// link from its beginning to its end. What may be is decided in package upstream; here it is
// kept, done once, and recorded.
//
// A sign-in that is under way is a row, found by a random state of which the browser alone
// knows the text, and taken once. Before a person links her account she confirms it: the proof
// that she came back with is another row, bound to her account, her session, the provider and
// the person there. It is spent with the link, and ends with any link that ends.
package flow

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/change"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/session"
	"hopnhat/federation/upstream"
)

// life is how long a sign-in there may take, and a proof waits to be confirmed.
const life = 15 * time.Minute

// Pending is a sign-in, or a link, that is under way at a provider.
type Pending struct {
	// State and Browser are hashes of what only the browser knows.
	State, Browser []byte
	Alias          upstream.Alias
	// Nonce, Verifier, Fresh and Level are of the request, see [upstream.Ask].
	Nonce, Verifier string
	Fresh           bool
	Level           authz.AuthenticationLevel
	// Next is a path of ours where the browser goes after it.
	Next string
	// Account and Session are who links; empty for a sign-in.
	Account authz.Subject
	Session authz.SessionID
	Begun   time.Time
	Expires time.Time
}

// Proof is a link that waits for the person's word.
type Proof struct {
	ID      []byte // a hash
	Session authz.SessionID
	Bond    upstream.Bond
	Expires time.Time
}

// Begun is a session here that began by a provider, as a logout token may name it.
type Begun struct {
	Session authz.SessionID
	Account authz.Subject
	Bond    string
	Alias   upstream.Alias
	There   string // its session id, empty if it named none
}

// Store keeps links and what is under way. Errors wrap authz.ErrNotFound, authz.ErrConflict or
// authz.ErrUnavailable.
type Store interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	InsertPending(ctx context.Context, p Pending) error
	// TakePending finds one and deletes it: of any number of calls for one state exactly one
	// finds it.
	TakePending(ctx context.Context, state []byte) (Pending, error)
	InsertProof(ctx context.Context, p Proof) error
	// TakeProof is to proofs as TakePending.
	TakeProof(ctx context.Context, id []byte) (Proof, error)
	// BondOf finds the live bond of a person at a provider; held keeps it from being ended until
	// the transaction ends.
	BondOf(ctx context.Context, issuer, subject string, held bool) (upstream.Bond, error)
	// Removed reports whether an account had a bond at a provider that was ended.
	Removed(ctx context.Context, account authz.Subject, issuer string) (bool, error)
	// Bonds are the live ones of an account, the oldest first.
	Bonds(ctx context.Context, account authz.Subject) ([]upstream.Bond, error)
	// EventsOf are the genuine events by which a bond was made and ended, nil if there is none;
	// name is what its person is called in the evidence.
	EventsOf(ctx context.Context, name, bond string) (made, over *audit.Recorded, err error)
	// InsertBond makes one; authz.ErrConflict where the account, or the person at the provider,
	// has one.
	InsertBond(ctx context.Context, b upstream.Bond) error
	// EndBond ends a live bond of an account and every proof of it; authz.ErrNotFound if it is
	// not hers or over.
	EndBond(ctx context.Context, account authz.Subject, id string, at time.Time) (upstream.Bond, error)
	// HolderOf and HolderNamed find an account by its subject, and by a number; held keeps it
	// from being locked until the transaction ends.
	HolderOf(ctx context.Context, account authz.Subject, held bool) (upstream.Holder, error)
	HolderNamed(ctx context.Context, number authz.PersonalNumber) (upstream.Holder, error)
	// NoteSession notes by which bond a session goes on.
	NoteSession(ctx context.Context, b Begun) error
	// SessionsBy are the live sessions that began by a bond, the newest first, of very many some.
	SessionsBy(ctx context.Context, bond string) ([]Begun, error)
	// SessionsOf are those of a person at a provider, by whichever bond, also one that has ended;
	// of one session there, if there is not empty.
	SessionsOf(ctx context.Context, issuer, subject, there string) ([]Begun, error)
	// SessionsThere are those of one session at a provider.
	SessionsThere(ctx context.Context, alias upstream.Alias, there string) ([]Begun, error)
	// BegunBy says by which bond a session began.
	BegunBy(ctx context.Context, id authz.SessionID) (Begun, error)
	// Spend takes what is good once; authz.ErrConflict for what was taken before.
	Spend(ctx context.Context, once clientauth.Assertion) error
	// Taken reports whether what has a digest was taken.
	Taken(ctx context.Context, digest []byte) (bool, error)
}

// Providers asks other providers ([client.Client]).
type Providers interface {
	Metadata(ctx context.Context, p *upstream.Provider) (upstream.Metadata, error)
	// Request is the address of an authentication request.
	Request(ctx context.Context, p *upstream.Provider, redirectURI string, a upstream.Ask) (string, error)
	Redeem(ctx context.Context, p *upstream.Provider, redirectURI, code string, a upstream.Ask) (upstream.Identity, error)
	Ended(ctx context.Context, p *upstream.Provider, token string) (upstream.End, error)
}

// Sessions begins and ends sessions.
type Sessions interface {
	Begin(ctx context.Context, clients session.Clients, in session.SignIn, before *session.Session) (session.Session, error)
	End(
		ctx context.Context, clients session.Clients, subject authz.Subject, id authz.SessionID, because session.Because,
	) ([]session.Notified, error)
}

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Options is what an engine is made of; all are needed.
type Options struct {
	// Issuer is this server's, before the path of a callback.
	Issuer    string
	List      []*upstream.Provider
	Providers Providers
	Store     Store
	Sessions  Sessions
	Clients   session.Clients
	Evidence  Evidence
	// Pseudonyms names persons as the evidence does.
	Pseudonyms audit.Pseudonyms
	Now        func() time.Time
}

// Engine signs people in by other providers. It is safe for concurrent use. Nil is one without
// providers.
type Engine struct{ o Options }

// New makes an engine.
func New(o Options) *Engine { return &Engine{o} }

// Providers are all of them, in the order of the sign-in page.
func (e *Engine) Providers() []*upstream.Provider {
	if e == nil {
		return nil
	}
	return e.o.List
}

// Provider finds one; nil if there is none of that name.
func (e *Engine) Provider(alias upstream.Alias) *upstream.Provider {
	for _, p := range e.Providers() {
		if p.Alias == alias {
			return p
		}
	}
	return nil
}

// Paths of a provider here.
const (
	// Prefix stands before the alias.
	Prefix       = "/signin/upstream/"
	callbackPath = "/callback"
	logoutPath   = "/logout"
	// SignedOutPath is where a provider sends a browser back that it signed out: the start page.
	SignedOutPath = "/"
)

// Callback is the redirect URI that one provider alone has (RFC 9700 §4.4.2), and Backchannel
// where it sends logout tokens.
func (e *Engine) Callback(alias upstream.Alias) string {
	return e.o.Issuer + Prefix + string(alias) + callbackPath
}

// Backchannel is where a provider sends logout tokens.
func (e *Engine) Backchannel(alias upstream.Alias) string {
	return e.o.Issuer + Prefix + string(alias) + logoutPath
}

// Start is what a sign-in or a link begins with.
type Start struct {
	Provider *upstream.Provider
	// Browser is the binding of the browser, Next a path of ours.
	Browser, Next string
	Fresh         bool
	Level         authz.AuthenticationLevel
	Locales       []string
	// Who links her account; nil for a sign-in.
	Who *session.Session
}

// Begin keeps what is to come back, and says where the browser goes.
func (e *Engine) Begin(ctx context.Context, s Start) (string, error) {
	a := upstream.NewAsk(e.o.Now().UTC())
	// Who links shows that she is there: nobody else's session at the provider will do.
	a.Fresh, a.Level, a.Locales = s.Fresh || s.Who != nil, s.Level, s.Locales
	p := Pending{
		State: authz.HashSecret(a.State), Browser: authz.HashSecret(s.Browser), Alias: s.Provider.Alias, Nonce: a.Nonce,
		Verifier: a.Verifier,
		Fresh:    a.Fresh, Level: a.Level, Next: s.Next, Begun: a.Begun, Expires: a.Begun.Add(life),
	}
	if s.Who != nil {
		p.Account, p.Session = s.Who.Actor, s.Who.ID
	}
	location, err := e.o.Providers.Request(ctx, s.Provider, e.Callback(s.Provider.Alias), a)
	if err != nil {
		return "", err
	}
	return location, e.o.Store.InsertPending(ctx, p)
}

// Return is what came back with the browser.
type Return struct {
	Provider  *upstream.Provider
	Browser   string
	Query     url.Values
	UserAgent string
	// Secret is for the session that begins, Before the live one of the browser.
	Secret string
	Before *session.Session
}

// Result is what became of it.
type Result struct {
	// Next is where the browser goes, as it was kept; it is there with an error, too, unless the
	// state was not found.
	Next string
	// Began is the session, nil where the person links.
	Began *session.Session
	// Links says that it was a link; Proof is what she confirms it with.
	Links bool
	Proof string
}

func refused(reason upstream.Reason, why string) error {
	return &upstream.Refusal{Reason: reason, Why: why}
}

// Finish takes the answer of a provider. Errors are *[upstream.Refusal], those of the store,
// and of the keyring.
func (e *Engine) Finish(ctx context.Context, r Return) (out Result, err error) {
	pending, err := e.taken(ctx, r)
	if err != nil {
		return out, err
	}
	out.Next, out.Links = pending.Next, pending.Account != ""
	id, err := e.identify(ctx, r, pending)
	switch {
	case err == nil && out.Links:
		out.Proof, err = e.prove(ctx, r, pending, id)
		return out, e.told(ctx, r.Provider, err, pending.Account)
	case err == nil:
		out.Began, err = e.signIn(ctx, r, id)
	}
	return out, err
}

// taken finds the request that is answered, once, in the browser that it was made in.
func (e *Engine) taken(ctx context.Context, r Return) (Pending, error) {
	state := r.Query.Get("state")
	if len(state) != session.SecretLength || len(r.Query["state"]) != 1 {
		return Pending{}, refused(upstream.Late, "RFC 6749 §10.12: there is no state of ours")
	}
	p, err := e.o.Store.TakePending(ctx, authz.HashSecret(state))
	if errors.Is(err, authz.ErrNotFound) {
		return p, refused(upstream.Late, "RFC 6749 §10.12: the state is unknown, or was used before")
	}
	switch {
	case err != nil:
		return p, err
	case !e.o.Now().Before(p.Expires):
		return Pending{}, refused(upstream.Late, "the sign-in was begun too long ago")
	case subtle.ConstantTimeCompare(p.Browser, authz.HashSecret(r.Browser)) != 1:
		return Pending{}, refused(upstream.Late, "RFC 9700 §4.7.1: the state is of another browser")
	case p.Alias != r.Provider.Alias: // RFC 9700 §4.4.2
		return Pending{}, refused(upstream.Mixed, "RFC 9700 §4.4.2: the answer came to the address of another provider")
	}
	return p, nil
}

func (e *Engine) identify(ctx context.Context, r Return, p Pending) (upstream.Identity, error) {
	m, err := e.o.Providers.Metadata(ctx, r.Provider)
	if err != nil {
		return upstream.Identity{}, err
	}
	code, err := r.Provider.Response(m, r.Query)
	if err != nil {
		return upstream.Identity{}, err
	}
	return e.o.Providers.Redeem(ctx, r.Provider, e.Callback(p.Alias), code, upstream.Ask{
		Nonce: p.Nonce, Verifier: p.Verifier, Fresh: p.Fresh, Level: p.Level, Begun: p.Begun,
	})
}

// facts reads what a decision needs; held keeps the bond until the transaction ends.
func (e *Engine) facts(ctx context.Context, p *upstream.Provider, id upstream.Identity, held bool) (upstream.Facts, error) {
	f := upstream.Facts{Identity: id}
	b, err := e.o.Store.BondOf(ctx, id.Issuer, id.Subject, held)
	if err == nil {
		var h upstream.Holder
		if h, err = e.o.Store.HolderOf(ctx, b.Account, false); err == nil {
			f.Bond, f.Owner = &b, &h
		}
	}
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		return f, err
	}
	if id.Number.Reveal() == "" {
		return f, nil
	}
	h, err := e.o.Store.HolderNamed(ctx, id.Number)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return f, nil
	case err != nil:
		return f, err
	}
	f.Named = &h
	if f.NamedBond, err = e.bondAt(ctx, h.Account, p); err != nil {
		return f, err
	}
	// After the live one: of a bond that is ended in between one of the two tells.
	f.NamedRemoved, err = e.o.Store.Removed(ctx, h.Account, p.Issuer)
	return f, err
}

// bondAt is what binds an account to a provider, nil if nothing does.
func (e *Engine) bondAt(ctx context.Context, account authz.Subject, p *upstream.Provider) (*upstream.Bond, error) {
	list, err := e.o.Store.Bonds(ctx, account)
	if i := slices.IndexFunc(list, func(b upstream.Bond) bool { return b.Issuer == p.Issuer }); err == nil && i >= 0 {
		return &list[i], nil
	}
	return nil, err
}

// signIn begins a session, and makes the link where a number does: one commit.
func (e *Engine) signIn(ctx context.Context, r Return, id upstream.Identity) (*session.Session, error) {
	var began session.Session
	var whose authz.Subject
	err := e.o.Store.Tx(ctx, func(ctx context.Context) error {
		// The bond is held: a session begins before its link ends, which ends it too, or never.
		f, err := e.facts(ctx, r.Provider, id, true)
		if err != nil {
			return err
		}
		for _, h := range []*upstream.Holder{f.Owner, f.Named} { // about whom a refusal is
			if h != nil && whose == "" {
				whose = h.Account
			}
		}
		o, err := r.Provider.SignIn(f)
		if err != nil {
			return err
		}
		now := e.o.Now().UTC()
		bond := f.Bond
		if o.New != nil {
			bond = o.New
			err = e.bind(ctx, bond, now)
		} else {
			err = e.explained(ctx, *bond)
		}
		if err != nil {
			return err
		}
		if began, err = e.o.Sessions.Begin(ctx, e.o.Clients, session.SignIn{
			Subject: o.Account, At: now, AuthTime: id.AuthTime, Level: o.Level, UserAgent: r.UserAgent, Secret: r.Secret, By: nil,
			Provider: string(r.Provider.Alias),
		}, r.Before); err != nil {
			return err
		}
		if err := e.o.Store.NoteSession(ctx, Begun{began.ID, o.Account, bond.ID, r.Provider.Alias, id.Session}); err != nil {
			return err
		}
		h, err := e.o.Store.HolderOf(ctx, o.Account, true)
		if err == nil && h.Locked {
			err = refused(upstream.Closed, "the account was locked meanwhile")
		}
		return err
	})
	if errors.Is(err, authz.ErrConflict) { // another request made a link at the same time
		err = refused(upstream.Elsewhere, "the account, or the person at the provider, was linked meanwhile")
	}
	if err = e.told(ctx, r.Provider, err, whose); err != nil {
		return nil, err
	}
	return &began, nil
}

// bind makes a bond, with its event.
func (e *Engine) bind(ctx context.Context, b *upstream.Bond, at time.Time) error {
	b.ID, b.Made = authz.NewID(), at
	if err := e.o.Store.InsertBond(ctx, *b); err != nil {
		return err
	}
	act := audit.Act{
		Action: audit.UpstreamLinked, Subject: b.Account, At: at, Levels: audit.Levels{ACR: b.Level.ACR()},
		Detail: audit.Detail{Object: b.ID, Text: string(b.Alias)},
	}
	if err := change.Commit(&act, saying(*b)); err != nil {
		return err
	}
	_, err := e.o.Evidence.Write(ctx, act)
	return err
}

// decided are the refusals of somebody whom a provider vouched for: each is evidence. The
// others anybody can cause who knows no person, and are lines of the log.
var decided = []upstream.Reason{upstream.Low, upstream.Unlinked, upstream.Elsewhere, upstream.Another, upstream.Closed}

// told records a refusal, of an account if one is known, and returns it.
func (e *Engine) told(ctx context.Context, p *upstream.Provider, err error, whose authz.Subject) error {
	var r *upstream.Refusal
	if !errors.As(err, &r) || !slices.Contains(decided, r.Reason) {
		return err
	}
	act := audit.Act{
		Action: audit.UpstreamRefused, Subject: whose, At: e.o.Now().UTC(),
		Detail: audit.Detail{Object: string(p.Alias), Text: string(r.Reason)},
	}
	if whose != "" {
		act.Visibility.Sight = audit.Visible
	}
	if noted := e.o.Store.Tx(ctx, func(ctx context.Context) error {
		_, err := e.o.Evidence.Write(ctx, act)
		return err
	}); noted != nil {
		slog.ErrorContext(ctx, "the refusal of a sign-in by another provider was not recorded", "provider", p.Alias, "error", noted)
	}
	return err
}

// prove keeps a link until the person says that she wants it.
func (e *Engine) prove(ctx context.Context, r Return, p Pending, id upstream.Identity) (string, error) {
	b, err := e.wanted(ctx, r.Provider, p, r.Before, id)
	if err != nil {
		return "", err
	}
	secret := authz.NewSecret()
	return secret, e.o.Store.InsertProof(ctx, Proof{
		ID: authz.HashSecret(secret), Session: p.Session, Bond: *b, Expires: e.o.Now().UTC().Add(life),
	})
}

// wanted is the bond that somebody who is signed in may make.
func (e *Engine) wanted(
	ctx context.Context, p *upstream.Provider, pending Pending, who *session.Session, id upstream.Identity,
) (*upstream.Bond, error) {
	if who == nil || who.Actor != pending.Account || who.ID != pending.Session {
		return nil, refused(upstream.Late, "CVE-2026-15571: who began the link is not signed in here any more")
	}
	f, err := e.facts(ctx, p, id, false)
	if err != nil {
		return nil, err
	}
	self, err := e.o.Store.HolderOf(ctx, pending.Account, false)
	if err != nil {
		return nil, err
	}
	f.Self = &self
	if f.SelfBond, err = e.bondAt(ctx, self.Account, p); err != nil {
		return nil, err
	}
	return p.Link(f, who.Level)
}

// Confirm makes the link of a proof, which is spent whatever comes of it. Errors are
// *[upstream.Refusal], and those of the store.
func (e *Engine) Confirm(ctx context.Context, p *upstream.Provider, secret string, who *session.Session) error {
	proof, err := e.o.Store.TakeProof(ctx, authz.HashSecret(secret))
	switch {
	case errors.Is(err, authz.ErrNotFound): // CVE-2026-92358
		return refused(upstream.Late, "the proof is unknown, was used before, or ended with a link")
	case err != nil:
		return err
	// CVE-2026-9087, CVE-2026-82968: account, provider and the person there are those of the proof.
	case !e.o.Now().Before(proof.Expires) || proof.Session != who.ID || proof.Bond.Account != who.Actor || proof.Bond.Alias != p.Alias ||
		proof.Bond.Issuer != p.Issuer:
		return refused(upstream.Late, "the proof is too old, or of another session or provider")
	}
	err = e.o.Store.Tx(ctx, func(ctx context.Context) error {
		if err := e.bind(ctx, &proof.Bond, e.o.Now().UTC()); err != nil {
			return err
		}
		h, err := e.o.Store.HolderOf(ctx, who.Actor, true)
		if err == nil && h.Locked {
			err = refused(upstream.Closed, "the account was locked meanwhile")
		}
		return err
	})
	if errors.Is(err, authz.ErrConflict) {
		err = refused(upstream.Elsewhere, "the account, or the person at the provider, was linked meanwhile")
	}
	return e.told(ctx, p, err, who.Actor)
}

// Bonds are the links of a person.
func (e *Engine) Bonds(ctx context.Context, who authz.Subject) ([]upstream.Bond, error) {
	return e.o.Store.Bonds(ctx, who)
}

// Unlink ends a link of a person, every proof of it, and the sessions that began by it but the one
// that she uses. After an error the link goes on, and she may try again. authz.ErrNotFound means
// that it is not hers, or over.
func (e *Engine) Unlink(ctx context.Context, who *session.Session, id string) error {
	hers, err := e.o.Store.Bonds(ctx, who.Actor)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(hers, func(b upstream.Bond) bool { return b.ID == id }) {
		return authz.ErrNotFound
	}
	by := func(ctx context.Context) ([]Begun, error) { return e.o.Store.SessionsBy(ctx, id) }
	// There may be very many: each ends in a commit of its own, and what began meanwhile with the
	// link.
	if _, err := e.end(ctx, by, who.ID, session.Ended); err != nil {
		return err
	}
	return e.o.Store.Tx(ctx, func(ctx context.Context) error {
		now := e.o.Now().UTC()
		b, err := e.o.Store.EndBond(ctx, who.Actor, id, now)
		if err != nil {
			return err
		}
		if _, err := e.o.Evidence.Write(ctx, audit.Act{
			Action: audit.UpstreamUnlinked, Subject: who.Actor, At: now, Detail: audit.Detail{Object: b.ID, Text: string(b.Alias)},
			Decision: audit.Decision{Determining: []string{"person"}},
		}); err != nil {
			return err
		}
		_, err = e.end(ctx, by, who.ID, session.Ended)
		return err
	})
}

// end ends the sessions of a list, but for one. The list is read again until none of it ends: it
// is bounded, and shorter by those that did.
func (e *Engine) end(
	ctx context.Context, list func(ctx context.Context) ([]Begun, error), but authz.SessionID, because session.Because,
) (all int, err error) {
	for {
		some, err := list(ctx)
		if err != nil {
			return all, err
		}
		before := all
		for _, one := range some {
			if one.Session == but {
				continue
			}
			switch _, err := e.o.Sessions.End(ctx, e.o.Clients, one.Account, one.Session, because); {
			case err == nil:
				all++
			case !errors.Is(err, authz.ErrNotFound): // else it ended meanwhile
				return all, err
			}
		}
		if all == before {
			return all, nil
		}
	}
}

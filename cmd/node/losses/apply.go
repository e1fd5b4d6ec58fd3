package losses

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
	"hopnhat/authz/authn"
	"hopnhat/authz/consent"
	"hopnhat/authz/grant"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/authz/session"
	"hopnhat/federation"
)

// Applied is what was done because of lost events.
type Applied struct {
	Consents, Accounts, SignOuts, Apps, Grants, Roles, Links, Choices, Passkeys int
	// Silent are the entries of which nothing can be read.
	Silent Silent
}

// Sum is how much was done.
func (a Applied) Sum() int {
	return a.Consents + a.Accounts + a.SignOuts + a.Apps + a.Grants + a.Roles + a.Links + a.Choices + a.Passkeys
}

// String says it in a line.
func (a Applied) String() string {
	return fmt.Sprintf("%d consents ended, %d accounts locked, %d persons signed out, %d apps disabled or ended, %d grants revoked, %d roles taken back, "+
		"%d links with other providers ended, %d choices of provinces withdrawn, %d passkeys removed; "+
		"%d entries tell nothing (%d without a copy, %d erased, %d with a foreign copy)",
		a.Consents, a.Accounts, a.SignOuts, a.Apps, a.Grants, a.Roles, a.Links, a.Choices, a.Passkeys,
		a.Silent.Sum(), a.Silent.Missing, a.Silent.Erased, a.Silent.Foreign)
}

// endings are what lost events took away, each by the event that decides.
type endings struct {
	consents map[authz.ConsentID]Lost // any end of one
	accounts map[string]Lost          // the newest lock or unlock, by pseudonym
	signOuts map[string]Lost          // the newest end of all sessions, by pseudonym
	apps     map[authz.ClientID]Lost  // the newest that disables, enables or ends one
	grants   map[authz.GrantID]Lost   // any end of one
	roles    map[[2]string]Lost       // the newest that gives or takes one, by pseudonym and role
	links    map[string]Lost          // any end of one with another provider
	passkeys map[string]Lost          // any removal of one
	choices  map[[2]string]Lost       // the newest that makes or withdraws one, by pseudonym and province
}

func newEndings() *endings {
	return &endings{
		map[authz.ConsentID]Lost{},
		map[string]Lost{},
		map[string]Lost{},
		map[authz.ClientID]Lost{},
		map[authz.GrantID]Lost{},
		map[[2]string]Lost{},
		map[string]Lost{},
		map[string]Lost{},
		map[[2]string]Lost{},
	}
}

// note notes what an event took away, or gave back.
func (e *endings) note(l Lost) {
	ev := l.Event
	switch action := audit.Action(ev.Detail.Action); {
	case trees.EndsConsent(ev):
		put(e.consents, ev.Consent.ID, l)
	case slices.Contains([]audit.Action{audit.RegionalChosen, audit.RegionalWithdrawn}, action):
		put(e.choices, [2]string{ev.Person.Pseudonym, ev.Detail.Object}, l)
	case slices.Contains([]audit.Action{audit.AccountLock, audit.AccountUnlock}, action):
		put(e.accounts, ev.Person.Pseudonym, l)
	case slices.Contains([]audit.Action{audit.AccountSignOut, audit.SignOutAll}, action):
		put(e.signOuts, ev.Person.Pseudonym, l)
	case slices.Contains([]audit.Action{audit.ClientDisabled, audit.ClientEnabled, audit.ClientDeleted}, action):
		put(e.apps, authz.ClientID(ev.Detail.Object), l)
	case ev.Type == audit.GrantEnded:
		put(e.grants, ev.Trace.Grant, l)
	case slices.Contains([]audit.Action{audit.RoleGranted, audit.RoleRevoked}, action):
		put(e.roles, [2]string{ev.Person.Pseudonym, ev.Detail.Object}, l)
	case action == audit.UpstreamUnlinked:
		put(e.links, ev.Detail.Object, l)
	case action == audit.PasskeyRemoved:
		put(e.passkeys, ev.Detail.Object, l)
	}
}

func put[K comparable](m map[K]Lost, key K, l Lost) {
	if before, ok := m[key]; ok {
		l = newest(before, l)
	}
	m[key] = l
}

// Apply does what lost events tell of withdrawals, locks and the like, each in a transaction
// of its own with the event that says so and names the lost one. Where a lost event gave back
// what another took, the newest counts; a consent that was ended and given again stays ended,
// until the person gives it anew. What was done once for a lost event is not done again. It looks
// from the first entry on that may have no row. An error of a shard that cannot be read comes
// after what the others tell was done.
func (l *Losses) Apply(ctx context.Context) (Applied, error) {
	ended := newEndings()
	from, err := l.missing(ctx)
	if err != nil {
		return Applied{}, err
	}
	silent, unread := l.Each(ctx, from, func(lost Lost) error {
		there, err := l.DB.Get(ctx, lost.Event.ID)
		if err != nil && !errors.Is(err, authz.ErrNotFound) {
			return err
		}
		if err != nil || !rowOf(there, lost) { // else the database knows it, and lacks its place
			ended.note(lost)
		}
		return nil
	})
	done := Applied{Silent: silent}
	subjects, err := l.subjects(ctx, ended)
	if err != nil {
		return done, errors.Join(unread, err)
	}
	failed := unread
	count := func(n *int, lost Lost) func(bool, error) {
		return func(did bool, err error) {
			if did && (err == nil || errors.Is(err, audit.ErrNotLogged)) {
				*n++
			}
			if err != nil { // the others are done all the same
				failed = errors.Join(failed, fmt.Errorf("doing what the lost event %s tells: %w", lost.Event.ID, err))
			}
		}
	}
	for id, lost := range ended.consents {
		count(&done.Consents, lost)(l.consent(ctx, id, lost))
	}
	for pseudonym, lost := range ended.accounts {
		if subject, ok := subjects[pseudonym]; ok && audit.Action(lost.Event.Detail.Action) == audit.AccountLock {
			count(&done.Accounts, lost)(l.lock(ctx, subject, lost))
		}
	}
	for pseudonym, lost := range ended.signOuts {
		if subject, ok := subjects[pseudonym]; ok {
			count(&done.SignOuts, lost)(l.signOut(ctx, subject, lost))
		}
	}
	for id, lost := range ended.apps {
		count(&done.Apps, lost)(l.app(ctx, id, lost))
	}
	for id, lost := range ended.grants {
		count(&done.Grants, lost)(l.grant(ctx, id, lost))
	}
	for key, lost := range ended.roles {
		if subject, ok := subjects[key[0]]; ok && audit.Action(lost.Event.Detail.Action) == audit.RoleRevoked {
			count(&done.Roles, lost)(l.role(ctx, subject, authz.Role(key[1]), lost))
		}
	}
	for key, lost := range ended.choices {
		if subject, ok := subjects[key[0]]; ok && audit.Action(lost.Event.Detail.Action) == audit.RegionalWithdrawn {
			count(&done.Choices, lost)(l.choice(ctx, subject, federation.EntityID(key[1]), lost))
		}
	}
	for id, lost := range ended.links {
		count(&done.Links, lost)(l.link(ctx, id, lost))
	}
	for id, lost := range ended.passkeys {
		count(&done.Passkeys, lost)(l.passkey(ctx, authn.FactorID(id), lost))
	}
	if done.Sum()+int(silent.Sum()) > 0 {
		slog.WarnContext(ctx, "the database is older than the log; what the log knows to have ended was ended", "done", done.String())
	}
	return done, failed
}

// subjects are the persons of some pseudonyms. Nothing leads from one to the other, so all
// accounts are gone through.
func (l *Losses) subjects(ctx context.Context, e *endings) (map[string]authz.Subject, error) {
	wanted := map[string]bool{}
	for pseudonym := range e.accounts {
		wanted[pseudonym] = true
	}
	for pseudonym := range e.signOuts {
		wanted[pseudonym] = true
	}
	for key := range e.roles {
		wanted[key[0]] = true
	}
	for key := range e.choices {
		wanted[key[0]] = true
	}
	found := make(map[string]authz.Subject, len(wanted))
	const page = 1000
	for after := authz.Subject(""); len(found) < len(wanted); {
		some, err := l.DB.Losses.Subjects(ctx, after, page)
		if err != nil {
			return nil, err
		}
		for _, subject := range some {
			after = subject
			pseudonym, err := l.Name(ctx, subject)
			if err != nil {
				return nil, err
			}
			if wanted[pseudonym] {
				found[pseudonym] = subject
			}
		}
		if len(some) < page {
			break
		}
	}
	return found, nil
}

// act writes the event of what is done because of a lost one.
func (l *Losses) act(ctx context.Context, lost Lost, acts ...audit.Act) error {
	for i := range acts {
		acts[i].Decision.Determining = []string{named(lost.Event.ID)}
	}
	if n := lost.Event.Person.Sequence; n > 0 {
		if err := l.DB.Losses.Count(ctx, lost.Event.Person.Pseudonym, n); err != nil {
			return err
		}
	}
	_, err := l.Scribe.Write(ctx, acts...)
	return err
}

func (l *Losses) consent(ctx context.Context, id authz.ConsentID, lost Lost) (did bool, err error) {
	subject, err := l.DB.Losses.OwnerOf(ctx, id)
	if errors.Is(err, authz.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = l.DB.Tx(ctx, func(ctx context.Context) error {
		c, err := l.DB.Consent(ctx, subject, id)
		if err != nil || c.State != consent.Approved || c.Version >= lost.Event.Consent.Version {
			return err
		}
		names, err := l.DB.Names(ctx, []authz.ClientID{c.Client})
		if err != nil {
			return err
		}
		at := now()
		if err := l.DB.Withdraw(ctx, c, consent.Version{
			Consent: id, Number: c.Version + 1, State: consent.Withdrawn, Attributes: c.Attributes, Offered: c.Offered, Basis: c.Basis,
			Frequency: c.Frequency, DataLife: c.DataLife, ValidUntil: c.ValidUntil, TextHash: c.TextHash, Locale: c.Locale, Channel: "log",
			Principal: authz.Herself(subject), At: at,
		}); err != nil {
			return err
		}
		did = true
		basis, _ := l.Catalogue.Basis(c.Basis)
		return l.act(ctx, lost, audit.Act{
			Action: audit.Withdraw, App: &authz.Client{ID: c.Client, Name: names[c.Client]}, Subject: subject, At: at,
			Reason:  audit.Reason{Purpose: c.Purpose, Basis: c.Basis, Citation: basis.Citation},
			Consent: audit.Consent{ID: id, Version: c.Version + 1, Text: c.TextHash, Channel: "log", Locale: c.Locale},
			Data:    audit.Data{Registry: c.Registry, Attributes: c.Attributes},
			Detail:  audit.Detail{Text: named(lost.Event.ID)}, // what determined a withdrawal is the person
		})
	})
	return did, err
}

func (l *Losses) lock(ctx context.Context, subject authz.Subject, lost Lost) (did bool, err error) {
	locked, err := l.DB.Losses.Locked(ctx, subject)
	if err != nil || locked {
		return false, err
	}
	of := audit.Query{Pseudonym: lost.Event.Person.Pseudonym} // locks, and what unlocks
	if before, err := l.done(ctx, of, lost); err != nil || before {
		return false, err
	}
	return true, l.DB.Tx(ctx, func(ctx context.Context) error {
		if err := l.End(ctx, subject, session.Locked); err != nil {
			return err
		}
		if err := l.DB.Lock(ctx, subject, string(authz.Operator), now()); err != nil {
			return err
		}
		return l.act(ctx, lost, audit.Act{Action: audit.AccountLock, Subject: subject})
	})
}

func (l *Losses) signOut(ctx context.Context, subject authz.Subject, lost Lost) (did bool, err error) {
	if before, err := l.done(ctx, audit.Query{Pseudonym: lost.Event.Person.Pseudonym, Type: audit.SignedOut}, lost); err != nil || before {
		return false, err
	}
	return true, l.DB.Tx(ctx, func(ctx context.Context) error {
		if err := l.End(ctx, subject, session.ByOperator); err != nil {
			return err
		}
		return l.act(ctx, lost, audit.Act{Action: audit.AccountSignOut, Subject: subject})
	})
}

func (l *Losses) app(ctx context.Context, id authz.ClientID, lost Lost) (did bool, err error) {
	action := audit.Action(lost.Event.Detail.Action)
	before, err := l.DB.Client(ctx, id)
	switch {
	case errors.Is(err, authz.ErrNotFound) || err == nil && action == audit.ClientEnabled:
		return false, nil
	case err != nil:
		return false, err
	case !before.Ended.IsZero(): // its grants may have been left when it was ended
		return false, errors.Join(endpoint.EndGrants(ctx, l.DB, id, before.Ended), l.DB.SettleClient(ctx, id))
	case action == audit.ClientDisabled && before.Disabled:
		return false, l.DB.SettleClient(ctx, id)
	}
	if before, err := l.done(ctx, audit.Query{Client: id, Type: audit.Administered}, lost); err != nil || before {
		return false, err
	}
	at := now()
	err = l.DB.Tx(ctx, func(ctx context.Context) error {
		if action == audit.ClientDeleted {
			if err := l.DB.EndClient(ctx, id, at); err != nil {
				return err
			}
			return l.act(ctx, lost, registration.Act(audit.ClientDeleted, before))
		}
		after := *before
		after.Disabled = true
		acts, err := registration.Acts(audit.ClientDisabled, before, &after)
		if err != nil {
			return err
		}
		if err := l.DB.SaveClient(ctx, &after); err != nil {
			return err
		}
		return l.act(ctx, lost, acts...)
	})
	if err == nil && action == audit.ClientDeleted {
		err = endpoint.EndGrants(ctx, l.DB, id, at)
	}
	if err != nil {
		return false, err
	}
	return true, l.DB.SettleClient(ctx, id)
}

func (l *Losses) grant(ctx context.Context, id authz.GrantID, lost Lost) (did bool, err error) {
	g, err := l.DB.Grant(ctx, id)
	if errors.Is(err, authz.ErrNotFound) || err == nil && !g.Revoked.IsZero() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, l.DB.Tx(ctx, func(ctx context.Context) error {
		if err := l.DB.Revoke(ctx, id, "ended in the log", now()); err != nil {
			return err
		}
		return l.act(ctx, lost, revoked(g, lost))
	})
}

// revoked is the act of a grant that ended, as its app ended it.
func revoked(g grant.Grant, lost Lost) audit.Act {
	e := lost.Event
	return audit.Act{
		Action: audit.Action(e.Detail.Action), App: &authz.Client{ID: e.Asked.Client, Name: authz.LocalizedText{VI: e.Asked.Name}},
		Trace: audit.Trace{Grant: g.ID}, Levels: e.Levels, Detail: audit.Detail{Object: e.Detail.Object},
	}.By(g.Principal)
}

func (l *Losses) role(ctx context.Context, subject authz.Subject, role authz.Role, lost Lost) (did bool, err error) {
	of := audit.Query{Pseudonym: lost.Event.Person.Pseudonym, Type: audit.Administered}
	if before, err := l.done(ctx, of, lost); err != nil || before {
		return false, err
	}
	err = l.DB.Tx(ctx, func(ctx context.Context) error {
		if err := l.DB.RevokeRole(ctx, subject, role, now()); err != nil {
			return err
		}
		return l.act(ctx, lost, audit.Act{Action: audit.RoleRevoked, Subject: subject, Detail: audit.Detail{Object: string(role)}})
	})
	if errors.Is(err, authz.ErrConflict) { // she has it not
		return false, nil
	}
	return err == nil, err
}

// link ends a link with another provider, if it is there and goes on.
func (l *Losses) link(ctx context.Context, id string, lost Lost) (did bool, err error) {
	owner, err := l.DB.Upstreams.OwnerOf(ctx, id)
	if errors.Is(err, authz.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = l.DB.Tx(ctx, func(ctx context.Context) error {
		b, err := l.DB.Upstreams.EndBond(ctx, owner, id, now())
		if err != nil {
			return err
		}
		return l.act(ctx, lost, audit.Act{
			Action: audit.UpstreamUnlinked, Subject: owner, Detail: audit.Detail{Object: id, Text: string(b.Alias)},
		})
	})
	if errors.Is(err, authz.ErrNotFound) { // it ended meanwhile
		return false, nil
	}
	return err == nil, err
}

// passkey removes a passkey, if it is there.
func (l *Losses) passkey(ctx context.Context, id authn.FactorID, lost Lost) (did bool, err error) {
	owner, err := l.DB.Passkeys.PasskeyOwner(ctx, id)
	if err == nil {
		err = l.DB.Tx(ctx, func(ctx context.Context) error {
			if err := l.DB.Passkeys.RemovePasskey(ctx, owner, id, now()); err != nil {
				return err
			}
			return l.act(ctx, lost, audit.Act{Action: audit.PasskeyRemoved, Subject: owner, Detail: audit.Detail{Object: string(id)}})
		})
	}
	if errors.Is(err, authz.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func (l *Losses) choice(ctx context.Context, subject authz.Subject, province federation.EntityID, lost Lost) (did bool, err error) {
	err = l.DB.Tx(ctx, func(ctx context.Context) error {
		if err := l.DB.Regional.Withdraw(ctx, subject, province); err != nil {
			return err
		}
		return l.act(ctx, lost, audit.Act{
			Action: audit.RegionalWithdrawn, Subject: subject, Detail: audit.Detail{Object: string(province)},
		})
	})
	if errors.Is(err, authz.ErrConflict) { // it is not there
		return false, nil
	}
	return err == nil, err
}

package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit/commitment"
)

// Rows keeps the rows of events, beside what they tell of.
type Rows interface {
	// Record stores events in the transaction of the context, or in one of their own,
	// by one statement. A nil error survives a crash once that transaction commits.
	Record(ctx context.Context, events ...Sealed) error
	// RecordHolding stores an event as Record does, by the same one statement, if
	// what it holds is so; authz.ErrConflict, and no event, if it is not.
	RecordHolding(ctx context.Context, e Sealed, h Hold) error
	// NextNumber gives the next running number of a person, in the transaction of the
	// context, by one statement; if h is not nil it holds what h says until that ends,
	// and there is authz.ErrConflict, and no number, if it is not so. Numbers of a
	// person have no gap: of a transaction that failed the number is given again.
	NextNumber(ctx context.Context, pseudonym string, h *Hold) (int64, error)
	// Tx runs fn in one transaction, that of the context if it has one.
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// AfterCommit has a function called when the transaction of the context has
	// committed, and never if it has not; its error is the transaction's then. Outside
	// a transaction, where each statement is one, it is called at once.
	AfterCommit(ctx context.Context, do func(ctx context.Context) error) error
}

// Sealed is an event in its one form, with the salt that hides it behind its leaf:
// [Event.Seal] makes it.
type Sealed struct {
	Event     Event
	Salt      Salt
	Canonical []byte
	Leaf      []byte
}

// Entry is what goes to the log of the event.
func (s Sealed) Entry() Entry {
	return Entry{Leaf: s.Leaf, Event: s.Event, Salt: s.Salt, Canonical: s.Canonical}
}

// Seal makes the bytes and the leaf of an event that is about to be written, under a
// salt. What cannot be evidence, or carries what no new evidence may, has none.
func (e Event) Seal(salt Salt) (Sealed, error) {
	e = e.Normalized() // the row then reads back as what was committed to
	if err := e.CheckNew(); err != nil {
		return Sealed{}, err
	}
	return e.sealed(e, salt)
}

// Sealed is the event as it was sealed when it was written.
func (r Recorded) Sealed() (Sealed, error) {
	return r.Event.Normalized().sealed(r.Event, r.Salt)
}

// sealed is an event by the bytes of a normalized one.
func (e Event) sealed(of Event, salt Salt) (Sealed, error) {
	canonical, groups, err := e.encode()
	if err != nil {
		return Sealed{}, err
	}
	return Sealed{of, salt, canonical, commitment.Disclose(of.ID, string(of.Type), groups, salt).Leaf()}, nil
}

// Leaves puts the leaves of events whose rows are durable into the log.
type Leaves interface {
	// AppendLeaf returns the place of an event's leaf. A nil error survives a crash of process and
	// machine; any other leaves it in doubt.
	AppendLeaf(ctx context.Context, s Sealed) (Place, error)
	// AppendSoon returns at once. What does not come into the log is found there to be
	// missing, and appended later.
	AppendSoon(s Sealed)
}

// Pseudonyms gives the name a person has in the evidence.
type Pseudonyms interface {
	Audit(ctx context.Context, subject authz.Subject) (string, error)
}

// ErrNotLogged means that an event is recorded, with everything else of its transaction,
// and that its leaf did not come into the log: what waits for the leaf must not be given
// out. The recorder appends it later.
var ErrNotLogged = errors.New("recorded, and not logged yet")

// Scribe writes evidence, and is the only way to. It is safe for concurrent use.
type Scribe struct {
	Rows Rows
	// Leaves is nil in a program that has no part in the log: the server's recorder
	// finds the rows and appends their leaves within a minute.
	Leaves     Leaves
	Pseudonyms Pseudonyms
	// Ground brings the leaf of an event that a release rests on into its log.
	Ground func(ctx context.Context, id string) error
	// Site is the site that the events are of.
	Site string
	// Now is time.Now if nil.
	Now func() time.Time
}

// Written is an event that was recorded.
type Written struct {
	Event Event
	place *Place
}

// Place is where the leaf stands in the log, if the action waits for it: known once the
// transaction has committed.
func (w Written) Place() Place { return *w.place }

// Write makes the events of acts and records them in the transaction of the context, by
// one statement, or in one of their own. When that has committed their leaves are
// appended: without anybody waiting, or, where the table of actions says so, before the
// transaction returns, which then fails with [ErrNotLogged] if the log does not take
// one. An act with a [Hold] is written alone. An event that is [Numbered] carries the
// running number of the person it is about, which costs one statement more.
func (s *Scribe) Write(ctx context.Context, acts ...Act) (written []Written, err error) {
	if !slices.ContainsFunc(acts, func(a Act) bool { return Numbered(a.Action) }) {
		return s.write(ctx, acts)
	}
	err = s.Rows.Tx(ctx, func(ctx context.Context) error {
		written, err = s.write(ctx, acts)
		return err
	})
	return written, err
}

func (s *Scribe) write(ctx context.Context, acts []Act) ([]Written, error) {
	if len(acts) == 0 {
		return nil, nil
	}
	acts = slices.Clone(acts) // what was held when a number was given is held no second time
	rows, written, waits := make([]Sealed, len(acts)), make([]Written, len(acts)), make([]bool, len(acts))
	for i, a := range acts {
		r, err := ruleOf(a.Action)
		if err != nil {
			return nil, err
		}
		e, err := s.event(ctx, &a, r)
		if err != nil {
			return nil, err
		}
		if Numbered(a.Action) && e.Person.Pseudonym != "" {
			if e.Person.Sequence, err = s.Rows.NextNumber(ctx, e.Person.Pseudonym, a.Hold); err != nil {
				return nil, fmt.Errorf("numbering %v: %w", e, err)
			}
			acts[i].Hold = nil
		}
		if rows[i], err = e.Seal(a.Salt); err != nil {
			return nil, err
		}
		written[i], waits[i] = Written{rows[i].Event, new(Place)}, r.Waits
	}
	var err error
	holds := func(a Act) bool { return a.Hold != nil }
	switch {
	case !slices.ContainsFunc(acts, holds):
		err = s.Rows.Record(ctx, rows...)
	case len(acts) > 1:
		err = errors.New("an event that holds something is written alone")
	default:
		err = s.Rows.RecordHolding(ctx, rows[0], *acts[0].Hold)
	}
	if err != nil {
		return nil, fmt.Errorf("recording %v: %w", rows[0].Event, err)
	}
	if s.Leaves == nil {
		return written, nil
	}
	return written, s.Rows.AfterCommit(ctx, func(ctx context.Context) error {
		// A caller that hangs up does not leave a row without its leaf.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), appendTime)
		defer cancel()
		var all sync.WaitGroup // those of one act, or of an export: they come into one batch of the log
		failed := make([]error, len(rows))
		for i, row := range rows {
			if !waits[i] {
				s.Leaves.AppendSoon(row)
				continue
			}
			all.Go(func() {
				place, err := s.appendLeaf(ctx, row, acts[i].Ground)
				if err != nil {
					slog.ErrorContext(ctx, "an event is recorded and not logged yet", "event", row.Event.ID, "error", err)
					failed[i] = fmt.Errorf("%v: %w: %w: %w", row.Event, ErrNotLogged, authz.ErrUnavailable, err)
				}
				*written[i].place = place
			})
		}
		all.Wait()
		return errors.Join(failed...)
	})
}

// appendLeaf puts a leaf into its log, after that of the event it rests on.
func (s *Scribe) appendLeaf(ctx context.Context, row Sealed, on *commitment.Ground) (Place, error) {
	if on != nil && !on.Logged && s.Ground != nil {
		if err := s.Ground(ctx, on.ID); err != nil {
			return Place{}, fmt.Errorf("the event that it rests on: %w", err)
		}
	}
	return s.Leaves.AppendLeaf(ctx, row)
}

// appendTime is how long the log may take for a leaf that somebody waits for.
const appendTime = 10 * time.Second

// event makes the event of an act, whole before anything is written: what cannot be
// evidence leaves no row. The act gets the salt that it is to be sealed with.
func (s *Scribe) event(ctx context.Context, a *Act, r rule) (Event, error) {
	e := a.event(r)
	for _, one := range []struct {
		subject authz.Subject
		into    *string
	}{{a.Subject, &e.Person.Pseudonym}, {a.Actor, &e.Person.Actor}} {
		if one.subject == "" {
			continue
		}
		var err error
		if *one.into, err = s.Pseudonyms.Audit(ctx, one.subject); err != nil {
			return Event{}, err
		}
	}
	if a.Subject != "" && e.Person.Relation == "" {
		e.Person.Relation = authz.RecordOfSelf
	}
	if e.ID == "" {
		e.ID = authz.NewID()
	}
	if e.When.Site = s.Site; e.When.Decided.IsZero() {
		now := time.Now
		if s.Now != nil {
			now = s.Now
		}
		e.When.Decided = now()
	}
	if a.Salt == (Salt{}) {
		a.Salt = NewSalt()
	}
	return e, r.check(e)
}

// Package losses is about events that the logs know and the database does not, since it was
// restored from an older copy. Their sealed copies beside the logs say what they were: what they
// ended has ended ([Losses.Apply]), and their rows can be made again ([Losses.Restore]).
package losses

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
	"hopnhat/authz/consent"
	"hopnhat/authz/session"
	"hopnhat/cmd/node/beside"
	"hopnhat/store"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/copies"
)

// Losses are those of one site, as a process has them before it that has the folder of its logs.
type Losses struct {
	DB       *store.DB
	Copies   beside.Copies
	Archives []*tlog.Archive
	Scribe   *audit.Scribe
	// End ends all sessions of a person.
	End func(ctx context.Context, subject authz.Subject, because session.Because) error
	// Name is the name of a person in the evidence.
	Name      func(ctx context.Context, subject authz.Subject) (string, error)
	Catalogue *consent.Catalogue
}

// Lost is an event that a log knows and the database does not.
type Lost struct {
	audit.Sealed
	Place audit.Place
	rowed bool // its row is there, and lacks this place
}

// Silent counts entries without a row of which nothing can be read: they have no copy, it was
// erased, or it is not of the entry.
type Silent struct{ Missing, Erased, Foreign uint64 }

// Sum is how many there are.
func (s Silent) Sum() uint64 { return s.Missing + s.Erased + s.Foreign }

// rowOf reports whether a row is that of a lost event, though it may lack the place: genuine, or
// written by the release before, which makes no MACs, with the salt of the event.
func rowOf(there audit.Recorded, lost Lost) bool {
	return (there.Fault == "" || there.Fault == audit.FaultUnsealed) && there.Salt == lost.Salt
}

// stretch is how many entries are looked at in one step.
const stretch = copies.Range

// Each tells every lost event, the logs one after the other, each in its order, and counts the
// entries of which nothing can be read. A shard that cannot be read is told by the error, and
// keeps no other from being looked at. from, if not nil, is the place that a shard is looked at
// from: before it each entry has its row.
func (l *Losses) Each(ctx context.Context, from map[string]uint64, visit func(Lost) error) (silent Silent, failed error) {
	for _, a := range l.Archives {
		names, err := a.Names()
		failed = errors.Join(failed, err)
		for _, n := range names {
			if err := l.shard(ctx, a, n, from[n.Origin()], &silent, visit); err != nil {
				failed = errors.Join(failed, fmt.Errorf("looking for events of %s that have no row: %w", n.Origin(), err))
			}
			if ctx.Err() != nil {
				return silent, failed
			}
		}
	}
	return silent, failed
}

// missing is from which place on entries of each shard may have no row, as the database has it:
// where a start noted that, and what the database has not recorded. Of a shard that it does not
// know, or whose head was altered, all may.
func (l *Losses) missing(ctx context.Context) (map[string]uint64, error) {
	from := map[string]uint64{}
	for _, a := range l.Archives {
		heads, err := l.DB.Heads.Shards(ctx, a.Log)
		if err != nil {
			return nil, err
		}
		for _, h := range heads {
			switch {
			case h.Altered:
			case h.Missing != nil:
				from[h.Origin] = min(h.Size, *h.Missing)
			default:
				from[h.Origin] = h.Size
			}
		}
	}
	return from, nil
}

func (l *Losses) shard(ctx context.Context, a *tlog.Archive, n tlog.Name, from uint64, silent *Silent, visit func(Lost) error) error {
	r, err := a.Whole(ctx, n)
	if err != nil {
		return err
	}
	size, err := r.Size(ctx)
	if err != nil {
		return err
	}
	folder := copies.Of(n.Dir(a.Dir))
	for first := from / stretch * stretch; first < size; first += stretch { // each stretch has a file of copies
		leaves, err := r.Entries(ctx, first, stretch)
		if err != nil {
			return err
		}
		without, err := l.DB.Leaves.Explain(ctx, n.Origin(), first, leaves)
		if err != nil {
			return err
		}
		if len(without) == 0 {
			continue
		}
		records, err := folder.Read(first / stretch)
		if err != nil && !errors.Is(err, copies.ErrDamaged) {
			return err
		}
		for _, index := range without {
			record, here := records[index]
			leaf := copyseal.LeafHash(leaves[index-first])
			switch {
			case !here:
				silent.Missing++
				continue
			case record.Erased():
				silent.Erased++
				continue
			}
			event, err := l.Copies.Open(ctx, leaf, record.Copy)
			if errors.Is(err, copyseal.ErrCopy) {
				silent.Foreign++
				continue
			}
			if err != nil {
				return err
			}
			if err := visit(Lost{Sealed: event, Place: audit.Place{Origin: n.Origin(), Index: index}}); err != nil {
				return err
			}
		}
	}
	return nil
}

// named is how what was done because of a lost event names it, among what determined that.
func named(id string) string { return "lost-event:" + id }

// gives is what gives back what an action takes.
var gives = map[audit.Action]audit.Action{
	audit.AccountLock: audit.AccountUnlock, audit.ClientDisabled: audit.ClientEnabled, audit.RoleRevoked: audit.RoleGranted,
}

// done reports whether what a lost event tells was done before, by evidence, or given back
// since: it is not done again, since somebody decided otherwise after.
func (l *Losses) done(ctx context.Context, q audit.Query, lost Lost) (bool, error) {
	back, returns := gives[audit.Action(lost.Event.Detail.Action)]
	q.From, q.Limit = lost.Event.When.Decided, 100
	for {
		found, err := l.DB.Find(ctx, q)
		if err != nil {
			return false, err
		}
		for _, w := range found {
			q.Before = w.Event.ID
			if w.Fault != "" {
				continue
			}
			if returns && audit.Action(w.Event.Detail.Action) == back && w.Event.Detail.Object == lost.Event.Detail.Object &&
				w.Event.When.Decided.After(lost.Event.When.Decided) {
				return true, nil
			}
			for _, by := range append([]string{w.Event.Detail.Text}, w.Event.Decision.Determining...) {
				if by == named(lost.Event.ID) {
					return true, nil
				}
			}
		}
		if len(found) < q.Limit {
			return false, nil
		}
	}
}

// newest is the newest of two events about one thing.
func newest(a, b Lost) Lost {
	if a.Event.When.Decided.After(b.Event.When.Decided) {
		return a
	}
	return b
}

// now is the time, as events have it.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

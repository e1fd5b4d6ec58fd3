// Package trees puts the leaves of a site into its two logs, and keeps the order between
// releases and what ends the consent they rest on.
//
// Rows have that order by the locks of [audit.Rows.RecordHolding]: a release holds its consent
// until its transaction ends, so what ends the consent commits after every release on it,
// and none commits after that. Leaves follow their commits in any order. So before the leaf of
// an ending is appended, every release on that consent that is committed and has no place yet
// is brought into the release log; then the leaf of the ending goes into the release log as
// well, and then into the consent log. Within the one tree of the release log the ending
// stands behind all releases that were before it, and what rests on that version of the
// consent and stands behind it was released after its end.
package trees

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// Events are the rows of events.
type Events interface {
	// UnloggedReleases lists permitted releases on some consents that have no place in the
	// log yet. Rows that are no evidence are left out, and told of by an error that is
	// [audit.ErrRow], beside the others.
	UnloggedReleases(ctx context.Context, consents ...authz.ConsentID) ([]audit.Recorded, error)
	Get(ctx context.Context, id string) (audit.Recorded, error)
	// NotePlaces notes places of events in one shard: see [audit.Events].
	NotePlaces(ctx context.Context, origin string, places map[string]uint64, late bool) error
}

// Logs are the two logs of a site as one [audit.Log]. It is safe for concurrent use.
type Logs struct {
	Release, Consent audit.Log
	Events           Events
	// Leaf reads the leaf at a place. Without it a place that carries no MAC is none.
	Leaf func(ctx context.Context, origin string, index uint64) ([]byte, error)
	// Before reports whether the release before may have written a row whose event was decided
	// then; nil: it wrote none.
	Before func(ctx context.Context, decided time.Time) (bool, error)
	// Copies seals what is kept of an event beside its leaf; nil keeps nothing.
	Copies Copies

	// stands are events whose leaf was read at a place without a MAC.
	stands sync.Map
	known  atomic.Int64
}

// Copies seals events ([hopnhat/authz/audit/copyseal]).
type Copies interface {
	Seal(ctx context.Context, entry audit.Entry) ([]byte, error)
}

var _ audit.Log = (*Logs)(nil)

// Append puts an entry into the log of its event: see [audit.TreeOf]. An entry that ends a
// consent stands in both, and its place is that in the consent log.
func (l *Logs) Append(ctx context.Context, entry audit.Entry) (audit.Place, error) {
	if l.Copies != nil && len(entry.Copy) == 0 {
		sealed, err := l.Copies.Seal(ctx, entry)
		if err != nil {
			return audit.Place{}, fmt.Errorf("sealing the copy of %v: %w", entry.Event, err)
		}
		entry.Copy = sealed
	}
	if audit.TreeOf(entry.Event) == audit.ReleaseTree {
		return l.Release.Append(ctx, entry)
	}
	if !EndsConsent(entry.Event) {
		return l.Consent.Append(ctx, entry)
	}
	if err := l.releasesBefore(ctx, entry.Event.Consent.ID); err != nil {
		return audit.Place{}, err
	}
	beside, err := l.Release.Append(ctx, entry)
	if err != nil {
		return audit.Place{}, err
	}
	place, err := l.Consent.Append(ctx, entry)
	if err == nil {
		// Its place beside the releases is noted when both leaves are there: an event with a
		// place is not looked for. Where it is not noted, the leaf is found to be a second one.
		_ = l.Events.NotePlaces(ctx, beside.Origin, map[string]uint64{entry.Event.ID: beside.Index}, false)
	}
	return place, err
}

// Ends are the kinds of events that end a consent: their leaves stand in both logs.
var Ends = []audit.Type{audit.ConsentWithdrawn, audit.ConsentExpired, audit.ConsentSuspended, audit.ConsentEnded}

// EndsConsent reports whether an event ends a consent: no release on it comes after.
func EndsConsent(e audit.Event) bool { return slices.Contains(Ends, e.Type) && e.Consent.ID != "" }

// releasesBefore brings the releases on a consent into the release log that are not there.
func (l *Logs) releasesBefore(ctx context.Context, id authz.ConsentID) error {
	open, err := l.Events.UnloggedReleases(ctx, id)
	if err != nil && !errors.Is(err, audit.ErrRow) {
		return fmt.Errorf("looking for releases on a consent that ended: %w", err)
	}
	var all sync.WaitGroup
	failed := make([]error, len(open))
	for i, w := range open {
		if w.Fault == "" { // a release of a node of the release before is logged by that node
			all.Go(func() { failed[i] = l.append(ctx, w) })
		}
	}
	all.Wait()
	return errors.Join(failed...)
}

func (l *Logs) append(ctx context.Context, w audit.Recorded) error {
	sealed, err := w.Sealed()
	if err != nil {
		return err
	}
	_, err = l.Append(ctx, sealed.Entry())
	return err
}

// Ensure brings the leaf of an event whose row is durable into its log, if its place is not
// noted: an entry that is there already keeps its place. A place without a MAC, as the
// release before noted it, is believed where the leaf is there.
func (l *Logs) Ensure(ctx context.Context, id string) error {
	if _, ok := l.stands.Load(id); ok {
		return nil
	}
	w, err := l.Events.Get(ctx, id)
	if err != nil || w.Logged && !w.Unproven && w.Fault == "" {
		return err
	}
	if w.Logged && (w.Fault == "" || w.Fault == audit.FaultUnsealed) && l.there(ctx, w) {
		return nil
	}
	if w.Fault != "" {
		return fmt.Errorf("%w: event %s is not logged: %s", audit.ErrRow, id, w.Fault)
	}
	return l.append(ctx, w)
}

// mostKnown bounds the events of which it is remembered that their leaf is in the log.
const mostKnown = 100_000

// there reports whether the log has the leaf of an event at its place. Where it cannot be read
// the leaf is appended again, which harms nothing: anybody who can write to the database can
// name a place that there is not. An event of the release before whose place is in the log of
// another site, which is not read here, is taken to be there if that release may have written it.
func (l *Logs) there(ctx context.Context, w audit.Recorded) bool {
	if l.Leaf == nil {
		return false
	}
	want, err := audit.Leaf(w.Event, w.Salt)
	if err != nil {
		return false
	}
	got, err := l.Leaf(ctx, w.Origin, w.Index)
	if w.Fault == audit.FaultUnsealed && errors.Is(err, authz.ErrNotFound) && l.Before != nil {
		before, err := l.Before(ctx, w.Event.When.Decided)
		return before && err == nil
	}
	if err != nil || !bytes.Equal(got, want) {
		return false
	}
	if l.known.Add(1) <= mostKnown {
		l.stands.Store(w.Event.ID, true)
	}
	return true
}

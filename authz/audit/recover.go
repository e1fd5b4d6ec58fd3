package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"hopnhat/authz/audit/few"
	"hopnhat/authz/audit/tail"
)

// recoverPage is how many rows without a place one statement reads. Anybody who can write to the
// database can add some that cannot be logged: a sweep passes over them, the next goes on there.
const (
	recoverPage = 500
	sweepPages  = 40
	startPages  = 400
)

// Recover finds events whose place in the log is not noted, looks for their
// leaves among the newest of the log, appends those that are not there, and
// notes all places. It runs at the start, before events are recorded. It returns
// how many events it repaired. Only rows that are genuine, and of this site, are
// appended: nobody who can write to the database alone brings a leaf into the log.
//
// A leaf older than the stretch that is looked through is appended a second
// time, which harms nothing, since both leaves commit to the same event.
func (r *Recorder) Recover(ctx context.Context) (int, error) {
	n, last, err := r.recover(ctx, "", startPages, r.ownEvent)
	r.swept = last
	return n, err
}

// ErrRow is an error about rows that are no evidence: altered, or never written here.
// Anyone who can write to the database can make one. It is reported, and other rows are
// recovered all the same.
var ErrRow = errors.New("a row is no evidence")

// lateAfter is how long after its decision a leaf is appended late: longer than a tool's
// event waits for a sweep.
const lateAfter = 5 * time.Minute

// ownEvent reports of an event whether this recorder is to repair it. What another site
// wrote is for that site to log, however long it takes.
func (r *Recorder) ownEvent(w Recorded) bool { return r.o.Site == "" || w.Event.When.Site == r.o.Site }

// sweep repairs what a passing failure of the log left behind, and what stood in a shard
// beyond where it was closed. It spares young events, which may be on their way.
func (r *Recorder) sweep() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	now := r.o.Now()
	n, last, err := r.recover(ctx, r.swept, sweepPages, func(w Recorded) bool {
		return !r.pending(w.Event.ID) && r.ownEvent(w) && w.Event.When.Decided.Before(now.Add(-time.Minute))
	})
	r.swept = last
	if err != nil {
		r.o.Logger.Error("events without an entry in the log could not be repaired", "error", err)
	}
	if n > 0 {
		r.o.Logger.Info("events without an entry in the log were logged late", "events", n)
	}
}

// refuse notes that the log did not take the leaf of an event, so that it is asked again
// soon: until it takes one, the node is not ready. A leaf that was given up waiting for may
// be in the log yet, and is left to the sweep; so is what is more than is remembered.
func (r *Recorder) refuse(id string, err error) {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.refused) >= r.o.Concurrent {
		return
	}
	first := len(r.refused) == 0
	r.refused[id] = true
	if first {
		select {
		case r.again <- struct{}{}:
		default:
		}
	}
}

// retry logs what the log refused, and reports whether nothing of it is left.
func (r *Recorder) retry() bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	r.mu.Lock()
	refused := maps.Clone(r.refused)
	r.mu.Unlock()
	if len(refused) == 0 {
		return true
	}
	waiting := map[string]bool{}
	_, _, err := r.recover(ctx, before(slices.Min(slices.Collect(maps.Keys(refused)))), sweepPages, func(w Recorded) bool {
		due := refused[w.Event.ID] && !r.pending(w.Event.ID)
		waiting[w.Event.ID] = due
		return due
	})
	r.mu.Lock()
	defer r.mu.Unlock()
	for id := range refused {
		// A row that is no evidence is the sweep's to tell: it keeps nothing here.
		if err == nil || errors.Is(err, ErrRow) && !waiting[id] {
			delete(r.refused, id)
		}
	}
	return len(r.refused) == 0
}

// pending reports whether the place of an event waits to be noted.
func (r *Recorder) pending(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, waits := r.places[id]
	return waits
}

// before is behind every id that stands before this one.
func before(id string) string { return id[:max(len(id)-1, 0)] }

// recover logs what is due of the events without a place after an id, in so many pages at
// most, and returns the id that it came to: empty at the end. What could not be logged is
// passed over.
func (r *Recorder) recover(ctx context.Context, after string, pages int, due func(Recorded) bool) (total int, last string, failed error) {
	var inLog map[string]Place // read once, when something is missing
	var refused few.Errors
	last = after
	for range pages {
		waiting, next, err := r.events.Unlogged(ctx, last, recoverPage)
		if err != nil && !errors.Is(err, ErrRow) {
			return total, last, errors.Join(refused.Err(), fmt.Errorf("looking for events without a log entry: %w", err))
		}
		refused.Add(err)
		leaves := make([]missing, 0, len(waiting))
		for _, w := range waiting {
			if !due(w) {
				continue
			}
			sealed, err := w.Sealed()
			if err != nil { // one bad row must not keep the others waiting
				refused.Add(fmt.Errorf("%w: %w", ErrRow, err))
				continue
			}
			leaves = append(leaves, missing{w, sealed})
		}
		if len(leaves) > 0 && inLog == nil {
			if inLog, err = r.readTail(ctx); err != nil {
				return total, last, errors.Join(refused.Err(), err)
			}
		}
		inTime, late, noLog := r.place(ctx, leaves, inLog, &refused)
		for isLate, places := range map[bool]map[string]Place{false: inTime, true: late} {
			if len(places) == 0 {
				continue
			}
			if err := r.noteAll(ctx, places, isLate); err != nil {
				return total, last, errors.Join(refused.Err(), fmt.Errorf("noting the places of %d recovered events: %w", len(places), err))
			}
			total += len(places)
		}
		if noLog != nil { // these are tried again, and the third time others before them
			if r.given++; r.given%3 == 0 {
				last = next
			}
			return total, last, errors.Join(refused.Err(), noLog)
		}
		if last = next; last == "" {
			break
		}
	}
	return total, last, refused.Err()
}

// missing is an event without a place, with its leaf.
type missing struct {
	Recorded
	sealed Sealed
}

// place finds or appends leaves; together they go into one batch of the log. A row without
// a MAC, as the release before wrote them, is genuine only if its leaf is there already. The
// error is of the log.
func (r *Recorder) place(
	ctx context.Context, leaves []missing, inLog map[string]Place, refused *few.Errors,
) (inTime, late map[string]Place, _ error) {
	var (
		mu     sync.Mutex
		all    sync.WaitGroup
		failed few.Errors
	)
	inTime, late = map[string]Place{}, map[string]Place{}
	now := r.o.Now()
	for _, m := range leaves {
		id := m.Event.ID
		if place, ok := inLog[string(m.sealed.Leaf)]; ok {
			mu.Lock()
			inTime[id] = place
			mu.Unlock()
			continue
		}
		if m.Fault != "" {
			refused.Add(fmt.Errorf("%w: event %s is not logged: %s", ErrRow, id, m.Fault))
			continue
		}
		all.Go(func() {
			place, err := r.log.Append(ctx, m.sealed.Entry())
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failed.Add(fmt.Errorf("logging the recovered event %s: %w", id, err))
			case m.Event.When.Decided.Before(now.Add(-lateAfter)):
				late[id] = place
			default:
				inTime[id] = place
			}
		})
	}
	all.Wait()
	return inTime, late, failed.Err()
}

// readTail maps the newest leaves to their first place.
func (r *Recorder) readTail(ctx context.Context) (map[string]Place, error) {
	log, ok := r.log.(tail.Log)
	if !ok {
		return map[string]Place{}, nil
	}
	newest, err := tail.Newest(ctx, log, r.o.Tail)
	found := make(map[string]Place, len(newest))
	for leaf, index := range newest {
		found[leaf] = Place{log.Origin(), index}
	}
	return found, err
}

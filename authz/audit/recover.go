package audit

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"
)

const recoverPage = 500

// Recover finds events whose place in the log is not noted, looks for their
// leaves among the newest of the log, appends those that are not there, and
// notes all places. It runs at the start, before events are recorded. It returns
// how many events it repaired. Only rows that are genuine, and of this site, are
// appended: nobody who can write to the database alone brings a leaf into the log.
//
// A leaf older than the stretch that is looked through is appended a second
// time, which harms nothing, since both leaves commit to the same event.
func (r *Recorder) Recover(ctx context.Context) (int, error) {
	return r.recover(ctx, r.ownEvent)
}

// ErrRow is an error about rows that are no evidence: altered, or never written here.
// Anyone who can write to the database can make one. It is reported, and other rows are
// recovered all the same.
var ErrRow = errors.New("a row is no evidence")

// ErrPlaceTaken means that the log's place of an event is noted as another event's. One of
// the two notes is false.
var ErrPlaceTaken = errors.New("the place in the log is noted as another event's")

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
	n, err := r.recover(ctx, func(w Recorded) bool {
		return !r.pending(w.Event.ID) && r.ownEvent(w) && w.Event.When.Decided.Before(now.Add(-time.Minute))
	})
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
	waiting := map[string]bool{}
	_, err := r.recover(ctx, func(w Recorded) bool {
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

func (r *Recorder) recover(ctx context.Context, due func(Recorded) bool) (int, error) {
	var inLog map[string]Place // read once, when something is missing
	total := 0
	for {
		waiting, err := r.events.Unlogged(ctx, recoverPage)
		if err != nil && !errors.Is(err, ErrRow) {
			return total, fmt.Errorf("looking for events without a log entry: %w", err)
		}
		leaves := make([]missing, 0, len(waiting))
		failed := err
		for _, w := range waiting {
			if !due(w) {
				continue
			}
			leaf, err := Leaf(w.Event, w.Salt)
			if err != nil { // one bad row must not keep the others waiting
				failed = errors.Join(failed, fmt.Errorf("%w: %w", ErrRow, err))
				continue
			}
			leaves = append(leaves, missing{w, leaf})
		}
		if len(leaves) == 0 {
			return total, failed
		}
		if inLog == nil {
			if inLog, err = r.readTail(ctx); err != nil {
				return total, err
			}
		}
		inTime, late, err := r.place(ctx, leaves, inLog)
		failed = errors.Join(failed, err)
		for isLate, places := range map[bool]map[string]Place{false: inTime, true: late} {
			if len(places) == 0 {
				continue
			}
			switch err := r.noteAll(ctx, places, isLate); {
			case errors.Is(err, ErrPlaceTaken):
				failed = errors.Join(failed, err)
			case err != nil:
				return total, fmt.Errorf("noting the places of %d recovered events: %w", len(places), err)
			}
			total += len(places)
		}
		if failed != nil || len(waiting) < recoverPage {
			return total, failed
		}
	}
}

// missing is an event without a place, with its leaf.
type missing struct {
	Recorded
	leaf []byte
}

// place finds or appends leaves; together they go into one batch of the log. A row without
// a MAC, as the release before wrote them, is genuine only if its leaf is there already.
func (r *Recorder) place(ctx context.Context, leaves []missing, inLog map[string]Place) (inTime, late map[string]Place, failed error) {
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	inTime, late = map[string]Place{}, map[string]Place{}
	now := r.o.Now()
	for _, m := range leaves {
		id := m.Event.ID
		if place, ok := inLog[string(m.leaf)]; ok {
			mu.Lock()
			inTime[id] = place
			mu.Unlock()
			continue
		}
		if m.Fault != "" {
			mu.Lock()
			failed = errors.Join(failed, fmt.Errorf("%w: event %s is not logged: %s", ErrRow, id, m.Fault))
			mu.Unlock()
			continue
		}
		all.Go(func() {
			place, err := r.log.Append(ctx, Entry{Leaf: m.leaf, Event: m.Event})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failed = errors.Join(failed, fmt.Errorf("logging the recovered event %s: %w", id, err))
			case m.Event.When.Decided.Before(now.Add(-lateAfter)):
				late[id] = place
			default:
				inTime[id] = place
			}
		})
	}
	all.Wait()
	return inTime, late, failed
}

// readTail maps the newest leaves to their first place.
func (r *Recorder) readTail(ctx context.Context) (map[string]Place, error) {
	tail, ok := r.log.(Tail)
	if !ok {
		return map[string]Place{}, nil
	}
	size, err := tail.Size(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the log's size: %w", err)
	}
	from := size - min(size, r.o.Tail)
	found := make(map[string]Place, size-from)
	err = each(ctx, tail, from, size, func(index uint64, leaf []byte) {
		if _, again := found[string(leaf)]; !again {
			found[string(leaf)] = Place{tail.Origin(), index}
		}
	})
	return found, err
}

func each(ctx context.Context, tail Tail, from, to uint64, visit func(index uint64, leaf []byte)) error {
	for from < to {
		leaves, err := tail.Entries(ctx, from, int(min(to-from, 4096)))
		if err != nil {
			return fmt.Errorf("reading the log from entry %d: %w", from, err)
		}
		if len(leaves) == 0 {
			return fmt.Errorf("reading the log from entry %d: it ends before entry %d", from, to)
		}
		for _, leaf := range leaves {
			visit(from, leaf)
			from++
		}
	}
	return nil
}

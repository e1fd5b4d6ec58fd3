package audit

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Recorder writes evidence: the row, then the leaf. It notes the leaf's place in
// the row later, many in one commit, since a proof can wait and a release cannot.
type Recorder struct {
	events Events
	log    Log
	mu     sync.Mutex
	places map[string]uint64
	wake   chan struct{}
	stop   chan struct{}
	done   chan struct{}
}

// NewRecorder starts a recorder; Close stops it.
func NewRecorder(events Events, log Log) *Recorder {
	r := &Recorder{
		events: events, log: log, places: map[string]uint64{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	go r.notePlaces()
	return r
}

// Record makes an event durable in both places. On error the event may or may
// not be there: the caller must not act on it.
func (r *Recorder) Record(ctx context.Context, e Event) (index uint64, err error) {
	salt := NewSalt()
	if err := r.events.Record(ctx, e, salt); err != nil {
		return 0, fmt.Errorf("recording event %s: %w", e.ID, err)
	}
	return r.Append(ctx, e, salt)
}

// Append puts the leaf of an event whose row is durable into the log.
func (r *Recorder) Append(ctx context.Context, e Event, salt Salt) (index uint64, err error) {
	leaf, err := Leaf(e, salt)
	if err != nil {
		return 0, err
	}
	index, err = r.log.Append(ctx, leaf)
	if err != nil {
		return 0, fmt.Errorf("logging event %s: %w", e.ID, err)
	}
	r.mu.Lock()
	r.places[e.ID] = index
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return index, nil
}

// Stage stores the row in the transaction of ctx and returns what appends its
// leaf once that transaction has committed.
func (r *Recorder) Stage(ctx context.Context, e Event) (logIt func(context.Context) error, err error) {
	salt := NewSalt()
	if err := r.events.Record(ctx, e, salt); err != nil {
		return nil, fmt.Errorf("recording event %s: %w", e.ID, err)
	}
	return func(ctx context.Context) error {
		_, err := r.Append(ctx, e, salt)
		return err
	}, nil
}

// Recover appends the leaves of events that have no place: a crash came between
// row and log, or between log and note. In the second case the leaf is there
// twice, which harms nothing, since both commit to the same event.
func (r *Recorder) Recover(ctx context.Context) (int, error) {
	total := 0
	for {
		waiting, err := r.events.Unlogged(ctx, 500)
		if err != nil {
			return total, fmt.Errorf("looking for events without a log entry: %w", err)
		}
		if len(waiting) == 0 {
			return total, nil
		}
		places := make(map[string]uint64, len(waiting))
		var mu sync.Mutex
		var group sync.WaitGroup
		var first error
		for _, w := range waiting {
			group.Go(func() {
				leaf, err := Leaf(w.Event, w.Salt)
				if err == nil {
					var index uint64
					if index, err = r.log.Append(ctx, leaf); err == nil {
						mu.Lock()
						places[w.Event.ID] = index
						mu.Unlock()
						return
					}
				}
				mu.Lock()
				first = err
				mu.Unlock()
			})
		}
		group.Wait()
		if err := r.events.SetIndices(ctx, places); err != nil {
			return total, err
		}
		total += len(places)
		if first != nil {
			return total, fmt.Errorf("logging recovered events: %w", first)
		}
	}
}

func (r *Recorder) notePlaces() {
	defer close(r.done)
	for {
		select {
		case <-r.wake:
		case <-r.stop:
			r.flush()
			return
		}
		// Let a few more arrive: one commit for all of them.
		timer := time.NewTimer(100 * time.Millisecond)
		select {
		case <-timer.C:
		case <-r.stop:
			timer.Stop()
		}
		r.flush()
	}
}

func (r *Recorder) flush() {
	r.mu.Lock()
	places := r.places
	r.places = map[string]uint64{}
	r.mu.Unlock()
	if len(places) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := r.events.SetIndices(ctx, places); err != nil {
		// The next start finds these events without a place and logs them again.
		slog.Error("log places could not be noted", "events", len(places), "error", err)
	}
}

// Close notes what is left and stops.
func (r *Recorder) Close() {
	close(r.stop)
	<-r.done
}

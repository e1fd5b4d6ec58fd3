// Package watch looks at what a node needs, in the background and never for a request.
package watch

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"hopnhat/web"
)

// Need is something that a node cannot do without, and how it is looked at.
type Need struct {
	Part string
	// Roles do not work without it.
	Roles []web.Role
	Look  func(ctx context.Context) error
	// Cause is a stable word for operators, "" if there is none; it may be nil.
	Cause func(err error) string
}

// Times of looking: a part that does not answer within the bound is down.
const (
	Every = 2 * time.Second
	Bound = time.Second
)

// Watch looks at what a node needs, in the background, and remembers.
type Watch struct {
	needs []Need
	every time.Duration
	bound time.Duration

	mu    sync.Mutex
	found []error
}

// New makes a watch, which has not looked yet.
func New(needs []Need) *Watch {
	return &Watch{needs: needs, every: Every, bound: Bound, found: make([]error, len(needs))}
}

// Parts is what was found last.
func (w *Watch) Parts() []web.Part {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]web.Part, len(w.needs))
	for i, n := range w.needs {
		out[i] = web.Part{Name: n.Part, Roles: n.Roles, Down: w.found[i] != nil}
		if w.found[i] != nil && n.Cause != nil {
			out[i].Cause = n.Cause(w.found[i])
		}
	}
	return out
}

// First looks at everything once.
func (w *Watch) First(ctx context.Context) {
	var all sync.WaitGroup
	for i := range w.needs {
		all.Go(func() { w.look(ctx, i) })
	}
	all.Wait()
}

// Run looks until ctx ends; one that hangs keeps no other from being looked at.
func (w *Watch) Run(ctx context.Context) {
	var all sync.WaitGroup
	for i := range w.needs {
		all.Go(func() {
			ticker := time.NewTicker(w.every)
			defer ticker.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-ticker.C:
				}
				if still := w.look(ctx, i); still != nil {
					select { // one look at a time
					case <-still:
					case <-ctx.Done():
						return
					}
				}
			}
		})
	}
	all.Wait()
}

// look looks at one part. If it does not answer in time it is down, and what is
// returned is closed when the look is over after all.
func (w *Watch) look(ctx context.Context, i int) (still <-chan struct{}) {
	bounded, cancel := context.WithTimeout(ctx, w.bound)
	done, over := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(over)
		defer cancel()
		done <- w.needs[i].Look(bounded)
	}()
	select {
	case err := <-done:
		w.note(ctx, i, err)
		return nil
	case <-bounded.Done():
		// It may have ended just now, by the same bound.
		w.note(ctx, i, fmt.Errorf("no answer within %s", w.bound))
		return over
	}
}

// note remembers, and tells once when a part stops working and when it works again.
func (w *Watch) note(ctx context.Context, i int, err error) {
	if ctx.Err() != nil {
		return // the node is ending
	}
	w.mu.Lock()
	before := w.found[i]
	w.found[i] = err
	w.mu.Unlock()
	switch {
	case err != nil && before == nil:
		slog.Error("a part does not work", "part", w.needs[i].Part, "roles", w.needs[i].Roles, "error", err)
	case err == nil && before != nil:
		slog.Info("a part works again", "part", w.needs[i].Part)
	}
}

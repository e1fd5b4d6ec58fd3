package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"syscall"
	"time"

	"hopnhat/keys"
	"hopnhat/store"
	"hopnhat/store/tlog"
	"hopnhat/web"
)

// need is something that a node cannot do without, and how it is looked at.
type need struct {
	part string
	// roles do not work without it.
	roles []web.Role
	look  func(ctx context.Context) error
	// cause is a stable word for operators, "" if there is none.
	cause func(err error) string
}

// Times of looking: a part that does not answer within the bound is down.
const (
	lookEvery = 2 * time.Second
	lookBound = time.Second
)

// leastFree is how much room the folder of the release log must have: a day of a busy
// site is some hundred megabytes.
const leastFree = 64 << 20

// needs are the rows of needTable that take out a role of this node.
func (n *Node) needs() []need {
	return slices.DeleteFunc(n.needTable(), func(row need) bool { return !n.has(row.roles...) })
}

// needTable is the one table of what takes which role out. What stops only releases is the
// broker's alone. Nothing here depends on what a row or a request holds.
func (n *Node) needTable() []need {
	releases := []web.Role{web.Broker}
	logging := []web.Role{web.Broker, web.LogWriter}
	disk := logging
	if !n.has(web.LogWriter) {
		disk = nil // the log is not in the folder of this node
	}
	return []need{
		{"database", web.AllRoles, n.beat, func(err error) string {
			if errors.Is(err, store.ErrSiteTaken) {
				return "site-taken"
			}
			return ""
		}},
		{"keys", []web.Role{web.Provider, web.Broker, web.LogWriter}, n.Ring.Health, func(err error) string {
			cause, _ := keys.CauseOf(err)
			return string(cause)
		}},
		{"registry", releases, func(ctx context.Context) error { _, err := n.registry.Status(ctx); return err }, nil},
		{"log", logging, n.log.Health, tlog.Code},
		{"disk", disk, func(context.Context) error { return n.enoughRoom() }, nil},
	}
}

// enoughRoom reports that too little room is left for the state, or for the release log
// where this node writes it.
func (n *Node) enoughRoom() error {
	err := enoughRoom(n.Config.State, leastFree)
	if n.log.Writes() {
		err = errors.Join(err, enoughRoom(n.Config.LogFolder, leastFree))
	}
	return err
}

// enoughRoom reports that a folder's disk has too little room left.
func enoughRoom(dir string, least uint64) error {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return fmt.Errorf("looking for room in %s: %w", dir, err)
	}
	if free := s.Bavail * uint64(s.Bsize); free < least {
		return fmt.Errorf("%s has %d MiB left, less than %d", dir, free>>20, least>>20)
	}
	return nil
}

// watch looks at what a node needs, in the background, and remembers.
type watch struct {
	needs []need
	every time.Duration
	bound time.Duration

	mu    sync.Mutex
	found []error
}

func newWatch(needs []need) *watch {
	return &watch{needs: needs, every: lookEvery, bound: lookBound, found: make([]error, len(needs))}
}

// parts is what was found last.
func (w *watch) parts() []web.Part {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]web.Part, len(w.needs))
	for i, n := range w.needs {
		out[i] = web.Part{Name: n.part, Roles: n.roles, Down: w.found[i] != nil}
		if w.found[i] != nil && n.cause != nil {
			out[i].Cause = n.cause(w.found[i])
		}
	}
	return out
}

// first looks at everything once.
func (w *watch) first(ctx context.Context) {
	var all sync.WaitGroup
	for i := range w.needs {
		all.Go(func() { w.look(ctx, i) })
	}
	all.Wait()
}

// run looks until ctx ends; one that hangs keeps no other from being looked at.
func (w *watch) run(ctx context.Context) {
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
func (w *watch) look(ctx context.Context, i int) (still <-chan struct{}) {
	bounded, cancel := context.WithTimeout(ctx, w.bound)
	done, over := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(over)
		defer cancel()
		done <- w.needs[i].look(bounded)
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
func (w *watch) note(ctx context.Context, i int, err error) {
	if ctx.Err() != nil {
		return // the node is ending
	}
	w.mu.Lock()
	before := w.found[i]
	w.found[i] = err
	w.mu.Unlock()
	switch {
	case err != nil && before == nil:
		slog.Error("a part does not work", "part", w.needs[i].part, "roles", w.needs[i].roles, "error", err)
	case err == nil && before != nil:
		slog.Info("a part works again", "part", w.needs[i].part)
	}
}

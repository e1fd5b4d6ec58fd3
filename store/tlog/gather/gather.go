// Package gather hands many callers' entries over in groups, one group after the other.
// The entries that come while a group is written are the next, so the size of a group
// follows the load by itself and a lone entry waits for nobody.
package gather

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// ErrFull means that too many entries wait.
var ErrFull = errors.New("too many entries wait for the log")

// ErrClosed means that no more entries are taken.
var ErrClosed = errors.New("the log takes no more entries")

// Outcome is what became of one entry.
type Outcome[T any] struct {
	Value T
	Err   error
}

// Options bound the groups.
type Options[E, T any] struct {
	// Write writes a group and returns an outcome for each entry, in their order.
	Write func(ctx context.Context, entries []E) []Outcome[T]
	// Age is how long a group waits for more entries; zero writes at once.
	Age time.Duration
	// Size is how many bytes an entry counts; it plays no part if MaxBytes is zero.
	Size func(E) int
	// MaxEntries and MaxBytes bound a group; no bound on bytes if zero.
	MaxEntries, MaxBytes int
	// MaxWaiting bounds the entries that wait: one more gets ErrFull; no bound if zero,
	// and then callers wait as long as their contexts let them.
	MaxWaiting int
}

// Groups writes entries in groups.
type Groups[E, T any] struct {
	o     Options[E, T]
	queue chan waiting[E, T]
	stop  chan struct{}
	done  chan struct{}
	// left is an entry that would have made a group too large: the first of the next.
	left *waiting[E, T]
	// failed is why an entry of the last group was not written, nil if all were; began is
	// when the group that is being written was begun, zero if none is.
	failed atomic.Pointer[error]
	began  atomic.Int64

	mu       sync.Mutex
	closed   bool
	inFlight sync.WaitGroup
}

type waiting[E, T any] struct {
	entry  E
	answer chan<- Outcome[T]
}

// New starts to take entries. The context is that of the writing: that one caller has
// gone must not take the others' entries back.
func New[E, T any](ctx context.Context, o Options[E, T]) *Groups[E, T] {
	size := o.MaxWaiting
	if size == 0 {
		size = o.MaxEntries
	}
	g := &Groups[E, T]{o: o, queue: make(chan waiting[E, T], size), stop: make(chan struct{}), done: make(chan struct{})}
	go g.run(ctx)
	return g
}

// Add waits for the outcome of an entry, as long as the context lets it.
func (g *Groups[E, T]) Add(ctx context.Context, entry E) (value T, err error) {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return value, ErrClosed
	}
	g.inFlight.Add(1)
	g.mu.Unlock()
	defer g.inFlight.Done()
	answered := make(chan Outcome[T], 1)
	w := waiting[E, T]{entry, answered}
	if g.o.MaxWaiting > 0 {
		select {
		case g.queue <- w:
		default:
			return value, ErrFull
		}
	} else {
		select {
		case g.queue <- w:
		case <-ctx.Done():
			return value, ctx.Err()
		}
	}
	select {
	case a := <-answered:
		return a.Value, a.Err
	case <-ctx.Done():
		return value, ctx.Err()
	}
}

// Failed is why an entry of the last group was not written, nil if all were.
func (g *Groups[E, T]) Failed() error {
	if failed := g.failed.Load(); failed != nil {
		return *failed
	}
	return nil
}

// Writing is how long the group that is being written has taken, zero if none is.
func (g *Groups[E, T]) Writing() time.Duration {
	began := g.began.Load()
	if began == 0 {
		return 0
	}
	return time.Since(time.Unix(0, began))
}

func (g *Groups[E, T]) run(ctx context.Context) {
	defer close(g.done)
	for {
		var group []waiting[E, T]
		if g.left != nil {
			group = g.gather(*g.left)
		} else {
			select {
			case first := <-g.queue:
				group = g.gather(first)
			case <-g.stop:
				select {
				case first := <-g.queue:
					group = g.gather(first)
				default:
					return
				}
			}
		}
		g.write(ctx, group)
	}
}

// size counts the bytes of an entry where they are bounded.
func (g *Groups[E, T]) size(entry E) int {
	if g.o.MaxBytes == 0 {
		return 0
	}
	return g.o.Size(entry)
}

// gather takes what is there, and with an age set waits for more.
func (g *Groups[E, T]) gather(first waiting[E, T]) []waiting[E, T] {
	g.left = nil
	group, size := []waiting[E, T]{first}, g.size(first.entry)
	var late <-chan time.Time
	if g.o.Age > 0 {
		timer := time.NewTimer(g.o.Age)
		defer timer.Stop()
		late = timer.C
	}
	for len(group) < g.o.MaxEntries {
		var next waiting[E, T]
		select {
		case next = <-g.queue:
		default:
			if late == nil {
				return group
			}
			select {
			case next = <-g.queue:
			case <-late:
				return group
			case <-g.stop:
				late = nil
				continue
			}
		}
		if g.o.MaxBytes > 0 && size+g.size(next.entry) > g.o.MaxBytes {
			g.left = &next
			return group
		}
		group, size = append(group, next), size+g.size(next.entry)
	}
	return group
}

func (g *Groups[E, T]) write(ctx context.Context, group []waiting[E, T]) {
	g.began.Store(time.Now().UnixNano())
	defer g.began.Store(0)
	entries := make([]E, len(group))
	for i, w := range group {
		entries[i] = w.entry
	}
	outcomes := g.o.Write(ctx, entries)
	var failed *error
	for i := range outcomes {
		if outcomes[i].Err != nil {
			failed = &outcomes[i].Err
		}
	}
	g.failed.Store(failed)
	for i, w := range group {
		w.answer <- outcomes[i]
	}
}

// Close takes no more entries, waits for the callers that wait, and returns.
func (g *Groups[E, T]) Close() {
	g.mu.Lock()
	already := g.closed
	g.closed = true
	g.mu.Unlock()
	if !already {
		g.inFlight.Wait()
		close(g.stop)
	}
	<-g.done
}

package gather

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// echo writes a group by answering each entry with itself, and notes the groups.
type echo struct {
	mu     sync.Mutex
	groups [][]string
	hold   chan struct{} // each group waits for one
}

func (e *echo) write(_ context.Context, entries [][]byte) []Outcome[string] {
	if e.hold != nil {
		<-e.hold
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	out, group := make([]Outcome[string], len(entries)), make([]string, len(entries))
	for i, entry := range entries {
		group[i] = string(entry)
		out[i].Value = group[i]
	}
	e.groups = append(e.groups, group)
	return out
}

// TestGroupsKeepTheirBounds: whatever comes, each caller gets the outcome of its own entry,
// once, and no group is larger than it may be.
func TestGroupsKeepTheirBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &echo{}
		entries, bytes := rapid.IntRange(1, 5).Draw(t, "entries"), rapid.IntRange(10, 40).Draw(t, "bytes")
		o := Options[[]byte, string]{Write: e.write, MaxEntries: entries, MaxBytes: bytes}
		o.Size = func(e []byte) int { return len(e) }
		g := New(context.Background(), o)
		sizes := rapid.SliceOfN(rapid.IntRange(4, 10), 0, 40).Draw(t, "sizes")
		var all sync.WaitGroup
		for i, size := range sizes {
			entry := fmt.Sprintf("%0*d", size, i)
			all.Go(func() {
				if got, err := g.Add(context.Background(), []byte(entry)); err != nil || got != entry {
					t.Errorf("%s got %q, %v", entry, got, err)
				}
			})
		}
		all.Wait()
		g.Close()
		written := 0
		for _, group := range e.groups {
			size := 0
			for _, entry := range group {
				size += len(entry)
			}
			if len(group) > entries || size > bytes && len(group) > 1 {
				t.Errorf("a group of %d entries and %d bytes; at most %d and %d", len(group), size, entries, bytes)
			}
			written += len(group)
		}
		if written != len(sizes) {
			t.Errorf("%d of %d entries were written", written, len(sizes))
		}
		if _, err := g.Add(context.Background(), []byte("x")); !errors.Is(err, ErrClosed) {
			t.Errorf("after the end: %v", err)
		}
	})
}

// TestOneTooManyIsTurnedAway: those that wait are bounded.
func TestOneTooManyIsTurnedAway(t *testing.T) {
	e := &echo{hold: make(chan struct{})}
	const most = 3
	g := New(t.Context(), Options[[]byte, string]{Write: e.write, MaxEntries: 1, MaxWaiting: most})
	var all sync.WaitGroup
	full := make(chan error, 100)
	for i := range 20 {
		all.Go(func() {
			if _, err := g.Add(t.Context(), []byte{byte(i)}); err != nil {
				full <- err
			}
		})
	}
	// One is being written and as many wait as may: the others are turned away.
	for range 20 - most - 1 {
		if err := <-full; !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
	}
	close(e.hold)
	all.Wait()
	g.Close()
}

// TestACallerThatGoesTakesNobodyAlong.
func TestACallerThatGoesTakesNobodyAlong(t *testing.T) {
	e := &echo{hold: make(chan struct{})}
	g := New(t.Context(), Options[[]byte, string]{Write: e.write, MaxEntries: 8})
	gone, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := g.Add(gone, []byte("gone")); left <- err }()
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	go close(e.hold)
	if got, err := g.Add(t.Context(), []byte("stays")); err != nil || got != "stays" {
		t.Errorf("got %q, %v", got, err)
	}
	g.Close()
}

package watch

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/web"
)

// TestWatch: a part that fails or hangs is down, alone, until it works again; a look
// that hangs is not begun a second time.
func TestWatch(t *testing.T) {
	broken, hangs := errors.New("broken"), make(chan struct{})
	var fails, stuck atomic.Bool
	var looks atomic.Int32
	w := New([]Need{
		{"sound", web.AllRoles, func(context.Context) error { return nil }, nil},
		{"failing", web.AllRoles, func(context.Context) error {
			if fails.Load() {
				return broken
			}
			return nil
		}, func(err error) string { return err.Error() }},
		{"hanging", web.AllRoles, func(context.Context) error {
			looks.Add(1)
			if stuck.Load() {
				<-hangs // whatever its context says
			}
			return nil
		}, nil},
	})
	w.every, w.bound = time.Millisecond, 20*time.Millisecond
	w.First(t.Context())
	down := func() (names []string) {
		for _, p := range w.Parts() {
			if p.Down {
				names = append(names, p.Name+" "+p.Cause)
			}
		}
		return names
	}
	if got := down(); got != nil {
		t.Fatalf("at first %v is down", got)
	}
	becomes := func(want ...string) {
		t.Helper()
		again := time.NewTicker(time.Millisecond)
		defer again.Stop()
		for !slices.Equal(down(), want) {
			select {
			case <-again.C:
			case <-t.Context().Done():
				t.Fatalf("%v is down, want %v", down(), want)
			}
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); w.Run(ctx) }()
	fails.Store(true)
	becomes("failing broken")
	stuck.Store(true)
	becomes("failing broken", "hanging ")
	before := looks.Load()
	fails.Store(false)
	becomes("hanging ")
	if looks.Load() != before {
		t.Error("a second look was begun while the first hung")
	}
	stuck.Store(false)
	close(hangs)
	becomes()
	stop()
	<-ended
}

package node

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/web"
)

// TestEachNeedTakesOutTheRightRoles: what stops only releases makes only the broker's
// readiness fail.
func TestEachNeedTakesOutTheRightRoles(t *testing.T) {
	want := map[string][]web.Role{
		"database": web.AllRoles, "keys": {web.Provider, web.Broker, web.LogWriter},
		"registry": {web.Broker}, "log": {web.Broker, web.LogWriter}, "disk": {web.Broker, web.LogWriter},
	}
	for _, n := range (&Node{Base: &Base{Config: &Config{}}, roles: web.AllRoles}).needs() {
		if !slices.Equal(n.roles, want[n.part]) {
			t.Errorf("%s takes out %v, want %v", n.part, n.roles, want[n.part])
		}
		delete(want, n.part)
	}
	if len(want) > 0 {
		t.Errorf("nobody looks at %v", want)
	}
}

// TestWatch: a part that fails or hangs is down, alone, until it works again; a look
// that hangs is not begun a second time.
func TestWatch(t *testing.T) {
	broken, hangs := errors.New("broken"), make(chan struct{})
	var fails, stuck atomic.Bool
	var looks atomic.Int32
	w := newWatch([]need{
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
	w.first(t.Context())
	down := func() (names []string) {
		for _, p := range w.parts() {
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
	go func() { defer close(ended); w.run(ctx) }()
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

// TestEnoughRoom asks a real disk.
func TestEnoughRoom(t *testing.T) {
	dir := t.TempDir()
	if err := enoughRoom(dir, 1); err != nil {
		t.Errorf("one byte: %v", err)
	}
	if err := enoughRoom(dir, 1<<62); err == nil {
		t.Error("there is room for 4 EiB")
	}
	if err := enoughRoom(dir+"/nowhere", 1); err == nil {
		t.Error("a folder that is not there has room")
	}
}

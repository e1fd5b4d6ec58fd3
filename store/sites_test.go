package store_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store"
)

// TestASiteHasOneNode: a second one is told which is there, until that one has left or
// has not been seen for a while.
func TestASiteHasOneNode(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "test.db"), "postgres": pgtest.Database(t)} {
		t.Run(name, func(t *testing.T) {
			now := midday
			db, err := store.Open(t.Context(), store.Options{DSN: dsn, Create: true, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Migrate(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			must := func(what string, err error) {
				t.Helper()
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
			}
			refused := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, store.ErrSiteTaken) {
					t.Errorf("%s: %v, want %v", what, err, store.ErrSiteTaken)
				}
			}
			ctx := t.Context()
			must("the first", db.TakeSite(ctx, "dc1", "one:/state"))
			must("another site", db.TakeSite(ctx, "dc2", "two:/state"))
			must("the same node, started again at once", db.TakeSite(ctx, "dc1", "one:/state"))
			err = db.TakeSite(ctx, "dc1", "two:/state")
			refused("a second node", err)
			for _, word := range []string{"dc1", "one:/state", "set `site`"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("it is not told %q: %v", word, err)
				}
			}
			before := db.Stats()
			now = now.Add(29 * time.Second)
			must("a beat", db.Beat(ctx, "dc1", "one:/state"))
			if db.Stats() != before {
				t.Error("a beat is counted as if a request had made it")
			}
			now = now.Add(29 * time.Second)
			refused("29 s after the beat", db.TakeSite(ctx, "dc1", "two:/state"))
			now = now.Add(2 * time.Second)
			must("31 s after the beat", db.TakeSite(ctx, "dc1", "two:/state"))
			refused("a beat of the one that hung", db.Beat(ctx, "dc1", "one:/state"))
			must("leaving", db.LeaveSite(ctx, "dc1", "one:/state"))
			must("a beat of the one that is there", db.Beat(ctx, "dc1", "two:/state"))
			must("leaving", db.LeaveSite(ctx, "dc1", "two:/state"))
			must("after it has left", db.TakeSite(ctx, "dc1", "three:/state"))
		})
	}
}

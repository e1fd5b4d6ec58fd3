package store_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store"
)

// execute runs a statement as nobody of the program would.
func execute(ctx context.Context, dsn, statement string, args ...any) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, statement, args...)
	return errors.Join(err, db.Close())
}

// TestASiteHasOneNode: a second one is told which is there, until that one has left or
// has not been seen for a while.
func TestASiteHasOneNode(t *testing.T) {
	for name, dsn := range map[string]string{"sqlite": filepath.Join(t.TempDir(), "test.db"), "postgres": pgtest.Database(t)} {
		t.Run(name, func(t *testing.T) {
			// The clock of this node runs ahead by a day, which says nothing where the
			// database has its own.
			now := time.Now().Add(24 * time.Hour)
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
			node := func(machine, run string) store.Node {
				return store.Node{Place: machine + ":/máy", Folder: "f-" + machine, Run: run}
			}
			must("the first", db.TakeSite(ctx, "dc1", node("one", "1")))
			must("another site", db.TakeSite(ctx, "dc2", node("two", "1")))
			copied := node("one", "1")
			copied.Folder = "another disk"
			refused("a machine with the same name and path", db.TakeSite(ctx, "dc1", copied))
			must("the same node, started again at once", db.TakeSite(ctx, "dc1", node("one", "2")))
			refused("a beat of a start before, or of a copy of the folder", db.Beat(ctx, "dc1", node("one", "1")))
			must("the start before leaves", db.LeaveSite(ctx, "dc1", node("one", "1")))
			must("and again", db.TakeSite(ctx, "dc1", node("one", "1")))
			err = db.TakeSite(ctx, "dc1", node("two", "1"))
			refused("a second node", err)
			for _, word := range []string{"dc1", "one:/máy", "set `site`"} {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("it is not told %q: %v", word, err)
				}
			}
			passes := func(seconds int) {
				t.Helper()
				if name == "sqlite" {
					now = now.Add(time.Duration(seconds) * time.Second)
					return
				}
				must("time passes", execute(ctx, dsn, "UPDATE sites SET seen_at = seen_at - make_interval(secs => $1)", seconds))
			}
			before := db.Stats()
			passes(29)
			must("a beat", db.Beat(ctx, "dc1", node("one", "1")))
			if db.Stats() != before {
				t.Error("a beat is counted as if a request had made it")
			}
			passes(29)
			refused("29 s after the beat", db.TakeSite(ctx, "dc1", node("two", "1")))
			passes(2)
			must("31 s after the beat", db.TakeSite(ctx, "dc1", node("two", "1")))
			refused("a beat of the one that hung", db.Beat(ctx, "dc1", node("one", "1")))
			must("leaving", db.LeaveSite(ctx, "dc1", node("one", "1")))
			must("a beat of the one that is there", db.Beat(ctx, "dc1", node("two", "1")))
			must("leaving", db.LeaveSite(ctx, "dc1", node("two", "1")))
			must("after it has left", db.TakeSite(ctx, "dc1", node("three", "1")))
		})
	}
}

// TestPeers: nodes of a site that do not write its log and that others reach, the latest
// first.
func TestPeers(t *testing.T) {
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
			for i, row := range []struct{ site, machine, address string }{
				{"dc1", "one", "one:7000"}, {"dc1", "two", "two:7000"}, {"dc1", "three", ""}, {"dc2", "four", "four:7000"}, {"dc1", "one", "one:7001"},
			} {
				now = midday.Add(time.Duration(i) * time.Second)
				node := store.Node{Place: row.machine + ":/hopnhat", Folder: row.machine, Run: "1", Address: row.address}
				if err := db.Attend(t.Context(), row.site, node); err != nil {
					t.Fatal(err)
				}
			}
			if got, err := db.Peers(t.Context(), "dc1"); err != nil || !slices.Equal(got, []string{"one:7001", "two:7000"}) {
				t.Errorf("the peers are %v, %v", got, err)
			}
		})
	}
}

package store_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestWhatComesAfterTheCommit: it is called once, after the commit of the outermost
// transaction, and never when that has failed. Its error says that the transaction
// stays.
func TestWhatComesAfterTheCommit(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		broken := errors.New("broken")
		stored := func(t *testing.T, id string) bool {
			t.Helper()
			_, err := db.Get(t.Context(), id)
			if err != nil && !errors.Is(err, authz.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		for _, row := range []struct {
			name   string
			fail   string // inner, outer, after
			calls  []string
			stored bool
		}{
			{"all goes well", "", []string{"outer", "inner", "outer again"}, true},
			{"the inner fails, and so the outer", "inner", nil, false},
			{"the outer fails after the inner", "outer", nil, false},
			{"what comes after fails: the others are called, and it stays", "after", []string{"outer", "inner", "outer again"}, true},
		} {
			t.Run(row.name, func(t *testing.T) {
				e := sealed(t, release(1, audit.Visible), audit.NewSalt())
				var calls []string
				say := func(ctx context.Context, what string) error {
					return db.AfterCommit(ctx, func(ctx context.Context) error {
						calls = append(calls, what)
						if !stored(t, e.Event.ID) {
							t.Errorf("%s before the commit", what)
						}
						// The transaction is over: this is one of its own.
						if err := db.Record(ctx, sealed(t, release(2, audit.Visible), audit.NewSalt())); err != nil {
							t.Error(err)
						}
						if row.fail == "after" && what == "outer" {
							return broken
						}
						return nil
					})
				}
				err := db.Tx(t.Context(), func(ctx context.Context) error {
					if err := say(ctx, "outer"); err != nil {
						return err
					}
					err := db.Tx(ctx, func(ctx context.Context) error {
						if err := say(ctx, "inner"); err != nil {
							return err
						}
						if row.fail == "inner" {
							return broken
						}
						return db.Record(ctx, e)
					})
					if err != nil {
						return err
					}
					if len(calls) != 0 {
						t.Error("called after the commit of the inner")
					}
					if row.fail == "outer" {
						return broken
					}
					return say(ctx, "outer again")
				})
				if errors.Is(err, broken) != (row.fail != "") || row.fail == "" && err != nil {
					t.Errorf("got %v", err)
				}
				if !slices.Equal(calls, row.calls) || stored(t, e.Event.ID) != row.stored {
					t.Errorf("called %q, want %q; stored: %v", calls, row.calls, stored(t, e.Event.ID))
				}
			})
		}
		t.Run("outside a transaction, at once", func(t *testing.T) {
			called := 0
			err := db.AfterCommit(t.Context(), func(context.Context) error { called++; return broken })
			if called != 1 || !errors.Is(err, broken) {
				t.Errorf("called %d times, %v", called, err)
			}
		})
	})
}

// TestEventsAreRecordedByOneStatement, however many.
func TestEventsAreRecordedByOneStatement(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var all []audit.Sealed
		for n := range 30 {
			all = append(all, sealed(t, release(n, audit.Visible), audit.NewSalt()))
		}
		before := db.Stats()
		if err := db.Record(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
		if after := db.Stats(); after.Queries != before.Queries+1 || after.Commits != before.Commits+1 {
			t.Errorf("%d statements, %d commits", after.Queries-before.Queries, after.Commits-before.Commits)
		}
		if found, _, err := db.Unlogged(t.Context(), "", 100); err != nil || len(found) != 30 {
			t.Errorf("%d events, %v", len(found), err)
		}
	})
}

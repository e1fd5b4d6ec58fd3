package store_test

import (
	"context"
	"errors"
	"testing"

	"hopnhat/store"
	"hopnhat/store/storetest"
)

func TestMigrationsAreComplete(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := db.CheckVersion(t.Context()); err != nil {
			t.Fatalf("after Migrate: %v", err)
		}
		if err := db.Migrate(t.Context(), nil); err != nil {
			t.Fatalf("migrating twice: %v", err)
		}
	})
}

func TestTxJoinsAndRollsBack(t *testing.T) {
	boom := errors.New("boom")
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		before := db.Stats().Commits
		err := db.Tx(t.Context(), func(ctx context.Context) error {
			return db.Tx(ctx, func(context.Context) error { return boom })
		})
		if !errors.Is(err, boom) {
			t.Fatalf("got %v, want the error of the nested function", err)
		}
		if got := db.Stats().Commits - before; got != 0 {
			t.Fatalf("a failed transaction counted %d commits", got)
		}
	})
}

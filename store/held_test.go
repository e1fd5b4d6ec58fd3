package store_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store"
	"hopnhat/store/migrations"
)

// TestAMigrationGivesUpOnAHeldLock: while a transaction holds a table, a migration that needs it
// for itself ends within seconds and says so, and nobody waits behind it any more. Run again, when
// the table is free, it goes on where it stopped, and nothing that was noted is lost.
func TestAMigrationGivesUpOnAHeldLock(t *testing.T) {
	ctx := t.Context()
	db, err := store.Open(ctx, store.Options{DSN: pgtest.Database(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	}, query string, args ...any,
	) {
		t.Helper()
		_, err := on.ExecContext(ctx, query, args...)
		must(err)
	}
	must(db.MigrateTo(ctx, 46))
	// What a release before wrote: more events than are copied in one commit.
	const events = 45_000
	run(db.Pool(), "INSERT INTO events (id, at, type, client_id, pseudonym, purpose, registry, permit, consent, canonical, salt, log_index, log_origin)"+
		" SELECT 'e'||lpad(n::text, 8, '0'), now(), 'x', '', '', '', '', false, '', '{}', '', n, 'log' FROM generate_series(0, $1::int - 1) n", events)
	for _, row := range []struct {
		before int64
		name   string
		table  string
	}{
		{46, "version:47", "events"},
		{56, "version:57", "event_places"},
		{57, "version:58", "incidents"},
	} {
		must(db.MigrateTo(ctx, row.before))
		other, err := db.Pool().BeginTx(ctx, nil)
		must(err)
		run(other, "LOCK TABLE "+row.table+" IN ACCESS SHARE MODE")
		err = db.Migrate(ctx, nil)
		if !errors.Is(err, migrations.ErrHeld) || !strings.Contains(err.Error(), row.name) ||
			!strings.Contains(err.Error(), "hopnhat migrate") {
			t.Errorf("%s: %v", row.name, err)
		}
		must(other.Rollback())
	}
	must(db.Migrate(ctx, nil))
	var places []int
	must(db.Row(ctx, &places, "SELECT count(*) FROM event_places p JOIN events e ON e.id = p.event_id"+
		" AND e.log_index = p.idx AND e.log_origin = p.origin"))
	if len(places) != 1 || places[0] != events {
		t.Errorf("%v of %d places are there", places, events)
	}
}

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
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
)

// TestRoles: what RolesSQL prints is enough to migrate, to serve and to load, and each
// role may do its work and no more. It is run twice: before there is a table, and again
// on what is there.
func TestRoles(t *testing.T) {
	database, registers := pgtest.Names(t)
	script := migrations.RolesSQL(database, registers)
	pgtest.Script(t, script)
	as := func(role, name string) string { return pgtest.As(t, role, name) }

	server, err := store.Open(t.Context(), store.Options{DSN: as(migrations.RoleServer, database)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if err := server.CheckVersion(t.Context()); !errors.Is(err, store.ErrSchemaBehind) {
		t.Errorf("before the migration: %v, want %v", err, store.ErrSchemaBehind)
	}
	migrator, err := store.Open(t.Context(), store.Options{DSN: as(migrations.RoleMigrate, database), Unlimited: true})
	if err != nil {
		t.Fatal(err)
	}
	defer migrator.Close()
	if err := migrator.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if err := server.CheckVersion(t.Context()); err != nil {
		t.Errorf("after the migration: %v", err)
	}
	loader, err := registry.Create(t.Context(), as(migrations.RoleRegistryLoad, registers))
	if err != nil {
		t.Fatal(err)
	}
	defer loader.Close()
	if err := nation.Generate(t.Context(), loader, nation.Options{Persons: nation.MinPersons, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	reader, err := registry.Open(t.Context(), as(migrations.RoleRegistryRead, registers))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if _, err := reader.Status(t.Context()); err != nil {
		t.Errorf("reading the registers: %v", err)
	}

	rows := []struct {
		role, database, statement string
		allowed                   bool
	}{
		{migrations.RoleServer, database, "INSERT INTO events (id, at, type, client_id, pseudonym, purpose, registry, permit, consent, canonical, salt) VALUES ('1', now(), '', '', '', '', '', true, '', '', '')", true},
		{migrations.RoleServer, database, "UPDATE events SET log_index = 1, log_origin = 'x' WHERE id = '1'", true},
		{migrations.RoleServer, database, "SELECT count(*) FROM events", true},
		{migrations.RoleServer, database, "UPDATE events SET canonical = 'x' WHERE id = '1'", false},
		{migrations.RoleServer, database, "UPDATE events SET log_index = 1, salt = 'x' WHERE id = '1'", false},
		{migrations.RoleServer, database, "DELETE FROM events", false},
		{migrations.RoleServer, database, "TRUNCATE events", false},
		{migrations.RoleServer, database, "ALTER TABLE events ADD COLUMN x int", false},
		{migrations.RoleServer, database, "DROP TABLE events", false},
		{migrations.RoleServer, database, "CREATE TABLE mine (x int)", false},
		{migrations.RoleServer, database, "CREATE TEMPORARY TABLE mine (x int)", false},
		{migrations.RoleServer, database, "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", false},
		{migrations.RoleServer, database, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)", false},
		{migrations.RoleServer, database, "DELETE FROM used_assertions", true},
		{migrations.RoleServer, database, "TRUNCATE grants", false},
		{migrations.RoleServer, database, "INSERT INTO event_erasures (event_id, tombstone, ordered_at) VALUES ('1', '2', now())", false},
		{migrations.RoleServer, database, "DELETE FROM event_places", false},
		{migrations.RoleServer, database, "UPDATE event_places SET idx = 1", false},
		{migrations.RoleServer, database, "DELETE FROM event_numbers", false},
		{migrations.RoleErase, database, "INSERT INTO event_erasures (event_id, tombstone, ordered_at) VALUES ('1', '2', now())", true},
		{migrations.RoleErase, database, "DELETE FROM events WHERE id = '1'", true}, // there is none
		{migrations.RoleErase, database, "INSERT INTO events (id, at, type, client_id, pseudonym, purpose, registry, permit, consent, canonical, salt) VALUES ('1', now(), '', '', '', '', '', true, '', '', '')", true},
		{migrations.RoleErase, database, "UPDATE events SET canonical = 'x' WHERE id = '1'", false},
		{migrations.RoleErase, database, "UPDATE event_erasures SET tombstone = '3'", false},
		{migrations.RoleErase, database, "DELETE FROM event_erasures", false},
		{migrations.RoleErase, database, "DELETE FROM event_places", false},
		{migrations.RoleErase, database, "TRUNCATE events", false},
		{migrations.RoleErase, database, "DROP TABLE events", false},
		{migrations.RoleRegistryRead, registers, "SELECT count(*) FROM nation", true},
		{migrations.RoleRegistryRead, registers, "UPDATE nation SET persons = 1", false},
		{migrations.RoleRegistryRead, registers, "CREATE TABLE mine (x int)", false},
	}
	for _, again := range []string{"as migrated", "after the script was run again"} {
		for _, row := range rows {
			dsn := as(row.role, row.database)
			err := inATransaction(t.Context(), dsn, row.statement)
			if row.allowed && err != nil || !row.allowed &&
				(err == nil || !strings.Contains(err.Error(), "permission denied") && !strings.Contains(err.Error(), "must be owner")) {
				t.Errorf("%s: %s: %q: %v", again, row.role, row.statement, err)
			}
		}
		pgtest.Script(t, script)
	}
	for _, stranger := range []struct{ role, database string }{{migrations.RoleServer, registers}, {migrations.RoleRegistryRead, database}} {
		if err := inATransaction(t.Context(), as(stranger.role, stranger.database), "SELECT 1"); err == nil {
			t.Errorf("%s can connect to the other database", stranger.role)
		}
	}
}

// inATransaction runs a statement that leaves nothing.
func inATransaction(ctx context.Context, dsn, statement string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(ctx, statement)
	return err
}

package store_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
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

	rows := []attempt{
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
		{migrations.RoleServer, database, "DELETE FROM log_counters", false},
		{migrations.RoleServer, database, "UPDATE log_counters SET counted = ''", false},
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
	rows = append(rows, ofNodes(database)...)
	pools := map[string]*sql.DB{}
	defer func() {
		for _, pool := range pools {
			pool.Close()
		}
	}()
	for _, again := range []string{"as migrated", "after the script was run again"} {
		for _, row := range rows {
			dsn := as(row.role, row.database)
			if pools[dsn] == nil {
				if pools[dsn], err = sql.Open("pgx", dsn); err != nil {
					t.Fatal(err)
				}
			}
			err := rolledBack(t.Context(), pools[dsn], row.statement)
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

// attempt is a statement of a role.
type attempt struct {
	role, database, statement string
	allowed                   bool
}

// event is a row of evidence of a kind.
func event(kind string) string {
	return "INSERT INTO events (id, at, type, client_id, pseudonym, purpose, registry, permit, consent, canonical, salt) VALUES ('1', now(), '" +
		kind + "', '', '', '', '', true, '', '', '')"
}

// ofNodes are statements of nodes that have one role: what each is for, and what it has no
// business with.
func ofNodes(database string) (rows []attempt) {
	all := []string{migrations.RoleProvider, migrations.RoleBroker, migrations.RolePortal, migrations.RoleLog, migrations.RoleFederation}
	for _, row := range []struct {
		statement string
		allowed   []string // the others are refused
	}{
		{event("release.permitted"), all[:2]},
		{event("consent.approved"), []string{all[0], all[2], all[3]}},
		{event("auditor.query"), all[:4]},
		{"UPDATE events SET log_index = 1, log_origin = 'x' WHERE id = 'none'", all[:4]},
		{"UPDATE events SET canonical = 'x'", nil},
		{"DELETE FROM events", nil},
		{"DELETE FROM event_places", nil},
		{"INSERT INTO event_erasures (event_id, tombstone, ordered_at) VALUES ('1', '2', now())", nil},
		{"SELECT canonical FROM events", all[:4]},
		{"SELECT canonical FROM administered_events", all[2:]},
		{"SELECT mac FROM event_places", all},
		{"SELECT name, person_id FROM accounts", all[:4]},
		{"SELECT number FROM identifiers", all[:1]},
		{"SELECT secret FROM factors", all[:1]},
		{"UPDATE factors SET secret = ''", all[:1]},
		{"UPDATE accounts SET person_id = '1'", nil},
		{"UPDATE accounts SET account_level = 2", nil},
		{"UPDATE accounts SET locked_at = NULL", []string{all[3]}},
		{"INSERT INTO roles (subject, role, granted_at) VALUES ('1', 'auditor', now())", nil},
		{"SELECT role FROM roles", all[2:4]},
		{"INSERT INTO clients (id, record, disabled, revision, created_at, updated_at) VALUES ('1', '{}', false, 1, now(), now())", []string{all[0], all[3]}},
		{"UPDATE clients SET record = '{}'", []string{all[0], all[3]}},
		{"SELECT record FROM clients", all[:4]},
		{"SELECT id FROM clients FOR SHARE", all[:4]},
		{"SELECT id FROM grants FOR SHARE", all[:4]},
		{"UPDATE grants SET expires_at = now()", all[:1]},
		{"UPDATE grants SET created_at = created_at WHERE id = ''", all[:4]},
		{"UPDATE grants SET revoked_at = now()", []string{all[0], all[2], all[3]}},
		{"UPDATE consents SET attributes = 'x'", all[:1]},
		{"UPDATE consents SET state = 'withdrawn'", []string{all[0], all[2], all[3]}},
		{"SELECT id FROM consents FOR SHARE", all[:4]},
		{"SELECT sealed FROM contacts", all[:2]},
		{"INSERT INTO release_uses (permission, day, used, expires_at) VALUES ('1', '', 1, now())", all[:2]},
		{"UPDATE log_shards SET size = 1", []string{all[3]}},
		{"UPDATE sites SET node = ''", []string{all[3]}},
		{"SELECT record FROM federation_subordinates", all[2:]},
		{"INSERT INTO federation_walks (node, at, trusted, failed) VALUES ('', now(), 0, 0)", all[4:]},
		{"UPDATE federation_verdicts SET record = ''", nil},
		{"SELECT record FROM federation_verdicts", all[2:]},
		{"UPDATE federation_subordinates SET state = 'active'", all[2:4]},
		{"SELECT id FROM sessions", []string{all[0], all[2], all[3]}},
		{"UPDATE sessions SET level = 4", all[:1]},
		{"INSERT INTO resources (id, record, disabled, created_at, updated_at) VALUES ('1', '{}', false, now(), now())", nil},
		{"INSERT INTO key_lease (one, node, expires_at) VALUES (1, '', now())", all},
		{"CREATE TABLE mine (x int)", nil},
		{"TRUNCATE grants", nil},
	} {
		for _, role := range all {
			rows = append(rows, attempt{role, database, row.statement, slices.Contains(row.allowed, role)})
		}
	}
	return rows
}

// TestRolesBeforeTheMigration: what RolesSQL prints gives on a database that is not migrated yet
// what is there of it: a column that is missing takes no other from a node that runs.
func TestRolesBeforeTheMigration(t *testing.T) {
	database, registers := pgtest.Names(t)
	script := migrations.RolesSQL(database, registers)
	pgtest.Script(t, script)
	migrator, err := store.Open(t.Context(), store.Options{DSN: pgtest.As(t, migrations.RoleMigrate, database), Unlimited: true})
	if err != nil {
		t.Fatal(err)
	}
	defer migrator.Close()
	if err := migrator.MigrateTo(t.Context(), 95); err != nil { // the next one makes accounts.totp_copied
		t.Fatal(err)
	}
	pgtest.Script(t, script)
	provider := pgtest.As(t, migrations.RoleProvider, database)
	for _, statement := range []string{"SELECT subject FROM accounts", "UPDATE accounts SET totp_step = 1", "UPDATE accounts SET devices_since = now()"} {
		if err := inATransaction(t.Context(), provider, statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// TestEachTableHasItsRights: a migration that makes a table says who may use it.
func TestEachTableHasItsRights(t *testing.T) {
	dsn := pgtest.Database(t)
	db, err := store.Open(t.Context(), store.Options{DSN: dsn, Unlimited: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	var tables []string
	if err := db.Reader(t.Context()).Raw("SELECT tablename FROM pg_tables WHERE schemaname = 'public'" +
		" UNION SELECT viewname FROM pg_views WHERE schemaname = 'public'").Scan(&tables).Error; err != nil {
		t.Fatal(err)
	}
	slices.Sort(tables)
	if named := migrations.Tables(); !slices.Equal(tables, named) {
		t.Errorf("the database has the tables\n%q, the rights name\n%q", tables, named)
	}
}

// TestOneRoleForAll: an installation whose nodes have a role of its own, whatever its name, goes
// on: its evidence of releases and consents is taken, and that of no other table is changed.
func TestOneRoleForAll(t *testing.T) {
	database, registers := pgtest.Names(t)
	pgtest.Script(t, migrations.RolesSQL(database, registers))
	migrator, err := store.Open(t.Context(), store.Options{DSN: pgtest.As(t, migrations.RoleMigrate, database), Unlimited: true})
	if err != nil {
		t.Fatal(err)
	}
	defer migrator.Close()
	if err := migrator.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	as := pgtest.As(t, migrations.RoleServer, database)
	for _, kind := range []string{"release.permitted", "consent.approved", "session.signed-in"} {
		if err := inATransaction(t.Context(), as, event(kind)); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, held := range []string{"accounts", "consents", "sessions", "log_shards"} {
		var rule string
		err := migrator.Reader(t.Context()).Raw("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = ?", held+"_held").Scan(&rule).Error
		if err != nil || !strings.HasPrefix(rule, "CHECK ((held IS NULL))") {
			t.Errorf("the column held of %s takes a value: %q, %v", held, rule, err)
		}
	}
}

// inATransaction runs a statement that leaves nothing, on a connection of its own.
func inATransaction(ctx context.Context, dsn, statement string) error {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	return rolledBack(ctx, db, statement)
}

// rolledBack runs a statement that leaves nothing.
func rolledBack(ctx context.Context, db *sql.DB, statement string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(ctx, statement)
	return err
}

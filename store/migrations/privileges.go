package migrations

import (
	"context"
	"fmt"
	"strings"

	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

// The roles of PostgreSQL, each with no more than its program does.
const (
	// RoleMigrate owns the tables of the main database and changes them: `hopnhat
	// migrate`, between releases.
	RoleMigrate = "hopnhat_migrate"
	// RoleServer is that of servers and operators' tools.
	RoleServer = "hopnhat_server"
	// RoleErase is RoleServer and may erase an event whose erasure is in the log: `hopnhat
	// audit erase`, and nothing else.
	RoleErase = "hopnhat_erase"
	// RoleRegistryLoad owns the tables of the national registers and fills them.
	RoleRegistryLoad = "hopnhat_registry_load"
	// RoleRegistryRead is how a server reads them.
	RoleRegistryRead = "hopnhat_registry_read"
)

// ByteOrder is the end of CREATE DATABASE … TEMPLATE template0 for a database that orders texts by
// their bytes, whatever the cluster does: another is refused ([ErrCollation]).
const ByteOrder = "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'"

// narrow gives and takes what [rights] says after a migration has made tables.
func narrow(ctx context.Context, db *handle.Handle) error {
	if _, err := db.Pool().ExecContext(ctx, narrowing()); err != nil {
		return fmt.Errorf("giving the roles of the database their rights: %w", err)
	}
	return nil
}

// RolesSQL is what a superuser runs in psql before the first migration: roles,
// databases, and what each role may do, now and on tables that come later. It can be
// run again, also on databases that are there. database and registry name the
// databases.
func RolesSQL(database, registry string) string {
	name := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	text := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("-- Printed by `hopnhat migrate --print-roles`. Run it in psql as a superuser; it can be run again.")
	line("-- Then give each role a password: \\password %s, and so on.", RoleMigrate)
	line("\\set ON_ERROR_STOP on")
	line("")
	for _, role := range []struct{ name, what string }{
		{RoleMigrate, "owns the tables of the main database: hopnhat migrate"},
		{RoleServer, "servers and operators' tools: no table is made, changed or dropped by it"},
		{RoleErase, "erases an event after that is in the log: hopnhat audit erase"},
		{RoleProvider, "nodes that are provider alone: sign-in, consent, tokens, claims"},
		{RoleBroker, "nodes that are broker alone: releases"},
		{RolePortal, "nodes that are portal alone: what people, auditors and operators look at"},
		{RoleLog, "nodes that write the log alone"},
		{RoleFederation, "nodes that are the entity of the federation alone"},
		{RoleRegistryLoad, "owns and fills the national registers"},
		{RoleRegistryRead, "servers read the national registers"},
	} {
		line("-- %s", role.what)
		line("DO $$ BEGIN CREATE ROLE %s LOGIN; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;", name(role.name))
	}
	line("GRANT %s TO %s;", name(RoleServer), name(RoleErase))
	for _, d := range []struct{ name, owner, user, on string }{
		{database, RoleMigrate, RoleServer, "SELECT, INSERT, UPDATE, DELETE"},
		{registry, RoleRegistryLoad, RoleRegistryRead, "SELECT"},
	} {
		line("")
		line("SELECT %s WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = %s) \\gexec",
			text("CREATE DATABASE "+name(d.name)+" OWNER "+name(d.owner)+" ENCODING 'UTF8' TEMPLATE template0 "+ByteOrder), text(d.name))
		line("REVOKE ALL ON DATABASE %s FROM PUBLIC;", name(d.name))
		line("GRANT CONNECT ON DATABASE %s TO %s, %s;", name(d.name), name(d.owner), name(d.user))
		// A pooler takes no such setting with the connection.
		line("ALTER ROLE %s IN DATABASE %s SET statement_timeout = '%ds';", name(d.user), name(d.name), int(sqldb.StatementLimit.Seconds()))
		line("\\connect %s", name(d.name))
		line("ALTER SCHEMA public OWNER TO %s;", name(d.owner))
		line("REVOKE ALL ON SCHEMA public FROM PUBLIC;")
		line("GRANT USAGE ON SCHEMA public TO %s;", name(d.user))
		line("-- Tables that are there already, whoever made them:")
		line(`SELECT format('ALTER TABLE public.%%I OWNER TO %s', tablename) FROM pg_tables WHERE schemaname = 'public' AND tableowner <> %s \gexec`, name(d.owner), text(d.owner))
		line("GRANT %s ON ALL TABLES IN SCHEMA public TO %s;", d.on, name(d.user))
		line("-- Tables and their numbering that come later:")
		line("ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA public GRANT %s ON TABLES TO %s;", name(d.owner), d.on, name(d.user))
		if d.name == database {
			for _, role := range append([]string{RoleErase}, nodeRoles...) {
				line("GRANT CONNECT ON DATABASE %s TO %s;", name(d.name), name(role))
				line("ALTER ROLE %s IN DATABASE %s SET statement_timeout = '%ds';", name(role), name(d.name), int(sqldb.StatementLimit.Seconds()))
				line("GRANT USAGE ON SCHEMA public TO %s;", name(role))
			}
			line("GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO %s;", name(d.user))
			line("ALTER DEFAULT PRIVILEGES FOR ROLE %s IN SCHEMA public GRANT USAGE ON SEQUENCES TO %s;", name(d.owner), name(d.user))
			line("-- Evidence is added to, never changed, and a node of one role has what it needs; each migration does this again.")
			b.WriteString(narrowing())
		}
	}
	return b.String()
}

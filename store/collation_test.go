package store_test

import (
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store"
	"hopnhat/store/migrations"
	"hopnhat/store/storetest"
)

// TestCollation: a database whose order of texts is another than that of their bytes is neither
// migrated nor served, and what RolesSQL makes is none, on any cluster.
func TestCollation(t *testing.T) {
	for _, row := range []struct {
		name, locale string
		want         error
	}{
		{"by bytes", "LOCALE_PROVIDER libc LC_COLLATE 'C' LC_CTYPE 'C'", nil},
		{"by code points", "LOCALE_PROVIDER libc LC_COLLATE 'C.UTF-8' LC_CTYPE 'C.UTF-8'", nil},
		{"of English", "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'", migrations.ErrCollation},
		{"of Vietnamese", "LOCALE_PROVIDER icu ICU_LOCALE 'vi-VN'", migrations.ErrCollation},
	} {
		t.Run(row.name, func(t *testing.T) {
			dsn := pgtest.Database(t)
			at, err := url.Parse(dsn)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.Trim(at.Path, "/")
			pgtest.Exec(t, os.Getenv(pgtest.Env), "DROP DATABASE "+name)
			pgtest.Exec(t, os.Getenv(pgtest.Env), "CREATE DATABASE "+name+" ENCODING 'UTF8' TEMPLATE template0 "+row.locale)
			db, err := store.Open(t.Context(), store.Options{DSN: dsn, Unlimited: true})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			if err := db.Migrate(t.Context(), nil); !errors.Is(err, row.want) {
				t.Fatalf("migrating: got %v, want %v", err, row.want)
			}
			if row.want != nil { // as the release before leaves one
				pgtest.Exec(t, dsn, "CREATE TABLE goose_db_version (version_id bigint, is_applied boolean)")
			}
			if err := db.CheckVersion(t.Context()); !errors.Is(err, row.want) {
				t.Errorf("serving: got %v, want %v", err, row.want)
			}
		})
	}
	t.Run("of the databases that are printed", func(t *testing.T) {
		main, registers := pgtest.Names(t)
		pgtest.Script(t, migrations.RolesSQL(main, registers))
		for _, name := range []string{main, registers} {
			db, err := store.Open(t.Context(), store.Options{DSN: pgtest.As(t, migrations.RoleMigrate, main)})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			var got string
			if err := db.Pool().QueryRowContext(
				t.Context(), "SELECT datlocprovider::text || datcollate FROM pg_database WHERE datname = $1", name,
			).Scan(&got); err != nil || got != "cC" {
				t.Errorf("%s: got %q, %v", name, got, err)
			}
		}
	})
}

// TestWalkFindsEveryRow: also where the database holds another text than ours for the last.
func TestWalkFindsEveryRow(t *testing.T) {
	db := storetest.PostgreSQL(t, nil)
	if err := db.Writer(t.Context()).Exec(`DO $$ DECLARE name text; BEGIN
		FOR name IN SELECT tgname FROM pg_trigger WHERE tgrelid = 'events'::regclass AND NOT tgisinternal LOOP
			EXECUTE format('DROP TRIGGER %I ON events', name);
		END LOOP;
		DROP VIEW administered_events;
		ALTER TABLE events ALTER COLUMN id TYPE text COLLATE "en-US-x-icu";
	END $$`).Error; err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := db.Record(t.Context(), sealed(t, release(n, audit.Visible), audit.NewSalt())); err != nil {
			t.Fatal(err)
		}
	}
	found := 0
	if err := db.Evidence.Walk(t.Context(), "type = ?", func(audit.Recorded, []byte) bool { found++; return true },
		string(audit.ReleasePermitted)); err != nil {
		t.Fatal(err)
	}
	if found != 3 {
		t.Errorf("found %d of 3", found)
	}
}

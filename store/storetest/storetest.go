// Package storetest opens migrated databases for tests: each promise of the
// store is checked on SQLite and on PostgreSQL by the same function.
package storetest

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"testing"
	"time"

	"hopnhat/authz/audit/rowseal"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/keys"
	"hopnhat/store"
)

// Each runs test once on SQLite and once on PostgreSQL, on an empty database.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { test(t, SQLite(t, nil)) })
	t.Run("postgres", func(t *testing.T) { test(t, PostgreSQL(t, nil)) })
}

// Everywhere is Each, and once more through a PgBouncer in transaction mode, where no
// two statements need meet the same connection.
func Everywhere(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	Each(t, test)
	t.Run("pgbouncer", func(t *testing.T) { test(t, open(t, pgtest.Pooled(t, pgtest.Database(t)), nil)) })
}

// SQLite opens a migrated SQLite database in a temporary folder.
func SQLite(t testing.TB, now func() time.Time) *store.DB {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "test.db"), now)
}

// PostgreSQL opens a migrated database of its own on the test cluster.
func PostgreSQL(t testing.TB, now func() time.Time) *store.DB {
	t.Helper()
	return open(t, pgtest.Database(t), now)
}

func open(t testing.TB, dsn string, now func() time.Time) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{DSN: dsn, Create: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	if err := db.Migrate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	db.TrustRows(Rows())
	return db
}

// Rows are keys of rows, the same for all tests.
func Rows() *rowseal.Keys { return rowseal.New(ring{}) }

type ring struct{}

// Derive is as that of a keyring.
func (ring) Derive(_ context.Context, use keys.Use, label string) ([]byte, error) {
	sum := sha256.Sum256([]byte("keyring of tests " + string(use) + " " + label))
	return sum[:], nil
}

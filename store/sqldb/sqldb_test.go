package sqldb_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/store"
	"hopnhat/store/registry"
	"hopnhat/store/registry/nation"
	"hopnhat/store/sqldb"
)

func TestCheck(t *testing.T) {
	for _, row := range []struct {
		name, dsn, want string // want is part of the refusal; empty: none
	}{
		{"a path", "state/hopnhat.db", ""},
		{"a path with a scheme of ours", "sqlite:/var/lib/hopnhat.db", ""},
		{"a URL of PostgreSQL", "postgres://server@db/hopnhat?sslmode=verify-full", ""},
		{"its other name", "postgresql://db/hopnhat", ""},
		{"a socket", "postgres:///hopnhat?host=/run/postgresql", ""},
		{"another database", "mysql://root:geheim@db/hopnhat", "mysql:// is no database that is supported"},
		{"PostgreSQL without a host", "postgres://", "cannot be read"},
		{"words", "host=db password=geheim dbname=hopnhat", "an address of words"},
		{"nothing", "", "no address"},
		{"a scheme and nothing", "sqlite:", "no address"},
	} {
		err := sqldb.Check(row.dsn)
		if (err == nil) != (row.want == "") ||
			err != nil && (!strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "geheim")) {
			t.Errorf("%s: got %v, want %q", row.name, err, row.want)
		}
		if strings.Contains(sqldb.Redacted(row.dsn), "geheim") {
			t.Errorf("%s: shown as %s", row.name, sqldb.Redacted(row.dsn))
		}
	}
	for _, dsn := range []string{"postgres://u:geheim@h/d", "postgres://h/d?user=u&password=geheim", "postgres://h/d?sslPassword=geheim"} {
		if shown := sqldb.Redacted(dsn); strings.Contains(shown, "geheim") || !strings.Contains(shown, "h/d") {
			t.Errorf("%s is shown as %s", dsn, shown)
		}
	}
}

// TestADatabaseIsItsOwnersAlone: both databases, with the files that SQLite puts
// beside them, made so or mended.
func TestADatabaseIsItsOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	if err := sqldb.Folder(dir); err != nil {
		t.Fatal(err)
	}
	modes := func(want os.FileMode, least int) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, "*"))
		if err != nil || len(found) < least {
			t.Fatalf("%v, %v", found, err)
		}
		for _, path := range append(found, dir) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if mode := info.Mode().Perm(); path != dir && mode != want || path == dir && mode != 0o700 {
				t.Errorf("%s has mode %04o", path, mode)
			}
		}
	}
	open := func(create bool) {
		t.Helper()
		db, err := store.Open(t.Context(), store.Options{DSN: filepath.Join(dir, "a b?.db"), Create: create})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Migrate(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		opened := registry.Open
		if create {
			opened = registry.Create
		}
		r, err := opened(t.Context(), filepath.Join(dir, "registry.db"))
		if err != nil {
			t.Fatal(err)
		}
		if create {
			if err := nation.Generate(t.Context(), r, nation.Options{Persons: 20, Seed: 1}); err != nil {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { r.Close() })
	}
	open(true)
	modes(0o600, 4) // two databases, and what is beside the first
	found, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, path := range found {
		if err := os.Chmod(path, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	open(false)
	modes(0o600, 4)
}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	missing, text := filepath.Join(dir, "none.db"), filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte("notes"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sqldb.File(missing, false); !errors.Is(err, sqldb.ErrNoFile) || !strings.Contains(err.Error(), missing) {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := os.Stat(missing); err == nil {
		t.Error("it was made")
	}
	for path, want := range map[string]string{text: "no SQLite database", dir: "it is no file", filepath.Join(dir, "x", "y.db"): "no such file"} {
		if err := sqldb.File(path, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

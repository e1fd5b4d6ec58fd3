package store_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	"hopnhat/store"
	"hopnhat/store/storetest"
)

func TestMigrationsAreComplete(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
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
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
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

// TestATransactionOfSQLiteWritesFromItsStart: one that only read at first would be
// thrown out (SQLITE_BUSY_SNAPSHOT) when it comes to write after another process did:
// an operator's tool beside a server, or a server beside a tool.
func TestATransactionOfSQLiteWritesFromItsStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hopnhat.db")
	db, err := store.Open(t.Context(), store.Options{DSN: "sqlite:" + path, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	other, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(0)")
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	write := func(statement string) error {
		_, err := other.ExecContext(t.Context(), statement)
		return err
	}
	if err := write("CREATE TABLE other (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Tx(t.Context(), func(context.Context) error {
		if err := write("INSERT INTO other VALUES (1)"); err == nil {
			t.Error("another process wrote while a transaction was open that had not yet written")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

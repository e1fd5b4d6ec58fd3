package store

import (
	"context"
	"path/filepath"
	"runtime"
	"testing"
	"time"
)

// TestFirstStatements: a statement that is new to the server is wanted by a
// transaction, and by another who waits for the transaction's connection; neither
// waits for the other for ever.
func TestFirstStatements(t *testing.T) {
	db, err := Open(t.Context(), Options{DSN: filepath.Join(t.TempDir(), "first.db"), Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := db.Handles()[0].Exec("CREATE TABLE first (n INTEGER)").Error; err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	insert := func(ctx context.Context) error { return db.Writer(ctx).Exec("INSERT INTO first VALUES (1)").Error }
	other := make(chan error, 1)
	err = db.Tx(ctx, func(inside context.Context) error {
		go func() { other <- insert(ctx) }()
		for db.Pool().Stats().WaitCount == 0 { // until the other waits for the connection
			runtime.Gosched()
		}
		return insert(inside)
	})
	if err != nil {
		t.Errorf("in the transaction: %v", err)
	}
	if err := <-other; err != nil {
		t.Errorf("beside it: %v", err)
	}
}

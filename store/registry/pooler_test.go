package registry_test

import (
	"sync"
	"testing"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store/registry"
)

// TestThroughAPooler: a nation is generated and read through a PgBouncer in transaction
// mode, which gives every statement another connection.
func TestThroughAPooler(t *testing.T) {
	db, err := registry.Create(t.Context(), pgtest.Pooled(t, pgtest.Database(t)))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	filled(t, db, 200, 2026)
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 10 {
				if p, err := db.ByNumber(t.Context(), "099304000017"); err != nil || p.ID == "" {
					t.Errorf("%+v, %v", p, err)
				}
				if _, err := db.Status(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var lasting string
	if err := db.Pool().QueryRowContext(t.Context(), "SHOW synchronous_commit").Scan(&lasting); err != nil || lasting != "on" {
		t.Errorf("the load left synchronous_commit %q to others, %v", lasting, err)
	}
}

package sqldb_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store/sqldb"
)

// TestPoolerIsNoticed, whatever is set in it, and a direct way is not taken for one.
func TestPoolerIsNoticed(t *testing.T) {
	direct := pgtest.Database(t)
	for name, row := range map[string]struct {
		dsn    string
		pooled bool
	}{
		"PostgreSQL itself":             {direct, false},
		"PgBouncer in transaction mode": {pgtest.Pooled(t, direct), true},
	} {
		t.Run(name, func(t *testing.T) {
			server, err := sqldb.Dial(t.Context(), row.dsn, 8, sqldb.StatementLimit)
			if err != nil {
				t.Fatal(err)
			}
			defer server.Pool.Close()
			if server.Pooled != row.pooled {
				t.Fatalf("pooled: %v, want %v", server.Pooled, row.pooled)
			}
			// More callers than connections, each with the same statements.
			var group sync.WaitGroup
			for i := range 16 {
				group.Go(func() {
					for n := range 20 {
						var got int
						if err := server.Pool.QueryRowContext(
							context.WithoutCancel(t.Context()), "SELECT $1::int + $2::int", i, n,
						).Scan(&got); err != nil || got != i+n {
							t.Error(fmt.Errorf("%d: %w", got, err))
						}
					}
				})
			}
			group.Wait()
		})
	}
}

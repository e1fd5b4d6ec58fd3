package sqldb_test

import (
	"context"
	"errors"
	"testing"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store/sqldb"
)

// TestAStatementThatWasNotSentIsSentAgain: over a connection that has ended meanwhile nothing
// reaches the database, so the next one takes it; also what begins a transaction.
func TestAStatementThatWasNotSentIsSentAgain(t *testing.T) {
	pool, sent := numbers(t, pgtest.Database(t))
	alone := sqldb.Pool{DB: pool}
	for n, row := range []struct {
		name string
		do   func(n int64) error
	}{
		{"a change", func(n int64) error {
			changed, err := alone.Exec(t.Context(), insert, n)
			if changed != 1 {
				t.Errorf("%d rows", changed)
			}
			return err
		}},
		{"a change that answers", func(n int64) error {
			var got int64
			err := alone.Each(t.Context(), insert+" RETURNING n", []any{n}, func(row sqldb.Row) error { return row.Scan(&got) })
			if got != n {
				t.Errorf("answered %d", got)
			}
			return err
		}},
		{"the first of a transaction", func(n int64) error {
			tx := sqldb.Begin(t.Context(), pool)
			_, err := tx.ExecContext(t.Context(), insert, n)
			return errors.Join(err, tx.Commit())
		}},
		{"all of a transaction", func(n int64) error {
			tx := sqldb.Begin(t.Context(), pool)
			tx.Later("testing", insert, []any{n}, nil)
			return tx.Commit()
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			sent.last.Close()
			if err := row.do(int64(n)); err != nil {
				t.Error(err)
			}
			if got := kept(t, pool); len(got) != n+1 {
				t.Errorf("kept %d", got)
			}
		})
	}
}

// TestARequestThatIsOverCostsNoConnection: it is told that it is over, and the connection serves
// the next.
func TestARequestThatIsOverCostsNoConnection(t *testing.T) {
	pool, sent := numbers(t, pgtest.Database(t))
	over, cancel := context.WithCancel(t.Context())
	cancel()
	before := sent.last
	_, err := sqldb.Pool{DB: pool}.Exec(over, insert, 1)
	if got := kept(t, pool); !errors.Is(err, context.Canceled) || len(got) != 0 || sent.last != before {
		t.Errorf("%v; kept %d", err, got)
	}
}

package sqldb_test

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
	"pgregory.net/rapid"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store/sqldb"
)

// line counts what is sent, over the connection that was made last.
type line struct {
	atomic.Int32
	last net.Conn
}

type counted struct {
	net.Conn
	of *line
}

func (c counted) Write(b []byte) (int, error) {
	c.of.Add(1)
	return c.Conn.Write(b)
}

// numbers is a pool of one connection to a table of numbers, none twice, and what was sent on it.
func numbers(t *testing.T, dsn string) (pool *sql.DB, sent *line) {
	t.Helper()
	server, err := sqldb.Dial(t.Context(), dsn, 1, sqldb.StatementLimit)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Pool.Close(); err != nil {
		t.Fatal(err)
	}
	sent = new(line)
	dial := server.Config.DialFunc
	server.Config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		sent.last = counted{c, sent}
		return sent.last, err
	}
	pool = stdlib.OpenDB(*server.Config)
	t.Cleanup(func() { _ = pool.Close() })
	pool.SetMaxOpenConns(1)
	if _, err := pool.ExecContext(t.Context(), "CREATE TABLE IF NOT EXISTS numbers (n bigint PRIMARY KEY)"); err != nil {
		t.Fatal(err)
	}
	return pool, sent
}

const (
	insert = "INSERT INTO numbers VALUES ($1)"
	all    = "SELECT n FROM numbers ORDER BY n"
)

// kept are the numbers in the table.
func kept(t interface {
	Fatal(args ...any)
}, pool *sql.DB,
) (out []int64) {
	rows, err := pool.QueryContext(context.Background(), all)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}

// TestATransactionSendsLittle: BEGIN goes with the first statement and what nobody waits for with
// the next or with COMMIT; one without a statement sends nothing and takes no connection.
func TestATransactionSendsLittle(t *testing.T) {
	pool, sent := numbers(t, pgtest.Database(t))
	for _, row := range []struct {
		name string
		do   func(tx *sqldb.Tx, n int64) error
		want int32
	}{
		{"no statement", func(*sqldb.Tx, int64) error { return nil }, 0},
		{"one that nobody waits for", func(tx *sqldb.Tx, n int64) error { tx.Later("testing", insert, []any{n}, nil); return nil }, 1},
		{"two that nobody waits for", func(tx *sqldb.Tx, n int64) error {
			tx.Later("testing", insert, []any{n}, nil)
			tx.Later("testing", insert, []any{n + 1}, nil)
			return nil
		}, 1},
		{"one, and one that nobody waits for", func(tx *sqldb.Tx, n int64) error {
			_, err := tx.ExecContext(t.Context(), insert, n)
			tx.Later("testing", insert, []any{n + 1}, nil)
			return err
		}, 2},
		{"one that nobody waits for, and one that reads it", func(tx *sqldb.Tx, n int64) error {
			tx.Later("testing", insert, []any{n}, nil)
			found := 0
			err := tx.Each(t.Context(), "SELECT n FROM numbers WHERE n = $1", []any{n}, func(sqldb.Row) error { found++; return nil })
			if found != 1 {
				t.Errorf("%d rows", found)
			}
			return err
		}, 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			for n := range int64(2) { // the first time the connection comes to know the statements
				sent.Store(0)
				tx := sqldb.Begin(t.Context(), pool)
				if err := errors.Join(row.do(tx, 10*n), tx.Commit()); err != nil {
					t.Fatal(err)
				}
				if got := sent.Load(); n == 1 && got != row.want {
					t.Errorf("sent %d times, want %d", got, row.want)
				}
				if _, err := tx.ExecContext(t.Context(), insert, 1); !errors.Is(err, sql.ErrTxDone) {
					t.Errorf("after its end: %v", err)
				}
				if err := errors.Join(tx.Commit(), tx.Rollback()); !errors.Is(err, sql.ErrTxDone) {
					t.Errorf("ended again: %v", err)
				}
			}
			if _, err := pool.ExecContext(t.Context(), "TRUNCATE numbers"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestAFailedStatementLeavesNothing: wherever its error is told, nothing of the transaction stays,
// and the connection serves the next.
func TestAFailedStatementLeavesNothing(t *testing.T) {
	pool, _ := numbers(t, pgtest.Database(t))
	if _, err := pool.ExecContext(t.Context(), insert, 7); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.ExecContext(t.Context(), "CREATE TABLE settled (n bigint UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO settled VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	ended, end := context.WithCancel(t.Context())
	end()
	for _, row := range []struct {
		name string
		ctx  context.Context
		do   func(tx *sqldb.Tx) error
		late bool
	}{
		{"told by COMMIT", t.Context(), func(tx *sqldb.Tx) error { tx.Later("testing", insert, []any{7}, nil); return nil }, true},
		{"told when all of it was sent", t.Context(), func(tx *sqldb.Tx) error {
			tx.Later("testing", insert, []any{8}, nil)
			tx.Later("testing", insert, []any{7}, nil)
			tx.Later("testing", insert, []any{9}, nil)
			return nil
		}, true},
		{"told when all of it was done", t.Context(), func(tx *sqldb.Tx) error {
			tx.Later("testing", insert, []any{8}, nil)
			tx.Later("testing", "INSERT INTO settled VALUES ($1)", []any{7}, nil)
			return nil
		}, false},
		{"told by the next statement", t.Context(), func(tx *sqldb.Tx) error {
			tx.Later("testing", insert, []any{7}, nil)
			_, err := tx.ExecContext(t.Context(), insert, 8)
			return err
		}, true},
		{"told by the next question", t.Context(), func(tx *sqldb.Tx) error {
			tx.Later("testing", insert, []any{7}, nil)
			rows, err := tx.QueryContext(t.Context(), all)
			if err == nil {
				err = errors.Join(rows.Close(), rows.Err())
			}
			return err
		}, true},
		{"told by the next row", t.Context(), func(tx *sqldb.Tx) error {
			tx.Later("testing", insert, []any{7}, nil)
			var n int64
			if err := tx.QueryRowContext(t.Context(), all).Scan(&n); err == nil {
				t.Errorf("read %d", n)
			}
			return nil
		}, true},
		{"told by the next one that is prepared", t.Context(), func(tx *sqldb.Tx) error {
			tx.Later("testing", insert, []any{7}, nil)
			_, err := tx.PrepareContext(t.Context(), all)
			return err
		}, true},
		{"told, and passed over", t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.ExecContext(t.Context(), insert, 8); err != nil {
				return err
			}
			if _, err := tx.ExecContext(t.Context(), insert, 7); err == nil {
				t.Error("a number twice")
			}
			return nil
		}, false},
		{"a value that cannot be sent", t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.ExecContext(t.Context(), insert, 8); err != nil {
				return err
			}
			tx.Later("testing", insert, []any{struct{}{}}, nil)
			return nil
		}, true},
		{"the first is refused before BEGIN is sent, and passed over", t.Context(), func(tx *sqldb.Tx) error {
			if _, err := tx.ExecContext(t.Context(), "INSERT INTO missing VALUES (1)"); err == nil {
				t.Error("a table that is not there")
			}
			_, _ = tx.ExecContext(t.Context(), insert, 8)
			return nil
		}, true},
		{"a first value that cannot be sent, passed over", t.Context(), func(tx *sqldb.Tx) error {
			_, _ = tx.ExecContext(t.Context(), insert, struct{}{})
			_, _ = tx.ExecContext(t.Context(), insert, 8)
			return nil
		}, true},
		{"the first is of a request that is over, and passed over", t.Context(), func(tx *sqldb.Tx) error {
			_, _ = tx.ExecContext(ended, insert, 9)
			_ = tx.Each(t.Context(), insert+" RETURNING n", []any{8}, func(sqldb.Row) error { return nil })
			return nil
		}, false},
		{"what nobody waits for is lost with the next, and passed over", t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.ExecContext(t.Context(), insert, 8)
			tx.Later("testing", insert, []any{9}, nil)
			_, _ = tx.ExecContext(ended, insert, 10)
			return err
		}, true},
		{"what nobody waits for is lost, and a question passed over", t.Context(), func(tx *sqldb.Tx) error {
			_, err := tx.ExecContext(t.Context(), insert, 8)
			tx.Later("testing", insert, []any{9}, nil)
			_, _ = tx.ExecContext(ended, insert, 10)
			if rows, err := tx.QueryContext(t.Context(), all); err == nil {
				t.Error("answered", rows.Close(), rows.Err())
			}
			return err
		}, true},
		{"the request is over before COMMIT", over, func(tx *sqldb.Tx) error {
			_, err := tx.ExecContext(t.Context(), insert, 8)
			cancel()
			return err
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			tx := sqldb.Begin(row.ctx, pool)
			err := row.do(tx)
			if err != nil {
				err = errors.Join(err, tx.Rollback())
			} else {
				err = tx.Commit()
			}
			var late *sqldb.LateError
			if err == nil || errors.As(err, &late) != row.late || row.late && !slices.Contains([]string{"testing", "beginning a transaction"}, late.Doing) {
				t.Errorf("got %v", err)
			}
			if got := kept(t, pool); !slices.Equal(got, []int64{7}) {
				t.Errorf("kept %d", got)
			}
		})
	}
}

// TestStatementsKeepTheirOrder: whatever is sent at once and whatever alone, directly and through
// a pooler, the table holds what a transaction that waits for each answer leaves.
func TestStatementsKeepTheirOrder(t *testing.T) {
	direct := pgtest.Database(t)
	for name, dsn := range map[string]string{"PostgreSQL itself": direct, "PgBouncer in transaction mode": pgtest.Pooled(t, direct)} {
		t.Run(name, func(t *testing.T) {
			pool, _ := numbers(t, dsn)
			rapid.Check(t, func(t *rapid.T) {
				ctx := context.Background()
				if _, err := pool.ExecContext(ctx, "DELETE FROM numbers"); err != nil {
					t.Fatal(err)
				}
				model := map[int64]bool{}
				const toggled = "DELETE FROM numbers WHERE n = $1"
				tx := sqldb.Begin(ctx, pool)
				for range rapid.IntRange(0, 6).Draw(t, "statements") {
					n := rapid.Int64Range(0, 3).Draw(t, "number")
					query := insert
					if model[n] {
						query = toggled
					}
					model[n] = !model[n]
					var err error
					switch rapid.SampledFrom([]string{"later", "exec", "each", "query"}).Draw(t, "how") {
					case "later":
						tx.Later("testing", query, []any{n}, nil)
					case "exec":
						_, err = tx.ExecContext(ctx, query, n)
					case "each":
						err = tx.Each(ctx, query+" RETURNING n", []any{n}, func(row sqldb.Row) error { return row.Scan(&n) })
					case "query":
						var rows *sql.Rows
						if rows, err = tx.QueryContext(ctx, query+" RETURNING n", n); err == nil {
							for rows.Next() {
								continue
							}
							err = errors.Join(rows.Err(), rows.Close())
						}
					}
					if err != nil {
						t.Fatal(err)
					}
				}
				end, want := tx.Commit, []int64(nil)
				if rapid.Bool().Draw(t, "undone") {
					end = tx.Rollback
				} else {
					for n := range int64(4) {
						if model[n] {
							want = append(want, n)
						}
					}
				}
				if err := end(); err != nil {
					t.Fatal(err)
				}
				if got := kept(t, pool); !slices.Equal(got, want) {
					t.Fatalf("kept %d, want %d", got, want)
				}
			})
		})
	}
}

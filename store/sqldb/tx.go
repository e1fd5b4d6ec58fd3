package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Row is a row of an answer, to be read.
type Row interface{ Scan(into ...any) error }

// Tx is a transaction of PostgreSQL that waits for few answers: BEGIN goes with the first
// statement, and what nobody waits for ([Tx.Later]) goes with the next one or with COMMIT. A
// transaction without a statement costs nothing. It is for one goroutine.
type Tx struct {
	ctx   context.Context // of COMMIT, as a sql.Tx has one
	pool  *sql.DB
	conn  *sql.Conn // nil until the first statement
	queue []queued
	begun bool // BEGIN was sent, as far as this side knows
	whole bool // all of it is in the queue, and is sent at once: see Commit
	done  bool
	// failed is the first error. Nothing is sent after it but ROLLBACK: it may be of BEGIN, or of
	// a statement that nobody waited for and that is lost.
	failed error
}

// queued is a statement that is sent with what comes next.
type queued struct {
	doing, query string
	values       []any
	means        Meaning
}

// Meaning says what an error of a statement means to whoever sent it, once nothing of the
// transaction stays; nil if it says nothing of its own.
type Meaning func(ctx context.Context, err error) error

// Begin begins a transaction on a pool of PostgreSQL. It ends with Commit or Rollback.
func Begin(ctx context.Context, pool *sql.DB) *Tx { return &Tx{ctx: ctx, pool: pool} }

// LateError is the error of a statement that was sent with another, or with COMMIT.
type LateError struct {
	// Doing is what the statement was for.
	Doing string
	Err   error
	// Means is what the error means, nil if that is told by nobody.
	Means Meaning
}

// Error is that of the statement.
func (e *LateError) Error() string { return e.Doing + ": " + e.Err.Error() }

// Unwrap is what the database said.
func (e *LateError) Unwrap() error { return e.Err }

// errRolledBack is what a COMMIT says after a statement that failed: nothing stays.
var errRolledBack = errors.New("a statement of the transaction failed, and it was undone")

// rollbackTime is how long the database may take to undo a transaction.
const rollbackTime = 5 * time.Second

// send sends what is queued and one statement, all at once, and has the statement's answer
// read; without a statement it sends what is queued. After an error the transaction can only
// be undone.
func (t *Tx) send(ctx context.Context, one *queued, read func(pgx.Rows) error) error {
	switch {
	case t.done:
		return sql.ErrTxDone
	case t.failed != nil:
		return t.failed
	}
	t.failed = t.trySend(ctx, one, read)
	return t.failed
}

func (t *Tx) trySend(ctx context.Context, one *queued, read func(pgx.Rows) error) error {
	all := t.queue
	if !t.begun && !t.whole {
		all = append([]queued{{doing: "beginning a transaction", query: "begin"}}, all...)
	}
	if one != nil {
		all = append(all, *one)
	}
	first := !t.begun
	for try := 1; ; try++ {
		if t.conn == nil {
			conn, err := t.pool.Conn(ctx)
			if err != nil {
				return err
			}
			t.conn = conn
		}
		t.begun, t.queue = true, nil
		err := t.conn.Raw(func(c any) error {
			err := sendAll(ctx, c.(*stdlib.Conn).Conn(), all, one != nil, read)
			if first {
				err = unsent(ctx, err)
			}
			return err
		})
		if !first || try == tries || !errors.Is(err, driver.ErrBadConn) {
			return err
		}
		t.conn = nil // Raw has closed it
	}
}

// sendAll sends statements at once. The answer of the last is read, if somebody reads it.
func sendAll(ctx context.Context, conn *pgx.Conn, all []queued, reads bool, read func(pgx.Rows) error) error {
	if len(all) == 1 && reads {
		rows, err := conn.Query(ctx, all[0].query, all[0].values...)
		if err != nil {
			return err
		}
		return read(rows)
	}
	var batch pgx.Batch
	for _, q := range all {
		batch.Queue(q.query, q.values...)
	}
	answers := conn.SendBatch(ctx, &batch)
	before := all
	if reads {
		before = all[:len(all)-1]
	}
	err := answer(answers, before, reads, read)
	if closed := answers.Close(); err == nil {
		err = closed
	}
	return err
}

// answer reads the answers to what was sent at once.
func answer(answers pgx.BatchResults, before []queued, reads bool, read func(pgx.Rows) error) error {
	for _, q := range before {
		if _, err := answers.Exec(); err != nil {
			return &LateError{q.doing, err, q.means}
		}
	}
	if !reads {
		return nil
	}
	rows, err := answers.Query()
	if err != nil {
		return err
	}
	return read(rows)
}

// Each sends a statement and has each row of its answer read. What it changed is there only
// when all rows were read without an error.
func (t *Tx) Each(ctx context.Context, query string, values []any, row func(Row) error) error {
	return t.send(ctx, &queued{query: query, values: values}, func(rows pgx.Rows) error { return each(rows, row) })
}

// Later has a statement sent with the next one, or with COMMIT, whose error is then a
// [LateError] if this one fails; means may be nil.
func (t *Tx) Later(doing, query string, values []any, means Meaning) {
	t.queue = append(t.queue, queued{doing, query, values, means})
}

// ExecContext sends a statement.
func (t *Tx) ExecContext(ctx context.Context, query string, values ...any) (sql.Result, error) {
	var changed int64
	err := t.send(ctx, &queued{query: query, values: values}, func(rows pgx.Rows) error {
		rows.Close()
		changed = rows.CommandTag().RowsAffected()
		return rows.Err()
	})
	return driver.RowsAffected(changed), err
}

// flush sends what is queued, for a statement whose answer database/sql reads.
func (t *Tx) flush(ctx context.Context) error {
	if t.begun && len(t.queue) == 0 && !t.done && t.failed == nil {
		return nil
	}
	return t.send(ctx, nil, nil)
}

// QueryContext sends a statement whose answer is read as database/sql reads one.
func (t *Tx) QueryContext(ctx context.Context, query string, values ...any) (*sql.Rows, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	return t.conn.QueryContext(ctx, query, values...)
}

// QueryRowContext sends a statement of which one row is read.
func (t *Tx) QueryRowContext(ctx context.Context, query string, values ...any) *sql.Row {
	if err := t.flush(ctx); err != nil { // told by the row, which has no error of its own to give
		over, cancel := context.WithCancelCause(ctx)
		cancel(err)
		return t.pool.QueryRowContext(over, query, values...)
	}
	return t.conn.QueryRowContext(ctx, query, values...)
}

// PrepareContext prepares a statement on the connection of the transaction.
func (t *Tx) PrepareContext(ctx context.Context, query string) (*sql.Stmt, error) {
	if err := t.flush(ctx); err != nil {
		return nil, err
	}
	return t.conn.PrepareContext(ctx, query)
}

// Commit ends the transaction. After an error nothing of it stays, unless the connection
// broke while the database committed. One whose statements all wait for it needs no BEGIN and no
// COMMIT: what comes before one Sync is one transaction (PostgreSQL §55.2.4, pipelining).
func (t *Tx) Commit() error {
	if t.done || t.failed == nil && !t.begun && len(t.queue) == 0 {
		return t.end()
	}
	if t.failed == nil && !t.begun {
		t.whole = true
		if err := t.send(t.ctx, nil, nil); err != nil {
			return errors.Join(err, t.Rollback())
		}
		return t.end()
	}
	err := t.send(t.ctx, &queued{query: "commit"}, func(rows pgx.Rows) error {
		rows.Close()
		if err := rows.Err(); err != nil {
			return err
		}
		if rows.CommandTag().String() != "COMMIT" {
			return errRolledBack
		}
		return nil
	})
	if err != nil {
		return errors.Join(err, t.Rollback())
	}
	return t.end()
}

// Rollback undoes the transaction.
func (t *Tx) Rollback() error {
	if t.done || t.conn == nil {
		return t.end()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.ctx), rollbackTime)
	defer cancel()
	_, err := t.conn.ExecContext(ctx, "rollback")
	return errors.Join(err, t.end())
}

// end gives the connection back. One that is still in a transaction is closed by its driver
// before anybody uses it again.
func (t *Tx) end() error {
	if t.done {
		return sql.ErrTxDone
	}
	t.done, t.queue = true, nil
	if t.conn == nil {
		return nil
	}
	return t.conn.Close()
}

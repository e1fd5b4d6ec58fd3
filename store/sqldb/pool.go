package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// Pool sends statements to PostgreSQL, each in a transaction of its own, without what
// database/sql does for a driver that knows no types. It is safe for concurrent use.
type Pool struct{ *sql.DB }

// tries is how often a statement is sent that did not reach the database, over a connection
// that had ended; as often as database/sql does.
const tries = 3

// Each sends a statement and has each row of its answer read. What it changed is there only
// when all rows were read without an error.
func (p Pool) Each(ctx context.Context, query string, values []any, row func(Row) error) error {
	return p.send(ctx, query, values, func(rows pgx.Rows) error { return each(rows, row) })
}

// Exec sends a statement, and tells how many rows it changed.
func (p Pool) Exec(ctx context.Context, query string, values ...any) (changed int64, err error) {
	err = p.send(ctx, query, values, func(rows pgx.Rows) error {
		rows.Close()
		changed = rows.CommandTag().RowsAffected()
		return rows.Err()
	})
	return changed, err
}

func (p Pool) send(ctx context.Context, query string, values []any, read func(pgx.Rows) error) (err error) {
	for range tries {
		var conn *sql.Conn
		if conn, err = p.Conn(ctx); err != nil {
			return err
		}
		err = conn.Raw(func(c any) error {
			rows, err := c.(*stdlib.Conn).Conn().Query(ctx, query, values...)
			if err == nil {
				err = read(rows)
			}
			return unsent(ctx, err)
		})
		if closed := conn.Close(); err == nil && !errors.Is(closed, sql.ErrConnDone) {
			err = closed
		}
		if !errors.Is(err, driver.ErrBadConn) {
			return err
		}
	}
	return err
}

// unsent is driver.ErrBadConn, at which the connection is given up, for an error before
// anything was sent, unless that is the end of the request.
func unsent(ctx context.Context, err error) error {
	if err != nil && ctx.Err() == nil && pgconn.SafeToRetry(err) {
		return driver.ErrBadConn
	}
	return err
}

// each reads the rows of an answer.
func each(rows pgx.Rows, row func(Row) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

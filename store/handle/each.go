package handle

import (
	"context"
	"database/sql"

	"hopnhat/authz"
	"hopnhat/store/sqldb"
)

// Each reads the rows of a statement of a hot route, as [Handle.One] reads the first: row
// scans one.
func (db *Handle) Each(ctx context.Context, doing, query string, values []any, row func(*sql.Rows) error) error {
	query = db.numbered(query)
	rows, err := db.rows(ctx, query, values)
	db.seen(query, values, false)
	return scanned(doing, rows, err, row)
}

// ChangeEach runs a statement of a hot route that changes something, as [Handle.Change]
// does, and reads the rows that it returns: row scans one.
func (db *Handle) ChangeEach(ctx context.Context, doing, query string, values []any, row func(*sql.Rows) error) error {
	authz.ReadingOf(ctx).Forget()
	query = db.numbered(query)
	on, alone := db.writing(ctx)
	rows, err := on.QueryContext(ctx, query, values...)
	db.seen(query, values, alone)
	return scanned(doing, rows, err, row)
}

// scanned scans all rows. What a statement changed is there only when its rows were read
// to the end without an error.
func scanned(doing string, rows *sql.Rows, err error, row func(*sql.Rows) error) error {
	if err != nil {
		return Wrap(doing, sqldb.Translated(err))
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return Wrap(doing, err)
		}
	}
	if err := rows.Err(); err != nil {
		return Wrap(doing, sqldb.Translated(err))
	}
	return Wrap(doing, rows.Close())
}

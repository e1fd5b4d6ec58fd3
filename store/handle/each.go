package handle

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	"hopnhat/authz"
	"hopnhat/store/sqldb"
)

// Each reads the rows of a statement of a hot route, as [Handle.One] reads the first: row
// scans one.
func (db *Handle) Each(ctx context.Context, doing, query string, values []any, row func(sqldb.Row) error) error {
	query = db.numbered(query)
	if db.dialect == PostgreSQL {
		on, _ := db.writing(ctx)
		return server(ctx, db, on, false, doing, query, values, row)
	}
	rows, err := db.rows(ctx, query, values)
	db.seen(query, values, false)
	return scanned(doing, rows, err, row)
}

// ChangeEach runs a statement of a hot route that changes something, as [Handle.Change]
// does, and reads the rows that it returns: row scans one.
func (db *Handle) ChangeEach(ctx context.Context, doing, query string, values []any, row func(sqldb.Row) error) error {
	authz.ReadingOf(ctx).Forget()
	query = db.numbered(query)
	on, alone := db.writing(ctx)
	if db.dialect == PostgreSQL {
		return server(ctx, db, on, alone, doing, query, values, row)
	}
	rows, err := on.QueryContext(ctx, query, values...)
	db.seen(query, values, alone)
	return scanned(doing, rows, err, row)
}

// server runs a statement on PostgreSQL: in a transaction, or as one of its own.
func server(
	ctx context.Context, db *Handle, on gorm.ConnPool, commits bool, doing, query string, values []any, row func(sqldb.Row) error,
) error {
	var err error
	if tx, ok := on.(*sqldb.Tx); ok {
		err = tx.Each(ctx, query, values, row)
	} else {
		err = sqldb.Pool{DB: db.pools[0]}.Each(ctx, query, values, row)
	}
	db.seen(query, values, commits)
	return Wrap(doing, sqldb.Translated(err))
}

// scanned scans all rows. What a statement changed is there only when its rows were read
// to the end without an error.
func scanned(doing string, rows *sql.Rows, err error, row func(sqldb.Row) error) error {
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

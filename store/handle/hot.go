package handle

import (
	"cmp"
	"context"
	"database/sql"

	"gorm.io/gorm"

	"hopnhat/authz"
	"hopnhat/store/sqldb"
)

// Change runs a statement of a hot route that changes something, in the transaction of
// the context or as one of its own, and tells how many rows it changed. It is what
// [Handle.Writer] does, without what GORM costs; a statement has no list in place of a
// value. Errors are those of [Wrap].
func (db *Handle) Change(ctx context.Context, doing, query string, values ...any) (rows int64, err error) {
	authz.ReadingOf(ctx).Forget()
	query = db.numbered(query)
	on, alone := db.writing(ctx)
	if alone && db.dialect == PostgreSQL {
		rows, err = sqldb.Pool{DB: db.pools[0]}.Exec(ctx, query, values...)
		db.seen(query, values, true)
		return rows, Wrap(doing, sqldb.Translated(err))
	}
	done, err := on.ExecContext(ctx, query, values...)
	db.seen(query, values, alone)
	if err != nil {
		return 0, Wrap(doing, sqldb.Translated(err))
	}
	rows, err = done.RowsAffected()
	return rows, Wrap(doing, err)
}

// ChangeLater is [Handle.Change] for a statement whose answer nobody waits for: in a
// transaction on PostgreSQL it goes with the next statement, or with the commit, and its
// error comes out of that.
func (db *Handle) ChangeLater(ctx context.Context, doing, query string, values ...any) error {
	return db.ChangeUnless(ctx, doing, query, values, nil)
}

// ChangeUnless is [Handle.ChangeLater] for a statement of PostgreSQL that fails where something is
// not so: what the error means is asked when nothing of the transaction stays, and is the
// error of that.
func (db *Handle) ChangeUnless(ctx context.Context, doing, query string, values []any, means sqldb.Meaning) error {
	on, alone := db.writing(ctx)
	tx, ok := on.(*sqldb.Tx)
	if !ok {
		_, err := db.Change(ctx, doing, query, values...)
		if err != nil && alone && means != nil {
			err = cmp.Or(means(ctx, err), err)
		}
		return err
	}
	authz.ReadingOf(ctx).Forget()
	query = db.numbered(query)
	tx.Later(doing, query, values, means)
	db.seen(query, values, false)
	return nil
}

// writing is where a statement that changes something runs: in the transaction of the
// context, or alone, as one of its own.
func (db *Handle) writing(ctx context.Context) (on gorm.ConnPool, alone bool) {
	if open := db.open(ctx); open != nil {
		return open.Statement.ConnPool, false
	}
	return db.pools[0], true
}

// One reads the first row of a statement of a hot route into columns, as [Handle.Reader]
// does, without what GORM costs. found is false where there is no row. Errors are those
// of [Wrap].
func (db *Handle) One(ctx context.Context, doing, query string, values []any, into ...any) (found bool, err error) {
	err = db.Each(ctx, doing, query, values, func(row sqldb.Row) error {
		if found {
			return nil
		}
		found = true
		return row.Scan(into...)
	})
	return found && err == nil, err
}

// rows asks SQLite, in the transaction of the context or by a reader, which keeps its
// statements prepared. For why no writer does, see [Handle.gorm].
func (db *Handle) rows(ctx context.Context, query string, values []any) (*sql.Rows, error) {
	if open := db.open(ctx); open != nil {
		return open.Statement.ConnPool.QueryContext(ctx, query, values...)
	}
	kept, ok := db.prepared.Load(query)
	if !ok {
		made, err := db.pools[1].PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		var lost bool
		if kept, lost = db.prepared.LoadOrStore(query, made); lost {
			if err := made.Close(); err != nil {
				return nil, err
			}
		}
	}
	return kept.(*sql.Stmt).QueryContext(ctx, values...)
}

// numbered is [Handle.Bind], once a statement.
func (db *Handle) numbered(query string) string {
	if db.dialect != PostgreSQL {
		return query
	}
	if kept, ok := db.bound.Load(query); ok {
		return kept.(string)
	}
	bound := sqldb.Numbered(query)
	db.bound.Store(query, bound)
	return bound
}

// seen counts a statement, and shows it to who watches.
func (db *Handle) seen(query string, values []any, commits bool) {
	db.queries.Add(1)
	if commits {
		db.commits.Add(1)
	}
	if watch := db.watch.Load(); watch != nil {
		(*watch)(query, values)
	}
}

// Watch has seen called after each statement, with its text as it was sent and its
// values, for tests.
func (db *Handle) Watch(seen func(query string, values []any)) { db.watch.Store(&seen) }

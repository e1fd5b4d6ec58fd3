// Package handle is how every aggregate of the store reaches the one database: two
// dialects, one writer on SQLite, and a transaction that lies in the context, so that
// what several aggregates write is one commit.
package handle

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"hopnhat/authz"
	"hopnhat/store/sqldb"
)

// Dialect is the database behind a [Handle].
type Dialect string

// The two dialects; both pass the same suite.
const (
	PostgreSQL Dialect = "postgres"
	SQLite     Dialect = "sqlite"
)

// Options says how to open a database.
type Options struct {
	// DSN is postgres://… or the path of a SQLite file.
	DSN string
	// MaxConns bounds the connections to PostgreSQL, and the readers of SQLite;
	// 0 takes a default for this machine.
	MaxConns int
	// Create makes the SQLite file if there is none. Without it a missing one is
	// sqldb.ErrNoFile.
	Create bool
	// Unlimited lets statements take as long as they take: for migrations.
	Unlimited bool
	// Now is the clock; nil takes time.Now.
	Now func() time.Time
}

// Handle is the database. It is safe for concurrent use.
type Handle struct {
	dialect Dialect
	write   *gorm.DB
	read    *gorm.DB
	pools   []*sql.DB
	beats   *sql.DB // one connection, opened by the first Beat
	now     func() time.Time
	queries atomic.Uint64
	commits atomic.Uint64
	watch   atomic.Pointer[func(query string, values []any)]

	// Statements of hot routes by their text, which is part of the program: as the
	// database wants them, and prepared for the readers of SQLite.
	bound, prepared sync.Map
}

// Open connects.
func Open(ctx context.Context, o Options) (*Handle, error) {
	db := &Handle{now: o.Now}
	if db.now == nil {
		db.now = time.Now
	}
	if o.MaxConns == 0 {
		o.MaxConns = max(8, 4*runtime.GOMAXPROCS(0))
	}
	err := sqldb.Check(o.DSN)
	if err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	switch DialectOf(o.DSN) {
	case PostgreSQL:
		err = db.openPostgreSQL(ctx, o)
	default:
		err = db.openSQLite(o)
	}
	if err != nil {
		return nil, err
	}
	for _, pool := range db.pools {
		if err := pool.PingContext(ctx); err != nil {
			db.Close()
			return nil, fmt.Errorf("opening the database %s: %w", sqldb.Redacted(o.DSN), err)
		}
	}
	count(db, db.write, true)
	count(db, db.read, false)
	return db, nil
}

// DialectOf tells from a DSN which database it names.
func DialectOf(dsn string) Dialect {
	if sqldb.Postgres(dsn) {
		return PostgreSQL
	}
	return SQLite
}

func (db *Handle) openPostgreSQL(ctx context.Context, o Options) error {
	limit := sqldb.StatementLimit
	if o.Unlimited {
		limit = 0
	}
	server, err := sqldb.Dial(ctx, o.DSN, o.MaxConns, limit)
	if err != nil {
		return fmt.Errorf("opening the database %s: %w", sqldb.Redacted(o.DSN), err)
	}
	db.dialect, db.pools, db.beats = PostgreSQL, []*sql.DB{server.Pool}, server.Single()
	db.write, err = db.gorm(postgres.New(postgres.Config{Conn: beginner{server.Pool}}), false)
	if err != nil {
		return errors.Join(err, server.Pool.Close())
	}
	db.read, err = db.gorm(postgres.New(postgres.Config{Conn: server.Pool}), !server.Pooled)
	if err != nil {
		return errors.Join(err, server.Pool.Close())
	}
	return nil
}

// openSQLite opens one writing connection, which queues writers in this process
// instead of letting them meet SQLITE_BUSY, and a pool of readers.
// synchronous=FULL makes a commit survive a power loss, which evidence needs.
func (db *Handle) openSQLite(o Options) error {
	path := sqldb.Path(o.DSN)
	if err := sqldb.File(path, o.Create); err != nil {
		return err
	}
	common := []string{
		"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-16000)", "temp_store(MEMORY)",
	}
	write, err := sqldb.OpenSQLite(path, 1, true, common...)
	if err != nil {
		return err
	}
	read, err := sqldb.OpenSQLite(path, o.MaxConns, false, append(common, "query_only(1)")...)
	if err != nil {
		return errors.Join(err, write.Close())
	}
	beats, err := sqldb.OpenSQLite(path, 1, false, "busy_timeout(1000)", "synchronous(FULL)")
	if err != nil {
		return errors.Join(err, write.Close(), read.Close())
	}
	db.dialect, db.pools, db.beats = SQLite, []*sql.DB{write, read}, beats
	if db.write, err = db.gorm(sqliteDialector{write}, false); err != nil {
		return errors.Join(err, db.Close())
	}
	if db.read, err = db.gorm(sqliteDialector{read}, true); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

// gorm makes a handle. Prepared statements are kept (prepared) only by a handle that
// never holds a connection while it prepares. With one that runs transactions, two
// callers could deadlock: A holds the connection and waits for B to finish preparing
// a statement; B waits for the connection.
func (db *Handle) gorm(dialector gorm.Dialector, prepared bool) (*gorm.DB, error) {
	g, err := gorm.Open(dialector, &gorm.Config{
		SkipDefaultTransaction: true, // a statement is its own transaction; Tx opens the others
		PrepareStmt:            prepared,
		TranslateError:         true,
		Logger:                 logger.Discard, // statements carry personal data
		NowFunc:                func() time.Time { return db.now().UTC() },
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the database: %w", err)
	}
	return g, nil
}

// Dialect tells which database this is.
func (db *Handle) Dialect() Dialect { return db.dialect }

// Close ends all connections.
func (db *Handle) Close() error {
	all := []error{db.beats.Close()}
	for _, pool := range db.pools {
		all = append(all, pool.Close())
	}
	return errors.Join(all...)
}

// Ping returns an error unless the database answers.
func (db *Handle) Ping(ctx context.Context) error {
	for _, pool := range db.pools {
		if err := pool.PingContext(ctx); err != nil {
			return fmt.Errorf("the database does not answer: %w: %w", authz.ErrUnavailable, err)
		}
	}
	return nil
}

// Stats counts statements and commits since the start; the benchmark divides
// them by operations.
type Stats struct{ Queries, Commits uint64 }

// Stats returns the counters.
func (db *Handle) Stats() Stats { return Stats{Queries: db.queries.Load(), Commits: db.commits.Load()} }

// count hooks the counters into every statement. A statement of the writing
// handle outside a transaction is a commit of its own.
func count(db *Handle, g *gorm.DB, writes bool) {
	hook := func(tx *gorm.DB) {
		_, inTx := tx.Statement.ConnPool.(gorm.TxCommitter)
		db.seen(tx.Statement.SQL.String(), tx.Statement.Vars, writes && !inTx)
	}
	cb := g.Callback()
	for _, register := range []error{
		cb.Create().After("gorm:create").Register("hopnhat:count", hook),
		cb.Query().After("gorm:query").Register("hopnhat:count", hook),
		cb.Update().After("gorm:update").Register("hopnhat:count", hook),
		cb.Delete().After("gorm:delete").Register("hopnhat:count", hook),
		cb.Row().After("gorm:row").Register("hopnhat:count", hook),
		cb.Raw().After("gorm:raw").Register("hopnhat:count", hook),
	} {
		if register != nil {
			panic("store: registering the statement counter: " + register.Error())
		}
	}
}

type txKey struct{ db *Handle }

// tx is an open transaction, with what is called when it has committed.
type tx struct {
	*gorm.DB
	after []func(ctx context.Context) error
}

// open is the transaction of a context, nil if it has none.
func (db *Handle) open(ctx context.Context) *tx {
	open, _ := ctx.Value(txKey{db}).(*tx)
	return open
}

// Tx runs fn in one transaction; store calls that use its context join it, and
// a nested Tx joins too. When fn returns an error nothing of it stays. After the commit
// of the outermost, what [Handle.AfterCommit] was given is called, in its order: an error
// then says that the transaction stays and that what comes after it failed.
func (db *Handle) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	if db.open(ctx) != nil {
		return fn(ctx)
	}
	t := &tx{DB: db.write.WithContext(ctx).Begin()}
	if t.Error != nil {
		return unavailable("beginning a transaction", t.Error)
	}
	defer func() {
		if p := recover(); p != nil {
			t.Rollback()
			panic(p)
		}
	}()
	if err := fn(context.WithValue(ctx, txKey{db}, t)); err != nil {
		t.Rollback()
		return meant(ctx, err, err)
	}
	db.commits.Add(1)
	if err := t.Commit().Error; err != nil {
		var late *sqldb.LateError
		if errors.As(err, &late) {
			return meant(ctx, late, Wrap(late.Doing, sqldb.Translated(late.Err)))
		}
		return unavailable("committing", err)
	}
	var failed []error
	for _, do := range t.after {
		if err := do(ctx); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}

// meant is what the error of a transaction that was undone means, if that of a statement that
// nobody waited for says so, and otherwise as it is.
func meant(ctx context.Context, err, otherwise error) error {
	var late *sqldb.LateError
	if errors.As(err, &late) && late.Means != nil {
		return cmp.Or(late.Means(ctx, late.Err), otherwise)
	}
	return otherwise
}

// beginner begins the transactions of a pool of PostgreSQL, see [sqldb.Tx].
type beginner struct{ *sql.DB }

// BeginTx implements gorm.ConnPoolBeginner.
func (b beginner) BeginTx(ctx context.Context, _ *sql.TxOptions) (gorm.ConnPool, error) {
	return sqldb.Begin(ctx, b.DB), nil
}

// AfterCommit has a function called when the transaction of the context has committed,
// outside of it, and never if it has not. Outside a transaction it is called at once.
func (db *Handle) AfterCommit(ctx context.Context, do func(ctx context.Context) error) error {
	if open := db.open(ctx); open != nil {
		open.after = append(open.after, do)
		return nil
	}
	return do(ctx)
}

// Writer is the handle for statements that change something. What the request of the
// context has read is read anew after it.
func (db *Handle) Writer(ctx context.Context) *gorm.DB {
	authz.ReadingOf(ctx).Forget()
	if open := db.open(ctx); open != nil {
		return open.WithContext(ctx)
	}
	return db.write.WithContext(ctx)
}

// Reader is the handle for statements that only read. Inside a transaction it
// reads what the transaction wrote, and never asks for a second connection.
func (db *Handle) Reader(ctx context.Context) *gorm.DB {
	if open := db.open(ctx); open != nil {
		return open.WithContext(ctx)
	}
	return db.read.WithContext(ctx)
}

// Joined reports whether a context is in a transaction.
func (db *Handle) Joined(ctx context.Context) bool { return db.open(ctx) != nil }

// Now is the time of the clock that the handle was opened with.
func (db *Handle) Now() time.Time { return db.now() }

// Pool is the database without GORM, for migrations.
func (db *Handle) Pool() *sql.DB { return db.pools[0] }

// Background are connections to read on for what goes on in the background, whatever is
// asked meanwhile: its statements are not counted.
func (db *Handle) Background() *sql.DB { return db.pools[len(db.pools)-1] }

// Beats is a connection of its own, for what must not wait behind the others.
func (db *Handle) Beats() *sql.DB { return db.beats }

// Bind writes the placeholders of a statement as the database wants them.
func (db *Handle) Bind(query string) string {
	if db.dialect == PostgreSQL {
		return sqldb.Numbered(query)
	}
	return query
}

// Handles are what statements are made on, writing and reading, for tests that watch
// them.
func (db *Handle) Handles() []*gorm.DB { return []*gorm.DB{db.write, db.read} }

// Wrap names what was being done, and sorts a database error into the words
// callers branch on: authz.ErrNotFound, authz.ErrConflict (a unique or foreign
// key said no), authz.ErrUnavailable (everything else: it could not be looked
// for or written).
func Wrap(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, gorm.ErrRecordNotFound), errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, authz.ErrNotFound)
	case errors.Is(err, gorm.ErrDuplicatedKey), errors.Is(err, gorm.ErrForeignKeyViolated),
		errors.Is(err, sqldb.ErrUniqueKey), errors.Is(err, sqldb.ErrForeignKey):
		return fmt.Errorf("%s: %w", doing, authz.ErrConflict)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: %w: %w", doing, authz.ErrUnavailable, err)
	default:
		return unavailable(doing, err)
	}
}

func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, authz.ErrUnavailable, err)
}

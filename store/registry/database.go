package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"hopnhat/authz/calendar"
	"hopnhat/store/sqldb"
)

// DB is the national database. It is safe for concurrent use.
type DB struct {
	// Now tells the day for ages and mandates; nil is time.Now.
	Now func() time.Time
	// Reference gives a person who is linked to (a spouse, an owner) the name
	// under which every reader may know her; without it, and without one given
	// to ReadAs, links are withheld.
	Reference func(person string) string

	pool     *sql.DB
	postgres bool
	server   *sqldb.Server // nil for SQLite
	where    string        // for messages, without secrets
	held     *os.File      // the lock beside a SQLite file

	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
}

// maxPrepared bounds the statements kept; an app asks for few combinations of
// attributes, and one beyond the bound still works, only slower.
const maxPrepared = 1000

// Open connects to postgres://…, or to a SQLite file given as a path, sqlite:path
// or file:path, which is there.
func Open(ctx context.Context, dsn string) (*DB, error) { return open(ctx, dsn, options{}) }

// Serve is Open for a server: as long as it is open, nobody replaces the nation
// under it.
func Serve(ctx context.Context, dsn string) (*DB, error) { return open(ctx, dsn, options{serve: true}) }

// Create is Open, and makes the SQLite file, though not its folder, if there is
// none: for a nation that is to be generated.
func Create(ctx context.Context, dsn string) (*DB, error) {
	return open(ctx, dsn, options{create: true})
}

// options say what a database is opened for.
type options struct{ create, serve bool }

func open(ctx context.Context, dsn string, o options) (*DB, error) {
	if err := sqldb.Check(dsn); err != nil {
		return nil, fmt.Errorf("opening the national database: %w", err)
	}
	db := &DB{prepared: map[string]*sql.Stmt{}}
	if sqldb.Postgres(dsn) {
		limit := sqldb.StatementLimit
		if o.create {
			limit = 0
		}
		if o.serve {
			dsn = served(dsn)
		}
		server, err := sqldb.Dial(ctx, dsn, 16, limit)
		if err != nil {
			return nil, fmt.Errorf("opening the national database %s: %w", sqldb.Redacted(dsn), err)
		}
		db.postgres, db.server, db.pool, db.where = true, server, server.Pool, server.Config.Host+"/"+server.Config.Database
	} else {
		path := sqldb.Path(dsn)
		if err := sqldb.File(path, o.create); errors.Is(err, sqldb.ErrNoFile) {
			return nil, fmt.Errorf("%w: no file %s", ErrEmpty, path)
		} else if err != nil {
			return nil, fmt.Errorf("the national database: %w", err)
		}
		db.where = path
		if o.serve {
			if err := db.hold(path); err != nil {
				return nil, err
			}
		}
		pool, err := sqldb.OpenSQLite(
			path, 8, false, "busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "cache_size(-32000)",
		)
		if err != nil {
			return nil, fmt.Errorf("the national database: %w", err)
		}
		db.pool = pool
	}
	if err := db.pool.PingContext(ctx); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening the national database %s: %w", db.where, err)
	}
	return db, nil
}

// Close ends all connections.
func (db *DB) Close() error {
	if db.held != nil {
		defer db.held.Close()
	}
	return db.pool.Close()
}

func (db *DB) now() time.Time {
	if db.Now == nil {
		return time.Now()
	}
	return db.Now()
}

// day is today in the country, where ages and mandates change at midnight.
func (db *DB) day() string { return db.now().In(calendar.Hanoi).Format(time.DateOnly) }

// bind writes placeholders as the database wants them.
func (db *DB) bind(query string) string {
	if db.postgres {
		return sqldb.Numbered(query)
	}
	return query
}

// statement is a query to be asked.
type statement interface {
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, args ...any) *sql.Row
}

// unprepared is a statement where none may be left on a connection.
type unprepared struct {
	pool  *sql.DB
	query string
}

func (u unprepared) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return u.pool.QueryContext(ctx, u.query, args...)
}

func (u unprepared) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	return u.pool.QueryRowContext(ctx, u.query, args...)
}

// statement prepares a query once.
func (db *DB) statement(ctx context.Context, query string) (statement, error) {
	if db.server != nil && db.server.Pooled {
		return unprepared{db.pool, db.bind(query)}, nil
	}
	db.mu.RLock()
	s, ok := db.prepared[query]
	db.mu.RUnlock()
	if ok {
		return s, nil
	}
	s, err := db.pool.PrepareContext(ctx, db.bind(query))
	if err != nil {
		return nil, err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	if earlier, ok := db.prepared[query]; ok {
		return earlier, s.Close()
	}
	if len(db.prepared) >= maxPrepared {
		for key, old := range db.prepared { // any one
			// Close waits for nobody: queries under way keep their rows.
			old.Close()
			delete(db.prepared, key)
			break
		}
	}
	db.prepared[query] = s
	return s, nil
}

// forget drops the prepared statements, whose tables are about to go.
func (db *DB) forget() {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, s := range db.prepared {
		s.Close()
	}
	db.prepared = map[string]*sql.Stmt{}
}

// Status is what the database says of itself.
type Status struct {
	Persons, Organisations int
	Seed                   int64
	Schema, Generator      int
	Complete               bool
}

// ErrEmpty means that no nation was generated here yet.
var ErrEmpty = errors.New("the national database is empty: generate it with `hopnhat registry generate`")

// ErrHalf means that a generation did not finish.
var ErrHalf = errors.New("the national database is half-written: generate it again with --reset")

// ErrVersion means that another version of the program wrote the database.
var ErrVersion = errors.New("the national database was written by another version: generate it again with --reset")

// Status tells whether a nation is there, whole, and readable by this version.
func (db *DB) Status(ctx context.Context) (Status, error) {
	var s Status
	there := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'nation'"
	if db.postgres {
		there = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('nation')"
	}
	var n int
	if err := db.pool.QueryRowContext(ctx, there).Scan(&n); err != nil {
		return s, fmt.Errorf("reading the national database %s: %w", db.where, err)
	}
	if n == 0 {
		return s, ErrEmpty
	}
	// The version comes first and alone: the other columns may be others in
	// another version.
	err := db.pool.QueryRowContext(ctx, "SELECT schema_version FROM nation").Scan(&s.Schema)
	if errors.Is(err, sql.ErrNoRows) {
		return s, ErrHalf
	}
	if err != nil {
		return s, fmt.Errorf("reading the national database %s: %w", db.where, err)
	}
	if s.Schema != SchemaVersion {
		return s, fmt.Errorf("schema %d, want %d: %w", s.Schema, SchemaVersion, ErrVersion)
	}
	err = db.pool.QueryRowContext(ctx, "SELECT persons, organisations, seed, generator_version, complete FROM nation").
		Scan(&s.Persons, &s.Organisations, &s.Seed, &s.Generator, &s.Complete)
	if err != nil {
		return s, fmt.Errorf("reading the national database %s: %w", db.where, err)
	}
	if !s.Complete {
		return s, ErrHalf
	}
	return s, nil
}

// Reset removes the nation and its tables. It touches no table of anyone else.
func (db *DB) Reset(ctx context.Context) error {
	db.forget()
	for _, t := range tables() {
		if _, err := db.pool.ExecContext(ctx, "DROP TABLE IF EXISTS "+t.name); err != nil {
			return fmt.Errorf("clearing the national database %s: %w", db.where, err)
		}
	}
	return nil
}

package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Options says which nation to generate.
type Options struct {
	Persons int
	Seed    int64
	// Reset drops what is there first.
	Reset bool
	// Progress is told how many persons are written, from time to time.
	Progress func(done, total int)
}

// row is one row on its way to a table.
type row []any

// sink takes rows by table.
type sink interface {
	write(ctx context.Context, table string, columns []string, rows []row) error
	finish(ctx context.Context) error
}

var baseTables = map[string][]string{
	"persons":         {"id", "seq", "name", "birth", "female", "alive", "kind"},
	"identifiers":     {"number", "kind", "person", "valid_from", "valid_to", "status"},
	"organisations":   {"id", "code", "name"},
	"representatives": {"organisation", "person", "title", "valid_from", "valid_to"},
	"family":          {"person", "relation", "other"},
}

// baseSchema creates the tables that are not registers.
const baseSchema = `
CREATE TABLE meta (persons integer NOT NULL, organisations integer NOT NULL, seed bigint NOT NULL, complete boolean NOT NULL);
CREATE TABLE persons (id text PRIMARY KEY, seq integer NOT NULL, name text NOT NULL, birth text NOT NULL, female boolean NOT NULL, alive boolean NOT NULL, kind text NOT NULL);
CREATE TABLE identifiers (number text PRIMARY KEY, kind text NOT NULL, person text NOT NULL, valid_from text NOT NULL, valid_to text, status text NOT NULL CHECK (status IN ('active', 'cancelled')));
CREATE TABLE organisations (id text PRIMARY KEY, code text NOT NULL UNIQUE, name text NOT NULL);
CREATE TABLE representatives (organisation text NOT NULL, person text NOT NULL, title text NOT NULL, valid_from text NOT NULL, valid_to text, PRIMARY KEY (organisation, person));
CREATE TABLE family (person text NOT NULL, relation text NOT NULL, other text NOT NULL, PRIMARY KEY (person, relation, other))`

// indexes are made after the load, when they cost least.
const indexes = `
CREATE INDEX identifiers_person ON identifiers (person);
CREATE UNIQUE INDEX persons_seq ON persons (seq);
CREATE INDEX representatives_person ON representatives (person)`

func schema() []string {
	statements := strings.Split(strings.TrimSpace(baseSchema), ";\n")
	for _, r := range registers {
		columns := []string{"id integer NOT NULL", "subject text NOT NULL"}
		for _, a := range r.Attributes {
			columns = append(columns, a.column()+" text")
		}
		columns = append(columns, "PRIMARY KEY (subject, id)")
		statements = append(statements, "CREATE TABLE "+r.table()+" ("+strings.Join(columns, ", ")+")")
	}
	return statements
}

func tables() []string {
	names := []string{"meta", "persons", "identifiers", "organisations", "representatives", "family"}
	for _, r := range registers {
		names = append(names, r.table())
	}
	return names
}

// Generate fills the database with a synthetic nation. The same seed and number
// make the same rows. It refuses to touch a database that holds something,
// unless Reset is set.
func (db *DB) Generate(ctx context.Context, o Options) error {
	if o.Persons < 20 || o.Persons > 1_000_000 {
		return errors.New("the number of persons must be 20 to 1000000")
	}
	_, err := db.Status(ctx)
	if !errors.Is(err, ErrEmpty) && !o.Reset {
		if err != nil {
			return err
		}
		return errors.New("the national database holds a nation already: use --reset to replace it")
	}
	for _, table := range tables() {
		if _, err := db.pool.ExecContext(ctx, "DROP TABLE IF EXISTS "+table); err != nil {
			return fmt.Errorf("clearing the national database: %w", err)
		}
	}
	for _, statement := range schema() {
		if _, err := db.pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("preparing the national database: %w", err)
		}
	}
	if _, err := db.pool.ExecContext(ctx, db.bind("INSERT INTO meta VALUES (?, 0, ?, ?)"), o.Persons, o.Seed, false); err != nil {
		return fmt.Errorf("preparing the national database: %w", err)
	}
	var s sink
	if db.postgres {
		s, err = newCopySink(ctx, db.dsn)
	} else {
		s, err = newSQLiteSink(ctx, db.pool)
	}
	if err != nil {
		return err
	}
	organisations, err := generate(ctx, s, o)
	if err := errors.Join(err, s.finish(ctx)); err != nil {
		return fmt.Errorf("generating the nation: %w", err)
	}
	for _, statement := range strings.Split(strings.TrimSpace(indexes), ";\n") {
		if _, err := db.pool.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("indexing the national database: %w", err)
		}
	}
	_, err = db.pool.ExecContext(ctx, db.bind("UPDATE meta SET organisations = ?, complete = ?"), organisations, true)
	return err
}

// copySink loads PostgreSQL by COPY, a chunk at a time, so memory stays flat.
type copySink struct{ conn *pgx.Conn }

func newCopySink(ctx context.Context, dsn string) (*copySink, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connecting to load the nation: %w", err)
	}
	return &copySink{conn}, nil
}

func (s *copySink) write(ctx context.Context, table string, columns []string, rows []row) error {
	_, err := s.conn.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) { return rows[i], nil }))
	return err
}

func (s *copySink) finish(ctx context.Context) error { return s.conn.Close(ctx) }

// sqliteSink loads SQLite on one connection without fsync: a load that a crash
// cuts short is known by meta.complete and made again.
type sqliteSink struct {
	conn *sql.Conn
	tx   *sql.Tx
}

func newSQLiteSink(ctx context.Context, pool *sql.DB) (*sqliteSink, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = OFF"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return &sqliteSink{conn, tx}, nil
}

func (s *sqliteSink) write(ctx context.Context, table string, columns []string, rows []row) error {
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", len(columns)), ",") + ")"
	most := max(1, 900/len(columns))
	for len(rows) > 0 {
		n := min(most, len(rows))
		args := make([]any, 0, n*len(columns))
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		query := "INSERT INTO " + table + " (" + strings.Join(columns, ",") + ") VALUES " + strings.TrimSuffix(strings.Repeat(one+",", n), ",")
		if _, err := s.tx.ExecContext(ctx, query, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func (s *sqliteSink) finish(ctx context.Context) error {
	err := s.tx.Commit()
	_, err2 := s.conn.ExecContext(ctx, "PRAGMA synchronous = FULL")
	_, err3 := s.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	return errors.Join(err, err2, err3, s.conn.Close())
}

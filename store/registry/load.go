package registry

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"hopnhat/store/sqldb"
)

// MinPersons and MaxPersons bound a nation.
const (
	MinPersons = 20
	MaxPersons = 2_000_000
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

// sink takes rows by table; values are nil, string, bool or int.
type sink interface {
	write(ctx context.Context, t *table, rows [][]any) error
	// settle makes what was written safe to forget, so that memory and logs
	// stay small.
	settle(ctx context.Context) error
	// finish ends the load; kept is false when it failed.
	finish(ctx context.Context, kept bool) error
}

// Generate fills the database with a synthetic nation. The same seed and number
// make the same rows, in either database. It refuses to touch a database that
// holds something, unless Reset is set; a load that was cut short is known by
// the next Status, which returns ErrHalf.
func (db *DB) Generate(ctx context.Context, o Options) error {
	if o.Persons < MinPersons || o.Persons > MaxPersons {
		return fmt.Errorf("%d persons: the number of persons must be %d to %d", o.Persons, MinPersons, MaxPersons)
	}
	if !o.Reset {
		switch s, err := db.Status(ctx); {
		case err == nil:
			return fmt.Errorf("the national database holds a nation of %d persons already: use --reset to replace it", s.Persons)
		case !errors.Is(err, ErrEmpty):
			return err
		}
	}
	if err := db.alone(ctx); err != nil {
		return err
	}
	if err := db.Reset(ctx); err != nil {
		return err
	}
	exec := func(query string, args ...any) error {
		if _, err := db.pool.ExecContext(ctx, db.bind(query), args...); err != nil {
			return fmt.Errorf("preparing the national database %s: %w", db.where, err)
		}
		return nil
	}
	// First the table that says "not complete", then the others.
	if err := exec(nationTable.create(db.postgres)); err != nil {
		return err
	}
	if err := exec("INSERT INTO nation (schema_version, generator_version, persons, organisations, seed, complete) VALUES (?, ?, ?, 0, ?, ?)",
		SchemaVersion, GeneratorVersion, o.Persons, o.Seed, false); err != nil {
		return err
	}
	for _, t := range tables() {
		if t == nationTable {
			continue
		}
		if err := exec(t.create(db.postgres)); err != nil {
			return err
		}
	}
	organisations, err := db.load(ctx, o)
	if err != nil {
		return fmt.Errorf("generating the nation in %s: %w", db.where, err)
	}
	for _, t := range tables() {
		for _, statement := range t.complete(db.postgres) {
			if err := exec(statement); err != nil {
				return err
			}
		}
	}
	// PostgreSQL plans with what it knows of the tables; SQLite too.
	if err := exec("ANALYZE"); err != nil {
		return err
	}
	return exec("UPDATE nation SET organisations = ?, complete = ?", organisations, true)
}

func (db *DB) load(ctx context.Context, o Options) (organisations int, err error) {
	var s sink
	if db.postgres {
		s, err = newCopySink(ctx, db.server)
	} else {
		s, err = newSQLiteSink(ctx, db.pool)
	}
	if err != nil {
		return 0, err
	}
	organisations, err = generate(ctx, s, o)
	if stopped := ctx.Err(); stopped != nil {
		err = stopped // whatever the driver called it
	}
	return organisations, errors.Join(err, s.finish(context.WithoutCancel(ctx), err == nil))
}

// copySink loads PostgreSQL by COPY in text form, a chunk at a time, so memory
// stays flat and nothing is converted twice.
type copySink struct {
	conn *pgx.Conn
	buf  bytes.Buffer
}

func newCopySink(ctx context.Context, server *sqldb.Server) (*copySink, error) {
	conn, err := pgx.ConnectConfig(ctx, server.Config)
	if err != nil {
		return nil, fmt.Errorf("connecting to load the nation: %w", err)
	}
	// Nothing is acknowledged before nation.complete is set, and that is written
	// on another connection with the usual durability. A pooler would leave the setting
	// to whoever has the connection next.
	if server.Pooled {
		return &copySink{conn: conn}, nil
	}
	if _, err := conn.Exec(ctx, "SET synchronous_commit = off"); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return &copySink{conn: conn}, nil
}

// copyEscape is for the text form of COPY.
var copyEscape = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`, "\r", `\r`)

func (s *copySink) write(ctx context.Context, t *table, rows [][]any) error {
	s.buf.Reset()
	for _, row := range rows {
		for i, v := range row {
			if i > 0 {
				s.buf.WriteByte('\t')
			}
			switch v := v.(type) {
			case nil:
				s.buf.WriteString(`\N`)
			case string:
				if strings.ContainsAny(v, "\\\t\n\r") {
					v = copyEscape.Replace(v)
				}
				s.buf.WriteString(v)
			case int:
				s.buf.Write(strconv.AppendInt(s.buf.AvailableBuffer(), int64(v), 10))
			case bool:
				s.buf.Write(strconv.AppendBool(s.buf.AvailableBuffer(), v))
			default:
				return fmt.Errorf("a value of type %T cannot be written", v)
			}
		}
		s.buf.WriteByte('\n')
	}
	_, err := s.conn.PgConn().CopyFrom(ctx, &s.buf, "COPY "+t.name+" ("+strings.Join(t.columnNames(), ",")+") FROM STDIN")
	return err
}

// settle has nothing to do: each COPY is committed.
func (s *copySink) settle(context.Context) error { return nil }

func (s *copySink) finish(ctx context.Context, _ bool) error { return s.conn.Close(ctx) }

// sqliteSink loads SQLite on one connection without fsync: a load that a crash
// cuts short is known by nation.complete and made again.
type sqliteSink struct {
	conn     *sql.Conn
	prepared map[string]*sql.Stmt
}

// sqliteBatch is how many values one INSERT carries; beyond a few hundred it
// gains nothing.
const sqliteBatch = 400

func newSQLiteSink(ctx context.Context, pool *sql.DB) (*sqliteSink, error) {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	for _, statement := range []string{"PRAGMA synchronous = OFF", "BEGIN"} {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return &sqliteSink{conn: conn, prepared: map[string]*sql.Stmt{}}, nil
}

func (s *sqliteSink) write(ctx context.Context, t *table, rows [][]any) error {
	most := max(1, sqliteBatch/len(t.columns))
	args := make([]any, 0, most*len(t.columns))
	for len(rows) > 0 {
		n := min(most, len(rows))
		args = args[:0]
		for _, r := range rows[:n] {
			args = append(args, r...)
		}
		if n < most {
			if _, err := s.conn.ExecContext(ctx, insert(t, n), args...); err != nil {
				return err
			}
			return nil
		}
		stmt := s.prepared[t.name]
		if stmt == nil {
			var err error
			if stmt, err = s.conn.PrepareContext(ctx, insert(t, most)); err != nil {
				return err
			}
			s.prepared[t.name] = stmt
		}
		if _, err := stmt.ExecContext(ctx, args...); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func insert(t *table, rows int) string {
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", len(t.columns)), ",") + ")"
	return "INSERT INTO " + t.name + " (" + strings.Join(t.columnNames(), ",") + ") VALUES " + strings.TrimSuffix(strings.Repeat(one+",", rows), ",")
}

// settle commits, so that the write-ahead log is copied back and stays small.
func (s *sqliteSink) settle(ctx context.Context) error {
	if _, err := s.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return err
	}
	_, err := s.conn.ExecContext(ctx, "BEGIN")
	return err
}

func (s *sqliteSink) finish(ctx context.Context, kept bool) error {
	var errs []error
	for _, stmt := range s.prepared {
		errs = append(errs, stmt.Close())
	}
	last := []string{"PRAGMA synchronous = FULL"}
	if kept {
		last = []string{"COMMIT", "PRAGMA synchronous = FULL", "PRAGMA wal_checkpoint(TRUNCATE)"}
	} else if _, err := s.conn.ExecContext(ctx, "ROLLBACK"); err != nil && !strings.Contains(err.Error(), "no transaction is active") {
		// An interrupted statement may have rolled back already.
		errs = append(errs, err)
	}
	for _, statement := range last {
		_, err := s.conn.ExecContext(ctx, statement)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, s.conn.Close())...)
}

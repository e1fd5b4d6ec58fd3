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

// Source says where the rows of a new nation come from.
type Source struct {
	// Generator is the version of the program that makes the rows, Seed what it drew
	// them from.
	Generator int
	Seed      int64
	Persons   int
	// Reset drops what is there first.
	Reset bool
}

// Sink takes the rows of a nation by table; values are nil, string, bool or int.
type Sink interface {
	Write(ctx context.Context, t *Table, rows [][]any) error
	// Settle makes what was written safe to forget, so that memory and logs
	// stay small.
	Settle(ctx context.Context) error
}

// load is the sink of a database.
type load interface {
	Sink
	// finish ends the load; kept is false when it failed.
	finish(ctx context.Context, kept bool) error
}

// Batch gathers rows by table until they are written.
type Batch struct{ rows map[*Table][][]any }

// NewBatch is one without rows.
func NewBatch() *Batch { return &Batch{rows: map[*Table][][]any{}} }

// Put adds a row of a table that is no register, a value a column: nil, string, bool
// or int.
func (b *Batch) Put(t *Table, row ...any) { b.rows[t] = append(b.rows[t], row) }

// Values are those of a register's row by column.
type Values map[string]any

// Record adds a row of a register; attributes that are missing are null. It panics when
// the register has no such attribute, or when a value is not of the attribute's kind.
func (b *Batch) Record(register, subject string, row int, v Values) {
	r := byID[register]
	out := make([]any, 2, 2+len(r.Attributes))
	out[0], out[1] = subject, row
	used := 0
	for _, a := range r.Attributes {
		value, ok := v[a.Column()]
		if ok {
			used++
		}
		out = append(out, a.kind.encode(value))
	}
	if used != len(v) {
		panic(fmt.Sprintf("registry: a value was generated for an attribute that register %s does not have", register))
	}
	t := registerTables[register]
	b.rows[t] = append(b.rows[t], out)
}

// Flush writes the rows; the tables come in one order, always.
func (b *Batch) Flush(ctx context.Context, s Sink) error {
	for _, t := range tables() {
		if len(b.rows[t]) == 0 {
			continue
		}
		if err := s.Write(ctx, t, b.rows[t]); err != nil {
			return fmt.Errorf("writing %s: %w", t.name, err)
		}
	}
	return nil
}

// Replace fills the database with a nation. It refuses to touch a database that holds
// something, unless Reset is set; a load that was cut short is known by the next
// Status, which returns ErrHalf. fill writes the rows, and returns how many
// organisations there are.
func (db *DB) Replace(ctx context.Context, source Source, fill func(ctx context.Context, s Sink) (organisations int, err error)) error {
	if !source.Reset {
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
		SchemaVersion, source.Generator, source.Persons, source.Seed, false); err != nil {
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
	organisations, err := db.load(ctx, fill)
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

func (db *DB) load(ctx context.Context, fill func(context.Context, Sink) (int, error)) (organisations int, err error) {
	var s load
	if db.postgres {
		s, err = newCopySink(ctx, db.server)
	} else {
		s, err = newSQLiteSink(ctx, db.pool)
	}
	if err != nil {
		return 0, err
	}
	organisations, err = fill(ctx, s)
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

// Write implements [Sink].
func (s *copySink) Write(ctx context.Context, t *Table, rows [][]any) error {
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
	_, err := s.conn.PgConn().CopyFrom(ctx, &s.buf, "COPY "+t.name+" ("+strings.Join(t.ColumnNames(), ",")+") FROM STDIN")
	return err
}

// Settle has nothing to do: each COPY is committed.
func (s *copySink) Settle(context.Context) error { return nil }

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

// Write implements [Sink].
func (s *sqliteSink) Write(ctx context.Context, t *Table, rows [][]any) error {
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

func insert(t *Table, rows int) string {
	one := "(" + strings.TrimSuffix(strings.Repeat("?,", len(t.columns)), ",") + ")"
	return "INSERT INTO " + t.name + " (" + strings.Join(t.ColumnNames(), ",") + ") VALUES " + strings.TrimSuffix(
		strings.Repeat(one+",", rows), ",",
	)
}

// Settle commits, so that the write-ahead log is copied back and stays small.
func (s *sqliteSink) Settle(ctx context.Context) error {
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

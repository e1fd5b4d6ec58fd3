package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	_ "github.com/glebarez/go-sqlite" // database/sql driver "sqlite"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// DB is the national database.
type DB struct {
	pool     *sql.DB
	postgres bool
	dsn      string
	mu       sync.RWMutex
	prepared map[string]*sql.Stmt
	// Reference gives a person who is linked to (a spouse, an owner) the name
	// under which the reader may know her; without it links are withheld.
	Reference func(person string) string
}

// Open connects to postgres://… or a SQLite file.
func Open(ctx context.Context, dsn string) (*DB, error) {
	db := &DB{dsn: dsn, prepared: map[string]*sql.Stmt{}}
	if strings.HasPrefix(dsn, "postgres://") || strings.HasPrefix(dsn, "postgresql://") {
		config, err := pgx.ParseConfig(dsn)
		if err != nil {
			return nil, errors.New("the address of the national database cannot be read")
		}
		db.pool, db.postgres = stdlib.OpenDB(*config), true
		db.pool.SetMaxOpenConns(16)
		db.pool.SetMaxIdleConns(16)
	} else {
		path := strings.TrimPrefix(strings.TrimPrefix(dsn, "sqlite:"), "file:")
		pool, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=cache_size(-32000)")
		if err != nil {
			return nil, fmt.Errorf("opening the national database %s: %w", path, err)
		}
		pool.SetMaxOpenConns(8)
		db.pool = pool
	}
	if err := db.pool.PingContext(ctx); err != nil {
		db.pool.Close()
		return nil, fmt.Errorf("opening the national database: %w", err)
	}
	return db, nil
}

// Close ends all connections.
func (db *DB) Close() error { return db.pool.Close() }

// bind writes placeholders as the database wants them.
func (db *DB) bind(query string) string {
	if !db.postgres {
		return query
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		if r == '?' {
			n++
			fmt.Fprintf(&b, "$%d", n)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func (db *DB) statement(ctx context.Context, query string) (*sql.Stmt, error) {
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
		s.Close()
		return earlier, nil
	}
	if len(db.prepared) < 1000 {
		db.prepared[query] = s
	}
	return s, nil
}

// ErrUnknown means that a register or attribute does not exist.
var ErrUnknown = errors.New("no such register or attribute")

// maxRecords bounds the rows of one release.
const maxRecords = 100

// projection is the one statement of a read: it names the attributes asked for
// and no other column.
func projection(register string, attributes []string) (query string, columns []string, err error) {
	r, ok := byID[register]
	if !ok || len(attributes) == 0 {
		return "", nil, fmt.Errorf("register %q: %w", register, ErrUnknown)
	}
	for _, id := range attributes {
		i := slices.IndexFunc(r.Attributes, func(a Attribute) bool { return a.ID == id })
		if i < 0 {
			return "", nil, fmt.Errorf("attribute %q of register %q: %w", id, register, ErrUnknown)
		}
		columns = append(columns, r.Attributes[i].column())
	}
	return "SELECT " + strings.Join(columns, ", ") + " FROM " + r.table() + fmt.Sprintf(" WHERE subject = ? ORDER BY id LIMIT %d", maxRecords), columns, nil
}

// Read reads a subject's rows of a register: one statement that names only the
// attributes given.
func (db *DB) Read(ctx context.Context, register, subject string, attributes []string) ([]map[string]any, error) {
	query, columns, err := projection(register, attributes)
	if err != nil {
		return nil, err
	}
	stmt, err := db.statement(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading register %q: %w", register, err)
	}
	rows, err := stmt.QueryContext(ctx, subject)
	if err != nil {
		return nil, fmt.Errorf("reading register %q: %w", register, err)
	}
	defer rows.Close()
	var out []map[string]any
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("reading register %q: %w", register, err)
		}
		record := make(map[string]any, len(columns))
		for i, v := range values {
			var decoded any
			if v.Valid {
				if err := json.Unmarshal([]byte(v.String), &decoded); err != nil {
					return nil, fmt.Errorf("attribute %q holds no JSON", attributes[i])
				}
			}
			record[attributes[i]] = db.references(decoded)
		}
		out = append(out, record)
	}
	return out, rows.Err()
}

// personRef starts a link to a person inside a value.
const personRef = "person:"

// references replaces links to persons: an internal id never leaves.
func (db *DB) references(v any) any {
	switch v := v.(type) {
	case string:
		if id, ok := strings.CutPrefix(v, personRef); ok {
			if db.Reference == nil {
				return "withheld"
			}
			return db.Reference(id)
		}
	case []any:
		for i := range v {
			v[i] = db.references(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = db.references(v[k])
		}
	}
	return v
}

// Status is what the database says of itself.
type Status struct {
	Persons, Organisations int
	Seed                   int64
	Complete               bool
}

// ErrEmpty means that no nation was generated here yet.
var ErrEmpty = errors.New("the national database is empty: generate it with `hopnhat registry generate`")

// ErrHalf means that a generation did not finish.
var ErrHalf = errors.New("the national database is half-written: generate it again with --reset")

// Status tells whether a nation is there and whole.
func (db *DB) Status(ctx context.Context) (Status, error) {
	var s Status
	err := db.pool.QueryRowContext(ctx, "SELECT persons, organisations, seed, complete FROM meta").Scan(&s.Persons, &s.Organisations, &s.Seed, &s.Complete)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return s, ErrHalf
	case err != nil && strings.Contains(err.Error(), "meta"):
		return s, ErrEmpty
	case err != nil:
		return s, fmt.Errorf("reading the national database: %w", err)
	case !s.Complete:
		return s, ErrHalf
	}
	return s, nil
}

// Person is what the identity part needs to know of someone.
type Person struct {
	ID     string
	Number string
	Name   string
	Birth  string // a date, or a year alone
	Female bool
	Alive  bool
	Kind   string
}

// ErrNoPerson means that nobody has this number or id.
var ErrNoPerson = errors.New("no such person in the national database")

const personQuery = "SELECT p.id, i.number, p.name, p.birth, p.female, p.alive, p.kind FROM persons p JOIN identifiers i ON i.person = p.id AND i.status = 'active' "

// ByNumber finds the holder of a number, cancelled numbers included.
func (db *DB) ByNumber(ctx context.Context, number string) (Person, error) {
	return db.person(ctx, personQuery+"WHERE p.id = (SELECT person FROM identifiers WHERE number = ?)", number)
}

func (db *DB) person(ctx context.Context, query string, arg any) (Person, error) {
	var p Person
	err := db.pool.QueryRowContext(ctx, db.bind(query), arg).Scan(&p.ID, &p.Number, &p.Name, &p.Birth, &p.Female, &p.Alive, &p.Kind)
	if errors.Is(err, sql.ErrNoRows) {
		return p, ErrNoPerson
	}
	if err != nil {
		return p, fmt.Errorf("reading a person: %w", err)
	}
	return p, nil
}

// Adults lists the first living citizens of 18 or more, for accounts of a
// demonstration.
func (db *DB) Adults(ctx context.Context, limit int) ([]Person, error) {
	rows, err := db.pool.QueryContext(ctx, db.bind(personQuery+"WHERE p.alive AND p.kind = 'citizen' AND p.birth < '2008' ORDER BY p.seq LIMIT ?"), limit)
	if err != nil {
		return nil, fmt.Errorf("listing persons: %w", err)
	}
	defer rows.Close()
	var out []Person
	for rows.Next() {
		var p Person
		if err := rows.Scan(&p.ID, &p.Number, &p.Name, &p.Birth, &p.Female, &p.Alive, &p.Kind); err != nil {
			return nil, fmt.Errorf("listing persons: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

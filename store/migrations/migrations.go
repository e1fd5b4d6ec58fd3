// Package migrations holds the tables of the main database, a folder a dialect, and the
// roles of handle.PostgreSQL that may change and use them (docs/decisions.md D14).
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"

	"hopnhat/store/handle"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"
)

//go:embed postgres sqlite
var files embed.FS

// ErrBehind means that the database lacks migrations this program needs.
var ErrBehind = errors.New("the database schema is behind this program")

// ErrHeld means that a migration gave up, since another transaction held a table for longer than
// three seconds: whoever asks for the table meanwhile waits behind the migration.
var ErrHeld = errors.New("another transaction held a table for longer than three seconds")

// lockNotAvailable is the SQLSTATE of a lock_timeout (PostgreSQL, appendix A).
const lockNotAvailable = "55P03"

// Provider is goose on this database.
func Provider(db *handle.Handle) (*goose.Provider, error) {
	dialect := database.DialectPostgres
	if db.Dialect() == handle.SQLite {
		dialect = database.DialectSQLite3
	}
	folder, err := fs.Sub(files, string(db.Dialect()))
	if err != nil {
		return nil, err
	}
	var pool *sql.DB = db.Pool()
	return goose.NewProvider(dialect, pool, folder)
}

// Up brings the schema to this program's version and reports each step to
// progress (nil is allowed). In production a role runs it that the server does
// not have (docs/decisions.md D14).
func Up(ctx context.Context, db *handle.Handle, progress func(step string)) error {
	p, err := Provider(db)
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	if err := byBytes(ctx, db); err != nil {
		return err
	}
	done, err := p.Up(ctx)
	for _, r := range done {
		if progress != nil {
			progress(fmt.Sprintf("%s (%s)", r.Source.Path, r.Duration))
		}
	}
	if held := (*pgconn.PgError)(nil); errors.As(err, &held) && held.Code == lockNotAvailable {
		return fmt.Errorf("migrating the database: %w, so that nothing waits behind this: end that transaction, or wait for it, "+
			"and run `hopnhat migrate` again; it goes on where it stopped: %w", ErrHeld, err)
	}
	if err != nil {
		return fmt.Errorf("migrating the database: %w", err)
	}
	if db.Dialect() == handle.SQLite {
		return nil // a file has no roles
	}
	return narrow(ctx, db)
}

// Check returns ErrBehind when a migration is missing, and ErrCollation where the database is
// made so that ids have another order than here. A newer
// schema is fine: the release in service runs before, during and after a change.
// It only reads, as the role of a server may.
func Check(ctx context.Context, db *handle.Handle) error {
	p, err := Provider(db)
	if err != nil {
		return fmt.Errorf("reading the migrations: %w", err)
	}
	there := "SELECT count(*) FROM sqlite_master WHERE name = 'goose_db_version'"
	if db.Dialect() == handle.PostgreSQL {
		there = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('goose_db_version')"
	}
	behind := fmt.Errorf("%w: run `hopnhat migrate` with the migration role", ErrBehind)
	var tables int
	if err := db.Pool().QueryRowContext(ctx, there).Scan(&tables); err != nil {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	if tables == 0 {
		return behind
	}
	if err := byBytes(ctx, db); err != nil {
		return err
	}
	rows, err := db.Pool().QueryContext(ctx, "SELECT version_id FROM goose_db_version WHERE is_applied")
	if err != nil {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	defer rows.Close()
	applied := map[int64]bool{}
	for rows.Next() {
		var version int64
		if err := rows.Scan(&version); err != nil {
			return fmt.Errorf("reading the schema version: %w", err)
		}
		applied[version] = true
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	for _, source := range p.ListSources() {
		if !applied[source.Version] {
			return behind
		}
	}
	return nil
}

package sqldb

import (
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Violation is the kind of constraint that a statement ran against.
type Violation int

// The constraints that callers branch on.
const (
	NoViolation Violation = iota
	UniqueKey
	ForeignKey
)

// SQLiteViolation reports which constraint of a SQLite database an error speaks of.
func SQLiteViolation(err error) Violation {
	var refused *sqlite.Error
	if !errors.As(err, &refused) {
		return NoViolation
	}
	switch refused.Code() {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return UniqueKey
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
		return ForeignKey
	}
	return NoViolation
}

// ServerViolation reports which constraint of a PostgreSQL database an error speaks of.
func ServerViolation(err error) Violation {
	var refused *pgconn.PgError
	if !errors.As(err, &refused) {
		return NoViolation
	}
	switch refused.Code { // PostgreSQL, appendix A
	case "23505":
		return UniqueKey
	case "23503":
		return ForeignKey
	}
	return NoViolation
}

// refusal is the state of an error that the function refuse of migration 00096 raises.
const refusal = "HN001"

// Refused is what a statement of PostgreSQL was refused for, by the function refuse; empty if it
// was not.
func Refused(err error) (why string) {
	var refused *pgconn.PgError
	if errors.As(err, &refused) && refused.Code == refusal {
		return refused.Message
	}
	return ""
}

// The constraints as errors.
var (
	ErrUniqueKey  = errors.New("a unique key is taken")
	ErrForeignKey = errors.New("a foreign key is missing")
)

// Translated is the error of a statement, as ErrUniqueKey or ErrForeignKey if it speaks of
// one; what the database said of it, which may hold values, is left out.
func Translated(err error) error {
	if err == nil {
		return nil
	}
	switch max(SQLiteViolation(err), ServerViolation(err)) {
	case UniqueKey:
		return ErrUniqueKey
	case ForeignKey:
		return ErrForeignKey
	}
	return err
}

package registry

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// IdentifierKind is a series of numbers.
type IdentifierKind string

// The series.
const (
	PIN        IdentifierKind = "pin"        // personal number, 12 digits
	Foreigner  IdentifierKind = "foreigner"  // number of a foreigner, length not stated
	OldCard    IdentifierKind = "old_card"   // 9-digit card number of before, only to link
	Enterprise IdentifierKind = "enterprise" // enterprise code = tax code
)

// Identifier is a number of a subject for some time. Numbers are re-issued: a
// cancelled one names the one that came in its place.
type Identifier struct {
	Subject   string // internal id of a person or organisation
	Kind      IdentifierKind
	Number    string
	ValidFrom string
	ValidTo   string // empty while in force
	Status    string // active, cancelled
	// Successor is the number that replaced this one, empty if none did.
	Successor string
	// Epoch counts the numbers of this kind that the subject had before.
	Epoch int
}

// ErrNoIdentifier means that the number was never given out.
var ErrNoIdentifier = errors.New("no such number in the national database")

const identifierQuery = "SELECT subject, kind, number, valid_from, valid_to, status, successor, epoch FROM nation_identifiers "

// Lookup finds a number of a series, in force or cancelled.
func (db *DB) Lookup(ctx context.Context, kind IdentifierKind, number string) (Identifier, error) {
	found, err := db.identifiers(ctx, identifierQuery+"WHERE kind = ? AND number = ?", string(kind), number)
	if err != nil {
		return Identifier{}, err
	}
	if len(found) == 0 {
		return Identifier{}, ErrNoIdentifier
	}
	return found[0], nil
}

// Identifiers lists every number a subject has or had, the oldest first.
func (db *DB) Identifiers(ctx context.Context, subject string) ([]Identifier, error) {
	if uuid.Validate(subject) != nil {
		return nil, nil
	}
	return db.identifiers(ctx, identifierQuery+"WHERE subject = ? ORDER BY valid_from, epoch, kind, number LIMIT 100", subject)
}

func (db *DB) identifiers(ctx context.Context, query string, args ...any) ([]Identifier, error) {
	stmt, err := db.statement(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading identifiers: %w", err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return nil, fmt.Errorf("reading identifiers: %w", err)
	}
	defer rows.Close()
	var out []Identifier
	for rows.Next() {
		var i Identifier
		var from, to day
		var successor *string
		if err := rows.Scan(&i.Subject, &i.Kind, &i.Number, &from, &to, &i.Status, &successor, &i.Epoch); err != nil {
			return nil, fmt.Errorf("reading identifiers: %w", err)
		}
		i.ValidFrom, i.ValidTo = string(from), string(to)
		if successor != nil {
			i.Successor = *successor
		}
		out = append(out, i)
	}
	return out, rows.Err()
}

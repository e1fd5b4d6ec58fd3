package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// Organisation is what the identity part needs to know of an enterprise.
type Organisation struct {
	ID     string
	Code   string // enterprise code in force
	Name   string
	Status string
}

// Mandate says that a person represents an organisation by law.
type Mandate struct {
	Organisation string
	Person       string
	Title        string
	// Joint means that the person signs only together with the others (cùng ký).
	Joint     bool
	ValidFrom string
	ValidTo   string // empty while no end is set
}

// ErrNoOrganisation means that there is no such organisation.
var ErrNoOrganisation = errors.New("no such organisation in the national database")

// Organisation finds an organisation by internal id.
func (db *DB) Organisation(ctx context.Context, id string) (Organisation, error) {
	var o Organisation
	if uuid.Validate(id) != nil {
		return o, ErrNoOrganisation
	}
	err := db.pool.QueryRowContext(ctx, db.bind("SELECT o.id, COALESCE(i.number, ''), o.name, o.status FROM nation_organisations o "+
		"LEFT JOIN nation_identifiers i ON i.subject = o.id AND i.status = 'active' AND i.kind = 'enterprise' WHERE o.id = ?"), id).
		Scan(&o.ID, &o.Code, &o.Name, &o.Status)
	if errors.Is(err, sql.ErrNoRows) {
		return Organisation{}, ErrNoOrganisation
	}
	if err != nil {
		return Organisation{}, fmt.Errorf("reading an organisation: %w", err)
	}
	return o, nil
}

const mandateQuery = "SELECT organisation, person, title, joint, valid_from, valid_to FROM nation_representatives "

// Represents lists who represents an organisation today. A mandate whose last
// day was yesterday is not among them.
func (db *DB) Represents(ctx context.Context, organisation string) ([]Mandate, error) {
	return db.mandates(ctx, mandateQuery+"WHERE organisation = ? AND valid_from <= ? AND (valid_to IS NULL OR valid_to >= ?) ORDER BY valid_from, person LIMIT 100", organisation)
}

// RepresentedBy lists the organisations a person may act for today.
func (db *DB) RepresentedBy(ctx context.Context, person string) ([]Mandate, error) {
	return db.mandates(ctx, mandateQuery+"WHERE person = ? AND valid_from <= ? AND (valid_to IS NULL OR valid_to >= ?) ORDER BY valid_from, organisation LIMIT 100", person)
}

func (db *DB) mandates(ctx context.Context, query, id string) ([]Mandate, error) {
	if uuid.Validate(id) != nil {
		return nil, nil
	}
	stmt, err := db.statement(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("reading mandates: %w", err)
	}
	today := db.day()
	rows, err := stmt.QueryContext(ctx, id, today, today)
	if err != nil {
		return nil, fmt.Errorf("reading mandates: %w", err)
	}
	defer rows.Close()
	var out []Mandate
	for rows.Next() {
		var m Mandate
		var from, to day
		if err := rows.Scan(&m.Organisation, &m.Person, &m.Title, &m.Joint, &from, &to); err != nil {
			return nil, fmt.Errorf("reading mandates: %w", err)
		}
		m.ValidFrom, m.ValidTo = string(from), string(to)
		out = append(out, m)
	}
	return out, rows.Err()
}

// day reads a date column of either database.
type day string

// Scan implements sql.Scanner.
func (d *day) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*d = ""
	case string:
		*d = day(v)
	case []byte:
		*d = day(v)
	case time.Time:
		*d = day(v.Format(time.DateOnly))
	default:
		return fmt.Errorf("a date column holds a %T", v)
	}
	return nil
}

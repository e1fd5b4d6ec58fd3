package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
)

// ErrUnknown means that a register or attribute does not exist.
var ErrUnknown = errors.New("no such register or attribute")

// MaxRecords bounds the rows of one release: parcels, vehicles and the like.
const MaxRecords = 100

// maxAttributes bounds one projection; no register has as many.
const maxAttributes = 64

// Record is one row of a register: the values by attribute id, typed for JSON.
type Record = map[string]any

// projection is the one statement of a read: it names the attributes asked for
// and no other column of the register.
func projection(register string, attributes []string) (query string, columns []Attribute, err error) {
	r, ok := byID[register]
	if !ok {
		return "", nil, fmt.Errorf("register %q: %w", register, ErrUnknown)
	}
	if len(attributes) == 0 || len(attributes) > maxAttributes {
		return "", nil, fmt.Errorf("reading register %q: %d attributes asked for: %w", register, len(attributes), ErrUnknown)
	}
	var b strings.Builder
	b.WriteString("SELECT ")
	seen := make(map[string]bool, len(attributes))
	for _, id := range attributes {
		a, ok := r.attribute(id)
		if !ok {
			return "", nil, fmt.Errorf("attribute %q of register %q: %w", id, register, ErrUnknown)
		}
		if seen[id] {
			continue
		}
		if len(columns) > 0 {
			b.WriteString(", ")
		}
		seen[id], columns = true, append(columns, a)
		b.WriteString(a.Column())
	}
	b.WriteString(" FROM " + r.table() + " WHERE subject = ? ORDER BY row_no LIMIT " + strconv.Itoa(MaxRecords))
	return b.String(), columns, nil
}

// Read reads a subject's rows of a register: one statement that names only the
// attributes given. No rows and no error means that the register knows nothing
// of the subject.
func (db *DB) Read(ctx context.Context, register, subject string, attributes []string) ([]Record, error) {
	return db.ReadAs(ctx, register, subject, attributes, db.Reference)
}

// ReadAs reads for one recipient, to whom refer names the persons that values
// link to. An internal id never leaves: without refer, links read "withheld".
func (db *DB) ReadAs(
	ctx context.Context, register, subject string, attributes []string, refer func(person string) string,
) ([]Record, error) {
	query, columns, err := projection(register, attributes)
	if err != nil {
		return nil, err
	}
	if uuid.Validate(subject) != nil {
		return nil, nil // no subject has such an id
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
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var out []Record
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("reading register %q: %w", register, err)
		}
		record := make(Record, len(columns))
		for i, a := range columns {
			v, err := a.kind.Decode(values[i])
			if err != nil {
				return nil, fmt.Errorf("attribute %q: %w", a.ID, err)
			}
			record[a.ID] = Links(v, refer)
		}
		out = append(out, record)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading register %q: %w", register, err)
	}
	return out, nil
}

// PersonRef starts a link to a person inside a value.
const PersonRef = "person:"

// Links replaces the links to persons inside a value, at any depth, by what refer makes
// of their ids; without it they are withheld.
func Links(v any, refer func(string) string) any {
	switch v := v.(type) {
	case string:
		if id, ok := strings.CutPrefix(v, PersonRef); ok {
			if refer == nil {
				return "withheld"
			}
			return refer(id)
		}
	case []any:
		for i := range v {
			v[i] = Links(v[i], refer)
		}
	case map[string]any:
		for k := range v {
			v[k] = Links(v[k], refer)
		}
	}
	return v
}

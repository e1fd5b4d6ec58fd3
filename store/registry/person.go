package registry

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"hopnhat/authz/calendar"
)

// Person is what the identity part needs to know of someone.
type Person struct {
	ID     string
	Number string // in force: personal number, or the foreigner's
	Name   string // NFC or, in some old records, NFD
	Birth  string // a date, or a year alone
	Female bool
	Alive  bool
	Kind   string // citizen, foreigner
	// Life is còn sống, đã chết or mất tích. The missing are not Alive: nobody
	// may act with their number.
	Life string
	// Guardian is who acts for a child, empty for the others.
	Guardian string
}

// Life of a person, as the population register words it.
const (
	LifeAlive   = "còn sống"
	LifeDead    = "đã chết"
	LifeMissing = "mất tích"
)

// ErrNoPerson means that nobody has this number or id.
var ErrNoPerson = errors.New("no such person in the national database")

const (
	personColumns = "p.id, COALESCE(i.number, ''), p.name, p.birth, p.female, p.life, p.kind, p.guardian"
	personQuery   = "SELECT " + personColumns + " FROM nation_persons p LEFT JOIN nation_identifiers i ON i.subject = p.id AND i.status = 'active' AND i.kind IN ('pin', 'foreigner') "
)

func scanPerson(row interface{ Scan(...any) error }) (Person, error) {
	var p Person
	var guardian sql.NullString
	err := row.Scan(&p.ID, &p.Number, &p.Name, &p.Birth, &p.Female, &p.Life, &p.Kind, &guardian)
	p.Alive, p.Guardian = p.Life == LifeAlive, guardian.String
	return p, err
}

// ByNumber finds the holder of a personal or foreigner number. A cancelled
// number finds its holder too: a sign-in with it is the same subject.
func (db *DB) ByNumber(ctx context.Context, number string) (Person, error) {
	return db.person(ctx, personQuery+"WHERE p.id IN (SELECT subject FROM nation_identifiers WHERE number = ? AND kind IN ('pin', 'foreigner')) ORDER BY p.seq LIMIT 1", number)
}

// Person finds a person by internal id.
func (db *DB) Person(ctx context.Context, id string) (Person, error) {
	if uuid.Validate(id) != nil {
		return Person{}, ErrNoPerson
	}
	return db.person(ctx, personQuery+"WHERE p.id = ?", id)
}

func (db *DB) person(ctx context.Context, query string, arg any) (Person, error) {
	stmt, err := db.statement(ctx, query)
	if err != nil {
		return Person{}, fmt.Errorf("reading a person: %w", err)
	}
	p, err := scanPerson(stmt.QueryRowContext(ctx, arg))
	if errors.Is(err, sql.ErrNoRows) {
		return Person{}, ErrNoPerson
	}
	if err != nil {
		return Person{}, fmt.Errorf("reading a person: %w", err)
	}
	return p, nil
}

// Adults lists the first living citizens of 18 or more, for accounts of a
// demonstration; the named synthetic adults come first. Somebody with a year of
// birth only is an adult from the end of the eighteenth year.
func (db *DB) Adults(ctx context.Context, limit int) ([]Person, error) {
	eighteen := db.now().In(calendar.Hanoi).AddDate(-18, 0, 0)
	rows, err := db.pool.QueryContext(ctx, db.bind(personQuery+
		"WHERE p.life = ? AND p.kind = 'citizen' AND p.birth <= ? AND p.birth <> ? ORDER BY p.seq LIMIT ?"),
		LifeAlive, eighteen.Format(time.DateOnly), eighteen.Format("2006"), limit)
	if err != nil {
		return nil, fmt.Errorf("listing persons: %w", err)
	}
	defer rows.Close()
	var out []Person
	for rows.Next() {
		p, err := scanPerson(rows)
		if err != nil {
			return nil, fmt.Errorf("listing persons: %w", err)
		}
		out = append(out, p)
	}
	return out, rows.Err()
}

// Relative is a family link.
type Relative struct {
	Relation string // mẹ, cha, con, vợ/chồng
	Person   string
}

// Family lists the parents, spouse and children of a person.
func (db *DB) Family(ctx context.Context, person string) ([]Relative, error) {
	if uuid.Validate(person) != nil {
		return nil, nil
	}
	rows, err := db.pool.QueryContext(ctx, db.bind("SELECT relation, other FROM nation_family WHERE person = ? ORDER BY relation, other LIMIT 100"), person)
	if err != nil {
		return nil, fmt.Errorf("reading family links: %w", err)
	}
	defer rows.Close()
	var out []Relative
	for rows.Next() {
		var r Relative
		if err := rows.Scan(&r.Relation, &r.Person); err != nil {
			return nil, fmt.Errorf("reading family links: %w", err)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

package regional

import (
	"context"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/federation/regional/stretch"
	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

var _ regional.JoinStore = Book{}

// HeldLogs lists what is held of a province's log.
func (db Book) HeldLogs(ctx context.Context, provider federation.EntityID) ([]stretch.Held, error) {
	var list []stretch.Held
	err := db.Each(ctx, "listing what is held of a province's log",
		"SELECT origin, size, root, vkey FROM regional_logs WHERE provider = ? ORDER BY origin LIMIT 2000", []any{string(provider)},
		func(row sqldb.Row) error {
			var h stretch.Held
			var root []byte
			var size int64
			err := row.Scan(&h.Origin, &size, &root, &h.Key)
			copy(h.Root[:], root)
			h.Size = uint64(size)
			list = append(list, h)
			return err
		})
	return list, err
}

// Join keeps events of a province, and that more of its log is held than before: see
// [regional.JoinStore]. Of several callers with one stretch one returns nil.
func (db Book) Join(
	ctx context.Context, provider federation.EntityID, before uint64, now stretch.Held, events []stretch.Joined, at time.Time,
) error {
	const doing = "keeping a piece of a province's log"
	held, err := db.Change(ctx, doing, `INSERT INTO regional_logs (provider, origin, size, root, vkey, joined_at) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (provider, origin) DO UPDATE SET size = excluded.size, root = excluded.root, joined_at = excluded.joined_at
		WHERE regional_logs.size = ? AND regional_logs.vkey = excluded.vkey`,
		string(provider), now.Origin, int64(now.Size), now.Root[:], now.Key, at.UTC(), int64(before))
	if err == nil && held == 0 {
		err = authz.ErrConflict
	}
	if err != nil {
		return err
	}
	for _, e := range events {
		var since any
		if !e.Since.IsZero() {
			since = e.Since.UTC()
		}
		if _, err := db.Change(ctx, doing, `INSERT INTO regional_events (provider, origin, idx, event_id, person, subject, type,
			decided_at, canonical, salt, conflict, conflict_since, joined_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT DO NOTHING`,
			string(provider), e.Origin, int64(e.Place), e.Read.ID, string(e.Person), string(e.Subject), string(e.Read.Type),
			e.Read.When.Decided.UTC(), string(e.Event), e.Salt, string(e.Conflict), since, at.UTC()); err != nil {
			return err
		}
	}
	return nil
}

// Whose are the people of a province, as the centre knows them, also after they withdrew.
func (db Book) Whose(
	ctx context.Context, provider federation.EntityID, people []authz.Subject,
) (map[authz.Subject]authz.Subject, error) {
	return pairs[authz.Subject](ctx, db, "reading whose the events of a province are",
		"SELECT person, subject FROM regional_names WHERE provider = ? AND person IN ", []any{string(provider)}, texts(people))
}

// pairs reads two columns, of the rows whose column is one of some values.
func pairs[K ~string](
	ctx context.Context, db Book, doing, query string, values []any, in []string,
) (map[K]authz.Subject, error) {
	found := map[K]authz.Subject{}
	if len(in) == 0 {
		return found, nil
	}
	for _, one := range in {
		values = append(values, one)
	}
	err := db.Each(ctx, doing, query+"("+strings.TrimSuffix(strings.Repeat("?, ", len(in)), ", ")+")", values, func(row sqldb.Row) error {
		var of K
		var who authz.Subject
		err := row.Scan(&of, &who)
		found[of] = who
		return err
	})
	return found, err
}

// Conflict is an event of a province that began something which the centre had taken before.
type Conflict struct {
	Provider federation.EntityID `json:"province"`
	// Person is by what the province knows her, and Subject by what the centre does.
	Person  authz.Subject    `json:"person"`
	Subject authz.Subject    `json:"subject"`
	Type    string           `json:"type"`
	Event   string           `json:"event"`
	Origin  string           `json:"origin"`
	Place   uint64           `json:"place"`
	Decided time.Time        `json:"decided"`
	Why     stretch.Conflict `json:"conflict"`
	Since   time.Time        `json:"since"`
}

// Conflicts lists what provinces began for persons after the centre had locked them, or they had
// withdrawn their choice: the newest first, at most limit.
func Conflicts(ctx context.Context, db Book, limit int) ([]Conflict, error) {
	var list []Conflict
	err := db.Each(ctx, "listing what provinces did meanwhile", `SELECT provider, person, subject, type, event_id, origin, idx,
		decided_at, conflict, conflict_since FROM regional_events WHERE conflict <> '' ORDER BY decided_at DESC, event_id LIMIT ?`, []any{limit},
		func(row sqldb.Row) error {
			var c Conflict
			var place int64
			var since *time.Time
			err := row.Scan(&c.Provider, &c.Person, &c.Subject, &c.Type, &c.Event, &c.Origin, &place, &c.Decided, &c.Why, &since)
			c.Place, c.Decided, c.Since = uint64(place), c.Decided.UTC(), handle.Time(since)
			list = append(list, c)
			return err
		})
	return list, err
}

// Nameless lists people whose name in the events of this province is not noted yet.
func (db Book) Nameless(ctx context.Context, limit int) ([]authz.Subject, error) {
	return db.list(ctx, "SELECT subject FROM regional_people WHERE pseudonym IS NULL ORDER BY subject LIMIT ?", limit)
}

// NamePerson notes by what the events of this province name a person.
func (db Book) NamePerson(ctx context.Context, person authz.Subject, pseudonym string) error {
	_, err := db.Change(ctx, "noting by what events name a person", "UPDATE regional_people SET pseudonym = ? WHERE subject = ?", pseudonym, string(person))
	return err
}

// Named finds people by what the events of this province name them.
func (db Book) Named(ctx context.Context, pseudonyms []string) (map[string]authz.Subject, error) {
	return pairs[string](ctx, db, "finding whom events name", "SELECT pseudonym, subject FROM regional_people WHERE pseudonym IN ", nil, pseudonyms)
}

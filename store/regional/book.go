// Package regional keeps, at the centre, who chose services at which provider of a province and
// how sectors are named, and, at such a provider, what was handed over and until when it is good.
package regional

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

// Book has both. It is safe for concurrent use.
type Book struct{ *handle.Handle }

var (
	_ regional.ChoiceStore = Book{}
	_ regional.PeopleStore = Book{}
)

// Choose keeps a choice; authz.ErrConflict if it is there.
func (db Book) Choose(ctx context.Context, subject, person authz.Subject, provider federation.EntityID, at time.Time) error {
	if _, err := db.Change(ctx, "noting by what a province knows a person",
		"INSERT INTO regional_names (provider, person, subject) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
		string(provider), string(person), string(subject)); err != nil {
		return err
	}
	return handle.OneRow("keeping the choice of a province", db.Writer(ctx).Exec(`INSERT INTO regional_choices
		(provider, person, subject, chosen_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		string(provider), string(person), string(subject), at.UTC()))
}

// Withdraw takes a choice back; authz.ErrConflict if it is not there.
func (db Book) Withdraw(ctx context.Context, subject authz.Subject, provider federation.EntityID) error {
	return handle.OneRow("taking back the choice of a province", db.Writer(ctx).Exec(
		"DELETE FROM regional_choices WHERE subject = ? AND provider = ?", string(subject), string(provider)))
}

// Of lists the choices of a person, in the order of the providers.
func (db Book) Of(ctx context.Context, subject authz.Subject) ([]regional.Choice, error) {
	var list []regional.Choice
	err := db.Each(ctx, "listing the provinces that a person chose",
		"SELECT provider, chosen_at FROM regional_choices WHERE subject = ? ORDER BY provider LIMIT 200", []any{string(subject)},
		func(rows sqldb.Row) error {
			var c regional.Choice
			err := rows.Scan(&c.Provider, &c.Chosen)
			c.Chosen = c.Chosen.UTC()
			list = append(list, c)
			return err
		})
	return list, err
}

// chosenOf is what is told of people: see [regional.ChoiceStore]. Of numbers that were issued anew
// the newest is told. The people come first, as x, and stand in the order of one of its columns.
func (db Book) chosenOf(ctx context.Context, doing, people, order string, values ...any) ([]regional.Chosen, error) {
	var list []regional.Chosen
	err := db.Each(ctx, doing, `SELECT x.person, coalesce(x.subject, ''), x.subject IS NULL, coalesce(x.version, 0), x.handed_at IS NOT NULL,
		coalesce(a.kind, ''), coalesce(a.account_level, 0), a.locked_at IS NOT NULL,
		coalesce((SELECT number FROM identifiers i WHERE i.subject = x.subject AND i.kind = 'number'
			ORDER BY i.valid_from DESC, i.number LIMIT 1), ''), coalesce(f.kind, ''), f.secret, coalesce(f.counter, 0)
		FROM (`+people+`) x LEFT JOIN accounts a ON a.subject = x.subject
		LEFT JOIN factors f ON f.subject = x.subject AND f.disabled_at IS NULL AND f.kind IN ('password', 'totp')
		ORDER BY x.`+order, values, func(rows sqldb.Row) error {
		var c regional.Chosen
		var kind authn.FactorKind
		var secret []byte
		var counter int64
		into := []any{&c.Person, &c.Subject, &c.Gone, &c.Version, &c.Handed, &c.Kind, &c.Level, &c.Locked, &c.Number, &kind, &secret, &counter}
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if n := len(list); n == 0 || list[n-1].Person != c.Person {
			list = append(list, c)
		}
		last := &list[len(list)-1]
		switch kind {
		case authn.PasswordFactor:
			last.Password = secret
		case authn.TOTPFactor:
			last.Seed, last.Step = secret, counter
		}
		return nil
	})
	return list, err
}

// People lists those who chose a provider.
func (db Book) People(
	ctx context.Context, provider federation.EntityID, after authz.Subject, limit int,
) ([]regional.Chosen, error) {
	return db.chosenOf(ctx, "listing who chose a province", `SELECT c.person, c.subject, c.handed_at, n.version
		FROM regional_choices c LEFT JOIN regional_changes n ON n.provider = c.provider AND n.person = c.person
		WHERE c.provider = ? AND c.person > ? ORDER BY c.person LIMIT ?`, "person", string(provider), string(after), limit)
}

// Changes lists those of whom something changed after a version, and those who withdrew.
func (db Book) Changes(ctx context.Context, provider federation.EntityID, since int64, limit int) ([]regional.Chosen, error) {
	return db.chosenOf(ctx, "listing what changed for a province", `SELECT n.person, c.subject, c.handed_at, n.version
		FROM regional_changes n LEFT JOIN regional_choices c ON c.provider = n.provider AND c.person = n.person
		WHERE n.provider = ? AND n.version > ? ORDER BY n.version LIMIT ?`, "version", string(provider), since, limit)
}

// numbered is how many changes get their versions at one time.
const numbered = 10_000

// Number gives the changes that have no version the next ones: see [regional.ChoiceStore]. Of
// several callers one does it at a time; a change that is under way is passed over, and comes
// later.
func (db Book) Number(ctx context.Context, provider federation.EntityID, now time.Time) (head int64, err error) {
	var some bool
	latest := regional.LatestVersion(now)
	const unnumbered = "provider = ? AND (version IS NULL OR version > ?)"
	if _, err = db.One(ctx, "looking for changes", `SELECT coalesce((SELECT version FROM regional_heads WHERE provider = ?), 0),
		EXISTS (SELECT 1 FROM regional_changes WHERE `+unnumbered+`)`, []any{string(provider), string(provider), latest},
		&head, &some); err != nil || !some && head <= latest {
		return head, err
	}
	err = db.Tx(ctx, func(ctx context.Context) error {
		if err := db.Raise(ctx, provider, 0); err != nil {
			return err
		}
		if _, err := db.One(ctx, "counting changes", "SELECT version FROM regional_heads WHERE provider = ?"+db.Dialect().Locked(),
			[]any{string(provider)}, &head); err != nil {
			return err
		}
		// A version is the time in microseconds, or later: in an older copy of the database, which
		// is used again, a new change has a later version than any that was told.
		base := now.UnixMicro()
		if head <= latest { // else nobody gave it
			base = max(head, base)
		}
		changed, err := db.Change(ctx, "numbering changes", `UPDATE regional_changes SET version = ? + o.number
			FROM (SELECT person, row_number() OVER (ORDER BY person) AS number FROM (SELECT person FROM regional_changes
				WHERE `+unnumbered+` ORDER BY person LIMIT ?`+db.Dialect().SkipLocked()+`) AS free) AS o
			WHERE regional_changes.provider = ? AND regional_changes.person = o.person`, base, string(provider), latest, numbered, string(provider))
		if err != nil || changed == 0 && head <= latest {
			return err
		}
		head = base + changed
		_, err = db.Change(ctx, "counting changes", "UPDATE regional_heads SET version = ? WHERE provider = ?", head, string(provider))
		return err
	})
	return head, err
}

// Raise makes the versions that come later than one.
func (db Book) Raise(ctx context.Context, provider federation.EntityID, version int64) error {
	_, err := db.Change(ctx, "counting changes", `INSERT INTO regional_heads (provider, version) VALUES (?, ?)
		ON CONFLICT (provider) DO UPDATE SET version = excluded.version WHERE regional_heads.version < excluded.version`, string(provider), version)
	return err
}

// Handed notes that something was handed over of people.
func (db Book) Handed(ctx context.Context, provider federation.EntityID, people []authz.Subject, at time.Time) error {
	return handle.Wrap("noting what a province was handed", db.Writer(ctx).Exec(
		"UPDATE regional_choices SET handed_at = ? WHERE provider = ? AND subject IN ? AND handed_at IS NULL",
		at.UTC(), string(provider), texts(people)).Error)
}

// Regional reports whether a sector is named under the key of its province: if its first app
// was registered at since or later. What was decided once stays.
func (db Book) Regional(ctx context.Context, sector string, since time.Time) (regional bool, err error) {
	const read = "SELECT regional FROM regional_sectors WHERE sector = ?"
	found, err := db.One(ctx, "reading how a sector is named", read, []any{sector}, &regional)
	if err != nil || found {
		return regional, err
	}
	var first *time.Time
	err = db.Each(ctx, "reading the first app of a sector",
		"SELECT created_at FROM clients WHERE record->>'Sector' = ? ORDER BY created_at LIMIT 1", []any{sector},
		func(rows sqldb.Row) error { return rows.Scan(&first) })
	if err != nil {
		return false, err
	}
	now := db.Now()
	regional = !now.Before(since) && (first == nil || !first.Before(since))
	if _, err := db.Change(ctx, "deciding how a sector is named",
		"INSERT INTO regional_sectors (sector, regional, decided_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", sector, regional, now.UTC()); err != nil {
		return false, err
	}
	_, err = db.One(ctx, "reading how a sector is named", read, []any{sector}, &regional)
	return regional, err
}

// Before lists the sectors below some domains that are named under the national key.
func (db Book) Before(ctx context.Context, domains []string, since time.Time) ([]string, error) {
	var list []string
	err := db.Each(ctx, "listing the sectors of before", `SELECT DISTINCT s.sector FROM (SELECT record->>'Sector' AS sector FROM clients WHERE created_at < ?
		UNION SELECT sector FROM regional_sectors WHERE NOT regional) s
		WHERE s.sector NOT IN (SELECT sector FROM regional_sectors WHERE regional) ORDER BY 1`, []any{since.UTC()}, func(rows sqldb.Row) error {
		var sector string
		err := rows.Scan(&sector)
		if regional.Under(sector, domains) {
			list = append(list, sector)
		}
		return err
	})
	return list, err
}

func texts(subjects []authz.Subject) []string {
	out := make([]string, len(subjects))
	for i, s := range subjects {
		out[i] = string(s)
	}
	return out
}

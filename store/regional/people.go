package regional

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/federation"
	"hopnhat/federation/regional"
	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

// Known is what is there of people.
func (db Book) Known(ctx context.Context, people []authz.Subject) (map[authz.Subject]regional.Known, error) {
	var rows []struct {
		Subject string `gorm:"column:subject"`
		Digest  string `gorm:"column:digest"`
		Version int64  `gorm:"column:version"`
	}
	err := db.Reader(ctx).Raw(`SELECT a.subject, coalesce(p.digest, '') AS digest, coalesce(p.version, 0) AS version
		FROM accounts a LEFT JOIN regional_people p ON p.subject = a.subject WHERE a.subject IN ?`, texts(people)).Scan(&rows).Error
	out := make(map[authz.Subject]regional.Known, len(rows))
	for _, r := range rows {
		out[authz.Subject(r.Subject)] = regional.Known{Digest: r.Digest, Version: r.Version}
	}
	return out, handle.Wrap("reading who is known of a province", err)
}

// Keep notes that the centre named people, unchanged at a version, and until when what it said
// is good.
func (db Book) Keep(ctx context.Context, people []authz.Subject, version int64, seen, until time.Time) error {
	return handle.Wrap("keeping who chose a province", db.Writer(ctx).Exec(`UPDATE regional_people
		SET seen_at = CASE WHEN seen_at > ? THEN seen_at ELSE ? END, good_until = CASE WHEN good_until > ? THEN good_until ELSE ? END,
		version = CASE WHEN version > ? THEN version ELSE ? END WHERE subject IN ? AND digest <> ''`,
		seen.UTC(), seen.UTC(), until.UTC(), until.UTC(), version, version, texts(people)).Error)
}

// Put takes what was handed over of a person in the place of what was there:
// [regional.ErrStale] if that is newer. It runs in the transaction of the context.
func (db Book) Put(
	ctx context.Context, a identity.Account, number authz.PersonalNumber, said regional.Known, until time.Time, factors ...authn.Held,
) error {
	w, now := db.Writer(ctx), a.Created.UTC()
	if err := w.Exec(`INSERT INTO accounts (subject, kind, person_id, name, account_level, password_hash, totp_seed, created_at)
		VALUES (?, ?, ?, ?, ?, '', ?, ?) ON CONFLICT (subject) DO UPDATE SET account_level = excluded.account_level`,
		string(a.Subject), string(a.Kind), string(a.Person), a.Name, int(a.Level), handle.Blob{}, now).Error; err != nil {
		return handle.Wrap("opening an account that was handed over", err)
	}
	if err := db.forget(ctx, a.Subject); err != nil {
		return err
	}
	for _, f := range factors {
		if err := w.Exec("INSERT INTO factors (id, subject, kind, secret, counter, added_at) VALUES (?, ?, ?, ?, ?, ?)",
			string(f.ID), string(a.Subject), string(f.Kind), handle.Blob(f.Secret), f.Counter, now).Error; err != nil {
			return handle.Wrap("keeping a factor that was handed over", err)
		}
	}
	if err := w.Exec("INSERT INTO identifiers (number, kind, subject, valid_from) VALUES (?, 'number', ?, ?)",
		number.Reveal(), string(a.Subject), now).Error; err != nil {
		return handle.Wrap("keeping a number that was handed over", err)
	}
	put, err := db.Change(ctx, "keeping who chose a province", `INSERT INTO regional_people (subject, good_until, digest, seen_at, version)
		VALUES (?, ?, ?, ?, ?) ON CONFLICT (subject) DO UPDATE SET good_until = excluded.good_until, digest = excluded.digest, seen_at = excluded.seen_at,
		version = excluded.version WHERE regional_people.version <= excluded.version`,
		string(a.Subject), until.UTC(), said.Digest, now, said.Version)
	if err == nil && put == 0 {
		err = regional.ErrStale
	}
	return err
}

// forget deletes what a person signs in with, also in the columns of the release before.
func (db Book) forget(ctx context.Context, person authz.Subject) error {
	if err := db.Writer(ctx).Exec("UPDATE accounts SET password_hash = '', totp_seed = ? WHERE subject = ?", handle.Blob{}, string(person)).Error; err != nil {
		return handle.Wrap("deleting what was handed over", err)
	}
	for _, table := range []string{"factors", "identifiers"} {
		if err := db.Writer(ctx).Exec("DELETE FROM "+table+" WHERE subject = ?", string(person)).Error; err != nil {
			return handle.Wrap("deleting what was handed over", err)
		}
	}
	return nil
}

// End deletes what was handed over of a person; authz.ErrConflict if it ended before, or is newer
// than a version. It runs in the transaction of the context.
func (db Book) End(ctx context.Context, person authz.Subject, version int64) error {
	if err := handle.OneRow("ending what was handed over", db.Writer(ctx).Exec(
		"UPDATE regional_people SET digest = '', version = ? WHERE subject = ? AND digest <> '' AND version <= ?", version, string(person), version)); err != nil {
		return err
	}
	return db.forget(ctx, person)
}

// over is a condition on what is good no more at a time, which stands in it twice.
const over = "digest <> '' AND good_until <= ? AND NOT EXISTS (SELECT 1 FROM regional_feeds WHERE renewed_until > ?)"

// Over lists people of whom what was handed over is good no more.
func (db Book) Over(ctx context.Context, now time.Time, limit int) ([]authz.Subject, error) {
	return db.list(ctx, "SELECT subject FROM regional_people WHERE "+over+" ORDER BY good_until LIMIT ?", now.UTC(), now.UTC(), limit)
}

// EndOver deletes what was handed over of a person and is good no more; authz.ErrConflict if
// that was done, or it is. All have to be told anew then. It runs in the transaction of the
// context.
func (db Book) EndOver(ctx context.Context, person authz.Subject, now time.Time) error {
	if err := handle.OneRow("ending what was handed over", db.Writer(ctx).Exec(
		"UPDATE regional_people SET digest = '' WHERE subject = ? AND "+over, string(person), now.UTC(), now.UTC())); err != nil {
		return err
	}
	if err := db.forget(ctx, person); err != nil {
		return err
	}
	_, err := db.Change(ctx, "forgetting up to where all was told", "UPDATE regional_feeds SET version = 0, generation = generation + 1")
	return err
}

// Told is up to where the centre has told everything.
func (db Book) Told(ctx context.Context, centre federation.EntityID) (t regional.Told, err error) {
	const doing, query = "reading up to where all was told", "SELECT version, generation FROM regional_feeds WHERE centre = ?"
	found, err := db.One(ctx, doing, query, []any{string(centre)}, &t.Version, &t.Generation)
	if err != nil || found {
		return t, err
	}
	_, err = db.Change(ctx, doing, "INSERT INTO regional_feeds (centre, version, generation, renewed_until) VALUES (?, 0, 0, ?) ON CONFLICT DO NOTHING",
		string(centre), time.Unix(0, 0).UTC())
	return t, err
}

// SaveTold notes up to where the centre has told everything, and until when all is good;
// authz.ErrConflict if something was ended here since.
func (db Book) SaveTold(ctx context.Context, centre federation.EntityID, t regional.Told, until time.Time) error {
	return handle.OneRow("noting up to where all was told", db.Writer(ctx).Exec(`UPDATE regional_feeds SET version = ?,
		renewed_until = CASE WHEN renewed_until > ? THEN renewed_until ELSE ? END WHERE centre = ? AND generation = ?`,
		t.Version, until.UTC(), until.UTC(), string(centre), t.Generation))
}

// Unnamed lists those of a page whom the centre does not name.
func (db Book) Unnamed(ctx context.Context, page regional.Page, limit int) ([]authz.Subject, error) {
	query, values := "SELECT subject FROM regional_people WHERE digest <> '' AND version <= ? AND subject > ?", []any{page.Version, string(page.After)}
	if page.Last != "" {
		query, values = query+" AND subject <= ?", append(values, string(page.Last))
	}
	if len(page.People) > 0 {
		query += " AND subject NOT IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(page.People)), ", ") + ")"
		for _, one := range page.People {
			values = append(values, string(one))
		}
	}
	return db.list(ctx, query+" ORDER BY subject LIMIT ?", append(values, limit)...)
}

func (db Book) list(ctx context.Context, query string, values ...any) ([]authz.Subject, error) {
	var list []authz.Subject
	err := db.Each(ctx, "listing whose choice of a province is over", query, values, func(rows sqldb.Row) error {
		var one authz.Subject
		err := rows.Scan(&one)
		list = append(list, one)
		return err
	})
	return list, err
}

// SaveKey keeps the sealed key of the province, and what goes with it.
func (db Book) SaveKey(ctx context.Context, centre federation.EntityID, sealed []byte, rule regional.Rule, at time.Time) error {
	raw, err := json.Marshal(rule)
	if err != nil {
		return err
	}
	return handle.Wrap("keeping the key of a province", db.Writer(ctx).Exec(`INSERT INTO regional_keys (centre, sealed, before, received_at)
		VALUES (?, ?, ?, ?) ON CONFLICT (centre) DO UPDATE SET sealed = excluded.sealed, before = excluded.before, received_at = excluded.received_at`,
		string(centre), handle.Blob(sealed), string(raw), at.UTC()).Error)
}

// SavedKey is the sealed key of the province, and what goes with it; authz.ErrNotFound if none came
// yet.
func (db Book) SavedKey(ctx context.Context, centre federation.EntityID) (sealed []byte, rule regional.Rule, err error) {
	var raw string
	found, err := db.One(ctx, "reading the key of a province", "SELECT sealed, before FROM regional_keys WHERE centre = ?", []any{string(centre)}, &sealed, &raw)
	switch {
	case err != nil:
		return nil, rule, err
	case !found:
		return nil, rule, authz.ErrNotFound
	}
	return sealed, rule, handle.Wrap("decoding what goes with the key of a province", json.Unmarshal([]byte(raw), &rule))
}

package store

import (
	"context"
	"strings"

	"gorm.io/gorm"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/store/handle"
	"hopnhat/store/migrations"
)

// Forge writes a row of events that is no evidence.
func (db *DB) Forge(t interface{ Fatal(...any) }, id string) {
	if err := db.Handles()[0].Exec("INSERT INTO events (id, at, type, client_id, pseudonym, purpose, registry, permit, consent, canonical, salt) VALUES (?, ?, '', '', '', '', '', ?, '', 'forged', ?)",
		id, db.Now().UTC(), true, handle.Blob("x")).Error; err != nil {
		t.Fatal(err)
	}
}

// Plan is how the database would run a statement, as if its tables were large.
func (db *DB) Plan(ctx context.Context, sql string, vars []any) (string, error) {
	var lines []string
	err := db.Handles()[0].Session(&gorm.Session{NewDB: true}).WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		explain := "EXPLAIN QUERY PLAN "
		if db.Dialect() == PostgreSQL {
			explain = "EXPLAIN "
			// An empty table is read whole whatever there is; this asks what there is.
			if err := tx.Exec("SET LOCAL enable_seqscan = off").Error; err != nil {
				return err
			}
		}
		rows, err := tx.Statement.ConnPool.QueryContext(ctx, explain+sql, vars...)
		if err != nil {
			return err
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		for rows.Next() {
			values, into := make([]string, len(columns)), make([]any, len(columns))
			for i := range values {
				into[i] = &values[i]
			}
			if err := rows.Scan(into...); err != nil {
				return err
			}
			lines = append(lines, values[len(values)-1])
		}
		return rows.Err()
	})
	return strings.Join(lines, "\n"), err
}

// MigrateTo brings the schema to a version, as a release before had it.
func (db *DB) MigrateTo(ctx context.Context, version int64) error {
	p, err := migrations.Provider(db.Handle)
	if err == nil {
		_, err = p.UpTo(ctx, version)
	}
	return err
}

// Exec runs a statement of the release before, and says how many rows it changed.
func (db *DB) Exec(ctx context.Context, sql string, values ...any) (int64, error) {
	res := db.Writer(ctx).Exec(sql, values...)
	return res.RowsAffected, res.Error
}

// Row reads one row, as the release before would.
func (db *DB) Row(ctx context.Context, into any, sql string, values ...any) error {
	return db.Reader(ctx).Raw(sql, values...).Scan(into).Error
}

// PlantGrant is InsertGrant for a grant whose account and session a test does not care
// about: both are made where they are not there.
func (db *DB) PlantGrant(ctx context.Context, g grant.Grant) error { return db.PlantAnswer(ctx, g, "") }

// PlantAnswer is PlantGrant for a grant that answers a request.
func (db *DB) PlantAnswer(ctx context.Context, g grant.Grant, answers authz.AuthorizationID) error {
	at := g.AuthTime.UTC()
	if err := db.Writer(ctx).Exec(`INSERT INTO accounts (subject, kind, person_id, name, account_level, password_hash, totp_seed, created_at)
		VALUES (?, 'citizen', ?, 'An', 2, 'hash', ?, ?) ON CONFLICT DO NOTHING`, string(g.Actor), "planted "+string(g.Actor), []byte("seed"), at).Error; err != nil {
		return err
	}
	if err := db.Writer(ctx).Exec(`INSERT INTO sessions (id, secret_hash, subject, auth_time, methods, level, device, created_at, seen_at)
		VALUES (?, ?, ?, ?, 'pwd otp', 2, '', ?, ?) ON CONFLICT DO NOTHING`, string(g.Session), []byte("planted "+g.Session), string(g.Actor), at, at, at).Error; err != nil {
		return err
	}
	return db.InsertGrant(ctx, g, answers)
}

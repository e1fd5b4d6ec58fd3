package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/store/handle"
)

var _ authn.Accounts = (*DB)(nil)

type credentialsRow struct {
	Subject      string     `gorm:"column:subject"`
	DevicesSince *time.Time `gorm:"column:devices_since"`
	LockedAt     *time.Time `gorm:"column:locked_at"`
	Factor       string     `gorm:"column:id"`
	Kind         string     `gorm:"column:kind"`
	Secret       []byte     `gorm:"column:secret"`
	Counter      int64      `gorm:"column:counter"`
}

// An account is a row for each factor, and one without if it holds none.
const (
	credentialsColumns = "a.subject, a.devices_since, a.locked_at, coalesce(f.id, '') AS id, coalesce(f.kind, '') AS kind, f.secret, coalesce(f.counter, 0) AS counter"
	withFactors        = " LEFT JOIN factors f ON f.subject = a.subject AND f.disabled_at IS NULL"
)

func credentials(rows []credentialsRow) authn.Credentials {
	var c authn.Credentials
	for _, row := range rows {
		c.Subject, c.DevicesSince, c.Locked = authz.Subject(row.Subject), handle.Time(row.DevicesSince), row.LockedAt != nil
		if row.Factor != "" {
			c.Factors = append(c.Factors, authn.Held{
				ID: authn.FactorID(row.Factor), Kind: authn.FactorKind(row.Kind), Secret: row.Secret, Counter: row.Counter,
			})
		}
	}
	return c
}

// Credentials finds those of a number's holder; a re-issued number's
// predecessors find them too. A number that nobody holds is looked up by the same
// statement.
func (db Accounts) Credentials(ctx context.Context, number authz.PersonalNumber) (authn.Credentials, error) {
	var rows []credentialsRow
	err := db.Reader(ctx).Raw("SELECT "+credentialsColumns+" FROM identifiers i JOIN accounts a ON a.subject = i.subject"+withFactors+
		" WHERE i.number = ? AND i.kind = 'number'", number.Reveal()).Scan(&rows).Error
	return credentials(rows), handle.Wrap("reading credentials", err)
}

// CredentialsOf finds those of a subject.
func (db Accounts) CredentialsOf(ctx context.Context, subject authz.Subject) (authn.Credentials, error) {
	var rows []credentialsRow
	err := db.Reader(ctx).Raw("SELECT "+credentialsColumns+" FROM accounts a"+withFactors+
		" WHERE a.subject = ?", string(subject)).Scan(&rows).Error
	switch {
	case err != nil:
		return authn.Credentials{}, handle.Wrap("reading credentials", err)
	case len(rows) == 0:
		return authn.Credentials{}, authz.ErrNotFound
	}
	return credentials(rows), nil
}

// CountAttempt counts an attempt by every budget, by one statement, or tells how long
// to wait. The statement holds each row from then on, so those who come at once are
// counted one after the other; the rows are always held in one order, so that no two
// wait for each other.
func (db Accounts) CountAttempt(ctx context.Context, budgets []authn.Budget, at time.Time) (time.Duration, error) {
	now := at.UnixMilli()
	var rows []string
	var values []any
	for _, b := range budgets {
		// The insert is of a budget of which nothing was spent: one free attempt at least.
		// One that is restored says that 0 are spent, and in any case by a time of 0.
		spent, next := 1, now
		switch b.Effect {
		case authn.Restore:
			spent = 0
		case authn.RestoreAnyway:
			spent, next = 0, 0
		case authn.Spend:
		}
		rows, values = append(rows, "(?, ?, ?, ?, ?)"), append(values, handle.Blob(b.Key), b.Free, spent, next, now)
	}
	var counted []struct{ Spent int }
	err := db.Writer(ctx).Raw("INSERT INTO sign_in_attempts AS b (key, free, spent, next_at, seen_at) VALUES "+strings.Join(rows, ", ")+`
		ON CONFLICT (key) DO UPDATE SET spent = CASE WHEN excluded.spent = 0 THEN 0 ELSE b.spent + 1 END, seen_at = excluded.seen_at, next_at = excluded.seen_at + CASE
			WHEN excluded.spent = 0 OR b.spent + 1 < b.free THEN 0 WHEN b.spent + 1 = b.free THEN 30000 WHEN b.spent = b.free THEN 60000 WHEN b.spent = b.free + 1 THEN 120000
			WHEN b.spent = b.free + 2 THEN 240000 WHEN b.spent = b.free + 3 THEN 480000 ELSE 900000 END
		WHERE b.next_at <= excluded.seen_at OR excluded.next_at = 0 RETURNING spent`, values...).Scan(&counted).Error
	if err != nil || len(counted) == len(budgets) {
		return 0, handle.Wrap("counting an attempt to sign in", err)
	}
	keys := make([]handle.Blob, len(budgets))
	for i, b := range budgets {
		keys[i] = b.Key
	}
	var last struct{ Next int64 }
	err = db.Reader(ctx).Raw("SELECT max(next_at) AS next FROM sign_in_attempts WHERE key IN ?", keys).Scan(&last).Error
	return max(time.Duration(last.Next-now)*time.Millisecond, time.Second), handle.Wrap("reading when to try again", err)
}

// ForgetDevices ends the devices of an account that were known until then.
func (db Accounts) ForgetDevices(ctx context.Context, subject authz.Subject, at time.Time) error {
	return handle.Wrap("forgetting devices", db.Writer(ctx).Exec("UPDATE accounts SET devices_since = ? WHERE subject = ?", at.UTC(), string(subject)).Error)
}

// ofHeldAccount limits a statement to the factors of an account. On PostgreSQL it holds
// the account's row first, as the triggers of migration 00037 do.
func (db Accounts) ofHeldAccount() string {
	if db.Dialect() == PostgreSQL { // SQLite has one writer at a time
		return "subject IN (SELECT subject FROM accounts WHERE subject = ? AND locked_at IS NULL FOR NO KEY UPDATE)"
	}
	return "subject IN (SELECT subject FROM accounts WHERE subject = ? AND locked_at IS NULL)"
}

// UseFactors notes the use of factors and advances their counters. Of any number of
// calls with one counter exactly one returns nil (RFC 6238 §5.2).
func (db Accounts) UseFactors(ctx context.Context, subject authz.Subject, uses []authn.Use, at time.Time) error {
	var counters, conditions []string
	var values, terms []any
	for _, use := range uses {
		if use.Counter == 0 {
			conditions, terms = append(conditions, "id = ?"), append(terms, string(use.Factor))
			continue
		}
		counters, values = append(counters, "WHEN ? THEN ?"), append(values, string(use.Factor), use.Counter)
		conditions, terms = append(conditions, "id = ? AND counter < ?"), append(terms, string(use.Factor), use.Counter)
	}
	query := "UPDATE factors SET last_used_at = ?"
	if len(counters) > 0 {
		query += ", counter = CASE id " + strings.Join(counters, " ") + " ELSE counter END"
	}
	query += " WHERE " + db.ofHeldAccount() + " AND disabled_at IS NULL AND (" + strings.Join(conditions, " OR ") + ")"
	res := db.Writer(ctx).Exec(query, slices.Concat([]any{at.UTC()}, values, []any{string(subject)}, terms)...)
	if res.Error == nil && res.RowsAffected != int64(len(uses)) {
		return fmt.Errorf("using %d factors: %w", len(uses), authz.ErrConflict)
	}
	return handle.Wrap("using factors", res.Error)
}

// ReplaceSecret puts a secret that was made anew in the place of the one that was read;
// when that has changed meanwhile, or the factor was disabled, it does nothing.
func (db Accounts) ReplaceSecret(ctx context.Context, subject authz.Subject, factor authn.FactorID, old, fresh []byte) error {
	return handle.Wrap("storing a factor that was made anew", db.Writer(ctx).Exec("UPDATE factors SET secret = ? WHERE "+
		db.ofHeldAccount()+" AND disabled_at IS NULL AND id = ? AND secret = ?",
		handle.Blob(fresh), string(subject), string(factor), handle.Blob(old)).Error)
}

// InsertAccount opens an account with its number and its factors: one commit.
// authz.ErrConflict if the person or the number has one.
func (db Accounts) InsertAccount(ctx context.Context, a identity.Account, number authz.PersonalNumber, factors ...authn.Held) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		// The release before wants the columns of the factors; a trigger fills them.
		err := db.Writer(ctx).Exec(`INSERT INTO accounts (subject, kind, person_id, name, account_level, password_hash, totp_seed, created_at)
			VALUES (?, ?, ?, ?, ?, '', ?, ?)`, string(a.Subject), string(a.Kind), string(a.Person), a.Name, int(a.Level), handle.Blob{}, a.Created.UTC()).Error
		if err != nil {
			return handle.Wrap("opening an account", err)
		}
		for _, f := range factors {
			if err := db.Writer(ctx).Exec("INSERT INTO factors (id, subject, kind, secret, counter, added_at) VALUES (?, ?, ?, ?, ?, ?)",
				string(f.ID), string(a.Subject), string(f.Kind), handle.Blob(f.Secret), f.Counter, a.Created.UTC()).Error; err != nil {
				return handle.Wrap("adding a factor to an account", err)
			}
		}
		return handle.Wrap("opening an account", db.Writer(ctx).Exec(
			"INSERT INTO identifiers (number, kind, subject, valid_from) VALUES (?, 'number', ?, ?)",
			number.Reveal(), string(a.Subject), a.Created.UTC()).Error)
	})
}

// Lock locks an account, ends its sessions and revokes its grants: one commit.
// Sessions, grants and account come in the order of locks (see the package comment).
func (db Accounts) Lock(ctx context.Context, subject authz.Subject, reason string, at time.Time) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		if err := db.Writer(ctx).Exec("UPDATE sessions SET ended_at = ?, ended_because = 'locked' WHERE subject = ? AND ended_at IS NULL",
			at.UTC(), string(subject)).Error; err != nil {
			return handle.Wrap("ending sessions", err)
		}
		if err := db.Writer(ctx).Exec("UPDATE grants SET revoked_at = ?, revoked_because = 'account locked' WHERE subject = ? AND revoked_at IS NULL",
			at.UTC(), string(subject)).Error; err != nil {
			return handle.Wrap("revoking grants", err)
		}
		return handle.OneRow("locking an account", db.Writer(ctx).Exec(
			"UPDATE accounts SET locked_at = ?, lock_reason = ?, devices_since = ? WHERE subject = ? AND locked_at IS NULL", at.UTC(), reason, at.UTC(), string(subject)))
	})
}

// Unlock opens a locked account again; sessions and grants stay ended.
func (db Accounts) Unlock(ctx context.Context, subject authz.Subject) error {
	return handle.OneRow("unlocking an account", db.Writer(ctx).Exec(
		"UPDATE accounts SET locked_at = NULL, lock_reason = '' WHERE subject = ? AND locked_at IS NOT NULL", string(subject)))
}

// AccountOf finds an account by a number.
func (db Accounts) AccountOf(ctx context.Context, number authz.PersonalNumber) (identity.Account, error) {
	var row struct {
		Subject string     `gorm:"column:subject"`
		Kind    string     `gorm:"column:kind"`
		Person  string     `gorm:"column:person_id"`
		Name    string     `gorm:"column:name"`
		Level   int        `gorm:"column:account_level"`
		Locked  *time.Time `gorm:"column:locked_at"`
	}
	res := db.Reader(ctx).Raw(`SELECT a.subject, a.kind, a.person_id, a.name, a.account_level, a.locked_at
		FROM identifiers i JOIN accounts a ON a.subject = i.subject WHERE i.number = ? AND i.kind = 'number'`, number.Reveal()).Scan(&row)
	if res.Error != nil {
		return identity.Account{}, handle.Wrap("reading an account", res.Error)
	}
	if res.RowsAffected == 0 {
		return identity.Account{}, authz.ErrNotFound
	}
	return identity.Account{
		Subject: authz.Subject(row.Subject), Kind: authz.Kind(row.Kind), Person: authz.PersonID(row.Person), Name: row.Name,
		Level: authz.AccountLevel(row.Level), Locked: handle.Time(row.Locked),
	}, nil
}

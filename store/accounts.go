package store

import (
	"context"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
)

var _ authn.Accounts = (*DB)(nil)

type credentialsRow struct {
	Subject      string     `gorm:"column:subject"`
	PasswordHash string     `gorm:"column:password_hash"`
	Seed         []byte     `gorm:"column:totp_seed"`
	Step         int64      `gorm:"column:totp_step"`
	DevicesSince *time.Time `gorm:"column:devices_since"`
	LockedAt     *time.Time `gorm:"column:locked_at"`
}

const credentialsColumns = "a.subject, a.password_hash, a.totp_seed, a.totp_step, a.devices_since, a.locked_at"

func (row credentialsRow) credentials() authn.Credentials {
	return authn.Credentials{
		Subject: authz.Subject(row.Subject), PasswordHash: row.PasswordHash, SealedSeed: row.Seed, LastStep: row.Step,
		DevicesSince: value(row.DevicesSince), Locked: row.LockedAt != nil,
	}
}

// Credentials finds those of a number's holder; a re-issued number's
// predecessors find them too. A number that nobody holds is looked up by the same
// statement.
func (db Accounts) Credentials(ctx context.Context, number authz.PersonalNumber) (authn.Credentials, error) {
	var row credentialsRow
	err := db.reader(ctx).Raw("SELECT "+credentialsColumns+` FROM identifiers i JOIN accounts a ON a.subject = i.subject
		WHERE i.number = ? AND i.kind = 'number'`, number.Reveal()).Scan(&row).Error
	return row.credentials(), wrap("reading credentials", err)
}

// CredentialsOf finds those of a subject.
func (db Accounts) CredentialsOf(ctx context.Context, subject authz.Subject) (authn.Credentials, error) {
	var row credentialsRow
	res := db.reader(ctx).Raw("SELECT "+credentialsColumns+" FROM accounts a WHERE a.subject = ?", string(subject)).Scan(&row)
	if res.Error != nil {
		return authn.Credentials{}, wrap("reading credentials", res.Error)
	}
	if res.RowsAffected == 0 {
		return authn.Credentials{}, authz.ErrNotFound
	}
	return row.credentials(), nil
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
		rows, values = append(rows, "(?, ?, 1, ?, ?)"), append(values, blob(b.Key), b.Free, now, now)
	}
	var counted []struct{ Spent int }
	err := db.writer(ctx).Raw("INSERT INTO sign_in_attempts AS b (key, free, spent, next_at, seen_at) VALUES "+strings.Join(rows, ", ")+`
		ON CONFLICT (key) DO UPDATE SET spent = b.spent + 1, seen_at = excluded.seen_at, next_at = excluded.seen_at + CASE
			WHEN b.spent + 1 < b.free THEN 0 WHEN b.spent + 1 = b.free THEN 30000 WHEN b.spent = b.free THEN 60000 WHEN b.spent = b.free + 1 THEN 120000
			WHEN b.spent = b.free + 2 THEN 240000 WHEN b.spent = b.free + 3 THEN 480000 ELSE 900000 END
		WHERE b.next_at <= excluded.seen_at RETURNING spent`, values...).Scan(&counted).Error
	if err != nil || len(counted) == len(budgets) {
		return 0, wrap("counting an attempt to sign in", err)
	}
	keys := make([]blob, len(budgets))
	for i, b := range budgets {
		keys[i] = b.Key
	}
	var last struct{ Next int64 }
	err = db.reader(ctx).Raw("SELECT max(next_at) AS next FROM sign_in_attempts WHERE key IN ?", keys).Scan(&last).Error
	return max(time.Duration(last.Next-now)*time.Millisecond, time.Second), wrap("reading when to try again", err)
}

// ForgetAttempts gives budgets back in full.
func (db Accounts) ForgetAttempts(ctx context.Context, keys [][]byte) error {
	blobs := make([]blob, len(keys))
	for i, key := range keys {
		blobs[i] = key
	}
	return wrap("forgetting attempts to sign in", db.writer(ctx).Exec("DELETE FROM sign_in_attempts WHERE key IN ?", blobs).Error)
}

// ForgetDevices ends the devices of an account that were known until then.
func (db Accounts) ForgetDevices(ctx context.Context, subject authz.Subject, at time.Time) error {
	return wrap("forgetting devices", db.writer(ctx).Exec("UPDATE accounts SET devices_since = ? WHERE subject = ?", at.UTC(), string(subject)).Error)
}

// AcceptCode advances the last time step. Of any number of calls with one step
// exactly one returns nil (RFC 6238 §5.2).
func (db Accounts) AcceptCode(ctx context.Context, subject authz.Subject, step int64) error {
	return oneRow("accepting a one-time code", db.writer(ctx).Exec(
		"UPDATE accounts SET totp_step = ? WHERE subject = ? AND totp_step < ? AND locked_at IS NULL",
		step, string(subject), step))
}

// SetPasswordHash replaces a hash, after its parameters changed.
func (db Accounts) SetPasswordHash(ctx context.Context, subject authz.Subject, hash string) error {
	return oneRow("storing a password hash", db.writer(ctx).Exec("UPDATE accounts SET password_hash = ? WHERE subject = ?", hash, string(subject)))
}

// ReplaceSeed puts a seed that was wrapped anew in the place of the one that was
// read; when that has changed meanwhile it does nothing.
func (db Accounts) ReplaceSeed(ctx context.Context, subject authz.Subject, old, fresh []byte) error {
	return wrap("storing a seed that was wrapped anew", db.writer(ctx).Exec(
		"UPDATE accounts SET totp_seed = ? WHERE subject = ? AND totp_seed = ?", blob(fresh), string(subject), blob(old)).Error)
}

// InsertAccount opens an account with its number: one commit.
// authz.ErrConflict if the person or the number has one.
func (db Accounts) InsertAccount(ctx context.Context, a identity.Account, number authz.PersonalNumber, passwordHash string, sealedSeed []byte) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		err := db.writer(ctx).Exec(`INSERT INTO accounts (subject, kind, person_id, name, account_level, password_hash, totp_seed, created_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, string(a.Subject), string(a.Kind), a.Person, a.Name, int(a.Level), passwordHash, sealedSeed, a.Created.UTC()).Error
		if err != nil {
			return wrap("opening an account", err)
		}
		return wrap("opening an account", db.writer(ctx).Exec(
			"INSERT INTO identifiers (number, kind, subject, valid_from) VALUES (?, 'number', ?, ?)",
			number.Reveal(), string(a.Subject), a.Created.UTC()).Error)
	})
}

// Lock locks an account, ends its sessions and revokes its grants: one commit.
// Sessions, grants and account come in the order in which releases hold them.
func (db Accounts) Lock(ctx context.Context, subject authz.Subject, reason string, at time.Time) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		if err := db.writer(ctx).Exec("UPDATE sessions SET ended_at = ?, ended_because = 'locked' WHERE subject = ? AND ended_at IS NULL",
			at.UTC(), string(subject)).Error; err != nil {
			return wrap("ending sessions", err)
		}
		if err := db.writer(ctx).Exec("UPDATE grants SET revoked_at = ?, revoked_because = 'account locked' WHERE subject = ? AND revoked_at IS NULL",
			at.UTC(), string(subject)).Error; err != nil {
			return wrap("revoking grants", err)
		}
		return oneRow("locking an account", db.writer(ctx).Exec(
			"UPDATE accounts SET locked_at = ?, lock_reason = ?, devices_since = ? WHERE subject = ? AND locked_at IS NULL", at.UTC(), reason, at.UTC(), string(subject)))
	})
}

// Unlock opens a locked account again; sessions and grants stay ended.
func (db Accounts) Unlock(ctx context.Context, subject authz.Subject) error {
	return oneRow("unlocking an account", db.writer(ctx).Exec(
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
	res := db.reader(ctx).Raw(`SELECT a.subject, a.kind, a.person_id, a.name, a.account_level, a.locked_at
		FROM identifiers i JOIN accounts a ON a.subject = i.subject WHERE i.number = ? AND i.kind = 'number'`, number.Reveal()).Scan(&row)
	if res.Error != nil {
		return identity.Account{}, wrap("reading an account", res.Error)
	}
	if res.RowsAffected == 0 {
		return identity.Account{}, authz.ErrNotFound
	}
	return identity.Account{
		Subject: authz.Subject(row.Subject), Kind: identity.Kind(row.Kind), Person: row.Person, Name: row.Name,
		Level: authz.AccountLevel(row.Level), Locked: value(row.Locked),
	}, nil
}

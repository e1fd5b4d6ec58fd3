package store

import (
	"context"
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
	Failures     int        `gorm:"column:failures"`
	FailedAt     *time.Time `gorm:"column:failed_at"`
	LockedAt     *time.Time `gorm:"column:locked_at"`
}

const credentialsColumns = "a.subject, a.password_hash, a.totp_seed, a.totp_step, a.failures, a.failed_at, a.locked_at"

func (row credentialsRow) credentials() authn.Credentials {
	return authn.Credentials{
		Subject: authz.Subject(row.Subject), PasswordHash: row.PasswordHash, SealedSeed: row.Seed, LastStep: row.Step,
		Failures: row.Failures, FailedAt: value(row.FailedAt), Locked: row.LockedAt != nil,
	}
}

// Credentials finds those of a number's holder; a re-issued number's
// predecessors find them too. For a number that nobody holds it tells the
// failures counted under its key: by the same one statement, so that the time it
// takes does not tell which it was.
func (db *DB) Credentials(ctx context.Context, number authz.PersonalNumber, numberKey []byte) (authn.Credentials, error) {
	var row struct {
		Held        credentialsRow `gorm:"embedded"`
		Attempts    int            `gorm:"column:attempts"`
		AttemptedAt *time.Time     `gorm:"column:attempted_at"`
	}
	err := db.reader(ctx).Raw("SELECT "+credentialsColumns+`, t.failures AS attempts, t.failed_at AS attempted_at FROM (SELECT 1) AS one
		LEFT JOIN identifiers i ON i.number = ? AND i.kind = 'number' LEFT JOIN accounts a ON a.subject = i.subject
		LEFT JOIN attempts t ON t.number_key = ?`, number.Reveal(), numberKey).Scan(&row).Error
	if err != nil {
		return authn.Credentials{}, wrap("reading credentials", err)
	}
	if row.Held.Subject == "" {
		return authn.Credentials{Failures: row.Attempts, FailedAt: value(row.AttemptedAt)}, nil
	}
	return row.Held.credentials(), nil
}

// CredentialsOf finds those of a subject.
func (db *DB) CredentialsOf(ctx context.Context, subject authz.Subject) (authn.Credentials, error) {
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

// CountFailure counts at the account, or at the number that has none.
func (db *DB) CountFailure(ctx context.Context, numberKey []byte, subject authz.Subject, at time.Time) error {
	if subject != "" {
		return wrap("counting a failed sign-in", db.writer(ctx).Exec(
			"UPDATE accounts SET failures = failures + 1, failed_at = ? WHERE subject = ?", at.UTC(), string(subject)).Error)
	}
	return wrap("counting a failed sign-in", db.writer(ctx).Exec(`INSERT INTO attempts (number_key, failures, failed_at) VALUES (?, 1, ?)
		ON CONFLICT (number_key) DO UPDATE SET failures = attempts.failures + 1, failed_at = excluded.failed_at`, blob(numberKey), at.UTC()).Error)
}

// AcceptCode advances the last time step and clears the failures. Of any number
// of calls with one step exactly one returns nil (RFC 6238 §5.2).
func (db *DB) AcceptCode(ctx context.Context, subject authz.Subject, step int64) error {
	return oneRow("accepting a one-time code", db.writer(ctx).Exec(
		"UPDATE accounts SET totp_step = ?, failures = 0, failed_at = NULL WHERE subject = ? AND totp_step < ? AND locked_at IS NULL",
		step, string(subject), step))
}

// SetPasswordHash replaces a hash, after its parameters changed.
func (db *DB) SetPasswordHash(ctx context.Context, subject authz.Subject, hash string) error {
	return oneRow("storing a password hash", db.writer(ctx).Exec("UPDATE accounts SET password_hash = ? WHERE subject = ?", hash, string(subject)))
}

// ReplaceSeed puts a seed that was wrapped anew in the place of the one that was
// read; when that has changed meanwhile it does nothing.
func (db *DB) ReplaceSeed(ctx context.Context, subject authz.Subject, old, fresh []byte) error {
	return wrap("storing a seed that was wrapped anew", db.writer(ctx).Exec(
		"UPDATE accounts SET totp_seed = ? WHERE subject = ? AND totp_seed = ?", blob(fresh), string(subject), blob(old)).Error)
}

// InsertAccount opens an account with its number: one commit.
// authz.ErrConflict if the person or the number has one.
func (db *DB) InsertAccount(ctx context.Context, a identity.Account, number authz.PersonalNumber, passwordHash string, sealedSeed []byte) error {
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

// Lock locks an account, ends its sessions and revokes its grants: one commit
// (research: a lock is a first-class event). Sessions, grants and account come in the
// order in which releases hold them.
func (db *DB) Lock(ctx context.Context, subject authz.Subject, reason string, at time.Time) error {
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
			"UPDATE accounts SET locked_at = ?, lock_reason = ? WHERE subject = ? AND locked_at IS NULL", at.UTC(), reason, string(subject)))
	})
}

// Unlock opens a locked account again; sessions and grants stay ended.
func (db *DB) Unlock(ctx context.Context, subject authz.Subject) error {
	return oneRow("unlocking an account", db.writer(ctx).Exec(
		"UPDATE accounts SET locked_at = NULL, lock_reason = '' WHERE subject = ? AND locked_at IS NOT NULL", string(subject)))
}

// AccountOf finds an account by a number.
func (db *DB) AccountOf(ctx context.Context, number authz.PersonalNumber) (identity.Account, error) {
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

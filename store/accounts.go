package store

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/identity"
	"hopnhat/store/handle"
)

var _ authn.Accounts = (*DB)(nil)

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

// Lock locks an account for a reason, ends its sessions and revokes its grants: one commit. Each
// reason, which has no comma, is a lock of its own: authz.ErrConflict if that one is there.
// Sessions, grants and account come in the order of locks (see the package comment).
func (db Accounts) Lock(ctx context.Context, subject authz.Subject, reason string, at time.Time) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		inOrder := db.Dialect().InOrder
		if err := db.Writer(ctx).Exec("UPDATE sessions SET ended_at = ?, ended_because = 'locked' WHERE "+
			inOrder("sessions", "subject = ? AND ended_at IS NULL"),
			at.UTC(), string(subject)).Error; err != nil {
			return handle.Wrap("ending sessions", err)
		}
		if err := db.Writer(ctx).Exec("UPDATE grants SET revoked_at = ?, revoked_because = 'account locked' WHERE "+
			inOrder("grants", "subject = ? AND revoked_at IS NULL"),
			at.UTC(), string(subject)).Error; err != nil {
			return handle.Wrap("revoking grants", err)
		}
		return handle.OneRow("locking an account", db.Writer(ctx).Exec(
			`UPDATE accounts SET locked_at = coalesce(locked_at, ?), devices_since = ?,
			lock_reason = CASE WHEN locked_at IS NULL THEN ? ELSE lock_reason || ? END
			WHERE subject = ? AND (locked_at IS NULL OR ',' || lock_reason || ',' NOT LIKE ?)`,
			at.UTC(), at.UTC(), reason, ","+reason, string(subject), lockedFor(reason)))
	})
}

// lockedFor finds a reason in lock_reason between commas.
func lockedFor(reason string) string { return "%," + reason + ",%" }

// Unlock takes the lock for a reason away; authz.ErrConflict if it is not there. The account is
// open again when no other lock is left; sessions and grants stay ended.
func (db Accounts) Unlock(ctx context.Context, subject authz.Subject, reason string) error {
	return handle.OneRow("unlocking an account", db.Writer(ctx).Exec(
		`UPDATE accounts SET locked_at = CASE WHEN lock_reason = ? THEN NULL ELSE locked_at END,
		lock_reason = trim(replace(',' || lock_reason || ',', ?, ','), ',')
		WHERE subject = ? AND locked_at IS NOT NULL AND ',' || lock_reason || ',' LIKE ?`,
		reason, ","+reason+",", string(subject), lockedFor(reason)))
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

// Package passkeys keeps the passkeys by which people sign in: see package
// hopnhat/authz/authn/passkey, whose Store it is. Their use is recorded by package signins.
package passkeys

import (
	"context"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/authz/clientauth"
	"hopnhat/store/handle"
	"hopnhat/store/spent"
	"hopnhat/store/sqldb"
)

// Book has the passkeys. It is safe for concurrent use.
type Book struct {
	*handle.Handle
	spent spent.Spent
}

var _ passkey.Store = Book{}

// New makes a book.
func New(db *handle.Handle) Book { return Book{db, spent.Spent{Handle: db}} }

// Passkey finds the one of a credential id, with what is known of its owner's account.
func (db Book) Passkey(ctx context.Context, credential []byte) (h passkey.Held, err error) {
	var locked *time.Time
	found, err := db.One(ctx, "reading a passkey", `SELECT p.id, p.subject, a.locked_at, p.public_key, p.counter, p.synced, p.credential_id, p.mac
		FROM passkeys p JOIN accounts a ON a.subject = p.subject WHERE p.credential_id = ? AND p.disabled_at IS NULL`,
		[]any{handle.Blob(credential)}, &h.ID, &h.Subject, &locked, &h.Key, &h.Counter, &h.Synced,
		&h.Credential, &h.MAC)
	if err == nil && !found {
		err = authz.ErrNotFound
	}
	h.Locked = locked != nil
	return h, err
}

// PasskeysOf lists those of a person, the oldest first.
func (db Book) PasskeysOf(ctx context.Context, who authz.Subject) (list []passkey.Passkey, err error) {
	err = db.Each(ctx, "listing passkeys", `SELECT id, credential_id, name, aaguid, synced, added_at, last_used_at
		FROM passkeys WHERE subject = ? AND disabled_at IS NULL ORDER BY id LIMIT ?`, []any{string(who), passkey.Most},
		func(rows sqldb.Row) error {
			p := passkey.Passkey{Subject: who}
			var used *time.Time
			err := rows.Scan(&p.ID, &p.Credential, &p.Name, &p.AAGUID, &p.Synced, &p.Added, &used)
			p.Added, p.Used = p.Added.UTC(), handle.Time(used)
			list = append(list, p)
			return err
		})
	return list, err
}

// InsertPasskey keeps a new one. The account is held, so that of two that come at once the
// second counts the first.
func (db Book) InsertPasskey(ctx context.Context, h passkey.Held, p passkey.Passkey) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		var who string
		found, err := db.One(ctx, "holding an account", "SELECT subject FROM accounts WHERE subject = ? AND locked_at IS NULL"+
			db.Dialect().Locked(), []any{string(h.Subject)}, &who)
		if err == nil && !found {
			err = authz.ErrNotFound
		}
		if err != nil {
			return err
		}
		return one(db.Change(ctx, "keeping a passkey", `INSERT INTO passkeys
			(id, subject, credential_id, name, public_key, counter, aaguid, synced, mac, added_at) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
			WHERE (SELECT count(*) FROM passkeys WHERE subject = ? AND disabled_at IS NULL) < ?`,
			string(h.ID), string(h.Subject), handle.Blob(h.Credential), p.Name, handle.Blob(h.Key), h.Counter, p.AAGUID, h.Synced,
			handle.Blob(h.MAC), p.Added.UTC(), string(h.Subject), passkey.Most))
	})
}

// RemovePasskey ends one of a person, and forgets how she named it.
func (db Book) RemovePasskey(ctx context.Context, who authz.Subject, id authn.FactorID, at time.Time) error {
	return one(db.Change(ctx, "removing a passkey",
		"UPDATE passkeys SET disabled_at = ?, name = '', mac = ? WHERE id = ? AND subject = ? AND disabled_at IS NULL",
		at.UTC(), handle.Blob{}, string(id), string(who)))
}

// one is authz.ErrNotFound for a statement that changed nothing.
func one(rows int64, err error) error {
	if err == nil && rows != 1 {
		err = authz.ErrNotFound
	}
	return err
}

// PasskeyOwner is whose a passkey is that was not removed; authz.ErrNotFound.
func (db Book) PasskeyOwner(ctx context.Context, id authn.FactorID) (who authz.Subject, err error) {
	found, err := db.One(ctx, "reading a passkey", "SELECT subject FROM passkeys WHERE id = ? AND disabled_at IS NULL", []any{string(id)}, &who)
	if err == nil && !found {
		err = authz.ErrNotFound
	}
	return who, err
}

// SpendChallenge remembers that a challenge was answered.
func (db Book) SpendChallenge(ctx context.Context, digest []byte, expires time.Time) error {
	err := db.spent.Spend(ctx, clientauth.Assertion{Digest: digest, Expires: expires})
	if errors.Is(err, clientauth.ErrAssertionUsed) {
		return authn.ErrUsed
	}
	return err
}

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
	spent spent.Once
}

var _ passkey.Store = Book{}

// New makes a book.
func New(db *handle.Handle) Book { return Book{db, spent.Challenges(db)} }

// held are the columns of a passkey that a sign-in needs, and stands what it must not be: one that
// was removed.
const (
	held   = "p.id, p.subject, p.public_key, p.counter, p.synced, p.credential_id, p.mac, p.counter_mac"
	stands = "p.disabled_at IS NULL AND NOT EXISTS (SELECT 1 FROM passkey_removals r WHERE r.passkey = p.id)"
)

func into(h *passkey.Held) []any {
	return []any{&h.ID, &h.Subject, &h.Key, &h.Counter, &h.Synced, &h.Credential, &h.MAC, &h.CounterMAC}
}

// Passkey finds the one of a credential id, with what is known of its owner's account.
func (db Book) Passkey(ctx context.Context, credential []byte) (h passkey.Held, err error) {
	var locked *time.Time
	found, err := db.One(ctx, "reading a passkey", "SELECT "+held+`, a.locked_at
		FROM passkeys p JOIN accounts a ON a.subject = p.subject WHERE p.credential_id = ? AND `+stands,
		[]any{handle.Blob(credential)}, append(into(&h), &locked)...)
	if err == nil && !found {
		err = authz.ErrNotFound
	}
	h.Locked = locked != nil
	return h, err
}

// PasskeysOf lists those of a person, the oldest first.
func (db Book) PasskeysOf(ctx context.Context, who authz.Subject) (list []passkey.Passkey, err error) {
	err = db.Each(ctx, "listing passkeys", "SELECT "+held+`, p.name, p.aaguid, p.added_at, p.last_used_at
		FROM passkeys p WHERE p.subject = ? AND `+stands+" ORDER BY p.id LIMIT ?", []any{string(who), passkey.Ever},
		func(rows sqldb.Row) error {
			var p passkey.Passkey
			var used *time.Time
			err := rows.Scan(append(into(&p.Held), &p.Name, &p.AAGUID, &p.Added, &used)...)
			p.Added, p.Used = p.Added.UTC(), handle.Time(used)
			list = append(list, p)
			return err
		})
	return list, err
}

// HoldAccount keeps an account open until the transaction ends.
func (db Book) HoldAccount(ctx context.Context, who authz.Subject) error {
	var subject string
	found, err := db.One(ctx, "holding an account", "SELECT subject FROM accounts WHERE subject = ? AND locked_at IS NULL"+
		db.Dialect().Locked(), []any{string(who)}, &subject)
	if err == nil && !found {
		err = authz.ErrNotFound
	}
	return err
}

// InsertPasskey keeps a new one.
func (db Book) InsertPasskey(ctx context.Context, p passkey.Passkey) error {
	return one(db.Change(ctx, "keeping a passkey", `INSERT INTO passkeys
		(id, subject, credential_id, name, public_key, counter, aaguid, synced, mac, counter_mac, added_at)
		SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE (SELECT count(*) FROM passkeys WHERE subject = ?) < ?`,
		string(p.ID), string(p.Subject), handle.Blob(p.Credential), p.Name, handle.Blob(p.Key), p.Counter, p.AAGUID, p.Synced,
		handle.Blob(p.MAC), handle.Blob(p.CounterMAC), p.Added.UTC(), string(p.Subject), passkey.Ever))
}

// RemovePasskey ends one of a person, forgets how she named it, and notes it where no role
// takes it back.
func (db Book) RemovePasskey(ctx context.Context, who authz.Subject, id authn.FactorID, at time.Time) error {
	return db.Tx(ctx, func(ctx context.Context) error {
		err := one(db.Change(ctx, "removing a passkey", "UPDATE passkeys SET disabled_at = ?, name = '' WHERE id = ? AND subject = ? AND disabled_at IS NULL",
			at.UTC(), string(id), string(who)))
		if err != nil {
			return err
		}
		_, err = db.Change(ctx, "removing a passkey", "INSERT INTO passkey_removals (passkey, removed_at) VALUES (?, ?) ON CONFLICT (passkey) DO NOTHING",
			string(id), at.UTC())
		return err
	})
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
	found, err := db.One(ctx, "reading a passkey", "SELECT p.subject FROM passkeys p WHERE p.id = ? AND "+stands, []any{string(id)}, &who)
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

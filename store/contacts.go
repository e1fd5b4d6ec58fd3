package store

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/identity"
	"hopnhat/store/handle"
)

var _ identity.ContactStore = (*DB)(nil)

// SaveContact replaces the contact of an account and kind.
func (db Accounts) SaveContact(ctx context.Context, c identity.Contact) error {
	return handle.Wrap("storing a contact", db.Writer(ctx).Exec(`INSERT INTO contacts (subject, kind, sealed, verified_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (subject, kind) DO UPDATE SET sealed = excluded.sealed, verified_at = excluded.verified_at`,
		string(c.Subject), string(c.Kind), handle.Blob(c.Sealed), optional(c.Verified)).Error)
}

// optional is a time, or NULL for zero.
func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Contacts lists those of a person, one of each kind at most.
func (db Accounts) Contacts(ctx context.Context, person authz.PersonID) ([]identity.Contact, error) {
	var rows []struct {
		Subject  string     `gorm:"column:subject"`
		Kind     string     `gorm:"column:kind"`
		Sealed   []byte     `gorm:"column:sealed"`
		Verified *time.Time `gorm:"column:verified_at"`
	}
	err := db.Reader(ctx).Raw(`SELECT c.subject, c.kind, c.sealed, c.verified_at FROM accounts a JOIN contacts c ON c.subject = a.subject
		WHERE a.person_id = ? ORDER BY c.kind`, string(person)).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("reading contacts", err)
	}
	out := make([]identity.Contact, len(rows))
	for i, row := range rows {
		out[i] = identity.Contact{
			Subject: authz.Subject(row.Subject), Kind: identity.ContactKind(row.Kind), Sealed: row.Sealed,
			Verified: handle.Time(row.Verified),
		}
	}
	return out, nil
}

// ReplaceContact stores a value that was wrapped anew, unless it has changed
// meanwhile.
func (db Accounts) ReplaceContact(ctx context.Context, c identity.Contact, fresh []byte) error {
	return handle.Wrap("storing a contact that was wrapped anew", db.Writer(ctx).Exec(
		"UPDATE contacts SET sealed = ? WHERE subject = ? AND kind = ? AND sealed = ?", handle.Blob(fresh), string(c.Subject), string(c.Kind), handle.Blob(c.Sealed)).Error)
}

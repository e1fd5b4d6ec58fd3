package signins

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/store/handle"
)

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
	credentialsColumns = "coalesce(a.subject, '') AS subject, a.devices_since, a.locked_at, coalesce(f.id, '') AS id, coalesce(f.kind, '') AS kind, f.secret, coalesce(f.counter, 0) AS counter"
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
func (db SignIns) Credentials(ctx context.Context, number authz.PersonalNumber) (authn.Credentials, error) {
	var rows []credentialsRow
	err := db.Reader(ctx).Raw("SELECT "+credentialsColumns+" FROM identifiers i JOIN accounts a ON a.subject = i.subject"+withFactors+
		" WHERE i.number = ? AND i.kind = 'number'", number.Reveal()).Scan(&rows).Error
	return credentials(rows), handle.Wrap("reading credentials", err)
}

// CredentialsOf finds those of a subject.
func (db SignIns) CredentialsOf(ctx context.Context, subject authz.Subject) (authn.Credentials, error) {
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

// ReplaceSecret puts a secret that was made anew in the place of the one that was read;
// when that has changed meanwhile, or the factor was disabled, it does nothing.
func (db SignIns) ReplaceSecret(ctx context.Context, subject authz.Subject, factor authn.FactorID, old, fresh []byte) error {
	held := heldAccount
	if db.Dialect() == handle.SQLite { // has one writer at a time
		held = openAccount
	}
	return handle.Wrap("storing a factor that was made anew", db.Writer(ctx).Exec("UPDATE factors SET secret = ? WHERE subject IN ("+
		held+") AND disabled_at IS NULL AND id = ? AND secret = ?",
		handle.Blob(fresh), string(subject), string(factor), handle.Blob(old)).Error)
}

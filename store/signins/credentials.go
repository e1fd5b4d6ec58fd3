package signins

import (
	"context"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

// An account is a row for each factor, and one without if it holds none.
const (
	credentialsColumns = "coalesce(a.subject, ''), a.devices_since, a.locked_at, coalesce(f.id, ''), coalesce(f.kind, ''), f.secret, coalesce(f.counter, 0)"
	withFactors        = " LEFT JOIN factors f ON f.subject = a.subject AND f.disabled_at IS NULL"

	byNumber = "SELECT " + credentialsColumns + " FROM identifiers i JOIN accounts a ON a.subject = i.subject" + withFactors +
		" WHERE i.number = ? AND i.kind = 'number'"
	bySubject = ", " + credentialsColumns + " FROM accounts a" + withFactors + " WHERE a.subject = ?"
)

// found gathers the rows of an account, whose columns are credentialsColumns after those
// given.
func found(c *authn.Credentials, before ...any) func(sqldb.Row) error {
	return func(row sqldb.Row) error {
		var devicesSince, lockedAt *time.Time
		var f authn.Held
		into := append(before, &c.Subject, &devicesSince, &lockedAt, &f.ID, &f.Kind, &f.Secret, &f.Counter)
		if err := row.Scan(into...); err != nil {
			return err
		}
		c.DevicesSince, c.Locked = handle.Time(devicesSince), lockedAt != nil
		if f.ID != "" {
			c.Factors = append(c.Factors, f)
		}
		return nil
	}
}

// Credentials finds those of a number's holder; a re-issued number's
// predecessors find them too. A number that nobody holds is looked up by the same
// statement.
func (db SignIns) Credentials(ctx context.Context, number authz.PersonalNumber) (c authn.Credentials, err error) {
	err = db.Each(ctx, "reading credentials", byNumber, []any{number.Reveal()}, found(&c))
	return c, err
}

// CredentialsOf finds those of a subject, and when the next attempt by some budgets may be.
func (db SignIns) CredentialsOf(ctx context.Context, subject authz.Subject, budgets ...authn.Budget) (c authn.Credentials, err error) {
	next, values := "0", make([]any, 0, len(budgets)+1)
	if len(budgets) > 0 {
		next = "(SELECT coalesce(max(next_at), 0) FROM sign_in_attempts WHERE key IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(budgets)), ", ") + "))"
	}
	for _, b := range budgets {
		values = append(values, handle.Blob(b.Key))
	}
	var at int64
	err = db.Each(ctx, "reading credentials", "SELECT "+next+bySubject, append(values, string(subject)), found(&c, &at))
	if err == nil && c.Subject == "" {
		err = authz.ErrNotFound
	}
	if at > 0 {
		c.NextAt = time.UnixMilli(at)
	}
	return c, err
}

// ReplaceSecret puts a secret that was made anew in the place of the one that was read;
// when that has changed meanwhile, or the factor was disabled, it does nothing.
func (db SignIns) ReplaceSecret(ctx context.Context, subject authz.Subject, factor authn.FactorID, old, fresh []byte) error {
	held := heldAccount
	if db.Dialect() == handle.SQLite { // has one writer at a time
		held = openAccount
	}
	now := db.Now().UTC()
	return handle.Wrap("storing a factor that was made anew", db.Writer(ctx).Exec("UPDATE factors SET secret = ? WHERE subject IN ("+
		held+") AND disabled_at IS NULL AND id = ? AND secret = ?",
		handle.Blob(fresh), string(subject), now, now, string(factor), handle.Blob(old)).Error)
}

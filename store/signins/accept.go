package signins

import (
	"context"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/session"
	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

// The account of a sign-in, if it is open, and is good at a time where it is one that was handed
// over to a province. Held, it stays so until the transaction ends: before the row of a factor,
// as the triggers of migration 00037 do.
const (
	openAccount = "SELECT subject FROM accounts WHERE " + open
	open        = "subject = ? AND locked_at IS NULL AND NOT EXISTS (" +
		"SELECT 1 FROM regional_people p WHERE p.subject = accounts.subject AND (p.digest = '' OR p.good_until <= ?" +
		" AND NOT EXISTS (SELECT 1 FROM regional_feeds WHERE renewed_until > ?)))"
	heldAccount = openAccount + " FOR NO KEY UPDATE"
)

// use is the statement that notes the use of factors and advances their counters, of the
// account that a condition names. Of any number of statements with one counter exactly one
// finds them all (RFC 6238 §5.2).
func use(a *authn.Acceptance, account string, of ...any) (query string, values []any) {
	var counters, conditions []string
	var terms []any
	values = []any{a.At.UTC()}
	for _, one := range a.Uses {
		if one.Counter == 0 {
			if one.Kind == authn.PasskeyFactor { // whose authenticator counts or does not, always
				conditions, terms = append(conditions, "id = ? AND counter = 0"), append(terms, string(one.Factor))
				continue
			}
			conditions, terms = append(conditions, "id = ?"), append(terms, string(one.Factor))
			continue
		}
		counters, values = append(counters, "WHEN ? THEN ?"), append(values, string(one.Factor), one.Counter)
		conditions, terms = append(conditions, "id = ? AND counter < ?"), append(terms, string(one.Factor), one.Counter)
	}
	table := "factors"
	if len(a.Uses) == 1 && a.Uses[0].Kind == authn.PasskeyFactor { // which needs nothing beside it
		table = "passkeys"
	}
	query = "UPDATE " + table + " SET last_used_at = ?"
	if len(counters) > 0 {
		query += ", counter = CASE id " + strings.Join(counters, " ") + " ELSE counter END"
	}
	if table == "passkeys" {
		query, values = query+", counter_mac = ?", append(values, handle.Blob(a.Uses[0].CounterMAC))
	}
	query += " WHERE subject IN (" + account + ") AND disabled_at IS NULL AND (" + strings.Join(conditions, " OR ") + ")"
	return query, append(append(values, of...), terms...)
}

// step is that of the one-time code of an acceptance, zero without one.
func step(a *authn.Acceptance) (step int64) {
	for _, one := range a.Uses {
		if one.Kind == authn.TOTPFactor {
			step = one.Counter
		}
	}
	return step
}

// accepting is the beginning of a statement of PostgreSQL that counts the attempt, then
// holds the account, and uses the factors; accepted reads what it did.
func accepting(a *authn.Acceptance) (with string, values []any) {
	counted := "SELECT CAST('' AS bytea) AS one WHERE false"
	if len(a.Budgets) > 0 {
		counted, values = count(a.Budgets, a.At.UnixMilli(), handle.PostgreSQL)
	}
	// An attempt that is refused touches no session and no account, whatever was answered: how long
	// it takes would tell a right answer from a wrong one.
	const ifCounted = " AND (SELECT count(*) FROM counted) = ?"
	with, account := "WITH counted AS ("+counted+")", open+ifCounted
	lock := func(name, query string) { // before the account
		with += ", " + name + " AS (" + query + ")"
		account += " AND (SELECT count(*) FROM " + name + ") >= 0"
	}
	if a.Before != "" {
		lock("before", "SELECT id FROM sessions WHERE id = ?"+ifCounted+" FOR NO KEY UPDATE")
		values = append(values, string(a.Before), len(a.Budgets))
	}
	if a.Ends {
		lock("ending", "SELECT g.id FROM before b JOIN grants g ON g.session_id = b.id WHERE g.revoked_at IS NULL ORDER BY g.id FOR NO KEY UPDATE OF g")
	}
	hold := "SELECT subject FROM accounts WHERE " + account + " FOR NO KEY UPDATE"
	if step := step(a); step > 0 { // which the release before looks for there (migration 00096)
		hold = "UPDATE accounts SET totp_step = greatest(totp_step, ?), totp_copied = greatest(totp_step, ?) WHERE " + account + " RETURNING subject"
		values = append(values, step, step)
	}
	used, terms := use(a, "SELECT subject FROM held")
	values = append(append(values, string(a.Subject), a.At.UTC(), a.At.UTC(), len(a.Budgets)), terms...)
	return with + ", held AS (" + hold + "), used AS (" + used + " RETURNING 1)", values
}

const accepted = " SELECT (SELECT count(*) FROM counted) AS counted, (SELECT count(*) FROM used) AS used," +
	" (SELECT string_agg(encode(one, 'hex'), ' ') FROM counted) AS keys"

// did is how much of an acceptance a statement did: the budgets that it counted, and the
// factors that it used.
type did struct {
	counted, used int
	keys          []string // of the budgets that were counted
}

func (d *did) scan(row sqldb.Row) error {
	var keys sql.NullString
	err := row.Scan(&d.counted, &d.used, &keys)
	d.keys = strings.Fields(keys.String)
	return err
}

// accept runs a statement that ends with accepted.
func (db SignIns) accept(ctx context.Context, a *authn.Acceptance, query string, values []any) error {
	var d did
	err := db.ChangeEach(ctx, accepts, query, values, d.scan)
	if err != nil {
		return err
	}
	return db.verdict(ctx, a, d)
}

const accepts = "accepting an answer"

// Accept records a right answer in the transaction of its caller, who leaves it undone on
// an error: [authn.Throttled], [authn.ErrUsed].
func (db SignIns) Accept(ctx context.Context, a *authn.Acceptance) error {
	a.Recorded = true
	if db.Dialect() == handle.PostgreSQL {
		with, values := accepting(a)
		return db.accept(ctx, a, with+accepted, values)
	}
	if len(a.Budgets) > 0 {
		if wait, err := db.CountAttempt(ctx, a.Budgets, a.At); err != nil {
			return err
		} else if wait > 0 {
			return authn.Throttled{Wait: wait}
		}
	}
	query, values := use(a, openAccount, string(a.Subject), a.At.UTC(), a.At.UTC())
	used, err := db.Change(ctx, accepts, query, values...)
	if err != nil {
		return err
	}
	return db.verdict(ctx, a, did{counted: len(a.Budgets), used: int(used)})
}

// verdict is what becomes of an acceptance of which a statement did so much.
func (db SignIns) verdict(ctx context.Context, a *authn.Acceptance, d did) error {
	switch {
	case d.counted != len(a.Budgets):
		wait, err := db.wait(ctx, left(a.Budgets, d.keys), a.At)
		if err == nil {
			err = authn.Throttled{Wait: wait}
		}
		return err
	case d.used != len(a.Uses):
		return fmt.Errorf("using %d factors: %w: %w", len(a.Uses), authn.ErrUsed, authz.ErrConflict)
	}
	return nil
}

const (
	sessionInto = `INSERT INTO sessions
		(id, secret_hash, subject, represented, represented_kind, mandate, auth_time, methods, level, device, created_at, seen_at) `
	sessionValues = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?"
)

// unlessRefused is the end of a statement that begins as accepting does, which fails where an
// acceptance is refused.
const (
	noAttempt     = "no attempt is left"
	noFactor      = "a factor is used or disabled"
	unlessRefused = " SELECT CASE WHEN (SELECT count(*) FROM counted) <> ? THEN refuse('" + noAttempt + "')" +
		" WHEN (SELECT count(*) FROM used) <> ? THEN refuse('" + noFactor + "') END"
)

// refusal is what an error of such a statement means. How long to wait is read when nothing of it
// stays: what it restored plays no part.
func (db SignIns) refusal(a *authn.Acceptance) sqldb.Meaning {
	return func(ctx context.Context, err error) error {
		switch sqldb.Refused(err) {
		case noAttempt:
			return db.verdict(ctx, a, did{keys: anyway(a.Budgets)})
		case noFactor:
			return db.verdict(ctx, a, did{counted: len(a.Budgets)})
		}
		return nil
	}
}

// anyway are the budgets that no attempt is refused by.
func anyway(budgets []authn.Budget) (keys []string) {
	for _, b := range budgets {
		if b.Effect == authn.RestoreAnyway {
			keys = append(keys, hex.EncodeToString(b.Key))
		}
	}
	return keys
}

// InsertSession stores a new session, and the answer that it begins by as
// [SignIns.Accept] does, nil for one that was recorded before. On PostgreSQL both are one
// statement, whose error, also Accept's, comes out of the transaction.
func (db SignIns) InsertSession(ctx context.Context, s session.Session, secretHash []byte, by *authn.Acceptance) error {
	represented, kind, mandate := handle.Represented(s.Principal)
	columns := []any{
		string(s.ID), secretHash, string(s.Actor), represented, kind, mandate, s.AuthTime.UTC(), strings.Join(s.Methods, " "),
		int(s.Level), s.Device, s.Created.UTC(), s.Seen.UTC(),
	}
	if by != nil && db.Dialect() == handle.PostgreSQL {
		by.Recorded = true
		with, values := accepting(by)
		values = append(append(values, columns...), len(by.Budgets), len(by.Uses))
		begin := with + ", began AS (" + sessionInto + "VALUES (" + sessionValues + "))" + unlessRefused
		return db.ChangeUnless(ctx, accepts, begin, values, db.refusal(by))
	}
	if by != nil {
		if err := db.Accept(ctx, by); err != nil {
			return err
		}
	}
	_, err := db.Change(ctx, "storing a session", sessionInto+"VALUES ("+sessionValues+")", columns...)
	return err
}

// ForgetDevices ends the devices of an account that were known until then.
func (db SignIns) ForgetDevices(ctx context.Context, subject authz.Subject, at time.Time) error {
	return handle.Wrap("forgetting devices", db.Writer(ctx).Exec("UPDATE accounts SET devices_since = ? WHERE subject = ?", at.UTC(), string(subject)).Error)
}

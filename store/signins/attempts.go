package signins

import (
	"context"
	"encoding/hex"
	"errors"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

// Each budget is a row of sign_in_attempts. The statement that counts holds it from then
// on, so those who come at once are counted one after the other.
const (
	countInto = " INSERT INTO sign_in_attempts AS b (key, free, spent, next_at, seen_at) "
	// An insert is of a budget of which nothing was spent: one free attempt at least.
	// One that is restored says that 0 are spent, and in any case by a time of 0. When it was
	// seen is kept to the hour: a row that changes is then in no index anew.
	// While attempts are free the next one is at any time: of two at once, the one that was
	// made first may be counted second, and the clock of another node may be behind.
	countedUnlessUsedUp = ` ON CONFLICT (key) DO UPDATE SET spent = CASE WHEN excluded.spent = 0 THEN 0 ELSE b.spent + 1 END,
			seen_at = CASE WHEN excluded.seen_at - b.seen_at < 3600000 THEN b.seen_at ELSE excluded.seen_at END,
			next_at = CASE WHEN excluded.spent = 0 OR b.spent + 1 < b.free THEN 0 ELSE excluded.seen_at + CASE
			WHEN b.spent + 1 = b.free THEN 30000 WHEN b.spent = b.free THEN 60000 WHEN b.spent = b.free + 1 THEN 120000
			WHEN b.spent = b.free + 2 THEN 240000 WHEN b.spent = b.free + 3 THEN 480000 ELSE 900000 END END
		WHERE b.next_at <= excluded.seen_at OR excluded.next_at = 0 RETURNING key AS one`
)

// When the next attempt may be, as an insert says it: at any time of these two.
const (
	inAnyCase int64 = iota // also where the budget is used up
	ifLeft
)

// gate is passed by whoever counts by more than one budget on PostgreSQL, before a row is
// held or made, and shut until its transaction ends: of those who share the last of their budgets
// one holds rows at a time. An order of rows alone would not do, since of a budget that has
// no row yet none can be held. Two that share no budget may have one gate: then one waits.
const gate = "WITH gate AS MATERIALIZED (SELECT pg_advisory_xact_lock(?))"

func gateOf(budgets []authn.Budget) int64 {
	h := fnv.New64a()
	_, _ = h.Write(budgets[len(budgets)-1].Key)
	return int64(h.Sum64())
}

// one is a row that counts, of PostgreSQL, where a parameter outside of VALUES has no type.
const one = "SELECT CAST(? AS bytea), CAST(? AS bigint), CAST(? AS bigint), CAST(? AS bigint), CAST(? AS bigint)"

// count is the statement that counts an attempt by every budget; it returns a row for
// each that was not used up.
func count(budgets []authn.Budget, now int64, dialect handle.Dialect) (query string, values []any) {
	gated := dialect == handle.PostgreSQL && len(budgets) > 1 // SQLite has one writer at a time
	if gated {
		values = append(values, gateOf(budgets))
	}
	var rows []string
	for _, b := range budgets {
		spent, next := 1, ifLeft
		switch b.Effect {
		case authn.Restore:
			spent = 0
		case authn.RestoreAnyway:
			spent, next = 0, inAnyCase
		case authn.Spend:
		}
		rows, values = append(rows, "(?, ?, ?, ?, ?)"), append(values, handle.Blob(b.Key), b.Free, spent, next, now)
	}
	if gated {
		all := strings.Repeat(one+" FROM gate UNION ALL ", len(rows)-1) + one + " FROM gate"
		return gate + countInto + all + countedUnlessUsedUp, values
	}
	return countInto + "VALUES " + strings.Join(rows, ", ") + countedUnlessUsedUp, values
}

// CountAttempt counts an attempt by every budget, by one statement, or tells how long to
// wait; the caller then leaves the transaction undone.
func (db SignIns) CountAttempt(ctx context.Context, budgets []authn.Budget, at time.Time) (time.Duration, error) {
	query, values := count(budgets, at.UnixMilli(), db.Dialect())
	var counted []string
	err := db.ChangeEach(ctx, counting, query, values, func(row sqldb.Row) error {
		var key []byte
		err := row.Scan(&key)
		counted = append(counted, hex.EncodeToString(key))
		return err
	})
	if err != nil || len(counted) == len(budgets) {
		return 0, err
	}
	return db.wait(ctx, left(budgets, counted), at)
}

// left are the budgets that an attempt was refused by. What it counted of others does not
// stay, and plays no part in how long to wait: it would tell a right answer, which restores
// a budget, from a wrong one.
func left(budgets []authn.Budget, counted []string) []authn.Budget {
	return slices.DeleteFunc(slices.Clone(budgets), func(b authn.Budget) bool {
		return slices.Contains(counted, hex.EncodeToString(b.Key))
	})
}

// wait is how long to wait until no budget is used up, a second at least.
func (db SignIns) wait(ctx context.Context, budgets []authn.Budget, at time.Time) (time.Duration, error) {
	keys := make([]handle.Blob, len(budgets))
	for i, b := range budgets {
		keys[i] = b.Key
	}
	var last struct{ Next int64 }
	err := db.Reader(ctx).Raw("SELECT coalesce(max(next_at), 0) AS next FROM sign_in_attempts WHERE key IN ?", keys).Scan(&last).Error
	return max(time.Duration(last.Next-at.UnixMilli())*time.Millisecond, time.Second), handle.Wrap("reading when to try again", err)
}

// counting is what is being done where an attempt is counted.
const counting = "counting an attempt to sign in"

// errTooSoon leaves a transaction undone.
var errTooSoon = errors.New("a budget of attempts is used up")

// BeginSignIn counts an attempt, in a commit of its own, and reads the credentials of a number's
// holder, or tells how long to wait. On PostgreSQL that is one statement, which for a
// number that nobody holds is the same one.
func (db SignIns) BeginSignIn(
	ctx context.Context, number authz.PersonalNumber, budgets []authn.Budget, at time.Time,
) (c authn.Credentials, wait time.Duration, err error) {
	if query, values := begin(budgets, at.UnixMilli()); query != "" && db.Dialect() == handle.PostgreSQL {
		counted := 0
		err := db.ChangeEach(ctx, counting, query, append(values, number.Reveal()), found(&c, &counted))
		switch {
		case err != nil:
			return authn.Credentials{}, 0, err
		case counted != len(budgets):
			wait, err = db.wait(ctx, budgets, at)
			return authn.Credentials{}, wait, err
		}
		return c, 0, nil
	}
	err = db.Tx(ctx, func(ctx context.Context) error {
		if wait, err = db.CountAttempt(ctx, budgets, at); err == nil && wait > 0 {
			return errTooSoon
		}
		return err
	})
	if errors.Is(err, errTooSoon) {
		return c, wait, nil
	}
	if err == nil {
		c, err = db.Credentials(ctx, number)
	}
	return c, 0, err
}

// begin is the statement of [SignIns.BeginSignIn] on PostgreSQL; empty where it cannot be one.
//
// It counts all budgets or none. Of two, the second, which many networks share, is held
// first, and if it is used up nothing is counted. Then the first is counted, and only if it
// was not used up the second: so nobody who was refused spends what others share. If the
// second has no row yet, it cannot be held: should more attempts than it has free be
// counted by others between the begin of this statement and its end, the attempt is
// refused and the first budget has counted it all the same.
func begin(budgets []authn.Budget, now int64) (query string, values []any) {
	for _, b := range budgets {
		if b.Effect != authn.Spend {
			return "", nil
		}
	}
	counted := func(b authn.Budget) {
		values = append(values, handle.Blob(b.Key), b.Free, 1, ifLeft, now)
	}
	switch len(budgets) {
	case 1:
		counted(budgets[0])
		query = "WITH counted AS (" + countInto + one + countedUnlessUsedUp + ")"
	case 2:
		values = append(values, gateOf(budgets), handle.Blob(budgets[1].Key))
		counted(budgets[0])
		values = append(values, now)
		counted(budgets[1])
		query = gate + ", held AS (SELECT a.next_at FROM gate, sign_in_attempts a WHERE a.key = ? FOR UPDATE OF a), own AS (" +
			countInto + one + " FROM gate WHERE NOT EXISTS (SELECT 1 FROM held WHERE next_at > CAST(? AS bigint))" + countedUnlessUsedUp + "), shared AS (" +
			countInto + one + " FROM own" + countedUnlessUsedUp + "), counted AS (SELECT one FROM own UNION ALL SELECT one FROM shared)"
	default:
		return "", nil
	}
	return query + " SELECT (SELECT count(*) FROM counted) AS counted, " + credentialsColumns + ` FROM (SELECT 1 AS one) AS o
		LEFT JOIN (identifiers i JOIN accounts a ON a.subject = i.subject` + withFactors + ") ON i.number = ? AND i.kind = 'number'", values
}

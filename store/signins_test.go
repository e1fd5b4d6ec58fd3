package store_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/session"
	"hopnhat/store"
	"hopnhat/store/sqldb"
	"hopnhat/store/storetest"
)

// onlyOn chooses by the database: PostgreSQL does by one statement what SQLite does by several.
func onlyOn(db *store.DB, postgres, sqlite uint64) uint64 {
	if db.Dialect() == store.PostgreSQL {
		return postgres
	}
	return sqlite
}

// TestTheFirstStepIsCountedAndReadTogether: in one commit, for a holder's number as for
// nobody's; and who is refused learns no credentials.
func TestTheFirstStepIsCountedAndReadTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const number = "099000000031"
		subject := holder(t, db, number)
		for name, budgets := range map[string][]authn.Budget{
			"a known browser": {{Key: []byte("device"), Free: 2}},
			"a stranger":      {{Key: []byte("network"), Free: 2}, {Key: []byte("account"), Free: 9}},
		} {
			if _, wait, err := db.BeginSignIn(t.Context(), number, budgets, midday); err != nil || wait != 0 {
				t.Fatalf("%s: %s, %v", name, wait, err)
			}
			before := db.Stats()
			c, wait, err := db.BeginSignIn(t.Context(), number, budgets, midday)
			if err != nil || wait != 0 || c.Subject != subject || len(c.Factors) != 2 || string(c.Factors[0].Secret) == "" {
				t.Fatalf("%s: %+v, %s, %v", name, c, wait, err)
			}
			after := db.Stats()
			if after.Commits-before.Commits != 1 || after.Queries-before.Queries != onlyOn(db, 1, 2) {
				t.Errorf("%s: %d commits, %d statements", name, after.Commits-before.Commits, after.Queries-before.Queries)
			}
			c, wait, err = db.BeginSignIn(t.Context(), number, budgets, midday)
			if err != nil || wait != 30*time.Second || c.Subject != "" || c.Factors != nil {
				t.Errorf("%s, again: %+v, %s, %v", name, c, wait, err)
			}
		}
		before := db.Stats()
		nobody := []authn.Budget{{Key: []byte("nobody's network"), Free: 5}, {Key: []byte("nobody"), Free: 9}}
		c, wait, err := db.BeginSignIn(t.Context(), "099000000032", nobody, midday)
		if err != nil || wait != 0 || c.Subject != "" || c.Factors != nil || db.Stats().Queries-before.Queries != onlyOn(db, 1, 2) {
			t.Errorf("nobody's number: %+v, %s, %v", c, wait, err)
		}
	})
}

// TestFirstStepsThatComeTogether: however many come at once, no budget counts more than it
// has; an attempt that the account's budget refuses spends nothing of the network's, and
// one that the network's refuses nothing of the account's.
func TestFirstStepsThatComeTogether(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const number = "099000000033"
		holder(t, db, number)
		network := func(i int) authn.Budget { return authn.Budget{Key: []byte{'m', byte(i)}, Free: 5} }
		account := func(free int) authn.Budget { return authn.Budget{Key: []byte("shared"), Free: free} }
		begin := func(budgets ...authn.Budget) (counted bool) {
			t.Helper()
			_, wait, err := db.BeginSignIn(t.Context(), number, budgets, midday)
			if err != nil {
				t.Error(err)
			}
			return err == nil && wait == 0
		}
		together := func(n int, budgets func(i int) []authn.Budget) (counted int32) {
			var group sync.WaitGroup
			var sum atomic.Int32
			for i := range n {
				group.Go(func() {
					if begin(budgets(i)...) {
						sum.Add(1)
					}
				})
			}
			group.Wait()
			return sum.Load()
		}
		// From one network, 5 of 40 are counted, and 5 of the account's 12 are spent.
		if n := together(40, func(int) []authn.Budget { return []authn.Budget{network(1), account(12)} }); n != 5 {
			t.Errorf("%d attempts of one network, want 5", n)
		}
		if n := together(40, func(i int) []authn.Budget { return []authn.Budget{network(10 + i), account(12)} }); n != 7 {
			t.Errorf("%d attempts of the account, want the 7 that are left", n)
		}
		// What was refused for the account is spent of no network: each of the 33 has its 5.
		left := 0
		for i := range 40 {
			for range 5 {
				if begin(network(10 + i)) {
					left++
				}
			}
		}
		if left != 40*5-7 {
			t.Errorf("the networks have %d attempts left, want %d", left, 40*5-7)
		}
	})
}

// TestASessionBeginsByItsAnswer: attempt, factors and session are one, or nothing is; of
// many who give one code at once one begins a session.
func TestASessionBeginsByItsAnswer(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		subject := holder(t, db, "099000000034")
		guess := authn.Budget{Key: []byte("code"), Free: 5}
		begin := func(id string, by *authn.Acceptance) error {
			s := session.Session{
				ID: authz.SessionID(id), Principal: authz.Herself(subject), AuthTime: midday, Methods: []string{"pwd", "otp"}, Level: 2,
				Created: midday, Seen: midday,
			}
			return db.Tx(t.Context(), func(ctx context.Context) error {
				return db.InsertSession(ctx, s, authz.HashSecret(id), by)
			})
		}
		began := func(id string) bool {
			_, err := db.SessionBySecret(t.Context(), authz.HashSecret(id))
			if err != nil && !errors.Is(err, authz.ErrNotFound) {
				t.Fatal(err)
			}
			return err == nil
		}
		answer := func(counter int64, budgets ...authn.Budget) *authn.Acceptance {
			return &authn.Acceptance{Subject: subject, Budgets: budgets, Uses: uses(t, db, subject, counter), At: midday}
		}
		right := guess
		right.Effect = authn.Restore

		before, by := db.Stats(), answer(1, right)
		before.Queries++ // that of the answer
		if err := begin("first", by); err != nil || !began("first") || !by.Recorded {
			t.Fatalf("%v, %+v", err, by)
		}
		if n := db.Stats().Queries - before.Queries; n != onlyOn(db, 2, 4) { // one is that of began
			t.Errorf("%d statements", n)
		}
		if _, counter := secret(t, db, subject, authn.TOTPFactor); counter != 1 {
			t.Errorf("the counter is %d", counter)
		}

		var group sync.WaitGroup
		var won, lost atomic.Int32
		same := answer(2, right)
		for i := range 40 {
			group.Go(func() {
				one := *same
				switch err := begin("race "+string(rune('a'+i)), &one); {
				case err == nil:
					won.Add(1)
				case errors.Is(err, authn.ErrUsed) && errors.Is(err, authz.ErrConflict):
					lost.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || lost.Load() != 39 {
			t.Errorf("%d sessions began by one code, %d were refused", won.Load(), lost.Load())
		}

		for range guess.Free {
			if wait, err := db.CountAttempt(t.Context(), []authn.Budget{guess}, midday); err != nil || wait != 0 {
				t.Fatalf("%s, %v", wait, err)
			}
		}
		var throttled authn.Throttled
		c, err := db.CredentialsOf(t.Context(), subject, right, authn.Budget{Key: []byte("other")})
		free, other := db.CredentialsOf(t.Context(), subject, authn.Budget{Key: []byte("other")})
		if err := errors.Join(err, other); err != nil || !c.NextAt.Equal(midday.Add(30*time.Second)) || !free.NextAt.IsZero() {
			t.Errorf("the next attempt may be at %s, and of a budget that is not used up at %s: %v", c.NextAt, free.NextAt, err)
		}
		err = begin("too soon", answer(3, right))
		if !errors.As(err, &throttled) || throttled.Wait != 30*time.Second || began("too soon") {
			t.Errorf("with a budget that is used up: %v, began: %v", err, began("too soon"))
		}
		if _, counter := secret(t, db, subject, authn.TOTPFactor); counter != 2 {
			t.Errorf("the code of a sign-in that was refused is spent: %d", counter)
		}
		if err := db.Lock(t.Context(), subject, "test", midday); err != nil {
			t.Fatal(err)
		}
		if err := begin("locked", answer(4)); !errors.Is(err, authn.ErrUsed) || began("locked") {
			t.Errorf("of a locked account: %v", err)
		}
	})
}

// TestAttemptsAtOnceAreFree: attempts within a budget are free in whatever order they are
// counted, as those of two taps at once, or of two nodes whose clocks differ, are.
func TestAttemptsAtOnceAreFree(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for _, c := range []struct {
			name   string
			effect authn.Effect
			begins bool
		}{{"wrong", authn.Spend, false}, {"right", authn.Restore, false}, {"begun", authn.Spend, true}} {
			own := authn.Budget{Key: []byte(c.name), Free: 4, Effect: c.effect}
			shared := authn.Budget{Key: []byte(c.name + " of all"), Free: 4, Effect: authn.Spend}
			for _, early := range []time.Duration{0, time.Millisecond, 2 * time.Second} {
				at, budgets := midday.Add(-early), []authn.Budget{own, shared}
				var wait time.Duration
				var err error
				if c.begins {
					_, wait, err = db.BeginSignIn(t.Context(), "099000000032", budgets, at)
				} else {
					wait, err = db.CountAttempt(t.Context(), budgets, at)
				}
				if err != nil || wait != 0 {
					t.Errorf("%s, %s before the one counted first: wait %s, %v", c.name, early, wait, err)
				}
			}
		}
	})
}

// TestWhenAnAttemptWasSeen: to the hour, so that one that changes a row is in no index anew;
// and what counts attempts is kept for a day after the last.
func TestWhenAnAttemptWasSeen(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		budget := []authn.Budget{{Key: []byte("budget"), Free: 9}}
		for _, row := range []struct{ after, seen time.Duration }{
			{0, 0},
			{time.Hour - time.Millisecond, 0},
			{time.Hour, time.Hour},
			{90 * time.Minute, time.Hour},
			{2*time.Hour - time.Millisecond, time.Hour},
		} {
			if wait, err := db.CountAttempt(t.Context(), budget, midday.Add(row.after)); err != nil || wait != 0 {
				t.Fatalf("%s, %v", wait, err)
			}
			var seen int64
			if err := db.Row(t.Context(), &seen, "SELECT seen_at FROM sign_in_attempts"); err != nil || seen != midday.Add(row.seen).UnixMilli() {
				t.Errorf("an attempt after %s is seen at %s, %v; want %s after", row.after, time.UnixMilli(seen).UTC(), err, row.seen)
			}
		}
		last := midday.Add(2*time.Hour - time.Millisecond)
		for _, row := range []struct {
			after  time.Duration
			purged int64
		}{{24 * time.Hour, 0}, {25 * time.Hour, 1}} {
			if n, err := db.PurgeSessions(t.Context(), last.Add(row.after), 10); err != nil || n != row.purged {
				t.Errorf("%s after the last attempt %d are purged, %v; want %d", row.after, n, err, row.purged)
			}
		}
	})
}

// TestRightAndWrongHearTheSame: while a budget that others share is used up, a right answer and
// a wrong one are told the same time to wait, whatever each would do to a budget of its own.
func TestRightAndWrongHearTheSame(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		shared := authn.Budget{Key: []byte("shared"), Free: 3, Effect: authn.Spend}
		own := authn.Budget{Key: []byte("own"), Free: 1, Effect: authn.Spend}
		at := midday
		for range 6 { // each later than the last told to wait
			if wait, err := db.CountAttempt(t.Context(), []authn.Budget{own}, at); err != nil || wait != 0 {
				t.Fatalf("%s, %v", wait, err)
			}
			at = at.Add(16 * time.Minute)
		}
		for range shared.Free {
			if wait, err := db.CountAttempt(t.Context(), []authn.Budget{shared}, at); err != nil || wait != 0 {
				t.Fatalf("%s, %v", wait, err)
			}
		}
		at = at.Add(10 * time.Second)
		hear := func(effect authn.Effect) (wait time.Duration) {
			mine := own
			mine.Effect = effect
			undone := errors.New("undone")
			if err := db.Tx(t.Context(), func(ctx context.Context) (err error) {
				if wait, err = db.CountAttempt(ctx, []authn.Budget{mine, shared}, at); err != nil {
					return err
				}
				return undone
			}); !errors.Is(err, undone) {
				t.Fatal(err)
			}
			return wait
		}
		right, wrong := hear(authn.Restore), hear(authn.Spend)
		subject, last := holder(t, db, "099000000037"), own
		own.Effect, last.Key, last.Effect = authn.Restore, []byte("passed before"), authn.RestoreAnyway
		err := db.Tx(t.Context(), func(ctx context.Context) error {
			return db.InsertSession(ctx, session.Session{ID: "s", Principal: authz.Herself(subject), AuthTime: at, Created: at, Seen: at},
				authz.HashSecret("s"), &authn.Acceptance{Subject: subject, Budgets: []authn.Budget{own, shared, last}, Uses: uses(t, db, subject, 1), At: at})
		})
		if begins := (authn.Throttled{}); right != wrong || right != 20*time.Second || !errors.As(err, &begins) || begins.Wait != right {
			t.Errorf("a right answer waits %s, a wrong one %s, one that begins a session hears %v", right, wrong, err)
		}
	})
}

// TestRowsOfAChange: what fails while rows are read is told as any other failure, and
// nothing of the statement stays.
func TestRowsOfAChange(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const insert = "INSERT INTO sign_in_attempts (key, free, spent, next_at, seen_at) VALUES (?, 1, 1, 1, 1), (?, 1, 1, 1, 1) RETURNING key"
		keys := func(a, b string) (read int, err error) {
			err = db.ChangeEach(t.Context(), "testing", insert, []any{[]byte(a), []byte(b)}, func(row sqldb.Row) error {
				read++
				var key []byte
				return row.Scan(&key)
			})
			return read, err
		}
		before := db.Stats()
		if n, err := keys("a", "b"); n != 2 || err != nil {
			t.Fatalf("%d rows, %v", n, err)
		}
		if after := db.Stats(); after.Queries != before.Queries+1 || after.Commits != before.Commits+1 {
			t.Errorf("counted as %+v after %+v", after, before)
		}
		if _, err := keys("c", "a"); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("a key that is there: %v", err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.Each(gone, "testing", "SELECT 1", nil, func(sqldb.Row) error { return nil }); !errors.Is(err, authz.ErrUnavailable) {
			t.Errorf("of a request that is over: %v", err)
		}
		var n int
		one := func(row sqldb.Row) error { return row.Scan(&n) }
		if err := db.Each(t.Context(), "testing", "SELECT count(*) FROM sign_in_attempts", nil, one); err != nil || n != 2 {
			t.Errorf("%d rows stay, %v", n, err)
		}
	})
}

package store_test

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// factors are a password and a seed for a new account.
func factors() []authn.Held {
	return []authn.Held{
		{ID: authn.FactorID(authz.NewID()), Kind: authn.PasswordFactor, Secret: []byte("hash")},
		{ID: authn.FactorID(authz.NewID()), Kind: authn.TOTPFactor, Secret: []byte("seed")},
	}
}

// uses are those of a sign-in with both, the code at a counter.
func uses(t *testing.T, db *store.DB, subject authz.Subject, counter int64) []authn.Use {
	t.Helper()
	c, err := db.CredentialsOf(t.Context(), subject)
	if err != nil || len(c.Factors) != 2 {
		t.Fatalf("%+v, %v", c, err)
	}
	var out []authn.Use
	for _, f := range c.Factors {
		use := authn.Use{Factor: f.ID, Kind: f.Kind}
		if f.Kind == authn.TOTPFactor {
			use.Counter = counter
		}
		out = append(out, use)
	}
	return out
}

// secret is that of a kind, and its counter; nil if it is not held.
func secret(t *testing.T, db *store.DB, subject authz.Subject, kind authn.FactorKind) ([]byte, int64) {
	t.Helper()
	c, err := db.CredentialsOf(t.Context(), subject)
	if err != nil {
		t.Fatal(err)
	}
	found := slices.DeleteFunc(c.Factors, func(h authn.Held) bool { return h.Kind != kind })
	if len(found) > 1 {
		t.Fatalf("%d factors of kind %s", len(found), kind)
	}
	for _, h := range found {
		return h.Secret, h.Counter
	}
	return nil, 0
}

// columns are what the release before knows of an account's factors.
type columns struct {
	PasswordHash string `gorm:"column:password_hash"`
	Seed         []byte `gorm:"column:totp_seed"`
	Step         int64  `gorm:"column:totp_step"`
}

// What the release before does with factors, statement for statement.
const (
	insertBefore  = "INSERT INTO accounts (subject, kind, person_id, name, account_level, password_hash, totp_seed, created_at) VALUES (?, 'citizen', ?, 'An', 2, ?, ?, ?)"
	acceptBefore  = "UPDATE accounts SET totp_step = ? WHERE subject = ? AND totp_step < ? AND locked_at IS NULL"
	hashBefore    = "UPDATE accounts SET password_hash = ? WHERE subject = ?"
	replaceBefore = "UPDATE accounts SET totp_seed = ? WHERE subject = ? AND totp_seed = ?"
	readBefore    = "SELECT password_hash, totp_seed, totp_step FROM accounts WHERE subject = ?"
)

// TestFactorsBesideTheReleaseBefore: accounts of before have their factors after the
// migration, and what either release writes from then on the other finds.
func TestFactorsBesideTheReleaseBefore(t *testing.T) {
	for name, dsn := range map[string]func(t *testing.T) string{
		"SQLite":     func(t *testing.T) string { return filepath.Join(t.TempDir(), "t.db") },
		"PostgreSQL": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			db, err := store.Open(ctx, store.Options{DSN: dsn(t), Create: true})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			before := func(want int64, sql string, values ...any) {
				t.Helper()
				if n, err := db.Exec(ctx, sql, values...); err != nil || n != want {
					t.Fatalf("%s: changed %d rows, want %d: %v", sql, n, want, err)
				}
			}
			sees := func(subject authz.Subject, hash, seed string, step int64) {
				t.Helper()
				var c columns
				if err := db.Row(ctx, &c, readBefore, string(subject)); err != nil || c.PasswordHash != hash || string(c.Seed) != seed ||
					c.Step != step {
					t.Fatalf("the release before sees %+v, want %s, %s, %d: %v", c, hash, seed, step, err)
				}
				password, _ := secret(t, db, subject, authn.PasswordFactor)
				code, counter := secret(t, db, subject, authn.TOTPFactor)
				if string(password) != hash || string(code) != seed || counter != step && seed != "" {
					t.Fatalf("this one sees %s, %s, %d; want %s, %s, %d", password, code, counter, hash, seed, step)
				}
			}

			if err := db.MigrateTo(ctx, 36); err != nil {
				t.Fatal(err)
			}
			before(1, insertBefore, "an", "person an", "hash", []byte("seed"), midday)
			before(1, acceptBefore, 4, "an", 4)
			if err := db.Migrate(ctx, nil); err != nil {
				t.Fatal(err)
			}
			sees("an", "hash", "seed", 4)

			// A node of the release before goes on.
			before(1, acceptBefore, 5, "an", 5)
			before(1, hashBefore, "hash 2", "an")
			before(1, replaceBefore, []byte("seed 2"), "an", []byte("seed"))
			sees("an", "hash 2", "seed 2", 5)
			before(1, insertBefore, "binh", "person binh", "her hash", []byte("her seed"), midday)
			sees("binh", "her hash", "her seed", 0)

			// So does one of this release.
			use := func(counter int64, want error) {
				t.Helper()
				uses := uses(t, db, "an", counter)
				err := db.Tx(ctx, func(ctx context.Context) error {
					return db.Accept(ctx, &authn.Acceptance{Subject: "an", Uses: uses, At: midday})
				})
				if !errors.Is(err, want) {
					t.Fatalf("counter %d: %v, want %v", counter, err, want)
				}
			}
			use(5, authz.ErrConflict)
			use(6, nil)
			before(0, acceptBefore, 6, "an", 6)
			before(1, acceptBefore, 7, "an", 7)
			use(7, authz.ErrConflict)
			sees("an", "hash 2", "seed 2", 7)
			for _, use := range uses(t, db, "an", 8) {
				for old, fresh := range map[string]string{"hash 2": "hash 3", "seed 2": "seed 3"} {
					if err := db.ReplaceSecret(ctx, "an", use.Factor, []byte(old), []byte(fresh)); err != nil {
						t.Fatal(err)
					}
				}
			}
			sees("an", "hash 3", "seed 3", 7)

			// A factor that was disabled matches nothing at either, and stays so whatever the
			// release before does with the other.
			gone := slices.DeleteFunc(uses(t, db, "an", 8), func(u authn.Use) bool { return u.Counter == 0 })[0].Factor
			before(1, "UPDATE factors SET disabled_at = ? WHERE subject = 'an' AND kind = 'totp'", midday)
			before(1, hashBefore, "hash 4", "an")
			before(1, acceptBefore, 9, "an", 9)
			sees("an", "hash 4", "", 9)
			before(1, "INSERT INTO factors (id, subject, kind, secret, counter, added_at) VALUES ('new', 'an', 'totp', ?, 9, ?)", []byte("seed 4"), midday)
			sees("an", "hash 4", "seed 4", 9)
			// A sign-in that was under way when the factor was disabled makes its secret anew.
			if err := db.ReplaceSecret(ctx, "an", gone, []byte("seed 3"), []byte("seed 5")); err != nil {
				t.Fatal(err)
			}
			sees("an", "hash 4", "seed 4", 9)
			// A code that was used here, of the same step as one of a seed that was made anew.
			use(10, nil)
			before(1, "UPDATE factors SET disabled_at = ? WHERE subject = 'an' AND kind = 'totp' AND disabled_at IS NULL", midday)
			before(1, "UPDATE accounts SET totp_seed = ?, totp_step = 0 WHERE subject = 'an'", []byte("seed 6"))
			sees("an", "hash 4", "seed 6", 0)
			before(1, acceptBefore, 10, "an", 10)
			sees("an", "hash 4", "seed 6", 10)
			before(1, "INSERT INTO factors (id, subject, kind, secret, counter, added_at) VALUES ('key', 'an', 'passkey', ?, 0, ?)", []byte("public key"), midday)
			sees("an", "hash 4", "seed 6", 10)
		})
	}
}

// TestOneCodeOverBothReleases: of all who give one code at once, at nodes of this release
// and of the one before, one signs in (RFC 6238 §5.2).
func TestOneCodeOverBothReleases(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		subject := holder(t, db, "099000000005")
		for step := int64(1); step <= 5; step++ {
			uses := uses(t, db, subject, step)
			var group sync.WaitGroup
			var won atomic.Int32
			for i := range 40 {
				group.Go(func() {
					err := db.Tx(t.Context(), func(ctx context.Context) error {
						if i%2 == 0 {
							return db.Accept(ctx, &authn.Acceptance{Subject: subject, Uses: uses, At: midday})
						}
						n, err := db.Exec(ctx, acceptBefore, step, string(subject), step)
						if err == nil && n == 0 {
							err = authz.ErrConflict
						}
						return err
					})
					if err == nil {
						won.Add(1)
					} else if !errors.Is(err, authz.ErrConflict) {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if _, counter := secret(t, db, subject, authn.TOTPFactor); won.Load() != 1 || counter != step {
				t.Fatalf("step %d: %d signed in, the counter is %d", step, won.Load(), counter)
			}
		}
	})
}

// TestUseOfFactors: when each was used last, and nothing of a sign-in in which one cannot
// be used.
func TestUseOfFactors(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		subject, other := holder(t, db, "099000000006"), holder(t, db, "099000000007")
		use := func(at time.Time, uses []authn.Use) error {
			return db.Tx(ctx, func(ctx context.Context) error {
				return db.Accept(ctx, &authn.Acceptance{Subject: subject, Uses: uses, At: at})
			})
		}
		used := func(want time.Time) {
			t.Helper()
			var rows []struct {
				At *time.Time `gorm:"column:last_used_at"`
			}
			if err := db.Row(ctx, &rows, "SELECT last_used_at FROM factors WHERE subject = ?", string(subject)); err != nil || len(rows) != 2 {
				t.Fatalf("%v, %v", rows, err)
			}
			for _, row := range rows {
				if (row.At == nil) != want.IsZero() || row.At != nil && !row.At.Equal(want) {
					t.Errorf("used last at %v, want %v", row.At, want)
				}
			}
		}
		used(time.Time{})
		if err := use(midday, uses(t, db, subject, 3)); err != nil {
			t.Fatal(err)
		}
		used(midday)
		for name, wrong := range map[string][]authn.Use{
			"a counter that was used": uses(t, db, subject, 3),
			"another person's":        uses(t, db, other, 4),
			"one that is not there":   append(uses(t, db, subject, 4), authn.Use{Factor: "none"}),
		} {
			if err := use(midday.Add(time.Hour), wrong); !errors.Is(err, authz.ErrConflict) {
				t.Errorf("%s: %v", name, err)
			}
		}
		used(midday)
		if fresh, _ := secret(t, db, subject, authn.PasswordFactor); !bytes.Equal(fresh, []byte("hash")) {
			t.Errorf("the password became %s", fresh)
		}
	})
}

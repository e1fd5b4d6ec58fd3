package store_test

import (
	"errors"
	"testing"

	"hopnhat/authz"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestLocks: each reason is a lock of its own, which is there once, and an account is open when
// none is left.
func TestLocks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		an := account(t, db, "An")
		locked := func() bool {
			t.Helper()
			c, err := db.CredentialsOf(t.Context(), an)
			if err != nil {
				t.Fatal(err)
			}
			return c.Locked
		}
		lock := func(reason string) func() error {
			return func() error { return db.Lock(t.Context(), an, reason, noon) }
		}
		unlock := func(reason string) func() error {
			return func() error { return db.Unlock(t.Context(), an, reason) }
		}
		for _, row := range []struct {
			name   string
			do     func() error
			err    error
			locked bool
		}{
			{"no lock is taken away", unlock("operator"), authz.ErrConflict, false},
			{"the first lock", lock("regional"), nil, true},
			{"the same lock", lock("regional"), authz.ErrConflict, true},
			{"another lock is not there", unlock("operator"), authz.ErrConflict, true},
			{"part of a reason is another reason", unlock("region"), authz.ErrConflict, true},
			{"the lock of an operator", lock("operator"), nil, true},
			{"the lock of an operator again", lock("operator"), authz.ErrConflict, true},
			{"a third lock", lock("own request"), nil, true},
			{"the first lock is taken away", unlock("regional"), nil, true},
			{"and is not there any more", unlock("regional"), authz.ErrConflict, true},
			{"the last but one", unlock("own request"), nil, true},
			{"the last one", unlock("operator"), nil, false},
			{"anew", lock("regional"), nil, true},
			{"and open again", unlock("regional"), nil, false},
		} {
			if err := row.do(); !errors.Is(err, row.err) || locked() != row.locked {
				t.Errorf("%s: got %v, locked %v; want %v, %v", row.name, err, locked(), row.err, row.locked)
			}
		}
	})
}

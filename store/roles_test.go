package store_test

import (
	"testing"

	"hopnhat/authz"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestALockedPersonHasNoRole: a lock ends what a role lets her do, and its end gives it back.
func TestALockedPersonHasNoRole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		an := account(t, db, "An")
		for _, step := range []struct {
			name string
			do   func() error
			want bool
		}{
			{"without a role", func() error { return nil }, false},
			{"with it", func() error { return db.GrantRole(t.Context(), an, authz.Auditor, noon) }, true},
			{"locked", func() error { return db.Lock(t.Context(), an, "own request", noon) }, false},
			{"unlocked", func() error { return db.Unlock(t.Context(), an, "own request") }, true},
			{"taken back", func() error { return db.RevokeRole(t.Context(), an, authz.Auditor, noon) }, false},
		} {
			if err := step.do(); err != nil {
				t.Fatal(step.name, err)
			}
			if got, err := db.HasRole(t.Context(), an, authz.Auditor); err != nil || got != step.want {
				t.Errorf("%s: %v, %v", step.name, got, err)
			}
		}
	})
}

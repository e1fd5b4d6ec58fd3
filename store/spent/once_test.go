package spent_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz/clientauth"
	"hopnhat/store"
	"hopnhat/store/spent"
	"hopnhat/store/storetest"
)

// TestOnce: what stands apart counts once, whoever comes at the same time, until it is forgotten,
// and what is spent in one place is not spent in another.
func TestOnce(t *testing.T) {
	noon := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	one := clientauth.Assertion{Digest: []byte("a digest of thirty-two bytes ...."), Expires: noon}
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		for name, book := range map[string]spent.Once{"challenges": spent.Challenges(db.Handle), "proofs": spent.Proofs(db.Handle)} {
			var wait sync.WaitGroup
			var counted atomic.Int32
			for range 6 {
				wait.Go(func() {
					switch err := book.Spend(ctx, one); {
					case err == nil:
						counted.Add(1)
					case !errors.Is(err, clientauth.ErrAssertionUsed):
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			wait.Wait()
			if counted.Load() != 1 {
				t.Errorf("%s: it counted %d times", name, counted.Load())
			}
			if n, err := book.PurgeSpent(ctx, noon, 10); err != nil || n != 0 {
				t.Errorf("%s: before its end, %d were forgotten, %v", name, n, err)
			}
			if n, err := book.PurgeSpent(ctx, noon.Add(time.Second), 10); err != nil || n != 1 {
				t.Errorf("%s: after its end, %d were forgotten, %v", name, n, err)
			}
		}
		failed := errors.New("the transaction fails")
		err := db.Tx(ctx, func(ctx context.Context) error { return errors.Join(spent.Proofs(db.Handle).Spend(ctx, one), failed) })
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		if err := spent.Proofs(db.Handle).Spend(ctx, one); err != nil {
			t.Errorf("what was spent in a transaction that failed: %v", err)
		}
		if err := db.Spend(ctx, one); err != nil {
			t.Errorf("an assertion of an app with the digest of a proof: %v", err)
		}
	})
}

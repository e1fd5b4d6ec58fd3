package store_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestFailedSignInsAreCountedAndTakenOnce: the counts of an account in a window add up,
// and of callers at once one takes them.
func TestFailedSignInsAreCountedAndTakenOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		var all []authn.Failed
		for n := range 1200 { // more than one statement takes
			all = append(all, authn.Failed{Subject: authz.Subject(fmt.Sprint("s-", n)), Began: noon, Count: 2})
		}
		later := authn.Failed{Subject: "s-0", Began: noon.Add(time.Hour), Count: 1}
		var group sync.WaitGroup
		for range 4 {
			group.Go(func() {
				if err := db.CountFailed(ctx, all); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if err := db.CountFailed(ctx, []authn.Failed{later}); err != nil {
			t.Fatal(err)
		}
		var taken, sum atomic.Int64
		for range 4 {
			group.Go(func() {
				got, err := db.TakeFailed(ctx, noon.Add(time.Minute))
				if err != nil {
					t.Error(err)
				}
				taken.Add(int64(len(got)))
				for _, one := range got {
					sum.Add(int64(one.Count))
				}
			})
		}
		group.Wait()
		if taken.Load() != 1200 || sum.Load() != 4*2*1200 {
			t.Errorf("%d rows, %d wrong answers", taken.Load(), sum.Load())
		}
		left, err := db.TakeFailed(ctx, noon.Add(2*time.Hour))
		if err != nil || len(left) != 1 || left[0] != later {
			t.Errorf("left %v, %v", left, err)
		}
	})
}

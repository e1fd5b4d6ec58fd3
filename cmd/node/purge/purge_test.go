package purge

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestOnce: a job goes on while batches are full, one that fails ends alone, and nothing is
// done for a node that stops.
func TestOnce(t *testing.T) {
	left, calls := int64(2*Batch+1), 0
	jobs := []Job{
		{"broken", func(context.Context, time.Time, int) (int64, error) { calls++; return Batch, errors.New("broken") }},
		{"many", func(_ context.Context, _ time.Time, limit int) (int64, error) {
			took := min(left, int64(limit))
			left -= took
			return took, nil
		}},
	}
	Once(t.Context(), time.Now(), jobs)
	if left != 0 || calls != 1 {
		t.Errorf("%d rows are left, and the broken job was tried %d times", left, calls)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	Once(stopped, time.Now(), jobs)
	if calls != 1 {
		t.Error("a node that stops still purges")
	}
}

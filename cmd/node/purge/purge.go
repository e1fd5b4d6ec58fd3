// Package purge deletes what has expired, a bounded batch after the other.
package purge

import (
	"context"
	"log/slog"
	"time"
)

// Batch is how many rows one statement deletes at most.
const Batch = 1000

// Job deletes what has expired of one kind.
type Job struct {
	What string
	// Purge deletes at most limit rows that had expired at a time, and says how many.
	Purge func(ctx context.Context, now time.Time, limit int) (int64, error)
}

// Run purges each minute, until ctx ends.
func Run(ctx context.Context, jobs []Job) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			Once(ctx, now, jobs)
		}
	}
}

// Once purges until each job has nothing left. One that fails keeps no other from its turn.
func Once(ctx context.Context, now time.Time, jobs []Job) {
	for _, job := range jobs {
		for ctx.Err() == nil {
			deleted, err := job.Purge(ctx, now, Batch)
			if err != nil {
				slog.Error("purging failed", "what", job.What, "error", err)
				break
			}
			if deleted < Batch {
				break
			}
		}
	}
}

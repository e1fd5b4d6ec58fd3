package node

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// purgeBatch is how many rows one statement deletes at most.
const purgeBatch = 1000

// purge deletes what has expired each minute, until ctx ends.
func (n *Node) purge(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			n.purgeOnce(ctx, now)
		}
	}
}

// purgeOnce deletes what has expired at a time, a bounded batch after the other.
func (n *Node) purgeOnce(ctx context.Context, now time.Time) {
	for _, row := range []struct {
		what  string
		purge func() (int64, error)
	}{
		// Grants stay a day after they expired, so that reuse is still seen.
		{"grants", func() (int64, error) { return n.DB.PurgeGrants(ctx, now.Add(-24*time.Hour), purgeBatch) }},
		// Nobody takes what has expired; a minute is for clocks that are apart.
		{"spent assertions and proofs", func() (int64, error) { return n.DB.PurgeSpent(ctx, now.Add(-time.Minute), purgeBatch) }},
		{"uses", func() (int64, error) { return n.DB.PurgeUses(ctx, now.Add(-48*time.Hour), purgeBatch) }},
		{"sessions", func() (int64, error) { return n.DB.PurgeSessions(ctx, now, purgeBatch) }},
		{"ended keys", func() (int64, error) {
			return n.DB.PurgeKeyBook(ctx, now.Add(-max(30*24*time.Hour, n.Config.KeyOverlap)), purgeBatch)
		}},
		// What a node that stops had counted is noted when it closes.
		{"failed sign-ins", func() (int64, error) {
			return 0, errors.Join(n.failed.Note(ctx), n.failed.Record(ctx))
		}},
		{"consents", func() (int64, error) {
			expired, err := n.consents.Expire(ctx, now, purgeBatch)
			return int64(expired), err
		}},
	} {
		for ctx.Err() == nil {
			deleted, err := row.purge()
			if err != nil {
				slog.Error("purging failed", "what", row.what, "error", err)
				break
			}
			if deleted < purgeBatch {
				break
			}
		}
	}
}

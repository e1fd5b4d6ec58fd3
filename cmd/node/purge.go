package node

import (
	"context"
	"errors"
	"time"

	"hopnhat/cmd/node/purge"
)

// purges is the table of what expires.
func (n *Node) purges() []purge.Job {
	db := n.DB
	return []purge.Job{
		// Grants stay a day after they expired, so that reuse is still seen.
		{What: "grants", Purge: func(ctx context.Context, now time.Time, limit int) (int64, error) {
			return db.PurgeGrants(ctx, now.Add(-24*time.Hour), limit)
		}},
		// Nobody takes what has expired; a minute is for clocks that are apart.
		{What: "spent assertions and proofs", Purge: func(ctx context.Context, now time.Time, limit int) (int64, error) {
			return db.PurgeSpent(ctx, now.Add(-time.Minute), limit)
		}},
		{What: "answered challenges", Purge: n.DB.Challenges.PurgeSpent},
		{What: "uses", Purge: func(ctx context.Context, now time.Time, limit int) (int64, error) {
			return db.PurgeUses(ctx, now.Add(-48*time.Hour), limit)
		}},
		{What: "sessions", Purge: db.PurgeSessions},
		{What: "sign-ins under way at other providers", Purge: db.Upstreams.Purge},
		{What: "ended keys", Purge: func(ctx context.Context, now time.Time, limit int) (int64, error) {
			return db.PurgeKeyBook(ctx, now.Add(-max(30*24*time.Hour, n.Config.KeyOverlap)), limit)
		}},
		// What a node that stops had counted is noted when it closes.
		{What: "failed sign-ins", Purge: func(ctx context.Context, _ time.Time, _ int) (int64, error) {
			return 0, errors.Join(n.failed.Note(ctx), n.failed.Record(ctx))
		}},
		{What: "consents", Purge: func(ctx context.Context, now time.Time, limit int) (int64, error) {
			expired, err := n.consents.Expire(ctx, now, limit)
			return int64(expired), err
		}},
	}
}

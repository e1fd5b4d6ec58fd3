package tlog

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"hopnhat/authz/audit/proof"
)

// againEvery is how long a log that was found damaged while it ran is left alone at least
// between two looks: reading it to its end takes a while, and an operator may be mending it.
const againEvery = 15 * time.Second

// outage is a log that is not written any more, though no other node has the site: why, and
// when it is looked at again.
type outage struct {
	cause error
	next  time.Time
}

// out is why the shard that takes entries is not written any more, nil if it is.
func (s *Shards) out() error {
	if out := s.outage.Load(); out != nil {
		return out.cause
	}
	if replaced := s.replaced.Load(); replaced != nil {
		return *replaced
	}
	if damage := s.current.Load().damage.Load(); damage != nil {
		return *damage
	}
	return nil
}

// Again goes on with a log that was found damaged while it ran, or whose shard was taken or
// ended by another, once the whole of it is proved as a start proves it, and leads to the tree
// that this process had in memory too. Until then its folder is free for whoever mends it.
func (s *Shards) Again(ctx context.Context) error {
	s.rolling.Lock()
	defer s.rolling.Unlock()
	cause := s.out()
	if cause == nil {
		return nil
	}
	old := s.current.Load()
	if s.outage.Load() == nil {
		s.outage.Store(&outage{cause: cause})
		slog.Error("the log is not written until it is whole again", "origin", old.Origin(), "error", cause)
		old.over.Store(true)
		old.abandon()
	}
	if s.o.Holds != nil {
		if err := s.o.Holds(); err != nil {
			return err // another node may have the site: it goes on with the log
		}
	}
	began := time.Now()
	next, err := s.reopen(ctx, old)
	if err != nil {
		now := time.Now()
		s.outage.Store(&outage{cause: fmt.Errorf("%w: since then: %w", cause, err), next: now.Add(max(againEvery, 9*now.Sub(began)))})
		return err
	}
	s.current.Store(next)
	s.replaced.Store(nil)
	s.outage.Store(nil)
	slog.Warn("the log is whole and is written again", "origin", next.Origin())
	return nil
}

// reopen opens the shard of this quarter once more.
func (s *Shards) reopen(ctx context.Context, old *shard) (*shard, error) {
	heads, err := s.heads(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.o.anchored(heads); err != nil {
		return nil, err
	}
	size, root := old.tree.Head()
	s.grown.Store(old.Origin(), proof.Checkpoint{Origin: old.Origin(), Size: size, Root: root})
	next, err := s.open(ctx, Shard(s.o.Now()), heads)
	if err == nil {
		s.endBefore(ctx, next, heads)
	}
	return next, err
}

// lookAfter goes on with a log that is out, when it is time.
func (s *Shards) lookAfter(ctx context.Context) {
	if s.out() == nil {
		return
	}
	if out := s.outage.Load(); out != nil && time.Now().Before(out.next) {
		return
	}
	if err := s.Again(ctx); err != nil && ctx.Err() == nil {
		slog.Error("the log is still not whole", "error", err)
	}
}

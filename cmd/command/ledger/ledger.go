// Package ledger is `hopnhat log`: what an operator does with the folder of the release log
// (docs/ledger.md).
package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/store"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/inspect"
)

// Damaged is the exit code of a check that found something.
const Damaged tool.ExitCode = 3

// Log is `hopnhat log`.
func Log(e *tool.Env) *cobra.Command {
	return tool.Group("log", "Check the release log, make it whole, end a shard, and witnesses of it", "hopnhat log check",
		check(e), rebuild(e), beginShard(e), restoreRows(e), acceptLoss(e), witnessing(e))
}

// logs are the logs of a site that this folder holds: releases, and what they rest on.
func logs(c *node.Config) []*tlog.Archive {
	return releaselog.Archives(c.State, c.LogOrigin, c.LogFolder)
}

// heads are the recorded heads of a log, by origin.
func heads(ctx context.Context, db *store.DB, a *tlog.Archive) (map[string]trees.Head, error) {
	list, err := db.Heads.Shards(ctx, a.Log)
	if err != nil {
		return nil, err
	}
	all := make(map[string]trees.Head, len(list))
	for _, h := range list {
		all[h.Origin] = h
	}
	return all, nil
}

// progress says each few seconds how far a shard was read.
func progress(e *tool.Env, origin string) func(done, size uint64) error {
	began := time.Now()
	last := began
	return func(done, size uint64) error {
		if now := time.Now(); now.Sub(last) >= 2*time.Second {
			last = now
			e.Progress("  %s: %d of %d entries (%.0f a second)", origin, done, size, float64(done)/now.Sub(began).Seconds())
		}
		return nil
	}
}

// reason is the flag that says why.
func reason(cmd *cobra.Command) *string {
	text := cmd.Flags().String("reason", "", "why, in a sentence; it stands in the evidence")
	_ = cmd.MarkFlagRequired("reason")
	return text
}

// stopped refuses while a node writes the log of the site: it would go on beside what is
// being changed.
func stopped(ctx context.Context, b *node.Base) error {
	holder, err := b.DB.Holder(ctx, b.Config.Site)
	if err != nil || holder.Place == "" {
		return err
	}
	return fmt.Errorf("%s writes the release log of site %s; stop that node first", holder.Place, b.Config.Site)
}

func beginShard(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "begin-shard SHARD", Short: "End a shard where it was recorded last; the next start begins the next part",
		Long: `Ends an open shard of the release log where it was recorded last, for good: the decision of an
operator who cannot make it whole. The next start of a node begins the next part of the quarter.
The shard of the consent log is named by its whole origin, as hopnhat log check prints it.
Where the row of the shard's head was altered it is held against the checkpoint in it first, and
sealed anew; of a shard that has ended nothing else is done.
Places beyond the recorded end are lost; their events are logged anew in the new part. Nothing in
the shard's folder is touched. It becomes evidence with its reason.`,
		Example: tool.Lines(`hopnhat log begin-shard 2026q4 --reason "the disk of node a is lost, no copy"`), Args: tool.OneWord("shard, such as 2026q4"),
	}
	why := reason(cmd)
	return e.WithBase(cmd, config.Log, func(ctx context.Context, b *node.Base, words []string) error {
		if strings.TrimSpace(*why) == "" {
			return errors.New("say why with --reason")
		}
		if err := stopped(ctx, b); err != nil {
			return err
		}
		for _, a := range logs(b.Config) {
			all, err := heads(ctx, b.DB, a)
			if err != nil {
				return err
			}
			h, known := all[words[0]]
			if !known {
				h, known = all[a.Log+"/"+words[0]]
			}
			switch {
			case !known:
				continue
			case h.Altered:
				if err := reseal(ctx, e, b, a, h, *why); err != nil || h.Closed {
					return err
				}
			case h.Closed:
				return fmt.Errorf("shard %s has ended already, with %d entries", h.Origin, h.Size)
			}
			// The evidence comes first: an end without it would be unseen.
			if err := tool.Administer(ctx, b, func(context.Context) (audit.Act, error) {
				return tool.Act(audit.LogShardEnded, h.Origin, fmt.Sprintf("%d entries: %s", h.Size, *why)), nil
			}); err != nil {
				return err
			}
			// Whoever tried to log the evidence may have taken the shard since.
			if all, err = heads(ctx, b.DB, a); err != nil {
				return err
			}
			if err := tlog.End(ctx, b.DB.Heads, all[h.Origin]); err != nil {
				return err
			}
			e.Printf("%s ended with %d entries; the next start begins the next part\n", h.Origin, h.Size)
			return nil
		}
		return fmt.Errorf("the database knows no shard %q of %s", words[0], b.Config.LogOrigin)
	})
}

// reseal takes the head of a shard whose row was altered for genuine, if its checkpoint proves
// it.
func reseal(ctx context.Context, e *tool.Env, b *node.Base, a *tlog.Archive, h trees.Head, why string) error {
	vkey, err := a.Key(h.Origin)
	if err == nil {
		err = inspect.Vouched(h, vkey)
	}
	if err != nil {
		return err
	}
	err = tool.Administer(ctx, b, func(ctx context.Context) (audit.Act, error) {
		return tool.Act(audit.LogShardEnded, h.Origin, fmt.Sprintf("its head of %d entries was altered, and is sealed anew: %s", h.Size, why)), nil
	})
	if err != nil {
		return err
	}
	e.Printf("%s: the row of its head was altered; its checkpoint of %d entries proves it, and it is sealed anew\n", h.Origin, h.Size)
	return b.DB.Heads.Reseal(ctx, h)
}

func acceptLoss(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "accept-loss", Short: "Let releases go on although entries of the log have no row", Args: tool.NoWords,
		Long: `Decides that entries of the log that have no row in the database are lost: what the log holds of
them stays proof that they were. Releases, which stopped since the database was restored from an
older copy than the log, go on within seconds. Restore a newer copy of the database instead where
there is one, and run hopnhat log restore-rows first: what is lost after that had no copy beside the
log. Withdrawals, locks and the like among the lost events are done first, if a server has not done
them. It becomes evidence with its reason.`,
		Example: tool.Lines(`hopnhat log accept-loss --reason "database of 2026-11-30 02:00 restored, nothing newer is left"`),
	}
	why := reason(cmd)
	return e.WithBase(cmd, config.Log, func(ctx context.Context, b *node.Base, _ []string) error {
		if strings.TrimSpace(*why) == "" {
			return errors.New("say why with --reason")
		}
		if err := apply(ctx, e, b); err != nil {
			return err
		}
		decided := 0
		for _, a := range logs(b.Config) {
			names, err := a.Names()
			if err != nil {
				return err
			}
			for _, n := range names {
				without, size, err := withoutRows(ctx, b.DB, a, n)
				if err != nil {
					return err
				}
				if without == 0 {
					continue
				}
				if err := tool.Administer(ctx, b, func(ctx context.Context) (audit.Act, error) {
					act := tool.Act(audit.LogLossAccepted, n.Origin(), *why)
					act.Detail.Count = int64(without)
					return act, b.DB.Leaves.Decide(ctx, n.Origin(), size, *why)
				}); err != nil {
					return err
				}
				decided++
				e.Printf("%s: %d entries without a row are taken as lost\n", n.Origin(), without)
			}
		}
		if decided == 0 {
			e.Println("every entry of the log has its row; nothing is to be decided")
		}
		return nil
	})
}

// withoutRows counts the entries of a shard that have no row, and how many it has.
func withoutRows(ctx context.Context, db *store.DB, a *tlog.Archive, n tlog.Name) (without, size uint64, err error) {
	r, err := a.Whole(ctx, n)
	if err != nil {
		return 0, 0, err
	}
	if size, err = r.Size(ctx); err != nil {
		return 0, 0, err
	}
	for at := uint64(0); at < size; {
		leaves, err := r.Entries(ctx, at, 4096)
		if err != nil {
			return 0, 0, err
		}
		places, err := db.Leaves.Explain(ctx, n.Origin(), at, leaves)
		if err != nil {
			return 0, 0, err
		}
		without += uint64(len(places))
		at += uint64(len(leaves))
	}
	return without, size, nil
}

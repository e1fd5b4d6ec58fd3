package evidence

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/audit/erasure"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/store/tlog/remote"
)

// Erase is `hopnhat audit erase`.
func Erase(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "erase EVENT --why TEXT", Short: "Erase what an event says; its leaf and a tombstone stay",
		Long: `Erases what an event says: its row, its salt, and its copies beside the logs. First a tombstone is written, an event
that names the erased one, its running number, the hash of its leaf and the reason, and that the
person and auditors see. The row is deleted when the tombstone has a place in the log, which a
server gives within a minute; where that takes longer than --wait, run the command again. It reaches
the copies at the node that writes the logs and at the others of the site that run, or in the
folder of the log where no node writes it. The leaf stays in the log and tells nothing without the salt. Exports, proofs and backups that were made
before keep what they hold. A consent whose event is erased is as if it were not given.

On PostgreSQL it runs under the role hopnhat_erase alone: give its connection with --database. An
event whose row carries no MAC, as the release before wrote it, is erased where the folder of the
log is. It cannot be taken back.

Exit codes: 0 it is erased, now or before, 1 it is not, 2 wrong use.`,
		Example: tool.Lines(`hopnhat audit erase --why "order 12 of the data protection office" 0199a7c2-4be1-7d30-9c44-51f0c0a3e210`),
		Args:    tool.OneWord("event, by its id"),
	}
	why := cmd.Flags().String("why", "", "the reason, which stands in the evidence; no number of a person")
	wait := cmd.Flags().Duration("wait", 2*time.Minute, "how long to wait until the tombstone is in the log")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *why == "" {
			return errors.New("say --why: it stands in the evidence")
		}
		if err := authz.CheckFreeText(*why); err != nil {
			return fmt.Errorf("--why stands in the evidence: %w", err)
		}
		return nil
	}
	return e.WithBase(cmd, config.Audit, func(ctx context.Context, b *node.Base, words []string) error {
		return erase(ctx, e, erasure.Eraser{
			Orders: b.DB.Erasures, Event: b.DB.Get, Leaf: b.Evidence().Leaf, Scribe: b.Scribe(),
			Copies: b.Log.EraseCopy, AtOnce: remote.MostErased,
			Sizes: func(ctx context.Context) (map[string]uint64, error) { return sizes(ctx, b) },
			By:    []string{string(authz.Operator), tool.OSUser()},
		}, words[0], *why, *wait)
	})
}

// sizes are how many entries the shards of the site have, as far as they are recorded.
func sizes(ctx context.Context, b *node.Base) (map[string]uint64, error) {
	heads, err := b.Evidence().Heads(ctx)
	all := make(map[string]uint64, len(heads))
	for _, h := range heads {
		all[h.Origin] = h.Size
	}
	return all, err
}

// erase erases an event, and says what was done and what stays.
func erase(ctx context.Context, e *tool.Env, er erasure.Eraser, id, why string, wait time.Duration) error {
	s, err := er.Order(ctx, id, why)
	if err != nil {
		return err
	}
	if s.Done {
		if s, err = er.Finish(ctx, id); err != nil {
			return err
		}
		e.Printf("event %s was erased before\n", id)
		remains(e, s)
		return nil
	}
	e.Progress("the tombstone of %s is event %s", id, s.Tombstone.Event.ID)
	end := time.NewTimer(wait)
	defer end.Stop()
	next := time.NewTicker(time.Second)
	defer next.Stop()
	for told := false; ; told = true {
		if s, err = er.Finish(ctx, id); err != nil {
			return err
		}
		if s.Done {
			e.Printf("event %s is erased\n", id)
			remains(e, s)
			return nil
		}
		if !told {
			e.Progress("waiting up to %s until a server gives the tombstone a place in the log", wait)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-end.C:
			return fmt.Errorf("event %s is not erased yet: its tombstone %s has no place in the log after %s; see that a server of this site "+
				"runs and writes the log, and run the command again", id, s.Tombstone.Event.ID, wait)
		case <-next.C:
		}
	}
}

// remains says what stays of an erased event.
func remains(e *tool.Env, s erasure.State) {
	t := s.Tombstone
	e.Printf("there remain: its leaf in the log, with the hash %s\n", t.Event.Payload.Digest)
	e.Printf("              its tombstone, event %s, at place %d of %s\n", t.Event.ID, t.Index, t.Origin)
	for _, at := range s.Left {
		e.Printf("              its copy, if the folder of %s is kept somewhere: no node that is reached has it\n", at.Origin)
	}
}

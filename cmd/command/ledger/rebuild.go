package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/copies"
)

func rebuild(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rebuild [SHARD]", Short: "Make the folder of a shard whole, from what is in it and from the rows of the database",
		Long: `Makes the folder of a shard whole again, of all shards that the database knows where none is
named: tiles from the entries, entries that are missing or bent from the copies of their events and
from the rows of the database, the state of the writer, the checkpoint that was recorded last, and
copies of events that have rows. A copy of an erased event is overwritten. Nothing is written that
does not lead to the recorded root, so no row that was altered can come into the log. No node may
write the log meanwhile; a server that runs goes on with the shard within seconds afterwards.`,
		Example: tool.Lines("hopnhat log rebuild", "hopnhat log rebuild 2026q4"), Args: cobra.MaximumNArgs(1),
	}
	return e.WithBase(cmd, config.Log, func(ctx context.Context, b *node.Base, words []string) error {
		if err := stopped(ctx, b); err != nil {
			return err
		}
		done := 0
		for _, a := range logs(b.Config) {
			all, err := heads(ctx, b.DB, a)
			if err != nil {
				return err
			}
			for _, h := range all {
				n, err := tlog.ParseName(a.Log, h.Origin)
				if err != nil {
					return err
				}
				if len(words) == 1 && n.Shard() != words[0] && h.Origin != words[0] {
					continue
				}
				if err := remake(ctx, e, b, a, n, h); err != nil {
					return fmt.Errorf("%s: %w", h.Origin, err)
				}
				done++
			}
		}
		if done == 0 {
			return errors.New("the database knows no such shard")
		}
		return nil
	})
}

func remake(ctx context.Context, e *tool.Env, b *node.Base, a *tlog.Archive, n tlog.Name, h trees.Head) error {
	known, err := b.DB.KnownLogSize(ctx, h.Origin)
	if err != nil {
		return err
	}
	if h.Closed {
		known = h.Size
	}
	made, err := a.Remake(ctx, n, h, known, sources{b, h.Origin, copies.Of(n.Dir(a.Dir))}, progress(e, h.Origin))
	if err != nil {
		return err
	}
	if err := a.AddKeys(h.VerifierKey); err != nil {
		return err
	}
	mended, err := mendCopies(ctx, b, a, n)
	if err != nil {
		return fmt.Errorf("the copies of events: %w", err)
	}
	if made.Bundles+made.Tiles > 0 || mended != (copies.Mended{}) {
		// What was written is evidence; where nothing was, nothing was done.
		if err := tool.Administer(ctx, b, func(context.Context) (audit.Act, error) {
			text := fmt.Sprintf("%d bundles, %d tiles of %d entries; %d copies made, %d erased, %d dropped",
				made.Bundles, made.Tiles, made.Size, mended.Made, mended.Erased, mended.Dropped)
			return tool.Act(audit.LogRebuilt, h.Origin, text), nil
		}); err != nil {
			return err
		}
	}
	e.Printf("%s: %d entries; %d bundles and %d tiles were written anew\n", h.Origin, made.Size, made.Bundles, made.Tiles)
	if mended != (copies.Mended{}) {
		e.Printf("  copies of events: %d were made of rows, %d of erased events overwritten, %d that were of no entry taken away\n",
			mended.Made, mended.Erased, mended.Dropped)
	}
	if made.Known > made.Size {
		e.Printf("  the entries from place %d to %d, which were never signed, are nowhere: end the shard with %s\n",
			made.Size, made.Known-1, ending(h.Origin))
	}
	return nil
}

// ending is the command that ends a shard. The shards of both logs have the same short names,
// so it names the whole origin: to end another shard is for good.
func ending(origin string) string { return "hopnhat log begin-shard " + origin + " --reason \"…\"" }

// mendCopies makes the copies of a shard whole.
func mendCopies(ctx context.Context, b *node.Base, a *tlog.Archive, n tlog.Name) (copies.Mended, error) {
	shard, err := a.Copies(ctx, n)
	if err != nil {
		return copies.Mended{}, err
	}
	shard.Open = b.Copies.Check
	shard.Rows = func(ctx context.Context, first uint64, count int) (map[uint64][]byte, error) {
		r, err := a.Whole(ctx, n)
		if err != nil {
			return nil, err
		}
		leaves, err := r.Entries(ctx, first, count)
		if err != nil {
			return nil, err
		}
		return b.Copies.Of(ctx, n.Origin(), first, leaves)
	}
	return a.MendCopies(ctx, n, shard, b.Copies.Erased)
}

// sources are the entries of a shard as the copies of their events give them, and as the rows
// do where there is no copy.
type sources struct {
	b      *node.Base
	origin string
	copies copies.Folder
}

// Entries makes the leaves of the events at some places.
func (s sources) Entries(ctx context.Context, first uint64, n int) (map[uint64][]byte, error) {
	found, err := s.b.DB.Leaves.PlacesBeyond(ctx, s.origin, first, n)
	if err != nil {
		return nil, err
	}
	leaves := make(map[uint64][]byte, len(found))
	for place, row := range found {
		if leaf, err := audit.Leaf(row.Event, row.Salt); err == nil {
			leaves[place] = leaf
		}
	}
	return leaves, s.copies.Visit(first, n, func(r copies.Record) error {
		sealed, err := s.b.Copies.Open(ctx, r.Leaf, r.Copy)
		if errors.Is(err, copyseal.ErrCopy) {
			return nil
		}
		if err == nil {
			leaves[r.Index] = sealed.Leaf
		}
		return err
	})
}

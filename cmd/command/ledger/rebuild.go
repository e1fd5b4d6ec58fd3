package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/store"
	"hopnhat/store/tlog"
)

func rebuild(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rebuild [SHARD]", Short: "Make the folder of a shard whole, from what is in it and from the rows of the database",
		Long: `Makes the folder of a shard whole again, of all shards that the database knows where none is
named: tiles from the entries, entries from the rows of the database where they are missing or
bent, the state of the writer, and the checkpoint that was recorded last. Nothing is written that
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
	made, err := a.Remake(ctx, n, h, known, rows{b.DB, h.Origin}, progress(e, h.Origin))
	if err != nil {
		return err
	}
	if err := a.AddKeys(h.VerifierKey); err != nil {
		return err
	}
	if made.Bundles+made.Tiles > 0 {
		// What was written is evidence; where nothing was, nothing was done.
		if err := tool.Administer(ctx, b, func(context.Context) (audit.Act, error) {
			text := fmt.Sprintf("%d bundles, %d tiles of %d entries", made.Bundles, made.Tiles, made.Size)
			return tool.Act(audit.LogRebuilt, h.Origin, text), nil
		}); err != nil {
			return err
		}
	}
	e.Printf("%s: %d entries; %d bundles and %d tiles were written anew\n", h.Origin, made.Size, made.Bundles, made.Tiles)
	if made.Known > made.Size {
		e.Printf("  the entries from place %d to %d, which were never signed, are nowhere: end the shard with hopnhat log begin-shard %s\n",
			made.Size, made.Known-1, n.Shard())
	}
	return nil
}

// rows are the entries of a shard as the rows of their events give them.
type rows struct {
	db     *store.DB
	origin string
}

// Entries makes the leaves of the events at some places.
func (r rows) Entries(ctx context.Context, first uint64, n int) (map[uint64][]byte, error) {
	found, err := r.db.Leaves.PlacesBeyond(ctx, r.origin, first, n)
	if err != nil {
		return nil, err
	}
	leaves := make(map[uint64][]byte, len(found))
	for place, row := range found {
		if leaf, err := audit.Leaf(row.Event, row.Salt); err == nil {
			leaves[place] = leaf
		}
	}
	return leaves, nil
}

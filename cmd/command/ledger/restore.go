package ledger

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"hopnhat/authz/audit"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/losses"
)

func restoreRows(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "restore-rows", Short: "Make rows again of events that the log knows and the database does not", Args: tool.NoWords,
		Long: `Makes the rows of events that the log knows and the database does not, since that was restored from
an older copy, from the sealed copies beside the log: exactly as they were, with their places. What
the events ended (consents, accounts, apps, grants, roles) is ended first, if a server has not done
it; what else they changed, such as a consent that was given or an app that was registered, is not
made again. Without --write it only says what it would do. Run it where the folder of the log is;
a server may run meanwhile, and goes on with releases when every entry has its row. Entries whose
copies are missing or were erased stay without: decide of them with hopnhat log accept-loss.
It becomes evidence.

Exit codes: 0 every entry has its row, or would have, 1 it could not be done, 3 entries stay without.`,
		Example: tool.Lines("hopnhat log restore-rows", "hopnhat log restore-rows --write"),
	}
	write := cmd.Flags().Bool("write", false, "write the rows; without it nothing is changed")
	return e.WithBase(cmd, config.Log, func(ctx context.Context, b *node.Base, _ []string) error {
		if *write {
			if err := apply(ctx, e, b); err != nil {
				return err
			}
		}
		done, err := b.Losses(b.Scribe()).Restore(ctx, *write)
		if err != nil {
			return err
		}
		return told(ctx, e, b, done, *write)
	})
}

// told says what was done, and makes it evidence.
func told(ctx context.Context, e *tool.Env, b *node.Base, done losses.Restored, wrote bool) error {
	for _, origin := range slices.Sorted(maps.Keys(done.Rows)) {
		n := done.Rows[origin]
		if !wrote {
			e.Printf("%s: %d entries without a row could have them again: run it with --write\n", origin, n)
			continue
		}
		if err := tool.Administer(ctx, b, func(context.Context) (audit.Act, error) {
			act := tool.Act(audit.LogRowsRestored, origin, "")
			act.Detail.Count = int64(n)
			return act, nil
		}); err != nil {
			return err
		}
		e.Printf("%s: %d entries have their rows again\n", origin, n)
	}
	for _, id := range done.Taken {
		e.Printf("event %s: another row of this id is there, which is not genuine; see hopnhat audit reconcile\n", id)
	}
	s := done.Silent
	if s.Sum() > 0 {
		e.Printf("%d entries stay without a row: %d have no copy, the copies of %d were erased, and those of %d are of another entry\n",
			s.Sum(), s.Missing, s.Erased, s.Foreign)
	}
	switch {
	case s.Sum() > 0 || len(done.Taken) > 0:
		return Damaged
	case len(done.Rows) == 0:
		e.Println("every entry of the log has its row")
	}
	return nil
}

// apply ends what lost events ended, before rows or a decision explain them.
func apply(ctx context.Context, e *tool.Env, b *node.Base) error {
	done, err := b.Losses(b.Scribe()).Apply(ctx)
	if err != nil {
		return fmt.Errorf("what the lost events ended: %w", err)
	}
	if done.Sum() > 0 {
		e.Printf("because of lost events: %s\n", done)
	}
	return nil
}

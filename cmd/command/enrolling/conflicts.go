package enrolling

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/store/regional"
)

// mostConflicts bounds the list.
const mostConflicts = 1000

// Conflicts is `hopnhat federation conflicts`.
func Conflicts(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "conflicts",
		Short: "List what provinces began for persons after the centre had locked them, or they had withdrawn their choice",
		Args:  tool.NoWords,
		Long: `For the privacy officer, at the national provider: each sign-in, consent and release in the log of a province
that came after a lock of the person, or the withdrawal of her choice, at the centre, and before that arrived at the province. The
newest come first, 1,000 at most. By the clocks of both: look at them when a time is near the other.
Những gì tỉnh đã cho phép sau khi trung ương khóa tài khoản hoặc người dân rút lựa chọn, trước khi tỉnh biết điều đó.`,
		Example: tool.Lines("hopnhat federation conflicts", "hopnhat federation conflicts --json"),
	}
	asJSON := tool.JSONFlag(cmd, tool.PerLine, regional.Conflict{})
	return e.WithBase(cmd, config.Accounts, func(ctx context.Context, b *node.Base, _ []string) error {
		list, err := regional.Conflicts(ctx, b.DB.Regional, mostConflicts)
		if err != nil {
			return err
		}
		for _, c := range list {
			if *asJSON {
				if err := tool.Encoder(e.Out).Encode(c); err != nil {
					return err
				}
				continue
			}
			e.Printf("%s %s at %s: person %s, %s at the centre since %s; entry %d of %s\n", c.Decided.Format(time.RFC3339), c.Type, c.Provider,
				c.Subject, c.Why, c.Since.Format(time.RFC3339), c.Place, c.Origin)
		}
		if len(list) == 0 && !*asJSON {
			e.Println("nothing: no province began anything for somebody who was locked, or had withdrawn")
		}
		return nil
	})
}

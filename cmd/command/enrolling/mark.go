package enrolling

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/federation"
)

// Marks is `hopnhat federation mark`.
func Marks(e *tool.Env) *cobra.Command {
	return tool.Group("mark", "Grant trust marks, and take them back",
		"hopnhat federation mark grant https://neo.example.vn/marks/public https://app.example.vn", grant(e), revoke(e))
}

// twoWords are the type of a mark and its holder.
func twoWords(_ *cobra.Command, words []string) error {
	if len(words) != 2 {
		return errors.New("name the type of the mark and the entity, each by its URL")
	}
	return nil
}

func grant(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "grant TYPE ENTITY", Short: "Grant a trust mark to an entity, or grant it anew with another end",
		Example: tool.Lines("hopnhat federation mark grant https://neo.example.vn/marks/public https://app.example.vn --until 2028-01-01"), Args: twoWords,
	}
	until := cmd.Flags().String("until", "", "the `DATE` on which it ends, as 2028-01-01; without, it has no end")
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		d, err := Open(b)
		if err != nil {
			return err
		}
		id, err := federation.ParseEntityID(words[1])
		if err != nil {
			return err
		}
		var end time.Time
		if *until != "" {
			if end, err = date(*until); err != nil {
				return err
			}
		}
		if _, err := d.Grant(ctx, d.Me, words[0], id, end); err != nil {
			return err
		}
		e.Printf("granted; %s fetches it at federation_trust_mark_endpoint and puts it into its configuration\n", id)
		return nil
	})
}

func revoke(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke TYPE ENTITY --why TEXT", Short: "Take a trust mark back", Args: twoWords,
		Example: tool.Lines(`hopnhat federation mark revoke https://neo.example.vn/marks/public https://app.example.vn --why "order 3"`),
	}
	why := cmd.Flags().String("why", "", "the reason, which stands in the evidence; no number of a person")
	return e.WithBase(cmd, config.Federation, func(ctx context.Context, b *node.Base, words []string) error {
		d, err := Open(b)
		if err != nil {
			return err
		}
		if _, err := d.TakeBack(ctx, d.Me, words[0], federation.EntityID(words[1]), *why); err != nil {
			return err
		}
		e.Printf("revoked; whoever asks for its status is told\n")
		return nil
	})
}

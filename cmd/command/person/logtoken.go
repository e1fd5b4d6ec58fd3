package person

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reader"
	"hopnhat/authz/identity"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/keys/seal"
)

// logToken is `hopnhat account log-token`.
func logToken(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "log-token NUMBER", Short: "Make a token with which an auditor's tool reads the release log",
		Args: tool.OneWord("number"),
		Long: `Makes a token with which a tool of an auditor reads checkpoint, tiles and entry bundles of the
release log, without a browser, and prints it. It opens nothing else, ends after --days, and at
once when her role is taken. That it was made is evidence.`,
		Example: tool.Lines("hopnhat account log-token 099180000305 --days 30"),
	}
	days := cmd.Flags().Int("days", 30, "after how many days the token ends, at most 90")
	return e.WithBase(cmd, config.Accounts, func(ctx context.Context, b *node.Base, words []string) error {
		token, err := makeLogToken(ctx, b, words[0], time.Duration(*days)*24*time.Hour, time.Now())
		if err != nil {
			return err
		}
		e.Println(token)
		return nil
	})
}

// makeLogToken makes the token of an auditor; the event is committed before it is shown.
func makeLogToken(ctx context.Context, b *node.Base, number string, life time.Duration, now time.Time) (token string, err error) {
	key, err := seal.Derive(ctx, b.Ring, seal.LogReaders)
	if err != nil {
		return "", err
	}
	err = change(ctx, b, number, func(ctx context.Context, a identity.Account) (audit.Act, error) {
		roles, err := b.DB.RolesOf(ctx, a.Subject)
		if err != nil {
			return audit.Act{}, err
		}
		if !slices.Contains(roles, authz.Auditor) {
			return audit.Act{}, errors.New("the person is no auditor; see hopnhat account role grant")
		}
		if token, err = reader.New(key).Make(a.Subject, now, life); err != nil {
			return audit.Act{}, err
		}
		return audit.Act{Action: audit.LogTokenMade, Subject: a.Subject, Detail: audit.Detail{
			Object: string(authz.Auditor), Text: fmt.Sprintf("until %s", now.Add(life).UTC().Format(time.RFC3339)),
		}}, nil
	})
	return token, err
}

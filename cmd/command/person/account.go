// Package person has the commands for the accounts of persons: to open synthetic ones, to
// lock them and sign them out, and to give roles.
package person

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/identity"
	"hopnhat/authz/session"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
)

// Account is `hopnhat account`.
func Account(e *tool.Env) *cobra.Command {
	return tool.Group("account", "Lock, unlock or sign out an account, give or take a role, or enrol synthetic persons",
		"hopnhat account lock 099304000017",
		enrolMany(e),
		// The sessions end, logout tokens are queued, which a server delivers, and nothing
		// begins any more.
		act(e, "lock", "Lock an account: its sessions and grants end, and nothing begins any more", audit.AccountLock,
			func(ctx context.Context, b *node.Base, a identity.Account) error {
				if _, err := b.Sessions(b.Scribe()).EndAll(ctx, b.DB, a.Subject, session.Locked); err != nil {
					return err
				}
				return b.DB.Lock(ctx, a.Subject, string(authz.Operator), time.Now())
			}),
		act(e, "unlock", "Unlock an account", audit.AccountUnlock, func(ctx context.Context, b *node.Base, a identity.Account) error {
			return b.DB.Unlock(ctx, a.Subject, string(authz.Operator))
		}),
		act(e, "sign-out", "End all sessions of an account, and tell each app", audit.AccountSignOut,
			func(ctx context.Context, b *node.Base, a identity.Account) error {
				_, err := b.Sessions(b.Scribe()).EndAll(ctx, b.DB, a.Subject, session.ByOperator)
				return err
			}),
		role(e), logToken(e),
	)
}

type onAccount func(ctx context.Context, b *node.Base, a identity.Account) error

// act is a command that does something to an account that is evidence.
func act(e *tool.Env, verb, short string, action audit.Action, do onAccount) *cobra.Command {
	return e.WithBase(&cobra.Command{
		Use: verb + " NUMBER", Short: short, Args: tool.OneWord("number"),
		Example: tool.Lines("hopnhat account " + verb + " 099304000017"),
	}, config.Accounts, func(ctx context.Context, b *node.Base, words []string) error {
		if err := change(ctx, b, words[0], func(ctx context.Context, a identity.Account) (audit.Act, error) {
			if err := do(ctx, b, a); err != nil {
				return audit.Act{}, err
			}
			return audit.Act{Action: action, Subject: a.Subject}, nil
		}); err != nil {
			return err
		}
		e.Println("done")
		return nil
	})
}

// change finds the account of a number and changes it, with the event of the change in
// the same commit.
func change(ctx context.Context, b *node.Base, number string, do func(ctx context.Context, a identity.Account) (audit.Act, error)) error {
	a, err := b.DB.AccountOf(ctx, authz.PersonalNumber(authz.Typed(number)))
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return errors.New("nobody has an account with this number; see hopnhat account enrol")
	case err != nil:
		return fmt.Errorf("the account: %w", err)
	}
	return tool.Administer(ctx, b, func(ctx context.Context) (audit.Act, error) { return do(ctx, a) })
}

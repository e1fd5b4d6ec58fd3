package app

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/registration"
	"hopnhat/authz/registration/endpoint"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
)

// verify notes that the operator vouches for the agency of an app, or that nobody does.
// What she vouches for is printed: name, agency and host as people see them.
func verify(e *tool.Env, verified bool) tool.OnBase {
	return func(ctx context.Context, b *node.Base, words []string) error {
		c, err := one(ctx, b, words[0])
		if err != nil {
			return err
		}
		if !c.Ended.IsZero() {
			return fmt.Errorf("client %q was deleted at %s, which is for good", c.ID, c.Ended.Format(time.RFC3339))
		}
		action := audit.ClientUnverified
		c.Verified = authz.TakenBack(time.Now().UTC().Truncate(time.Second))
		if verified {
			if c.Owner.VI == "" {
				return fmt.Errorf("client %q names no agency: there is nothing to vouch for; give it an owner with hopnhat client add",
					c.ID)
			}
			action, c.Verified = audit.ClientVerified, vouched(time.Now())
		}
		if err := save(ctx, b, c, action); err != nil {
			return err
		}
		e.Printf("%s %q of %q at %s: %s; servers follow within 5 s\n", c.ID, c.Name.VI, c.Owner.VI, c.Site(), vouchedFor(c))
		return nil
	}
}

// vouched is the word of the operator who runs this tool.
func vouched(now time.Time) authz.Verification {
	return authz.Verification{By: "operator:" + tool.OSUser(), At: now.UTC().Truncate(time.Second)}
}

func disable(e *tool.Env, disabled bool) tool.OnBase {
	return func(ctx context.Context, b *node.Base, words []string) error {
		c, err := one(ctx, b, words[0])
		if err != nil {
			return err
		}
		if !c.Ended.IsZero() {
			return fmt.Errorf("client %q was deleted at %s, which is for good: register it anew", c.ID, c.Ended.Format(time.RFC3339))
		}
		action := audit.ClientEnabled
		if c.Disabled = disabled; disabled {
			action = audit.ClientDisabled
		}
		if err := save(ctx, b, c, action); err != nil {
			return err
		}
		if disabled {
			if err := b.DB.SettleClient(ctx, c.ID); err != nil {
				return err
			}
		}
		e.Printf("%s %s; servers follow within 5 s\n", c.ID, stateOf(c))
		return nil
	}
}

// save saves a client that an operator changed.
func save(ctx context.Context, b *node.Base, c *authz.Client, action audit.Action) error {
	return tool.AdministerAll(ctx, b, func(ctx context.Context) ([]audit.Act, error) {
		before, err := b.DB.Client(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		acts, err := registration.Acts(action, before, c)
		if err != nil {
			return nil, err
		}
		return acts, b.DB.SaveClient(ctx, c)
	})
}

func rotateSecret(e *tool.Env) tool.OnBase {
	return func(ctx context.Context, b *node.Base, words []string) error {
		c, err := one(ctx, b, words[0])
		if err != nil {
			return err
		}
		if len(c.SecretHash) == 0 || !c.Ended.IsZero() {
			return fmt.Errorf("client %q has no secret: it authenticates with %s", c.ID, c.Method)
		}
		secret := authz.NewSecret()
		c.SecretHash = authz.HashSecret(secret)
		if !c.SecretExpires.IsZero() {
			c.SecretExpires = time.Now().UTC().Add(endpoint.SecretLife).Truncate(time.Second)
		}
		if err := save(ctx, b, c, audit.ClientSecretRotated); err != nil {
			return err
		}
		e.Printf("%s has a new secret; the one before is refused within 5 s\n", c.ID)
		showSecret(e, secret)
		return nil
	}
}

// deleteCommand ends an app as it could end itself (RFC 7592 §2.3). It is for good, so it
// wants a word.
func deleteCommand(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "delete ID", Short: "End an app for good, with every grant that people gave it",
		Example: tool.Lines("hopnhat client delete so-dat --yes"), Args: tool.OneWord("client; see hopnhat client list"),
	}
	yes := cmd.Flags().Bool("yes", false, "do it: the app and every consent's grant to it end at once, for good")
	return e.WithBase(cmd, config.Clients, func(ctx context.Context, b *node.Base, words []string) error {
		c, err := one(ctx, b, words[0])
		switch {
		case err != nil:
			return err
		case !c.Ended.IsZero():
			return fmt.Errorf("client %q was deleted already, at %s", c.ID, c.Ended.Format(time.RFC3339))
		case !*yes:
			return fmt.Errorf("this ends %q, %s of %s, for good, with every grant that people gave it; say --yes to do it, or "+
				"`hopnhat client disable %s`, which can be undone", c.ID, c.Name.VI, c.Owner.VI, c.ID)
		}
		now := time.Now().UTC()
		if err := tool.Administer(ctx, b, func(ctx context.Context) (audit.Act, error) {
			return registration.Act(audit.ClientDeleted, c), b.DB.EndClient(ctx, c.ID, now)
		}); err != nil {
			return err
		}
		if err := endpoint.EndGrants(ctx, b.DB, c.ID, now); err != nil {
			return err
		}
		if err := b.DB.SettleClient(ctx, c.ID); err != nil {
			return err
		}
		e.Printf("%s deleted, its grants revoked; servers follow within 5 s\n", c.ID)
		return nil
	})
}

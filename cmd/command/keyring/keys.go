// Package keyring has the commands for keys: their lives, and where they are.
package keyring

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"hopnhat/authz"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/keys"
	"hopnhat/keys/lifecycle"
)

// Keys is `hopnhat keys`.
func Keys(e *tool.Env) *cobra.Command {
	return tool.Group("keys", "Show, rotate, hurry, revoke or move the keys, or set up Vault", "hopnhat keys status",
		status(e), rotate(e), activate(e), revoke(e), move(e), vaultPolicy(e), vaultSetup(e))
}

type onKeys func(ctx context.Context, c *node.Config, k *lifecycle.Keeper, words []string) error

// withKeys runs a command with database and keys open.
func withKeys(e *tool.Env, cmd *cobra.Command, do onKeys) *cobra.Command {
	return e.WithConfig(cmd, config.Keys, func(ctx context.Context, c *node.Config, words []string) error {
		db, err := c.OpenDatabase(ctx, false)
		if err != nil {
			return err
		}
		defer db.Close()
		k, err := c.OpenKeys(ctx, db, "", false)
		if err != nil {
			return err
		}
		return errors.Join(do(ctx, c, k, words), k.Close())
	})
}

func rotate(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "rotate", Short: "Announce a new version of a key, which signs when nodes and apps know it", Args: tool.NoWords,
		Long: "Announces a new version of a key. It signs when every node serves it, cached sets have run out and the apps that fetch\n" +
			"the set have fetched it; `hopnhat keys status` says what it waits for.",
		Example: tool.Lines("hopnhat keys rotate --use token --alg ES256", "hopnhat keys rotate --now"),
	}
	use := cmd.Flags().String("use", string(keys.TokenSigning), "token, federation, request-decryption or secrets")
	alg := cmd.Flags().String("alg", "", "algorithm of the key; ES256 for tokens and federation")
	now := cmd.Flags().Bool("now", false, "do not wait for relying parties: sign as soon as every node serves it")
	_ = cmd.RegisterFlagCompletionFunc("use", cobra.FixedCompletions(
		[]string{string(keys.TokenSigning), string(keys.EntityStatement), string(keys.RequestDecryption), string(keys.Secrets)},
		cobra.ShellCompDirectiveNoFileComp))
	var algorithm keys.Algorithm
	cmd.PreRunE = func(*cobra.Command, []string) (err error) {
		algorithm, err = algorithmOf(keys.Use(*use), keys.Algorithm(*alg))
		return err
	}
	return withKeys(e, cmd, func(ctx context.Context, c *node.Config, k *lifecycle.Keeper, _ []string) error {
		made, err := k.Commands().Rotate(ctx, keys.Use(*use), algorithm, *now)
		if err != nil {
			return err
		}
		if made.KeyID == "" {
			e.Println("a new version wraps data keys from now on; stored secrets follow as they are used")
			return nil
		}
		e.Printf("%s is announced; it signs when every node serves it", made.KeyID)
		if !*now {
			e.Printf(", cached sets have run out (%s) and the apps have fetched it", c.JWKSCache)
		}
		e.Println(": see `hopnhat keys status`")
		return nil
	})
}

// algorithmOf gives the algorithm of what can be rotated by hand.
func algorithmOf(use keys.Use, alg keys.Algorithm) (keys.Algorithm, error) {
	fixed := map[keys.Use]keys.Algorithm{keys.EntityStatement: keys.ES256, keys.RequestDecryption: keys.RSAOAEP256, keys.Secrets: ""}
	switch only, ok := fixed[use]; {
	case ok && alg != "" && alg != only:
		return "", fmt.Errorf("the key for %s has the algorithm %q only", use, only)
	case ok:
		return only, nil
	case use == keys.TokenSigning && alg == "":
		return keys.ES256, nil
	case use == keys.TokenSigning && slices.Contains(keys.OpenIDSignatures, alg):
		return alg, nil
	case use == keys.TokenSigning:
		return "", fmt.Errorf("tokens are signed with %v, not %q", keys.OpenIDSignatures, alg)
	case use == keys.PairwiseSubject:
		return "", errors.New("the key of the pseudonyms never changes: every citizen would become another")
	case use == keys.LogCheckpoint:
		return "", errors.New("a checkpoint key changes with a quarter's log, so that a shard has one key: see docs/keys.md")
	}
	return "", fmt.Errorf("there is no use %q: token, federation, request-decryption or secrets", use)
}

func activate(e *tool.Env) *cobra.Command {
	return withKeys(e, &cobra.Command{
		Use: "activate -- KID", Short: "Let an announced version sign without waiting for apps",
		Long: "Lets an announced version sign as soon as every node serves it, without waiting for apps. A key id may begin with a\n" +
			"dash: put -- before it.",
		Example: tool.Lines("hopnhat keys activate -- kVx0TqYt"),
		Args:    tool.OneWord("key id, as `hopnhat keys status` shows it"),
	}, func(ctx context.Context, _ *node.Config, k *lifecycle.Keeper, words []string) error {
		if err := k.Commands().Expedite(ctx, keys.KeyID(words[0])); err != nil {
			return err
		}
		e.Println(words[0], "signs as soon as every node serves it, and waits for no app")
		return nil
	})
}

func revoke(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "revoke --why TEXT -- KID", Short: "End a version at once, with every token it signed",
		Long: "Ends a version at once, with every token it signed; without --yes it only says how many. A successor takes its place.\n" +
			"It waits until no node serves the version, and says how many nodes it waits for. A key id may begin with a dash: put\n" +
			"-- before it.",
		Example: tool.Lines(`hopnhat keys revoke --why "a drill" --yes -- kVx0TqYt`),
		Args:    tool.OneWord("key id, as `hopnhat keys status` shows it"),
	}
	why := cmd.Flags().String("why", "", "the reason, for the evidence")
	yes := cmd.Flags().Bool("yes", false, "do it: every token the key signed ends at once")
	alone := cmd.Flags().Bool("without-successor", false, "even if no new version can be made: nothing is signed then")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if *why == "" {
			return errors.New("say --why: it stands in the evidence")
		}
		if err := authz.CheckFreeText(*why); err != nil {
			return fmt.Errorf("--why stands in the evidence: %w", err)
		}
		return nil
	}
	return withKeys(e, cmd, func(ctx context.Context, _ *node.Config, k *lifecycle.Keeper, words []string) error {
		id := keys.KeyID(words[0])
		if !*yes {
			return warn(ctx, k, id)
		}
		done, err := k.Commands().Revoke(ctx, id, *why, *alone)
		if done.Version.KeyID != "" {
			e.Printf("%s is revoked\n", done.Version.KeyID)
			if done.Successor != "" {
				e.Printf("%s takes its place as soon as every node serves it, within seconds\n", done.Successor)
			}
			switch {
			case errors.Is(done.Destroyed, lifecycle.ErrNotInStore):
				e.Println("the key store does not have it: it signed nothing, and there is nothing to destroy")
			case done.Destroyed != nil:
				e.Printf("the key store could not be told to use it no more: %v\n", done.Destroyed)
			}
		}
		if err != nil {
			return err
		}
		return awaitRevocation(ctx, e, k, done.Version.KeyID)
	})
}

// warn says what a revocation would end.
func warn(ctx context.Context, k *lifecycle.Keeper, id keys.KeyID) error {
	list, _, err := k.Commands().Status(ctx, true)
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.KeyID == id {
			return fmt.Errorf("this ends %d tokens that may still be live, of %s %s (%s); say --yes to do it",
				s.Signatures, s.Use, s.Algorithm, s.State)
		}
	}
	return fmt.Errorf("version %s: %w", id, keys.ErrNoKey)
}

// awaitRevocation waits until no live node serves the version; each has counted
// by then what it signed with it.
func awaitRevocation(ctx context.Context, e *tool.Env, k *lifecycle.Keeper, id keys.KeyID) error {
	ctx, cancel := context.WithTimeout(ctx, 90*time.Second)
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	reported := 0
	for {
		tokens, left, err := k.Commands().Ended(ctx, id)
		if err != nil {
			return err
		}
		if len(left) == 0 {
			e.Printf("no node serves it any more; %d tokens ended\n", tokens)
			return nil
		}
		if len(left) != reported {
			reported = len(left)
			e.Printf("waiting for %d nodes to drop it\n", reported)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("these nodes do not answer, and stop by themselves a minute after they last could: %v; %d tokens "+
				"ended so far", left, tokens)
		case <-ticker.C:
		}
	}
}

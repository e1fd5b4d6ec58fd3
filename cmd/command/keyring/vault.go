package keyring

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/keys/vault"
)

func vaultPolicy(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use: "vault-policy", Short: "Print the Vault policy of a role", Args: tool.NoWords,
		Example: tool.Lines("hopnhat keys vault-policy --role serving | vault policy write hopnhat-serving -"),
	}
	role := cmd.Flags().String("role", "serving", "serving, rotation, move for bringing keys in, or delivery for who starts a node")
	_ = cmd.RegisterFlagCompletionFunc("role", cobra.FixedCompletions(
		[]string{"serving", "rotation", "move", "delivery"}, cobra.ShellCompDirectiveNoFileComp))
	return e.WithConfig(cmd, config.Vault, func(_ context.Context, c *node.Config, _ []string) error {
		policies := c.VaultOptions().Policies()
		text, ok := map[string]string{
			"serving": policies.Serving, "rotation": policies.Rotation, "move": policies.Move, "delivery": policies.Delivery,
		}[*role]
		if !ok {
			return fmt.Errorf("there is no role %q: serving, rotation, move or delivery", *role)
		}
		e.Printf("%s", text)
		return nil
	})
}

func vaultSetup(e *tool.Env) *cobra.Command {
	return e.WithConfig(&cobra.Command{
		Use: "vault-setup", Short: "Make the keys in Vault that are not there yet, as the rotation role", Args: tool.NoWords,
		Example: tool.Lines(
			"hopnhat keys vault-setup --keystore vault --vault-address https://vault:8200 --vault-token-file ~/.vault-token"),
	}, config.Vault, func(ctx context.Context, c *node.Config, _ []string) error {
		s, err := vault.Open(c.VaultOptions())
		if err != nil {
			return err
		}
		defer s.Close()
		e.Progress("making the keys in Vault; an RSA key can take a minute on a busy one")
		if err := s.Ensure(ctx, c.KeyRotateEvery); err != nil {
			return err
		}
		e.Printf("the keys are there; Vault makes a new version of each that rotates every %s\n", c.KeyRotateEvery)
		return nil
	})
}

// move brings the keys of the folder into Vault. The book of lives does not change: a key
// id is the same wherever its private half is, so nodes can be switched one by one, and
// what either signs the other takes.
func move(e *tool.Env) *cobra.Command {
	return e.WithConfig(&cobra.Command{
		Use: "move", Short: "Bring the keys of a folder into Vault, as the move role", Args: tool.NoWords,
		Example: tool.Lines("hopnhat keys move --keys state/keys --vault-address https://vault:8200 --vault-token-file ~/.vault-token"),
	}, config.Vault, func(ctx context.Context, c *node.Config, _ []string) error {
		if err := c.CheckVault(); err != nil {
			return fmt.Errorf("saying where to move the keys, as the move role: %w", err)
		}
		from, err := c.OpenKeyFolder(false)
		if err != nil {
			return err
		}
		defer from.Close()
		to, err := vault.Open(c.VaultOptions())
		if err != nil {
			return err
		}
		defer to.Close()
		all, err := from.Export()
		if err != nil {
			return err
		}
		defer func() {
			for _, m := range all {
				clear(m.Private)
			}
		}()
		if err := to.Import(ctx, all, func(name string, version int) { e.Printf("moved %s, version %d\n", name, version) }); err != nil {
			return err
		}
		e.Printf(`the keys are in Vault and cannot be read out of it
next: set keystore: vault with the serving role, and restart the nodes one by one;
then delete the folder %s and its backups, and `+"`hopnhat keys rotate --now`"+` each
algorithm with the rotation role, so that no key signs that was ever outside Vault
`, c.Keys)
		return nil
	})
}

package house

import (
	"errors"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
)

// Config is `hopnhat config`.
func Config(e *tool.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check the configuration as the server would, and print every key with its meaning, value and origin",
		Args:  tool.NoWords,
		Long: "Reads file, environment and flags as the server does, and prints every key with its meaning, its value and where that\n" +
			"came from. What is printed is a file that means the same; passwords are masked. What the server would refuse is an error.\n" +
			"Types, ranges and defaults: docs/configuration.md.",
		Example: tool.Lines("hopnhat config --config /etc/hopnhat.yaml", "hopnhat config --json"),
	}
	asJSON := tool.JSONFlag(cmd, tool.Array, config.Shown{})
	flags := config.AddFlags(cmd, config.Server)
	cmd.RunE = func(*cobra.Command, []string) error {
		c := node.Defaults()
		loaded, err := flags.Load(e.Environment, &c)
		if err != nil {
			return err
		}
		if *asJSON {
			return errors.Join(e.JSON(loaded.Shown()), c.CheckFiles())
		}
		return errors.Join(loaded.Show(e.Out), c.CheckFiles())
	}
	return cmd
}

// Package ledger has the commands of the release log.
package ledger

import (
	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
)

// Log is `hopnhat log`.
func Log(e *tool.Env) *cobra.Command {
	return tool.Group("log", "The release log, and witnesses of it",
		"hopnhat log witness --log-key log.vkey --name witness.example/w1", witnessing(e))
}

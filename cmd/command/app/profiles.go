package app

import (
	"github.com/spf13/cobra"

	"hopnhat/authz/registration/review"
	"hopnhat/cmd/command/tool"
)

// Profiles is `hopnhat profiles`, which prints docs/profiles.md.
func Profiles(e *tool.Env) *cobra.Command {
	return &cobra.Command{
		Use: "profiles", Short: "Print what each profile demands and offers, as Markdown", Args: tool.NoWords,
		Example: tool.Lines("hopnhat profiles > docs/profiles.md"),
		RunE:    func(*cobra.Command, []string) error { return review.WriteProfiles(e.Out) },
	}
}

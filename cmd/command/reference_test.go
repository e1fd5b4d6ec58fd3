package command

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"hopnhat/cmd/command/tool"
)

var update = flag.Bool("update", false, "write docs/commands.md")

// TestReference holds docs/commands.md against the commands.
func TestReference(t *testing.T) {
	const page = "../../docs/commands.md"
	if *update {
		if err := os.WriteFile(page, []byte(reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != reference() {
		t.Errorf("%s is not what the commands say (%v): go test ./cmd/command -run Reference -update", page, err)
	}
}

// reference is docs/commands.md.
func reference() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Commands

This page is printed from the commands, by `+"`go test ./cmd/command -run Reference -update`"+`. `+"`hopnhat COMMAND --help`"+
		` says more, with every
flag; what each key of the configuration means: [configuration.md](configuration.md).

Flags stand before or behind arguments; behind `+"`--`"+
		` everything is an argument. A misspelt command, flag, key or variable is told with the
nearest one there is.

    source <(hopnhat completion bash)          # or zsh, fish: completion zsh --help says where it stays
    make man && man artifacts/man/hopnhat.1    # the manual of every command

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| %d | it failed or was refused, also for a word too few or too many; the error output says why and what to do |
| %d | no such command or flag, a flag without a value that it can take, or too little to go on, which prints the usage |
| 3 | `+"`conformance run`, `conformance rp`: a module failed; `audit verify`, `audit consistency`"+`: consistent, but no key was given that signed it; `+"`log check`"+`: something is not as it was signed; `+"`log restore-rows`"+`: entries stay without a row |
| 4 | `+"`audit reconcile`"+`: something is wrong in the evidence |
| %d | Ctrl-C or SIGTERM ended a command before it was done; `+"`serve` and `demo`"+` end with 0 |

`+"`audit verify` and `hopnhat-verify`"+` answer 0 green, 1 red, 2 wrong use, 3 not pinned.

## JSON

What lists or shows takes `+"`--json`; `account enrol`"+
		` always prints JSON. The members below stay: new ones may come, and none changes its meaning. Members without a value may be
left out. Times are RFC 3339 in UTC.

`, tool.Failed, tool.Misused, tool.Stopped)
	type row struct{ command, short, json string }
	var rows []row
	each(func(cmd *cobra.Command) {
		if !cmd.HasSubCommands() || cmd.LocalNonPersistentFlags().HasFlags() && cmd.Name() == "bench" {
			rows = append(rows, row{strings.TrimSuffix(cmd.UseLine(), " [flags]"), cmd.Short, cmd.Annotations[tool.JSONAnnotation]})
		}
	})
	for _, r := range rows {
		if r.json != "" {
			fmt.Fprintf(&b, "- `%s` prints %s\n", r.command, r.json)
		}
	}
	b.WriteString("\n## All commands\n\n| command | |\n|---|---|\n")
	for _, r := range rows {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.ReplaceAll(r.command, "|", `\|`), r.short)
	}
	return b.String()
}

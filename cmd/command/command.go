// Package command is the command line: [Root] has every command, [Run] runs one and gives
// the exit code.
//
// A command is made by the package of its noun: apps, persons, keys, the house itself,
// measurements, conformance. What they share is in cmd/command/tool.
package command

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hopnhat/cmd/command/app"
	"hopnhat/cmd/command/bench"
	"hopnhat/cmd/command/bundling"
	"hopnhat/cmd/command/conformance"
	"hopnhat/cmd/command/enrolling"
	"hopnhat/cmd/command/house"
	"hopnhat/cmd/command/keyring"
	"hopnhat/cmd/command/ledger"
	"hopnhat/cmd/command/person"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/command/trust"
	"hopnhat/cmd/command/upstreams"
	"hopnhat/cmd/demo"
)

// Root is the command hopnhat, with every command below it.
func Root(e *tool.Env) *cobra.Command {
	root := tool.Group("hopnhat", "Hopnhat, the national electronic identity federation server", "hopnhat demo")
	root.Long = root.Short + "."
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetOut(e.Out)
	root.SetErr(e.Err)
	root.SetUsageFunc(tool.Usage)
	root.SetFlagErrorFunc(tool.WrongFlag)
	for _, group := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"run", "A server and its databases:", []*cobra.Command{
			house.Init(e), house.Migrate(e), house.Serve(e), house.Config(e), house.Registry(e), demo.Demo(e),
		}},
		{"tools", "Apps, persons, keys, evidence and the federation:", []*cobra.Command{
			app.Client(e), app.Resource(e), app.Catalogue(e), app.Profiles(e), person.Account(e), keyring.Keys(e), house.Audit(e),
			ledger.Log(e), trust.Federation(e, enrolling.Subordinates(e), enrolling.Marks(e), enrolling.Rehearse(e), enrolling.Weather(e),
				enrolling.Conflicts(e), upstreams.Upstream(e), bundling.Bundle(e)),
		}},
		{"tests", "Tests and measurements:", []*cobra.Command{conformance.Conformance(e), bench.Bench(e)}},
	} {
		root.AddGroup(&cobra.Group{ID: group.id, Title: group.title})
		for _, cmd := range group.commands {
			cmd.GroupID = group.id
		}
		root.AddCommand(group.commands...)
	}
	root.AddCommand(house.Version(e))
	return root
}

// Run runs the command that the words name, and returns the exit code of the process.
func Run(ctx context.Context, e *tool.Env, words []string) int {
	root := Root(e)
	tool.Strict(root)
	words = twoDashes(root, words)
	root.SetArgs(words)
	cmd, err := tool.StrayFlag(root, words)
	if err == nil {
		cmd, err = root.ExecuteContextC(ctx)
	}
	var code tool.ExitCode
	var flag *tool.FlagError
	var unknown *tool.UnknownCommandError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, tool.ErrUsage):
		fmt.Fprint(e.Err, cmd.UsageString())
		return int(tool.Misused)
	case errors.As(err, &unknown), errors.As(err, &flag):
		fmt.Fprintf(e.Err, "%s: %v\n", cmd.CommandPath(), err)
		return int(tool.Misused)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintf(e.Err, "%s: stopped before it was done\n", cmd.CommandPath())
		return int(tool.Stopped)
	}
	fmt.Fprintf(e.Err, "%s: %v\n", cmd.CommandPath(), err)
	return int(tool.Failed)
}

// twoDashes writes flags with a single dash, -port, as the releases before took and
// printed them, with two. What is a flag's value, or stands behind --, stays.
func twoDashes(root *cobra.Command, words []string) []string {
	value := map[string]bool{} // flags, and whether a value follows
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) { value[f.Name] = value[f.Name] || f.NoOptDefVal == "" })
		for _, below := range cmd.Commands() {
			visit(below)
		}
	}
	visit(root)
	value["help"] = false
	out := slices.Clone(words)
	for i, follows := 0, false; i < len(out) && out[i] != "--"; i++ {
		if follows {
			follows = false
			continue
		}
		name, _, joined := strings.Cut(strings.TrimLeft(out[i], "-"), "=")
		takes, known := value[name]
		if known && len(name) > 1 && strings.HasPrefix(out[i], "-") {
			out[i] = "--" + strings.TrimLeft(out[i], "-")
			follows = takes && !joined
		}
	}
	return out
}

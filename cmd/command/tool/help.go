package tool

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"hopnhat/cmd/config"
)

// helpWidth is where lines of flags are broken.
const helpWidth = 100

// Usage prints how a command is used: its words, an example, the commands below it, its
// own flags, and apart from them the keys of the configuration that it reads.
func Usage(cmd *cobra.Command) error {
	var b strings.Builder
	b.WriteString("Usage:\n")
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n", cmd.CommandPath())
	}
	flags, keys := flagsOf(cmd)
	if !cmd.HasAvailableSubCommands() || flags.HasAvailableFlags() {
		fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExample:\n%s\n", cmd.Example)
	}
	for _, group := range append(cmd.Groups(), &cobra.Group{Title: "Commands:"}) {
		title := group.Title
		for _, below := range cmd.Commands() {
			if below.GroupID != group.ID || !below.IsAvailableCommand() && below.Name() != "help" {
				continue
			}
			if title != "" {
				fmt.Fprintf(&b, "\n%s\n", title)
				title = ""
			}
			fmt.Fprintf(&b, "  %-*s %s\n", below.NamePadding(), below.Name(), below.Short)
		}
	}
	if flags.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s", flags.FlagUsagesWrapped(helpWidth))
	}
	if keys.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nConfiguration, each also a key of the file and a variable of the environment:\n%s",
			keys.FlagUsagesWrapped(helpWidth))
		if hidden(keys) {
			b.WriteString("  The other keys are taken, too, and not read: see hopnhat config --help.\n")
		}
	}
	if text := cmd.Annotations[JSONAnnotation]; text != "" && cmd.Flags().Lookup("json") == nil {
		fmt.Fprintf(&b, "\nIt prints %s.\n", text)
	} else if text != "" {
		fmt.Fprintf(&b, "\nWith --json it prints %s.\n", text)
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n%s COMMAND --help says more of a command.\n", cmd.CommandPath())
	}
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// flagsOf are the flags of a command, in the order in which they were made: its own, and
// those of the configuration.
func flagsOf(cmd *cobra.Command) (flags, keys *pflag.FlagSet) {
	flags, keys = pflag.NewFlagSet("", pflag.ContinueOnError), pflag.NewFlagSet("", pflag.ContinueOnError)
	flags.SortFlags, keys.SortFlags = false, false
	cmd.Flags().SortFlags = false
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		switch _, key := f.Annotations[config.Annotation]; {
		case key:
			keys.AddFlag(f)
		case f.Name != "help":
			flags.AddFlag(f)
		}
	})
	return flags, keys
}

func hidden(set *pflag.FlagSet) (some bool) {
	set.VisitAll(func(f *pflag.Flag) { some = some || f.Hidden })
	return some
}

// Strict lets the commands that Cobra adds, help and completion, refuse a word that names
// nothing, as ours do: they would answer it with the help of another command and code 0.
func Strict(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		switch cmd.Name() {
		case "help":
			cmd.Args = func(_ *cobra.Command, words []string) error {
				found, rest, err := root.Find(words)
				if err != nil || !found.HasSubCommands() {
					return err
				}
				return OneOfItsCommands(found, rest)
			}
		case "completion":
			cmd.Args, cmd.RunE = OneOfItsCommands, func(*cobra.Command, []string) error { return ErrUsage }
			cmd.Example = Lines("source <(hopnhat completion bash)")
		}
	}
}

// StrayFlag refuses a flag that is given to a command which only has commands below it:
// such a command passes over flags that it does not know. cmd is the command.
func StrayFlag(root *cobra.Command, words []string) (cmd *cobra.Command, err error) {
	cmd, rest, err := root.Find(words)
	if err != nil || !cmd.HasSubCommands() || len(rest) == 0 || len(rest[0]) < 2 || rest[0][0] != '-' || rest[0] == "--" {
		return cmd, nil // what is wrong otherwise is found when it runs
	}
	name, _, _ := strings.Cut(strings.TrimLeft(rest[0], "-"), "=")
	if cmd.InitDefaultHelpFlag(); name == "h" || cmd.Flags().Lookup(name) != nil {
		return cmd, nil
	}
	return cmd, WrongFlag(cmd, errors.New("unknown flag: --"+name))
}

// values says what a flag of a type takes.
var values = map[string]string{"int": "a whole number", "bool": "true or false", "duration": "a time such as 90s or 5m"}

// WrongFlag tells of a flag that cannot be, with the nearest one there is.
func WrongFlag(cmd *cobra.Command, err error) error {
	var wrong *pflag.InvalidValueError
	if errors.As(err, &wrong) && !errors.Is(err, strconv.ErrRange) {
		if takes := values[wrong.GetFlag().Value.Type()]; takes != "" {
			return &FlagError{fmt.Sprintf("invalid argument %q for \"--%s\": it is %s.", wrong.GetValue(), wrong.GetFlag().Name, takes), cmd}
		}
	}
	if name, ok := strings.CutPrefix(err.Error(), "unknown flag: --"); ok {
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		guess := strings.Replace(config.DidYouMean(name, known), `"`, `"--`, 1)
		return &FlagError{"there is no flag --" + name + cmp.Or(guess, "."), cmd}
	}
	return &FlagError{err.Error() + ".", cmd}
}

// FlagError is of flags that cannot be read.
type FlagError struct {
	text string
	cmd  *cobra.Command
}

func (e *FlagError) Error() string {
	return fmt.Sprintf("%s See %s --help.", e.text, e.cmd.CommandPath())
}

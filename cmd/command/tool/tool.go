// Package tool is what the commands share: where they read and write ([Env]), how they end
// ([ExitCode]), how they show lists ([Rows]), how they read the configuration and open the
// state ([Env.WithBase]), and how a change of an operator becomes evidence ([Administer]).
package tool

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
)

// Env is what a command may touch of its surroundings.
type Env struct {
	Out, Err io.Writer
	config.Environment
}

// Exit codes of every command, beside those that a command has of its own. They are
// described in docs/commands.md.
const (
	Failed  ExitCode = 1
	Misused ExitCode = 2
	Stopped ExitCode = 130 // by Ctrl-C, before it was done
)

// ExitCode ends a command with a code of its own and no message.
type ExitCode int

func (e ExitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// ErrUsage ends a command with its usage, since the words were not enough.
var ErrUsage = errors.New("usage")

// Group is a command that only has commands below it.
func Group(use, short, example string, below ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Example: Lines(example), Args: OneOfItsCommands,
		RunE: func(*cobra.Command, []string) error { return ErrUsage },
		// A word that is no command is told as such, before any flag behind it.
		FParseErrWhitelist: cobra.FParseErrWhitelist{UnknownFlags: true},
	}
	cmd.AddCommand(below...)
	return cmd
}

// UnknownCommandError is of a word that names no command.
type UnknownCommandError struct{ word, guess, above string }

func (e *UnknownCommandError) Error() string {
	return fmt.Sprintf("there is no command %q%s See %s --help.", e.word, cmp.Or(e.guess, "."), e.above)
}

// OneOfItsCommands refuses a word that is none of the commands below.
func OneOfItsCommands(cmd *cobra.Command, words []string) error {
	if len(words) == 0 {
		return nil
	}
	var names []string
	for _, below := range cmd.Commands() {
		if below.IsAvailableCommand() {
			names = append(names, below.Name())
		}
	}
	return &UnknownCommandError{words[0], config.DidYouMean(words[0], names), cmd.CommandPath()}
}

// NoWords refuses words that a command does not take: they would be passed over in silence.
func NoWords(_ *cobra.Command, words []string) error {
	if len(words) > 0 {
		return fmt.Errorf("%q is not taken here: the command has flags only", words[0])
	}
	return nil
}

// OneWord wants one word, and says which.
func OneWord(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, words []string) error {
		if len(words) != 1 {
			return errors.New("name one " + what)
		}
		return nil
	}
}

// What runs a command: with the words that are no flags, and what they are about.
type (
	OnConfig func(ctx context.Context, c *node.Config, words []string) error
	OnBase   func(ctx context.Context, b *node.Base, words []string) error
)

// WithConfig gives a command the keys of the configuration that the reader reads, and
// runs it with them.
func (e *Env) WithConfig(cmd *cobra.Command, reader config.Reader, run OnConfig) *cobra.Command {
	flags := config.AddFlags(cmd, reader)
	cmd.RunE = func(cmd *cobra.Command, words []string) error {
		c := node.Defaults()
		if _, err := flags.Load(e.Environment, &c); err != nil {
			return err
		}
		return run(cmd.Context(), &c, words)
	}
	return cmd
}

// WithBase is [Env.WithConfig] for a command that works on database and keys.
func (e *Env) WithBase(cmd *cobra.Command, reader config.Reader, run OnBase) *cobra.Command {
	return e.WithConfig(cmd, reader, func(ctx context.Context, c *node.Config, words []string) error {
		b, err := node.Open(ctx, c)
		if err != nil {
			return err
		}
		b.Told = e.Err
		return errors.Join(run(ctx, b, words), b.Close())
	})
}

// Printf writes to the output.
func (e *Env) Printf(format string, values ...any) { fmt.Fprintf(e.Out, format, values...) }

// Println writes a line to the output.
func (e *Env) Println(values ...any) { fmt.Fprintln(e.Out, values...) }

// Progress writes a line to the error output, beside what a command prints for others to
// read.
func (e *Env) Progress(format string, values ...any) { fmt.Fprintf(e.Err, format+"\n", values...) }

// Lines are lines of an example, indented as help shows them.
func Lines(lines ...string) string { return "  " + strings.Join(lines, "\n  ") }

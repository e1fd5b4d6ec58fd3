// Command hopnhat is the national electronic identity federation server and the
// tools of those who run it. It parses and wires; what it does lives in the
// packages it imports.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

// command is one word after hopnhat.
type command struct {
	name    string
	summary string
	usage   string
	example string
	run     func(ctx context.Context, c command, e env, args []string) error
}

// env is what a command may touch of its surroundings.
type env struct {
	out, err io.Writer
	lookup   func(string) (string, bool)
	names    []string // of all variables
}

func commands() []command {
	return []command{
		demoCommand, initCommand, serveCommand, migrateCommand, clientCommand, catalogueCommand, profilesCommand, resourceCommand, accountCommand, registryCommand, auditCommand, keysCommand, configCommand, benchCommand, conformanceCommand,
	}
}

// errUsage means that help was shown because the words were off.
var errUsage = errors.New("usage")

// stopped is the exit code of a command that Ctrl-C ended before it was done.
const stopped = 130

// exitCode lets a command end with a code of its own.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, env{os.Stdout, os.Stderr, os.LookupEnv, variables()}, os.Args[1:]))
}

// variables are the names of the environment's variables.
func variables() (names []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		names = append(names, name)
	}
	return names
}

// run is main without the process: tests call it.
func run(ctx context.Context, e env, args []string) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		overview(e.out)
		return 0
	}
	for _, c := range commands() {
		if c.name != args[0] {
			continue
		}
		err := c.run(ctx, c, e, args[1:])
		var code exitCode
		switch {
		case err == nil, errors.Is(err, flag.ErrHelp):
			return 0
		case errors.As(err, &code):
			return int(code)
		case errors.Is(err, errUsage):
			return 2
		case ctx.Err() != nil && errors.Is(err, context.Canceled):
			fmt.Fprintf(e.err, "hopnhat %s: stopped before it was done\n", c.name)
			return stopped
		default:
			fmt.Fprintf(e.err, "hopnhat %s: %v\n", c.name, err)
			return 1
		}
	}
	var names []string
	for _, c := range commands() {
		names = append(names, c.name)
	}
	fmt.Fprintf(e.err, "hopnhat: there is no command %q%s. See hopnhat help.\n", args[0], meant(args[0], names))
	return 2
}

func overview(w io.Writer) {
	fmt.Fprint(w, "Hopnhat, the national electronic identity federation server.\n\nUsage:\n  hopnhat COMMAND [flags]\n\nCommands:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-10s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\nExample:\n  hopnhat demo\n\nEvery command has --help.\n")
}

// flagSet makes the flags of a command with its help.
func (c command) flagSet(e env) *flag.FlagSet {
	f := flag.NewFlagSet("hopnhat "+c.name, flag.ContinueOnError)
	f.SetOutput(e.err)
	f.Usage = func() {
		fmt.Fprintf(e.err, "%s\n\nUsage:\n  hopnhat %s\n\nExample:\n  %s\n\nFlags:\n", c.summary, c.usage, c.example)
		c.printFlags(e, f)
	}
	return f
}

// printFlags explains the flags of the command itself. Those that every key of the
// configuration is, too, would bury them: they are explained where they matter most.
func (c command) printFlags(e env, f *flag.FlagSet) {
	keys := defaults().names()
	if c.name == "config" || c.name == "serve" {
		keys = nil
	}
	own := flag.NewFlagSet(f.Name(), flag.ContinueOnError)
	own.SetOutput(e.err)
	left := false
	f.VisitAll(func(g *flag.Flag) {
		if slices.Contains(keys, strings.ReplaceAll(g.Name, "-", "_")) {
			left = true
			return
		}
		own.Var(g.Value, g.Name, g.Usage)
		own.Lookup(g.Name).DefValue = g.DefValue
	})
	own.PrintDefaults()
	if left {
		fmt.Fprint(e.err, "\nEach key of the configuration is a flag, too (--database, --state): see hopnhat config --help.\n")
	}
}

// parse reads flags; words that are off end with the help, code 2.
func parse(f *flag.FlagSet, args []string) error {
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	return nil
}

// meant asks whether the nearest known word was meant, if any is near: two letters
// or a third of them may differ. Of a word that is like none, a guess would only mislead.
func meant(word string, known []string) string {
	best, least := "", max(2, len(word)/3)+1
	for _, k := range known {
		if d := distance(word, k); d < least {
			best, least = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		previous := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			previous, row[j] = row[j], min(row[j]+1, row[j-1]+1, previous+cost)
		}
	}
	return row[len(b)]
}

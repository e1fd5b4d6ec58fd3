package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"hopnhat/cmd/node"
)

// Environment is where variables come from.
type Environment struct {
	Lookup func(name string) (string, bool)
	Names  []string // of all variables
}

// variableOfFile names the file where --config does not.
const variableOfFile = "HOPNHAT_CONFIG"

// Flags are the flags of a command that reads the configuration: --config, and one for
// each key.
type Flags struct {
	file  string
	given map[string]string
}

// AddFlags gives a command the flags of the configuration. Help and completion show those
// of the keys that the reader reads; the others are taken in silence, so that one set of
// flags can be given to the server and to the tools beside it.
func AddFlags(cmd *cobra.Command, reader Reader) *Flags {
	f := &Flags{given: map[string]string{}}
	set := cmd.Flags()
	set.StringVar(&f.file, "config", "",
		"YAML `file` with any keys of the configuration; without it the file that "+variableOfFile+" names")
	_ = set.SetAnnotation("config", Annotation, nil)
	for _, k := range Table {
		meaning := k.Meaning
		if text, ok := follows[k.Name]; ok {
			meaning += " (default " + text + ")"
		}
		set.Var(&flagValue{k, f.given}, k.Flag(), meaning)
		flag := set.Lookup(k.Flag())
		flag.Hidden = !slices.Contains(k.Readers, reader)
		flag.Annotations = map[string][]string{Annotation: nil}
		if len(k.Value.Choices) > 0 && !flag.Hidden {
			_ = cmd.RegisterFlagCompletionFunc(k.Flag(), cobra.FixedCompletions(k.Value.Choices, cobra.ShellCompDirectiveNoFileComp))
		}
	}
	return f
}

// Annotation marks the flags of the configuration, which help shows apart from those of
// the command itself.
const Annotation = "hopnhat_configuration"

// flagValue keeps what a flag says until file and environment were read.
type flagValue struct {
	key   Key
	given map[string]string
}

var _ pflag.Value = &flagValue{}

func (v *flagValue) Set(text string) error { v.given[v.key.Name] = text; return nil }
func (v *flagValue) String() string {
	if v.key.field == nil { // a zero value, which pflag makes to compare defaults with
		return ""
	}
	return v.key.Default()
}
func (v *flagValue) Type() string { return strings.ReplaceAll(v.key.Value.Type, " ", "-") }

// Origin says where a value came from.
type Origin struct {
	Source string // default, file, variable, flag, or derived from other keys
	Name   string // the file, the variable or the flag
}

func (o Origin) String() string {
	if o.Source == "file" {
		return fmt.Sprintf("file %q", o.Name)
	}
	return strings.TrimSpace(o.Source + " " + o.Name)
}

// Loaded is a configuration with the origin of each value.
type Loaded struct {
	*node.Config
	Origins map[string]Origin
}

// Load fills a configuration that holds the defaults: from the file, which the environment
// overrides, which flags override. Then what follows from other keys is filled in, and
// values that contradict each other are refused.
func (f *Flags) Load(e Environment, c *node.Config) (Loaded, error) {
	l, err := f.read(e, c)
	if err != nil {
		return l, err
	}
	f.onlyOneWayIntoVault(l)
	before := *c
	err = c.Complete()
	for _, k := range Table {
		if k.Of(&before) != k.Of(c) {
			l.Origins[k.Name] = Origin{Source: "derived"}
		}
	}
	return l, err
}

// read reads the three sources in their order.
func (f *Flags) read(e Environment, c *node.Config) (Loaded, error) {
	l := Loaded{c, map[string]Origin{}}
	for _, k := range Table {
		l.Origins[k.Name] = Origin{Source: "default"}
	}
	file := f.file
	if file == "" {
		file, _ = e.Lookup(variableOfFile)
	}
	if file != "" {
		if err := l.readFile(file); err != nil {
			return l, err
		}
	}
	if err := knownVariables(e.Names); err != nil {
		return l, err
	}
	for _, k := range Table {
		if text, ok := e.Lookup(k.Variable()); ok {
			if err := l.set(k, text, Origin{"variable", k.Variable()}); err != nil {
				return l, fmt.Errorf("%s: %w", k.Variable(), err)
			}
		}
		if text, ok := f.given[k.Name]; ok {
			if err := l.set(k, text, Origin{"flag", "--" + k.Flag()}); err != nil {
				return l, fmt.Errorf("--%s: %w", k.Flag(), err)
			}
		}
	}
	return l, nil
}

func (l Loaded) set(k Key, text string, from Origin) error {
	l.Origins[k.Name] = from
	return k.Set(l.Config, text)
}

// readFile reads a YAML file of key: value lines; an unknown key is refused with the
// nearest known one.
func (l Loaded) readFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading the configuration: %w", err)
	}
	var keys map[string]yaml.Node
	d := yaml.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&keys); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("reading the configuration %s: %w", path, err)
	}
	for name, value := range keys {
		k, ok := find(name)
		if !ok {
			return fmt.Errorf("%s line %d: there is no key %q%s; hopnhat config lists them all",
				path, value.Line, name, DidYouMean(name, Names()))
		}
		if value.Kind != yaml.ScalarNode {
			return fmt.Errorf("%s line %d: %s takes one value", path, value.Line, name)
		}
		if err := l.set(k, value.Value, Origin{"file", path}); err != nil {
			return fmt.Errorf("%s line %d: %s: %w", path, value.Line, name, err)
		}
	}
	return nil
}

// knownVariables refuses a variable of ours that is none: a misspelt key would be left out
// in silence. Those of tests and benchmarks are theirs.
func knownVariables(names []string) error {
	known := []string{variableOfFile}
	for _, k := range Table {
		known = append(known, k.Variable())
	}
	for _, name := range names {
		if strings.HasPrefix(name, "HOPNHAT_") && !slices.Contains(known, name) &&
			!strings.HasPrefix(name, "HOPNHAT_TEST_") && !strings.HasPrefix(name, "HOPNHAT_BENCH_") {
			return fmt.Errorf("the variable %s is of no key%s; hopnhat config lists them all", name, DidYouMean(name, known))
		}
	}
	return nil
}

// onlyOneWayIntoVault lets the way into Vault that flags name stand in the place of the
// node's in the file: a person works with the node's configuration, and a token of her own.
func (f *Flags) onlyOneWayIntoVault(l Loaded) {
	leftOut := Origin{Source: "left out", Name: "for the way into Vault that a flag names"}
	switch {
	case f.given["vault_token_file"] != "" && f.given["vault_role_id"] == "":
		l.VaultRoleID, l.VaultSecretIDFile, l.VaultSecretIDWrapped = "", "", false
		for _, name := range []string{"vault_role_id", "vault_secret_id_file", "vault_secret_id_wrapped"} {
			l.Origins[name] = leftOut
		}
	case f.given["vault_role_id"] != "" && f.given["vault_token_file"] == "":
		l.VaultTokenFile = ""
		l.Origins["vault_token_file"] = leftOut
	}
}

// DidYouMean asks whether the nearest known word was meant, if any is near: two letters or
// a third of them may differ. Of a word that is like none, a guess would only mislead.
func DidYouMean(word string, known []string) string {
	words := &cobra.Command{}
	for _, k := range known {
		words.AddCommand(&cobra.Command{Use: k, Run: func(*cobra.Command, []string) {}})
	}
	for words.SuggestionsMinimumDistance = 1; words.SuggestionsMinimumDistance <= max(2, len(word)/3); words.SuggestionsMinimumDistance++ {
		if near := words.SuggestionsFor(word); len(near) > 0 {
			return fmt.Sprintf("; did you mean %q?", near[0])
		}
	}
	return ""
}

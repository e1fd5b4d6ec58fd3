package config

import (
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Shown is one key as `hopnhat config --json` prints it.
type Shown struct {
	Key      string   `json:"key"`
	Value    string   `json:"value"` // a password in it is masked
	Source   string   `json:"source"`
	From     string   `json:"from,omitempty"`
	Default  string   `json:"default,omitempty"`
	Type     string   `json:"type"`
	Range    string   `json:"range"`
	Secrecy  Secrecy  `json:"secrecy"`
	Flag     string   `json:"flag"`
	Variable string   `json:"variable"`
	Readers  []Reader `json:"readers"`
	Meaning  string   `json:"meaning"`
}

// Shown are all keys with their values and origins.
func (l Loaded) Shown() []Shown {
	var out []Shown
	for _, k := range Table {
		from := l.Origins[k.Name]
		out = append(out, Shown{
			k.Name, k.Of(l.Config), from.Source, from.Name, k.Default(), k.Value.Type, k.Value.Range, k.Secrecy,
			"--" + k.Flag(), k.Variable(), k.Readers, k.Meaning,
		})
	}
	return out
}

// Show prints a file that means the same: every key with its meaning, value and origin.
func (l Loaded) Show(w io.Writer) error {
	const heading = "# A file is named by --config or HOPNHAT_CONFIG; a variable overrides it, and a flag both. Passwords are not " +
		"shown.\n"
	if _, err := io.WriteString(w, heading); err != nil {
		return err
	}
	for _, k := range Table {
		value, err := yaml.Marshal(k.Of(l.Config))
		if err != nil {
			return err
		}
		text := strings.TrimSpace(string(value))
		if _, err := fmt.Fprintf(w, "# %s (%s)\n%s: %s # %s\n", k.Meaning, k.Variable(), k.Name, text, l.Origins[k.Name]); err != nil {
			return err
		}
	}
	return nil
}

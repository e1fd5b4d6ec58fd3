package config

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"hopnhat/cmd/node"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// TestReference holds docs/configuration.md against the table.
func TestReference(t *testing.T) {
	const page = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(page, []byte(reference()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != reference() {
		t.Errorf("%s is not what the table says (%v): go test ./cmd/config -run Reference -update", page, err)
	}
}

// TestReferenceSaysWhatFollows: of each key that follows from others, and of no other.
func TestReferenceSaysWhatFollows(t *testing.T) {
	c := node.Defaults()
	l, err := (&Flags{}).Load(environment(nil, nil), &c)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range Table {
		if _, said := follows[k.Name]; said != (l.Origins[k.Name].Source == "derived") {
			t.Errorf("%s is %s; the page says what it follows from: %t", k.Name, l.Origins[k.Name].Source, said)
		}
	}
}

// reference is docs/configuration.md.
func reference() string {
	var b strings.Builder
	b.WriteString(`# Configuration

This page is printed from the table of keys in ` + "`cmd/config/table.go`" + `, by ` + "`go test ./cmd/config -run Reference -update`" + `.

A value comes from the file that ` + "`--config`" + ` or the variable HOPNHAT_CONFIG names, a YAML file of ` + "`key: value`" +
		` lines; a variable
of the environment overrides it, and a flag overrides both. The variable of a key is HOPNHAT_ and the key in capitals; its flag has dashes
for underscores: ` + "`session_idle`" + `, HOPNHAT_SESSION_IDLE, ` + "`--session-idle`" + `. Unknown keys and variables are refused. ` +
		"`hopnhat config`" + ` takes
the same sources, prints every key with its value and where that came from, and says what the server would refuse; ` + "`--json`" +
		` for programs.

The server reads every key. A tool shows the flags of those it reads and takes the others, too, without reading them, so that one file or
one set of flags serves both. Secrets are in files and never in a value; the password in the address of a database is masked wherever it
is shown.

`)
	for _, k := range Table {
		fmt.Fprintf(&b, "## `%s`\n\n%s.\n\n", k.Name, upper(k.Meaning))
		fmt.Fprintf(&b, "- type: %s; %s", k.Value.Type, k.Value.Range)
		if k.Value.Required {
			b.WriteString("; not empty")
		}
		b.WriteString("\n")
		if value := k.Default(); value != "" {
			fmt.Fprintf(&b, "- default: `%s`\n", value)
		} else if text, ok := follows[k.Name]; ok {
			fmt.Fprintf(&b, "- default: %s\n", text)
		}
		if k.Secrecy != Public {
			fmt.Fprintf(&b, "- secrecy: %s\n", k.Secrecy)
		}
		var readers []string
		for _, r := range k.Readers {
			readers = append(readers, "`"+string(r)+"`")
		}
		fmt.Fprintf(&b, "- read by: %s\n\n", strings.Join(readers, ", "))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

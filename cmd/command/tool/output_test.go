package tool

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

type inner struct {
	VI string `json:"vi"`
	EN string `json:"en,omitempty"`
}

type embedded struct {
	Of int `json:"of"`
}

type outer struct {
	embedded

	ID     string          `json:"id"`
	Name   inner           `json:"name"`
	Rows   []*inner        `json:"rows"`
	At     *time.Time      `json:"at"`
	Raw    json.RawMessage `json:"raw"`
	Left   string          `json:"-"`
	hidden string
	Plain  bool
}

// TestMembersAreThoseOfTheJSON: what help and documentation name is what is encoded.
func TestMembersAreThoseOfTheJSON(t *testing.T) {
	at := time.Unix(0, 0).UTC()
	value := outer{embedded{1}, "i", inner{"v", "e"}, []*inner{{"v", "e"}}, &at, json.RawMessage("{}"), "", "", true}
	want := "of, id, name, name.vi, name.en, rows, rows.vi, rows.en, at, raw, Plain"
	if got := strings.Join(members(reflect.TypeFor[[]*outer](), ""), ", "); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		t.Fatal(err)
	}
	for name := range object {
		if !strings.Contains(", "+want+",", ", "+name+",") {
			t.Errorf("%q is encoded and not named", name)
		}
	}
	_ = value.hidden
}

// TestRows: a list is a table under its heading, or an array, which is empty and not null
// where there is nothing; signs are written as they are.
func TestRows(t *testing.T) {
	cells := func(i inner) []any { return []any{i.VI, len(i.EN)} }
	for _, row := range []struct {
		asJSON bool
		rows   []inner
		want   string
	}{
		{false, []inner{{"một", "one"}, {"hai", ""}}, "TÊN  LENGTH\nmột  3\nhai  0\n"},
		{false, nil, "TÊN  LENGTH\n"},
		{true, []inner{{"a<b & c", ""}}, "[\n  {\n    \"vi\": \"a<b & c\"\n  }\n]\n"},
		{true, nil, "[]\n"},
	} {
		var out bytes.Buffer
		if err := Rows(&Env{Out: &out}, row.asJSON, "TÊN\tLENGTH", row.rows, cells); err != nil || out.String() != row.want {
			t.Errorf("%v: got %q, want %q, %v", row.rows, &out, row.want, err)
		}
	}
}

// TestHelpNamesTheMembers: of a command with --json, and of one that always prints JSON.
func TestHelpNamesTheMembers(t *testing.T) {
	for _, row := range []struct {
		name string
		say  func(cmd *cobra.Command)
		want string
	}{
		{"asked for", func(cmd *cobra.Command) { JSONFlag(cmd, Array, inner{}) }, "\nWith --json it prints an array of objects: vi, en.\n"},
		{"always", func(cmd *cobra.Command) { PrintsJSON(cmd, PerLine, inner{}) }, "\nIt prints one object a line: vi, en.\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			cmd := &cobra.Command{Use: "x", Run: func(*cobra.Command, []string) {}}
			row.say(cmd)
			cmd.SetOut(&out)
			if err := Usage(cmd); err != nil || !strings.Contains(out.String(), row.want) {
				t.Errorf("%q is not in\n%s%v", row.want, &out, err)
			}
		})
	}
}

// TestOSUser: the name of who runs a tool is one printable word, as it goes into evidence.
func TestOSUser(t *testing.T) {
	name, ok := strings.CutPrefix(OSUser(), "os-user:")
	if !ok || !strings.Contains(name, "@") || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("%q", name)
	}
}

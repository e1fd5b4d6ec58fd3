package config

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"hopnhat/cmd/node"
)

// samples are three values that a key takes, where its check wants more than its type does.
var samples = map[string][3]string{
	"vault_address":        {"https://a:8200", "https://b:8200", "https://a:8200,https://b:8200"},
	"signing_algs":         {"ES256", "ES256,PS256", "ES256,EdDSA"},
	"roles":                {"provider", "broker,log", "portal"},
	"reconcile_share":      {"11", "12", "13"},
	"log_witnesses_wanted": {"11", "12", "13"},
}

// samplesOf are three values of a key, as they are shown, each another than the one before
// and none the default first.
func samplesOf(k Key) (out [3]string) {
	if s, ok := samples[k.Name]; ok {
		return s
	}
	switch k.Value.Type {
	case "boolean":
		return [3]string{"true", "false", "true"}
	case "duration":
		return [3]string{"2m0s", "3m0s", "4m0s"}
	case "number":
		return [3]string{"101", "102", "103"}
	case "address":
		return [3]string{"127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"}
	case "URL":
		return [3]string{"https://a.example", "https://b.example", "https://c.example:8443"}
	case "list of networks":
		return [3]string{"10.0.0.1", "10.0.0.0/8", "10.0.0.1, 10.0.0.2"}
	case "choice":
		for i := range out {
			out[i] = k.Value.Choices[i%len(k.Value.Choices)]
		}
		return out
	}
	return [3]string{"a-" + k.Name, "b-" + k.Name, "c-" + k.Name}
}

// TestSourcesOverrideEachOther: for each key and each set of sources, the last of file,
// variable and flag wins, and the value is known by its origin.
func TestSourcesOverrideEachOther(t *testing.T) {
	for _, k := range Table {
		values := samplesOf(k)
		for set := range 8 {
			var args, names []string
			vars := map[string]string{}
			want, from := k.Default(), "default"
			if set&1 != 0 {
				file := filepath.Join(t.TempDir(), "hopnhat.yaml")
				text, err := yaml.Marshal(map[string]string{k.Name: values[0]})
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, text, 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, "--config", file)
				want, from = values[0], fmt.Sprintf("file %q", file)
			}
			if set&2 != 0 {
				vars[k.Variable()], names = values[1], []string{k.Variable()}
				want, from = values[1], "variable "+k.Variable()
			}
			if set&4 != 0 {
				args = append(args, "--"+k.Flag(), values[2])
				want, from = values[2], "flag --"+k.Flag()
			}
			flags, c := parsed(t, args), node.Defaults()
			l, err := flags.read(environment(vars, names), &c)
			if err != nil {
				t.Errorf("%s: %v", k.Name, err)
			}
			if got := k.Of(&c); got != want || l.Origins[k.Name].String() != from {
				t.Errorf("%s, sources %03b: %q from %s, want %q from %s", k.Name, set, got, l.Origins[k.Name], want, from)
			}
		}
	}
}

// parsed are the flags of a command that read args.
func parsed(t *testing.T, args []string) *Flags {
	t.Helper()
	cmd := &cobra.Command{Use: "x"}
	flags := AddFlags(cmd, Server)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	return flags
}

func environment(vars map[string]string, names []string) Environment {
	return Environment{Lookup: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }, Names: names}
}

// TestEachFieldHasItsKey: every field of the configuration has one key, named after it, and
// setting the key changes that field and no other.
func TestEachFieldHasItsKey(t *testing.T) {
	fields := reflect.TypeFor[node.Config]()
	if fields.NumField() != len(Table) {
		t.Errorf("%d fields and %d keys", fields.NumField(), len(Table))
	}
	for _, k := range Table {
		before := node.Defaults()
		for _, value := range samplesOf(k) {
			c := before
			if err := k.Set(&c, value); err != nil {
				t.Errorf("%s: %v", k.Name, err)
				continue
			}
			for i := range fields.NumField() {
				changed := !reflect.DeepEqual(reflect.ValueOf(c).Field(i).Interface(), reflect.ValueOf(before).Field(i).Interface())
				if name := fields.Field(i).Name; changed && !strings.EqualFold(name, strings.ReplaceAll(k.Name, "_", "")) {
					t.Errorf("%s sets %s", k.Name, name)
				}
			}
			if got := k.Of(&c); got != value {
				t.Errorf("%s is shown as %q, was set to %q", k.Name, got, value)
			}
		}
	}
}

// TestRowsAreWhole: each key has a name, a type, a range, a meaning and readers; what holds
// the path of a secret says so.
func TestRowsAreWhole(t *testing.T) {
	shape := regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)
	for i, k := range Table {
		if !shape.MatchString(k.Name) || k.Value.Type == "" || k.Value.Range == "" || k.Meaning == "" ||
			strings.HasSuffix(k.Meaning, ".") || !slices.Contains(k.Readers, Server) {
			t.Errorf("%q: %+v", k.Name, k)
		}
		if slices.ContainsFunc(Table[:i], func(other Key) bool { return other.Name == k.Name }) {
			t.Errorf("%s is there twice", k.Name)
		}
		for _, word := range []string{"passphrase", "secret_id_file", "token_file", "tls_key"} {
			if strings.Contains(k.Name, word) && k.Secrecy != OfSecret {
				t.Errorf("%s is %s", k.Name, k.Secrecy)
			}
		}
	}
}

// TestBounds: the ends of each range are taken, what is beyond is refused with the range.
func TestBounds(t *testing.T) {
	for _, k := range Table {
		if k.Value.Type != "duration" && k.Value.Type != "number" {
			continue
		}
		least, most, _ := strings.Cut(k.Value.Range, " to ")
		for _, row := range []struct {
			value string
			taken bool
		}{{least, true}, {most, true}, {step(t, least, -1), false}, {step(t, most, 1), false}} {
			c := node.Defaults()
			err := k.Set(&c, row.value)
			if (err == nil) != row.taken || err != nil && (!strings.Contains(err.Error(), least) || !strings.Contains(err.Error(), most)) {
				t.Errorf("%s %s: %v", k.Name, row.value, err)
			}
		}
	}
}

// step is the value next to a bound.
func step(t *testing.T, bound string, by int) string {
	t.Helper()
	if n, err := strconv.Atoi(bound); err == nil {
		return strconv.Itoa(n + by)
	}
	d, err := time.ParseDuration(bound)
	if err != nil {
		t.Fatal(err)
	}
	return (d + time.Duration(by)*time.Second).String()
}

// TestPasswordsAreMasked: no password is shown, and none is in an error.
func TestPasswordsAreMasked(t *testing.T) {
	for _, k := range Table {
		if k.Secrecy != Password {
			continue
		}
		c := node.Defaults()
		if err := k.Set(&c, "postgres://u:geheim@db/x"); err != nil || strings.Contains(k.Of(&c), "geheim") ||
			!strings.Contains(k.Of(&c), "db/x") {
			t.Errorf("%s: %q, %v", k.Name, k.Of(&c), err)
		}
		if err := k.Set(&c, "mysql://u:geheim@db/x"); err == nil || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}

// TestDerived: what follows from other keys is said to, and what was given stays.
func TestDerived(t *testing.T) {
	c := node.Defaults()
	l, err := parsed(t, []string{"--state", "s", "--keys", "k"}).Load(environment(nil, nil), &c)
	if err != nil || c.Database != filepath.Join("s", "hopnhat.db") || l.Origins["database"].Source != "derived" || c.Keys != "k" ||
		l.Origins["keys"].Source != "flag" {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestHelpShowsWhatIsRead: a tool shows its few keys and takes all.
func TestHelpShowsWhatIsRead(t *testing.T) {
	for _, reader := range []Reader{Server, Demo, Init, Migrate, Registry, Clients, Resource, Accounts, Keys, Vault, Audit, Log, Federation} {
		cmd := &cobra.Command{Use: "x"}
		AddFlags(cmd, reader)
		shown := 0
		for _, k := range Table {
			flag := cmd.Flags().Lookup(k.Flag())
			if flag == nil {
				t.Fatalf("%s does not take --%s", reader, k.Flag())
			}
			if flag.Hidden == slices.Contains(k.Readers, reader) {
				t.Errorf("%s: --%s is hidden: %t", reader, k.Flag(), flag.Hidden)
			}
			if !flag.Hidden {
				shown++
			}
		}
		if reader == Server && shown != len(Table) || reader != Server && (shown == 0 || shown > 20) {
			t.Errorf("%s shows %d of %d keys", reader, shown, len(Table))
		}
	}
}

// TestDidYouMean: the nearest word, and of a word that is like none, none.
func TestDidYouMean(t *testing.T) {
	for _, row := range []struct{ word, want string }{
		{"isuer", `; did you mean "issuer"?`},
		{"databse", `; did you mean "database"?`},
		{"session-idle", `; did you mean "session_idle"?`},
		{"colour", ""},
		{"", ""},
	} {
		if got := DidYouMean(row.word, Names()); got != row.want && row.word != "" {
			t.Errorf("%q: %q, want %q", row.word, got, row.want)
		}
	}
}

// FuzzFile: whatever a file holds, it is refused or read; and what is shown of it is a file
// that means the same.
func FuzzFile(f *testing.F) {
	f.Add("site: dc2\nsession_idle: 5m\n")
	f.Add("state: \"a: b #c\"\n")
	f.Add("a: [\n")
	f.Add("issuer: [a]\n")
	f.Add("database: postgres://u:p@db/x\n")
	f.Fuzz(func(t *testing.T, text string) {
		read := func(text string) (Loaded, error) {
			file := filepath.Join(t.TempDir(), "hopnhat.yaml")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c := node.Defaults()
			return (&Flags{file: file}).read(environment(nil, nil), &c)
		}
		first, err := read(text)
		if err != nil {
			return
		}
		var shown strings.Builder
		if err := first.Show(&shown); err != nil {
			t.Fatal(err)
		}
		second, err := read(shown.String())
		if err != nil {
			t.Fatalf("%v, reading what was shown:\n%s", err, &shown)
		}
		for _, k := range Table {
			if one, other := k.Of(first.Config), k.Of(second.Config); one != other {
				t.Errorf("%s: %q, and %q after it was shown and read", k.Name, one, other)
			}
		}
	})
}

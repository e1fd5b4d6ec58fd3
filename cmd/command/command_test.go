package command

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
)

func surroundings() (*tool.Env, *bytes.Buffer, *bytes.Buffer) {
	var out, err bytes.Buffer
	return &tool.Env{
		Out: &out, Err: &err, Environment: config.Environment{Lookup: func(string) (string, bool) { return "", false }},
	}, &out, &err
}

// each visits the commands that are ours, those below first after their parent.
func each(visit func(cmd *cobra.Command)) {
	e, _, _ := surroundings()
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		visit(cmd)
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	walk(Root(e))
}

// words splits a line of an example as a shell does that knows double quotes.
func words(line string) (out []string) {
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out[len(out)-1] += part
			continue
		}
		out = append(out, strings.Fields(part)...)
		if strings.HasSuffix(part, " ") {
			out = append(out, "")
		}
	}
	return slices.DeleteFunc(out, func(word string) bool { return word == "" })
}

// TestEveryCommandExplainsItself: a short text, an example whose every line parses as the
// command it stands at or one below, and help on the output with code 0.
func TestEveryCommandExplainsItself(t *testing.T) {
	each(func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") || !cmd.HasExample() {
			t.Errorf("%s: short text %q, example %q", path, cmd.Short, cmd.Example)
		}
		for line := range strings.Lines(cmd.Example) {
			line, _, _ = strings.Cut(line, "|")
			line, _, _ = strings.Cut(line, ">")
			args := words(line)
			if len(args) == 0 || args[0] != "hopnhat" {
				t.Errorf("%s: the example %q does not begin with the program", path, line)
				continue
			}
			e, _, _ := surroundings()
			found, rest, err := Root(e).Find(args[1:])
			if err != nil || !strings.HasPrefix(found.CommandPath(), path) {
				t.Errorf("%s: the example %q is of %s: %v", path, line, found.CommandPath(), err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%s: the example %q: %v", path, line, err)
			}
			if err := found.ValidateArgs(found.Flags().Args()); err != nil {
				t.Errorf("%s: the example %q: %v", path, line, err)
			}
		}
		e, out, problems := surroundings()
		args := append(strings.Fields(path)[1:], "--help")
		if code := Run(t.Context(), e, args); code != 0 || !strings.Contains(out.String(), "\nExample:\n"+cmd.Example) ||
			problems.Len() > 0 {
			t.Errorf("%v: code %d\n%s%s", args, code, out, problems)
		}
		for _, below := range cmd.Commands() {
			if below.IsAvailableCommand() && !strings.Contains(out.String(), below.Short) {
				t.Errorf("%v does not say what %s does", args, below.Name())
			}
		}
	})
}

// TestWhatListsAndShowsPrintsJSON: for programs, with its members told.
func TestWhatListsAndShowsPrintsJSON(t *testing.T) {
	seen := 0
	each(func(cmd *cobra.Command) {
		if slices.Contains([]string{"list", "show", "status", "check", "config", "version"}, cmd.Name()) {
			seen++
			if flag := cmd.Flags().Lookup("json"); flag == nil || flag.Value.Type() != "bool" ||
				!strings.Contains(cmd.Annotations[tool.JSONAnnotation], ": ") {
				t.Errorf("%s has no --json, or does not say what it prints", cmd.CommandPath())
			}
		}
	})
	if seen < 12 {
		t.Errorf("only %d commands list or show", seen)
	}
}

// TestFlagsAreExplained: every flag has a meaning and stands apart from the keys.
func TestFlagsAreExplained(t *testing.T) {
	each(func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || f.Shorthand != "" && f.Name != "help" {
				t.Errorf("%s --%s: %q", cmd.CommandPath(), f.Name, f.Usage)
			}
			if _, key := f.Annotations[config.Annotation]; !key && slices.Contains(config.Names(), strings.ReplaceAll(f.Name, "-", "_")) &&
				cmd.Parent().Name() != "conformance" {
				t.Errorf("%s --%s has the name of a key and is none", cmd.CommandPath(), f.Name)
			}
		})
	})
}

// TestListsAndShowsHaveJSON: a command whose verb or short text says that it lists, shows or
// prints what is there has --json, and names the members. Documents in the format of
// another program are not for that.
func TestListsAndShowsHaveJSON(t *testing.T) {
	foreign := map[string]string{"hopnhat keys vault-policy": "a policy as Vault reads it"}
	verbs := []string{"list", "show", "status", "check"}
	firsts := []string{"List", "Show", "Print", "Say", "Explain"}
	found := 0
	each(func(cmd *cobra.Command) {
		first, _, _ := strings.Cut(cmd.Short, " ")
		reads := slices.Contains(verbs, cmd.Name()) || slices.Contains(firsts, first)
		if cmd.HasSubCommands() || !reads || foreign[cmd.CommandPath()] != "" {
			return
		}
		found++
		if cmd.Flags().Lookup("json") == nil || !strings.Contains(cmd.Annotations[tool.JSONAnnotation], ": ") {
			t.Errorf("%s (%s) has no --json, or does not say its members", cmd.CommandPath(), cmd.Short)
		}
	})
	if found < 10 {
		t.Errorf("only %d commands list or show: the test looks for what is not there", found)
	}
}

// TestProfilesInJSON: all profiles in their order, as the table has them.
func TestProfilesInJSON(t *testing.T) {
	e, out, problems := surroundings()
	if code := Run(t.Context(), e, []string{"profiles", "--json"}); code != 0 {
		t.Fatalf("code %d: %s", code, problems)
	}
	var rows []struct {
		Profile    authz.ProfileName
		GrantTypes []string `json:"grant_types"`
		PAR        bool     `json:"require_pushed_authorization_requests"`
	}
	if err := json.Unmarshal(out.Bytes(), &rows); err != nil || len(rows) != len(authz.ProfileNames) {
		t.Fatalf("%d rows, %v:\n%s", len(rows), err, out)
	}
	for i, row := range rows {
		p := authz.Profiles[authz.ProfileNames[i]]
		if row.Profile != p.Name || !slices.Equal(row.GrantTypes, p.GrantTypes) || row.PAR != p.RequirePAR {
			t.Errorf("row %d is %+v, the table has %s with %v", i, row, p.Name, p.GrantTypes)
		}
	}
}

// TestErrorsGoToStandardError: with the command they are of; nothing is printed for others
// to read.
func TestErrorsGoToStandardError(t *testing.T) {
	for _, row := range []struct {
		name  string
		words string
		code  int
		says  string
	}{
		{"no such command", "sevre", 2, `hopnhat: there is no command "sevre"; did you mean "serve"? See hopnhat --help.`},
		{"no such verb", "account role gratn 1 auditor", 2, `hopnhat account role: there is no command "gratn"; did you mean "grant"?`},
		{"no such flag", "keys rotate --nwo", 2, `hopnhat keys rotate: there is no flag --nwo; did you mean "--now"? See hopnhat keys rotate --help.`},
		{"a flag of no command", "--vresion", 2, `hopnhat: there is no flag --vresion.`},
		{"a flag before its command", "keys --now", 2, "hopnhat keys: there is no flag --now. See hopnhat keys --help."},
		{"help for nothing", "help kyes", 2, `hopnhat help: there is no command "kyes"; did you mean "keys"? See hopnhat --help.`},
		{"help for no such verb", "help keys rotat", 2, `there is no command "rotat"; did you mean "rotate"? See hopnhat keys --help.`},
		{"no such shell", "completion bsh", 2, `hopnhat completion: there is no command "bsh"; did you mean "bash"?`},
		{"a flag without its value", "keys rotate --use", 2, "hopnhat keys rotate: flag needs an argument: --use. See"},
		{"a flag with a wrong value", "registry generate --persons many", 2, `hopnhat registry generate: invalid argument "many" for "--persons": it is a whole number. See`},
		{"a word too many", "keys status all", 1, `hopnhat keys status: "all" is not taken here`},
		{"a word too few", "client show", 1, "hopnhat client show: name one client; see hopnhat client list"},
		{"a value that cannot be", "keys status --keystore usb", 1, "hopnhat keys status: --keystore: it is one of file, vault"},
		{"only a noun", "keys", 2, "Usage:\n  hopnhat keys COMMAND\n"},
		{"words that are not enough", "conformance run", 2, "--config FILE"},
		{"no reason", "keys revoke --yes -- -kid", 1, "hopnhat keys revoke: say --why"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, out, problems := surroundings()
			if code := Run(t.Context(), e, strings.Fields(row.words)); code != row.code ||
				!strings.Contains(problems.String(), row.says) || out.Len() > 0 {
				t.Errorf("code %d, want %d and %q in:\n%s\nnot on the output: %s", code, row.code, row.says, problems, out)
			}
		})
	}
}

// TestCompletion: scripts for three shells, commands with what they do, and the values that
// a flag or a word takes; flags that a command does not read are not offered.
func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		e, out, _ := surroundings()
		if code := Run(t.Context(), e, []string{"completion", shell}); code != 0 || !strings.Contains(out.String(), "__complete") {
			t.Errorf("%s: code %d, %d bytes", shell, code, out.Len())
		}
	}
	for _, row := range []struct {
		name  string
		words []string
		want  []string
		not   string
	}{
		{"verbs with what they do", []string{"keys", "ro"}, []string{"rotate\tAnnounce"}, "status"},
		{"roles", []string{"account", "role", "grant", "099304000017", ""}, []string{"auditor", "operator"}, ""},
		{"a choice of the configuration", []string{"serve", "--keystore", ""}, []string{"file", "vault"}, ""},
		{"parts of the catalogue", []string{"catalogue", "list", ""}, []string{"purposes", "bases"}, ""},
		{"plans", []string{"conformance", "run", "--plan", "oidcc-b"}, []string{"oidcc-basic"}, ""},
		{"keys that a tool reads", []string{"client", "list", "--"}, []string{"--state", "--json"}, "--session-idle"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, out, _ := surroundings()
			code := Run(t.Context(), e, append([]string{"__complete"}, row.words...))
			for _, want := range row.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("code %d, want %q in:\n%s", code, want, out)
				}
			}
			if row.not != "" && strings.Contains(out.String(), row.not) {
				t.Errorf("%q is offered:\n%s", row.not, out)
			}
		})
	}
}

// TestSingleDashes: flags as the releases before printed them are taken; values and what
// stands behind -- are left as they are.
func TestSingleDashes(t *testing.T) {
	e, _, _ := surroundings()
	root := Root(e)
	for _, row := range []struct{ words, want string }{
		{"demo -port 9000 -reset", "demo --port 9000 --reset"},
		{"keys status -json --state=s", "keys status --json --state=s"},
		{"serve -session-idle=5m", "serve --session-idle=5m"},
		{"keys revoke --why -now --yes -- -json", "keys revoke --why -now --yes -- -json"},
		{"keys -help", "keys --help"},
		{"client show -h", "client show -h"},
		{"client show -unknown", "client show -unknown"},
	} {
		if got := strings.Join(twoDashes(root, strings.Fields(row.words)), " "); got != row.want {
			t.Errorf("%q became %q, want %q", row.words, got, row.want)
		}
	}
	word := rapid.OneOf(rapid.SampledFrom([]string{"--", "-json", "--json", "-state", "--state=x", "-x", "demo", ""}), rapid.String())
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.SliceOf(word).Draw(t, "words")
		once := twoDashes(root, in)
		if twice := twoDashes(root, once); !slices.Equal(once, twice) || len(once) != len(in) {
			t.Fatalf("%q, then %q, then %q", in, once, twice)
		}
		for i := range in {
			if strings.TrimLeft(in[i], "-") != strings.TrimLeft(once[i], "-") {
				t.Fatalf("%q became %q", in[i], once[i])
			}
		}
		if behind := append([]string{"--"}, in...); !slices.Equal(twoDashes(root, behind), behind) {
			t.Fatalf("behind --, %q became %q", in, twoDashes(root, behind))
		}
	})
}

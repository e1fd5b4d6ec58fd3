package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hopnhat/cmd/command"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
)

func surroundings(vars map[string]string) (*tool.Env, *bytes.Buffer) {
	var out bytes.Buffer
	lookup := func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
	return &tool.Env{Out: &out, Err: &out, Environment: config.Environment{Lookup: lookup, Names: slices.Collect(maps.Keys(vars))}}, &out
}

func run(ctx context.Context, e *tool.Env, words []string) int { return command.Run(ctx, e, words) }

func TestConfigRefuses(t *testing.T) {
	for _, row := range []struct{ name, text, want string }{
		{"an unknown key, with the nearest known one", "isuer: https://x\n", `did you mean "issuer"`},
		{"an unknown key that is like none, without a guess", "colour: red\n", `there is no key "colour"; hopnhat config lists them all`},
		{"a list where one value belongs", "issuer: [a]\n", "takes one value"},
		{"an issuer with a path", "issuer: https://hopnhat.example/dang-nhap\n", `issuer "https://hopnhat.example/dang-nhap" has a path`},
		{"an issuer that is not https", "issuer: http://hopnhat.example\n", "issuer"},
		{"a duration that is none", "session_idle: soon\n", "session_idle"},
		{"tokens that live too long", "access_token_life: 6m\n", "at most 5m"},
		{"no ES256", "signing_algs: RS256\n", "ES256"},
		{"an unknown keystore", "keystore: usb\n", "one of file, vault"},
		{"a network for metrics that is none", "metrics_networks: everywhere\n", `metrics_networks: "everywhere" is neither`},
		{"a proxy that is no address", "trusted_proxies: 10.0.0/8\n", `"10.0.0/8" is neither`},
		{"Vault without an address", "keystore: vault\n", "vault_address"},
		{"not YAML", "a: [\n", "reading the configuration"},
	} {
		t.Run(row.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "c.yaml")
			if err := os.WriteFile(file, []byte(row.text), 0o600); err != nil {
				t.Fatal(err)
			}
			e, out := surroundings(map[string]string{"HOPNHAT_CONFIG": file})
			if code := run(t.Context(), e, []string{"config"}); code != 1 || !strings.Contains(out.String(), row.want) {
				t.Fatalf("code %d, want 1 and %q in:\n%s", code, row.want, out)
			}
		})
	}
}

// TestHelp: every command says what it does, with an example, and a wrong word
// gets the nearest right one.
func TestHelp(t *testing.T) {
	for _, c := range command.Root(&tool.Env{}).Commands() {
		e, out := surroundings(nil)
		if code := run(t.Context(), e, []string{c.Name(), "--help"}); code != 0 || !strings.Contains(out.String(), "Usage:") {
			t.Errorf("%s --help: code %d\n%s", c.Name(), code, out)
		}
	}
	for _, row := range []struct {
		name, want string
		not        string
		args       []string
	}{
		{"its own flags are not buried", "-count", "-session-idle", []string{"account", "enrol", "--help"}},
		{"but every key where they matter", "-argon2-kib", "see hopnhat config --help", []string{"config", "--help"}},
		{"nor said to be empty", "-database", "(default )", []string{"config", "--help"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, out := surroundings(nil)
			if code := run(t.Context(), e, row.args); code != 0 || !strings.Contains(out.String(), row.want) ||
				strings.Contains(out.String(), row.not) {
				t.Errorf("code %d, want %q and not %q in:\n%s", code, row.want, row.not, out)
			}
		})
	}
	for words, want := range map[string]string{
		"sevre":                   `there is no command "sevre"; did you mean "serve"? See hopnhat --help.`,
		"keys statsu":             `hopnhat keys: there is no command "statsu"; did you mean "status"? See hopnhat keys --help.`,
		"client show a --stae st": `there is no flag --stae; did you mean "--state"? See hopnhat client show --help.`,
		"xyzzy --port 1":          `hopnhat: there is no command "xyzzy". See hopnhat --help.`,
		"keys":                    "vault-policy Print the Vault policy of a role",
	} {
		e, out := surroundings(nil)
		if code := run(t.Context(), e, strings.Fields(words)); code != 2 || !strings.Contains(out.String(), want) {
			t.Errorf("%s: code %d, want %q in:\n%s", words, code, want, out)
		}
	}
	e, _ := surroundings(nil)
	if code := run(t.Context(), e, nil); code != 0 {
		t.Errorf("no words: code %d", code)
	}
}

// TestConformanceRP: unattended it ends by itself, and says what is wrong.
func TestConformanceRP(t *testing.T) {
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"the list", []string{"--list"}, 0, "oidcc-client-test-invalid-iss"},
		{"no app", nil, 2, "--config FILE"},
		{"a module that is none", []string{"--client-id", "a", "--redirect-uri", "http://127.0.0.1:1/cb", "--module", "x"}, 1, `no module "x"`},
		{"an app that is not there", []string{"--client-id", "a", "--redirect-uri", "http://127.0.0.1:1/cb", "--drive", "http://127.0.0.1:1/login"}, 3, "connection refused"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, out := surroundings(nil)
			if code := run(t.Context(), e, append([]string{"conformance", "rp"}, row.args...)); code != row.code || !strings.Contains(out.String(), row.want) {
				t.Errorf("code %d, want %d and %q in:\n%s", code, row.code, row.want, out)
			}
		})
	}
}

package main

import (
	"bytes"
	"flag"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func surroundings(vars map[string]string) (env, *bytes.Buffer) {
	var out bytes.Buffer
	return env{&out, &out, func(name string) (string, bool) { v, ok := vars[name]; return v, ok }, slices.Collect(maps.Keys(vars))}, &out
}

// TestConfigOrder: a file, then the environment, then flags.
func TestConfigOrder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(file, []byte("site: from-file\nlog_level: warn\nsession_idle: 5m\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := defaults()
	f := flag.NewFlagSet("x", flag.ContinueOnError)
	load := c.configFlags(f)
	if err := f.Parse([]string{"--config", file, "--log-level", "error"}); err != nil {
		t.Fatal(err)
	}
	e, _ := surroundings(map[string]string{"HOPNHAT_SITE": "from-env", "HOPNHAT_LOG_LEVEL": "info"})
	if err := load(e); err != nil {
		t.Fatal(err)
	}
	if c.Site != "from-env" || c.LogLevel != "error" || c.SessionIdle.String() != "5m0s" || c.Database != filepath.Join("state", "hopnhat.db") {
		t.Fatalf("%+v", c)
	}
}

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

func TestStateFolder(t *testing.T) {
	t.Run("a folder with something else in it is not touched", func(t *testing.T) {
		dir := t.TempDir()
		mine := filepath.Join(dir, "thesis.txt")
		if err := os.WriteFile(mine, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := prepareState(dir, true); err == nil || !strings.Contains(err.Error(), "--state") {
			t.Fatalf("got %v", err)
		}
		if _, err := os.Stat(mine); err != nil {
			t.Fatal(err)
		}
	})
	prepare := func(t *testing.T, dir string, reset bool) (unlock func()) {
		t.Helper()
		unlock, err := prepareState(dir, reset)
		if err != nil {
			t.Fatal(err)
		}
		return unlock
	}
	begun := func(t *testing.T) (dir, kept string) {
		dir = filepath.Join(t.TempDir(), "state")
		prepare(t, dir, false)()
		kept = filepath.Join(dir, "hopnhat.db")
		if err := os.WriteFile(kept, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir, kept
	}
	t.Run("its own folder is emptied on request only", func(t *testing.T) {
		dir, kept := begun(t)
		prepare(t, dir, false)()
		if _, err := os.Stat(kept); err != nil {
			t.Fatal("state was lost")
		}
		prepare(t, dir, true)()
		if _, err := os.Stat(kept); err == nil {
			t.Fatal("state was kept")
		}
	})
	t.Run("a folder that another demonstration uses is neither shared nor emptied", func(t *testing.T) {
		dir, kept := begun(t)
		unlock := prepare(t, dir, false)
		for _, reset := range []bool{false, true} {
			if _, err := prepareState(dir, reset); err == nil || !strings.Contains(err.Error(), "another demonstration") {
				t.Fatalf("reset %v: got %v", reset, err)
			}
		}
		if _, err := os.Stat(kept); err != nil {
			t.Fatal("state was lost")
		}
		unlock()
		prepare(t, dir, true)()
	})
	t.Run("a path that cannot be a folder", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := prepareState(filepath.Join(file, "state"), false); err == nil {
			t.Fatal("made a folder inside a file")
		}
	})
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := portsFree(l.Addr().(*net.TCPAddr).Port); err == nil || !strings.Contains(err.Error(), "--port") {
		t.Fatalf("got %v", err)
	}
}

// TestHelp: every command says what it does, with an example, and a wrong word
// gets the nearest right one.
func TestHelp(t *testing.T) {
	for _, c := range commands() {
		e, out := surroundings(nil)
		if code := run(t.Context(), e, []string{c.name, "--help"}); code != 0 || !strings.Contains(out.String(), "Example:") {
			t.Errorf("%s --help: code %d\n%s", c.name, code, out)
		}
	}
	for _, row := range []struct {
		name, want string
		not        string
		args       []string
	}{
		{"its own flags are not buried", "-count", "-argon2-kib", []string{"account", "enrol", "--help"}},
		{"but every key where they matter", "-argon2-kib", "see hopnhat config --help", []string{"config", "--help"}},
		{"nor said to be empty", "-database", "(default )", []string{"config", "--help"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, out := surroundings(nil)
			if code := run(t.Context(), e, row.args); code != 0 || !strings.Contains(out.String(), row.want) || strings.Contains(out.String(), row.not) {
				t.Errorf("code %d, want %q and not %q in:\n%s", code, row.want, row.not, out)
			}
		})
	}
	e, out := surroundings(nil)
	if code := run(t.Context(), e, []string{"sevre"}); code != 2 || !strings.Contains(out.String(), `"serve"`) {
		t.Errorf("code %d\n%s", code, out)
	}
	e.out = io.Discard
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

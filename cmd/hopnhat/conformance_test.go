package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConformanceCommand: what is listed, what is refused, and the exit status when a
// module fails.
func TestConformanceCommand(t *testing.T) {
	config := filepath.Join(t.TempDir(), "suite.yaml")
	if err := os.WriteFile(config, []byte("issuer: https://127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	odd := filepath.Join(t.TempDir(), "odd.yaml")
	if err := os.WriteFile(odd, []byte("isuer: https://127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	results := filepath.Join(t.TempDir(), "results.jsonl")
	for _, row := range []struct {
		name string
		args string
		code int
		says string
	}{
		{"lists modules with rule and clause", "list --plan oidcc-config", 0, "oidcc-discovery-endpoint-verification"},
		{"lists every plan", "list", 0, "oidcc-session-management: Session OP"},
		{"no plan of that name", "run --plan oidcc-basik --config " + config, 1, `did you mean "oidcc-basic"`},
		{"no configuration", "run --plan oidcc-basic", 2, "Usage:"},
		{"a configuration with an unknown member", "run --plan oidcc-basic --config " + odd, 1, "isuer"},
		{"no module of that name", "run --plan oidcc-config --module x --config " + config, 1, "nothing was run"},
		{"a provider that is not there", "run --plan oidcc-config --json " + results + " --config " + config, 3, "1 modules: 0 pass, 0 review, 0 warning, 1 fail"},
	} {
		t.Run(row.name, func(t *testing.T) {
			e, out := surroundings(nil)
			code := run(t.Context(), e, append([]string{"conformance"}, strings.Fields(row.args)...))
			if code != row.code || !strings.Contains(out.String(), row.says) {
				t.Errorf("got %d, want %d with %q:\n%s", code, row.code, row.says, out.String())
			}
		})
	}
	line, err := os.ReadFile(results)
	if err != nil || !strings.Contains(string(line), `"plan":"oidcc-config"`) || !strings.Contains(string(line), `"result":"fail"`) {
		t.Errorf("wrote %s, %v", line, err)
	}
}

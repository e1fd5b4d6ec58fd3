package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestListsAreTheSameInJSON: what a list prints as a table and as JSON are the same rows in
// the same order, an empty list is an empty array, and flags may stand behind the verb.
func TestListsAreTheSameInJSON(t *testing.T) {
	h := begun(t, false)
	columns := regexp.MustCompile(`  +`)
	cells := func(out string, column int) (found []string) {
		for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
			if row := columns.Split(line, -1); len(row) > column {
				found = append(found, row[column])
			}
		}
		return found
	}
	members := func(out, member string) (found []string) {
		decoder := json.NewDecoder(strings.NewReader(out))
		for decoder.More() {
			var document any
			if err := decoder.Decode(&document); err != nil {
				t.Fatalf("%v in\n%s", err, out)
			}
			rows, ok := document.([]any)
			if !ok {
				rows = []any{document}
			}
			for _, row := range rows {
				found = append(found, fmt.Sprint(row.(map[string]any)[member]))
			}
		}
		return found
	}
	for _, words := range []string{"client list", "client iat list", "resource list", "account role list"} {
		if out := h.do(t, 0, append(strings.Fields(words), "--json")...); out != "[]\n" {
			t.Errorf("%s of nothing: %q", words, out)
		}
	}
	apps := filepath.Join(t.TempDir(), "apps.yaml")
	write(t, apps, "- client_id: so\n  client_name: Sổ đất\n  owner: {vi: Sở Mẫu}\n  profile: oidc\n  redirect_uris: [\"http://localhost/cb\"]\n"+
		"- client_id: ho-so\n  client_name: Hồ sơ & giấy tờ\n  owner: {vi: Sở Khác}\n  profile: oidc\n  redirect_uris: [\"http://localhost/cb\"]\n")
	apis := filepath.Join(t.TempDir(), "apis.yaml")
	write(t, apis, "- resource: https://api.land.example.vn\n  name: {vi: Đất đai}\n  owner: {vi: Sở Mẫu}\n  scopes: [land.read]\n")
	h.do(t, 0, "client", "add", apps)
	h.do(t, 0, "client", "disable", "so")
	h.do(t, 0, "resource", "add", apis)
	h.do(t, 0, "client", "iat", "create", "--owner", "Sở Mẫu")
	var login struct{ Number string }
	if err := json.Unmarshal([]byte(h.do(t, 0, "account", "enrol", "--count", "1")), &login); err != nil {
		t.Fatal(err)
	}
	h.do(t, 0, "account", "role", "grant", login.Number, "auditor")
	for _, row := range []struct {
		words  string
		member string
		column int
		rows   int
	}{
		{"client list", "client_id", 0, 2},
		{"client list", "state", 3, 2},
		{"client iat list", "id", 0, 1},
		{"client iat list", "uses_left", 2, 1},
		{"resource list", "resource", 0, 1},
		{"account role list", "pseudonym", 1, 1},
		{"keys status", "kid", 6, 5},
		{"keys status", "state", 3, 5},
	} {
		t.Run(row.words+", "+row.member, func(t *testing.T) {
			text := cells(h.do(t, 0, strings.Fields(row.words)...), row.column)
			object := members(h.do(t, 0, append(strings.Fields(row.words), "--json")...), row.member)
			if len(object) < row.rows || !slices.Equal(text, object) {
				t.Errorf("%d rows or more; the table has %q, JSON has %q", row.rows, text, object)
			}
		})
	}
	shown := h.do(t, 0, "client", "show", "ho-so", "--json")
	for _, want := range []string{`"client_name": "Hồ sơ & giấy tờ"`, `"state": "enabled"`, `"agency_verified": true`, `"agency_verified_by": "operator:os-user:`} {
		if !strings.Contains(shown, want) {
			t.Errorf("%s is not in\n%s", want, shown)
		}
	}
	for words, want := range map[string]string{
		"resource show https://api.land.example.vn --json": `"land.read"`,
		"registry status --json":                           `"persons": 60`,
		"config --json --site dc7":                         `"value": "dc7",`,
		"version --json":                                   `"go": "go1.`,
		"conformance list --json --plan oidcc-config":      `"module": "oidcc-discovery-endpoint-verification"`,
	} {
		out := h.do(t, 0, strings.Fields(words)...)
		if !json.Valid([]byte(out)) || !strings.Contains(out, want) {
			t.Errorf("%s: want %s in\n%s", words, want, out)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

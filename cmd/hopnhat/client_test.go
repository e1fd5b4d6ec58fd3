package main

import (
	"database/sql"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestClients: an app's life at the operator's hand.
func TestClients(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	file := filepath.Join(t.TempDir(), "apps.yaml")
	do := func(code int, words ...string) string {
		t.Helper()
		e, out := surroundings(map[string]string{"HOPNHAT_STATE": state})
		if got := run(t.Context(), e, words); got != code {
			t.Fatalf("%v: code %d, want %d\n%s", words, got, code, out)
		}
		return out.String()
	}
	add := func(code int, id, name, owner string) string {
		t.Helper()
		text := "- client_id: " + id + "\n  client_name: " + name + "\n  owner: {vi: " + owner + "}\n  profile: oidc\n  redirect_uris: [\"http://localhost/cb\"]\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return do(code, "client", "add", file)
	}
	do(0, "init")
	secret := regexp.MustCompile(`client_secret: \S+`)
	first := secret.FindString(add(0, "so", "Sổ đất", "Sở Mẫu"))
	if first == "" || secret.MatchString(add(0, "so", "Sổ đất mới", "Sở Mẫu")) {
		t.Error("the first time there is a secret, and replacing keeps it")
	}
	if out := add(1, "gia", "So dat moi", "Kẻ lạ"); !strings.Contains(out, "look-alike-name") {
		t.Errorf("another agency's name: %s", out)
	}
	if next := secret.FindString(do(0, "client", "rotate-secret", "so")); next == "" || next == first {
		t.Errorf("rotated to %q", next)
	}
	if out := do(1, "client", "show", "nix"); !strings.Contains(out, `there is no client "nix"; see hopnhat client list`) {
		t.Errorf("a client that is none: %s", out)
	}
	do(0, "client", "disable", "so")
	db, err := sql.Open("sqlite", filepath.Join(state, "hopnhat.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var settled int
	if err := db.QueryRowContext(t.Context(), "SELECT settled FROM clients WHERE id = 'so'").Scan(&settled); err != nil || settled != 1 {
		t.Errorf("disabled without waiting for the releases on their way: %d, %v", settled, err)
	}
	add(0, "so", "Sổ đất", "Sở Mẫu")
	if out := do(0, "client", "list"); !strings.Contains(out, "disabled") {
		t.Errorf("replacing enabled it:\n%s", out)
	}
	do(0, "client", "enable", "so")
	if out := do(0, "client", "check", "--json", "so"); !strings.Contains(out, `"code": "client-secret"`) {
		t.Errorf("check: %s", out)
	}
	shown := do(0, "client", "show", "so")
	if !strings.Contains(shown, "id_token_signed_response_alg: RS256") {
		t.Errorf("the default of its profile is not shown:\n%s", shown)
	}
	if err := os.WriteFile(file, []byte(shown), 0o600); err != nil {
		t.Fatal(err)
	}
	do(0, "client", "add", file)
	untold := regexp.MustCompile(`(?m)^#.*\n`) // who vouches, and when
	if again := do(0, "client", "show", "so"); untold.ReplaceAllString(again, "") != untold.ReplaceAllString(shown, "") {
		t.Errorf("what is shown and added is shown otherwise:\n%s\n%s", shown, again)
	}
	if !strings.Contains(shown, "# agency verified by operator:os-user:") {
		t.Errorf("who added an app vouches for it:\n%s", shown)
	}
	do(0, "client", "unverify", "so")
	if out := do(0, "client", "show", "so"); !strings.Contains(out, "# agency not verified") {
		t.Errorf("unverified:\n%s", out)
	}
	if out := do(0, "client", "verify", "so"); !strings.Contains(out, "Sở Mẫu") ||
		!strings.Contains(do(0, "client", "show", "so"), "# agency verified by operator:os-user:") {
		t.Errorf("verified: %s", out)
	}
	long := strings.Replace(
		shown, "- http://localhost/cb\n",
		"- http://localhost/cb\n"+strings.Repeat("    - http://localhost/"+strings.Repeat("x", 200)+"\n", 20), 1,
	)
	if err := os.WriteFile(file, []byte(long), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, words := range [][]string{{"client", "add", file}, {"client", "disable", "so"}, {"client", "enable", "so"}} {
		do(0, words...)
	}
	do(0, "client", "delete", "--yes", "so")
	for _, words := range [][]string{{"client", "enable", "so"}, {"client", "add", file}, {"client", "rotate-secret", "so"}} {
		do(1, words...)
	}
	id := strings.Fields(do(0, "client", "iat", "create", "--owner", "Sở Mẫu"))[0]
	if out := do(0, "client", "iat", "list"); !strings.Contains(out, id) || !strings.Contains(out, "live") {
		t.Errorf("list: %s", out)
	}
	do(0, "client", "iat", "revoke", id)
	if out := do(0, "client", "iat", "list"); !strings.Contains(out, "revoked") {
		t.Errorf("list: %s", out)
	}
	for _, words := range [][]string{
		{"client", "iat", "create"},
		{"client", "iat", "create", "--owner", "x", "--allow", "hybrid"},
		{"client", "iat", "create", "--owner", "x", "--profile", "y"},
		{"client", "iat", "create", "--owner", "x", "--expires", "soon"},
		{"client", "iat", "revoke", id},
		{"client", "show", "nobody"},
	} {
		do(1, words...)
	}
}

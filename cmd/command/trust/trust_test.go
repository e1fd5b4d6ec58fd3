package trust_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hopnhat/cmd/command"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/command/trust"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
)

// TestExplain: a chain is judged without any network, for people and for programs, and what
// is misused is told.
func TestExplain(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, v any) string {
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	type claims = federationtest.Claims
	app, anchor := federationtest.New(t, "https://app.example.vn"), federationtest.New(t, "https://neo.example.vn")
	other := federationtest.New(t, "https://neo.example.vn")
	configuration := app.Configuration(t, claims{
		"authority_hints": []federation.EntityID{anchor.ID},
		"metadata":        claims{"openid_relying_party": claims{"client_name": "Đất đai"}},
	})
	about := anchor.About(t, app, claims{"metadata_policy": claims{"openid_relying_party": claims{
		"subject_type": claims{"value": "pairwise"}, "logo_uri": claims{"default": "https://neo.example.vn/logo"},
	}}})
	refusing := anchor.About(t, app, claims{"constraints": claims{"naming_constraints": claims{"permitted": []string{".gov.vn"}}}})
	keys := "https://neo.example.vn=" + write("neo.jwks", anchor.JWKS(t))
	otherKeys := "https://neo.example.vn=" + write("other.jwks", other.JWKS(t))
	chain, refused := write("chain.json", []string{configuration, about}), write("refused.json", []string{configuration, refusing})
	pool := write("pool.json", []string{anchor.Configuration(t, nil), about, configuration})
	controls := write("controls.json", []string{app.Configuration(t, claims{"metadata": claims{"a\x1b[31m": claims{"\u202e": "x"}}})})
	at := federationtest.Now.Format(time.RFC3339)
	for _, row := range []struct {
		name  string
		words []string
		code  int
		says  []string
	}{
		{"trusted", []string{"--anchor", keys, "--at", at, chain}, 0, []string{
			"https://neo.example.vn states https://app.example.vn", `openid_relying_party.subject_type value "pairwise": - -> "pairwise"`, "TRUSTED: https://app.example.vn",
		}},
		{"of statements in any order", []string{"--anchor", keys, "--at", at, "--subject", "https://app.example.vn", pool}, 0, []string{"ĐƯỢC TIN CẬY / TRUSTED"}},
		{"refused, and who must do what", []string{"--anchor", keys, "--at", at, refused}, 1, []string{
			"NO  [1] §6.2.2", "KHÔNG ĐƯỢC TIN CẬY / NOT TRUSTED: invalid_trust_chain", "https://neo.example.vn chỉ cho phép một số tên miền",
		}},
		{"other keys than the anchor's", []string{"--anchor", otherKeys, "--at", at, chain}, 1, []string{"§4", "kênh khác"}},
		{"a year later", []string{"--anchor", keys, "--at", "2027-12-01T00:00:00+07:00", chain}, 1, []string{"it has not expired"}},
		{"names that a terminal would obey", []string{"--anchor", keys, "--at", at, controls}, 1, []string{"holds the character U+001B"}},
		{"no anchor", []string{chain}, 1, []string{"name at least one --anchor"}},
		{"an anchor without keys", []string{"--anchor", "https://neo.example.vn", chain}, 1, []string{"is not ENTITY=FILE"}},
		{"keys that are none", []string{"--anchor", "https://neo.example.vn=" + chain, chain}, 1, []string{"the keys of https://neo.example.vn"}},
		{"an empty set of keys", []string{"--anchor", "https://neo.example.vn=" + write("empty.jwks", claims{"keys": []string{}}), chain}, 1, []string{"none that a statement"}},
		{"a file that is not there", []string{"--anchor", keys, filepath.Join(dir, "none")}, 1, []string{"reading the statements"}},
		{"a file that is no list", []string{"--anchor", keys, filepath.Join(dir, "neo.jwks")}, 1, []string{"not a JSON array of statements"}},
		{"a time that is none", []string{"--anchor", keys, "--at", "yesterday", chain}, 1, []string{"is no time such as"}},
		{"a subject that is none", []string{"--anchor", keys, "--subject", "app", pool}, 1, []string{"not an entity identifier"}},
		{"a subject without a path", []string{"--anchor", keys, "--subject", "https://app.example.vn", chain}, 1, []string{"no path leads"}},
		{"statements that are none", []string{"--anchor", keys, "--subject", "https://app.example.vn", write("bad.json", []string{"a"})}, 1, []string{"statement 0 of the file"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var out, errs bytes.Buffer
			e := &tool.Env{Out: &out, Err: &errs}
			if code := command.Run(t.Context(), e, append([]string{"federation", "explain"}, row.words...)); code != row.code {
				t.Errorf("exit code %d, want %d", code, row.code)
			}
			said := out.String() + errs.String()
			for _, want := range row.says {
				if !strings.Contains(said, want) {
					t.Errorf("does not say %q:\n%s", want, said)
				}
			}
			if strings.ContainsAny(said, "\x1b\u202e") {
				t.Errorf("a terminal would obey: %q", said)
			}
		})
	}
	t.Run("for programs", func(t *testing.T) {
		var out, errs bytes.Buffer
		e := &tool.Env{Out: &out, Err: &errs}
		if code := command.Run(t.Context(), e, []string{"federation", "explain", "--json", "--anchor", keys, "--at", at, chain}); code != 0 {
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
		var got trust.Explained
		err := json.Unmarshal(out.Bytes(), &got)
		if err != nil || !got.Trusted || len(got.Chain) != 2 || len(got.Trail) == 0 || len(got.Steps) != 2 {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

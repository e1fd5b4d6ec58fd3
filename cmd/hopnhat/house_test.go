package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/keys/lifecycle"
	"hopnhat/store"
)

// house is a state folder and its database, begun as docs/keys.md says.
type house struct {
	state, database string
}

// begun makes a house on either database. The folder is not beside the database.
func begun(t *testing.T, postgres bool) house {
	t.Helper()
	h := house{state: filepath.Join(t.TempDir(), "state"), database: filepath.Join(t.TempDir(), "hopnhat.db")}
	if postgres {
		h.database = pgtest.Database(t)
	}
	h.do(t, 0, "migrate")
	h.do(t, 0, "init")
	h.do(t, 0, "registry", "generate", "--persons", "60")
	return h
}

// do runs a command on the house; more variables override it.
func (h house) do(t *testing.T, code int, words ...string) string {
	t.Helper()
	e, out := surroundings(map[string]string{"HOPNHAT_STATE": h.state, "HOPNHAT_DATABASE": h.database, "HOPNHAT_ARGON2_KIB": "64"})
	if got := run(t.Context(), e, words); got != code {
		t.Fatalf("%v: code %d, want %d\n%s", words, got, code, out)
	}
	return out.String()
}

// written is all that a stranger must not change: the book, the evidence, the
// accounts.
func (h house) written(t *testing.T) string {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{DSN: h.database})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	lives, err1 := db.KeyLives(t.Context())
	id, err2 := db.Keyring(t.Context())
	clients, err3 := db.Clients(t.Context(), "", 100)
	if err1 != nil || err2 != nil || err3 != nil || id == "" {
		t.Fatal(err1, err2, err3, id)
	}
	return fmt.Sprint(id, lives, len(clients))
}

// files are all names below a folder.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	if err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, path)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return names[1:]
}

// tools are commands that need a house.
func tools(t *testing.T) [][]string {
	app := filepath.Join(t.TempDir(), "apps.yaml")
	if err := os.WriteFile(app, []byte("- client_id: so\n  client_name: Sổ đất\n  owner: {vi: Sở Mẫu}\n  profile: oidc\n  redirect_uris: [\"http://localhost/cb\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return [][]string{
		{"client", "list"},
		{"client", "add", app},
		{"client", "iat", "list"},
		{"resource", "list"},
		{"account", "enrol", "--count", "1"},
		{"account", "lock", "099304000017"},
		{"keys", "status"},
		{"keys", "rotate"},
	}
}

// TestAToolMakesNothing: in a folder without state, whatever database it is pointed
// at, a tool says what is missing; no key, folder or database comes into being, and
// nothing is announced.
func TestAToolMakesNothing(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			h := begun(t, postgres)
			before := h.written(t)
			for _, words := range tools(t) {
				empty := t.TempDir()
				lost := house{state: filepath.Join(empty, "state"), database: h.database}
				if out := lost.do(t, 1, words...); !strings.Contains(out, "there are no keys in "+filepath.Join(lost.state, "keys")) || !strings.Contains(out, "state, keys") {
					t.Errorf("%v does not say what to do:\n%s", words, out)
				}
				nowhere := house{state: lost.state}
				if out := nowhere.do(t, 1, words...); !strings.Contains(out, "there is no database at "+filepath.Join(lost.state, "hopnhat.db")) || !strings.Contains(out, "hopnhat init") {
					t.Errorf("%v does not say what to do:\n%s", words, out)
				}
				if left := files(t, empty); len(left) > 0 {
					t.Errorf("%v made %v", words, left)
				}
			}
			if after := h.written(t); after != before {
				t.Errorf("the database changed:\n%s\n%s", before, after)
			}
		})
	}
}

// TestOtherKeysAreRefused: a keystore of another house is told so by every tool and
// by the server, before anything is announced or written.
func TestOtherKeysAreRefused(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			h, other := begun(t, postgres), begun(t, false)
			before := h.written(t)
			stranger := house{state: other.state, database: h.database}
			for _, words := range append(tools(t), []string{"serve"}, []string{"init"}) {
				out := stranger.do(t, 1, words...)
				if !strings.Contains(out, lifecycle.ErrForeignKeys.Error()) || !strings.Contains(out, "nothing was written") {
					t.Errorf("%v: %s", words, out)
				}
			}
			// A server makes no keys either for a database that has had some.
			lost := house{state: filepath.Join(t.TempDir(), "state"), database: h.database}
			if out := lost.do(t, 1, "serve"); !strings.Contains(out, "has had keys") {
				t.Errorf("serve: %s", out)
			}
			if after := h.written(t); after != before {
				t.Errorf("the database changed:\n%s\n%s", before, after)
			}
		})
	}
}

// TestTheWayOutOfAPoisonedDatabase is docs/keys.md, "A database that another keyring
// wrote into": what a tool of the release before announced is shown as such, changes
// nothing, and is taken away.
func TestTheWayOutOfAPoisonedDatabase(t *testing.T) {
	for _, postgres := range []bool{false, true} {
		t.Run(map[bool]string{false: "sqlite", true: "postgres"}[postgres], func(t *testing.T) {
			h, other := begun(t, postgres), begun(t, false)
			db, err := store.Open(t.Context(), store.Options{DSN: h.database})
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			from, err := store.Open(t.Context(), store.Options{DSN: other.database})
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			lives, err := from.KeyLives(t.Context())
			if err != nil || len(lives) == 0 {
				t.Fatal(lives, err)
			}
			poison := lives[0]
			poison.State = "announced"
			if added, err := db.AnnounceKey(t.Context(), poison); err != nil || !added {
				t.Fatal(added, err)
			}
			if out := h.do(t, 0, "keys", "status"); !strings.Contains(out, string(poison.KeyID)+" is not in the key store and is passed over") {
				t.Errorf("status does not show it:\n%s", out)
			}
			if out := h.do(t, 0, "keys", "revoke", "--why", "announced from a wrong folder", "--yes", string(poison.KeyID)); !strings.Contains(out, "nothing to destroy") {
				t.Errorf("revoke: %s", out)
			}
			if out := h.do(t, 0, "keys", "status"); strings.Contains(out, string(poison.KeyID)) {
				t.Errorf("it is still there:\n%s", out)
			}
		})
	}
}

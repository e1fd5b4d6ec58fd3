package main

import (
	"context"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hopnhat/cmd/command/tool"
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
	states, err1 := db.KeyVersions(t.Context())
	id, err2 := db.Keyring(t.Context())
	clients, err3 := db.Clients(t.Context(), "", 100)
	if err1 != nil || err2 != nil || err3 != nil || id == "" {
		t.Fatal(err1, err2, err3, id)
	}
	return fmt.Sprint(id, states, len(clients))
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
				if out := lost.do(t, 1, words...); !strings.Contains(out, "there are no keys in "+filepath.Join(lost.state, "keys")) ||
					!strings.Contains(out, "state, keys") {
					t.Errorf("%v does not say what to do:\n%s", words, out)
				}
				nowhere := house{state: lost.state}
				if out := nowhere.do(t, 1, words...); !strings.Contains(out, "there is no database at "+
					filepath.Join(lost.state, "hopnhat.db")) || !strings.Contains(out, "hopnhat init") {
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
			states, err := from.KeyVersions(t.Context())
			if err != nil || len(states) == 0 {
				t.Fatal(states, err)
			}
			poison := states[0]
			poison.State = "announced"
			if added, err := db.AnnounceKey(t.Context(), poison); err != nil || !added {
				t.Fatal(added, err)
			}
			if out := h.do(t, 0, "keys", "status"); !strings.Contains(out, string(poison.KeyID)+" is not in the key store and is passed over") {
				t.Errorf("status does not show it:\n%s", out)
			}
			if out := h.do(
				t, 0, "keys", "revoke", "--why", "announced from a wrong folder", "--yes", "--", string(poison.KeyID),
			); !strings.Contains(out, "nothing to destroy") {
				t.Errorf("revoke: %s", out)
			}
			if out := h.do(t, 0, "keys", "status"); strings.Contains(out, string(poison.KeyID)) {
				t.Errorf("it is still there:\n%s", out)
			}
		})
	}
}

// TestAWrongStartIsSaidAsSuch: each fault is named as what it is, before anything is
// opened, so that it leaves nothing behind.
func TestAWrongStartIsSaidAsSuch(t *testing.T) {
	h := begun(t, false)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	free := func() string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		return l.Addr().String()
	}
	before := files(t, h.state)
	none := filepath.Join(t.TempDir(), "none.pem")
	for _, row := range []struct {
		name  string
		words []string
		want  string
	}{
		{"an issuer that cannot be one", []string{"--issuer", "http://id.example"}, "--issuer: "},
		{"a certificate that is not there", []string{"--issuer", "https://localhost:1", "--tls-certificate", none, "--tls-key", none}, none},
		{"a port that is taken", []string{"--listen", busy.Addr().String()}, "listening on " + busy.Addr().String()},
		{"a port that is none", []string{"--listen", "127.0.0.1:99999"}, "1 to 65535"},
	} {
		if out := h.do(t, 1, append([]string{"serve"}, row.words...)...); !strings.Contains(out, row.want) || strings.Contains(out, "log") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: want %q in:\n%s", row.name, row.want, out)
		}
	}
	if after := files(t, h.state); !slices.Equal(before, after) {
		t.Errorf("it left %v", after)
	}

	// A server that ran once, and is then told another site or issuer.
	ctx, stop := context.WithCancel(t.Context())
	listen := free()
	done := make(chan string, 1)
	go func() {
		e, out := surroundings(map[string]string{"HOPNHAT_STATE": h.state, "HOPNHAT_DATABASE": h.database, "HOPNHAT_REGISTRY": filepath.Join(h.state, "registry.db")})
		done <- fmt.Sprint(run(ctx, e, []string{"serve", "--listen", listen}), out)
	}()
	for {
		answer, err := http.Get("http://" + listen + "/readyz")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				break
			}
		}
		select {
		case said := <-done:
			t.Fatal(said)
		default:
		}
	}
	if out := h.do(t, 1, "registry", "generate", "--persons", "60", "--reset"); !strings.Contains(out, "a server reads it") {
		t.Errorf("a nation was replaced under a server: %s", out)
	}
	stop()
	if said := <-done; !strings.HasPrefix(said, "0") {
		t.Fatal(said)
	}
	out := h.do(t, 1, "serve", "--listen", listen, "--site", "dc9")
	if !strings.Contains(out, `holds the log "localhost-8440/release/dc1/`) || !strings.Contains(out, "log_origin: localhost-8440/release/dc1;") {
		t.Errorf("another site: %s", out)
	}
	h.do(t, 0, "registry", "generate", "--persons", "60", "--reset")
}

// TestCtrlC: a command that was stopped says so in words.
func TestCtrlC(t *testing.T) {
	h := begun(t, false)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, words := range [][]string{{"registry", "generate", "--reset"}, {"client", "list"}} {
		e, out := surroundings(map[string]string{"HOPNHAT_STATE": h.state, "HOPNHAT_DATABASE": h.database})
		if code := run(gone, e, words); code != int(tool.Stopped) || !strings.Contains(out.String(), "stopped before it was done") ||
			strings.Contains(out.String(), "context canceled") {
			t.Errorf("%v: code %d\n%s", words, code, out)
		}
	}
}

// TestDeletingAnAppWantsAWord: it is for good, and ends what people agreed to.
func TestDeletingAnAppWantsAWord(t *testing.T) {
	h := begun(t, false)
	app := filepath.Join(t.TempDir(), "apps.yaml")
	if err := os.WriteFile(app, []byte("- client_id: so\n  client_name: Sổ đất\n  owner: {vi: Sở Mẫu}\n  profile: oidc\n  redirect_uris: [\"http://localhost/cb\"]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.do(t, 0, "client", "add", app)
	if out := h.do(t, 1, "client", "delete", "so"); !strings.Contains(out, "Sổ đất") || !strings.Contains(out, "--yes") {
		t.Errorf("without a word: %s", out)
	}
	if out := h.do(t, 0, "client", "list"); strings.Contains(out, "deleted") {
		t.Errorf("it is gone:\n%s", out)
	}
	h.do(t, 0, "client", "delete", "--yes", "so")
	if out := h.do(t, 0, "client", "list"); !strings.Contains(out, "deleted") {
		t.Errorf("it is there:\n%s", out)
	}
	db, err := store.Open(t.Context(), store.Options{DSN: h.database})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if out := h.do(t, 1, "client", "iat", "revoke", "nobody"); !strings.Contains(out, `no live initial access token "nobody"`) ||
		strings.Contains(out, "another request") {
		t.Errorf("an unknown token: %s", out)
	}
}

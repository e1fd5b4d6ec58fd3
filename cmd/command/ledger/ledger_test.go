package ledger_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/cmd/command"
	"hopnhat/cmd/command/tool"
	"hopnhat/cmd/config"
	"hopnhat/cmd/node"
	"hopnhat/cmd/node/releaselog"
	"hopnhat/conformance/harness/pgtest"
)

// house is a node in a test, with the tools beside it.
type house struct {
	c *node.Config
}

// events is how many an operator makes, more than a bundle; five of the first keys come before.
const events = 300

// newHouse is a node whose log holds events, and that has ended.
func newHouse(t *testing.T, database string) *house {
	t.Helper()
	c := node.Defaults()
	c.State, c.Listen, c.Argon2KiB, c.Roles, c.Database = filepath.Join(t.TempDir(), "state"), "127.0.0.1:0", 64, "portal,log", database
	if err := c.Complete(); err != nil {
		t.Fatal(err)
	}
	if database != "" {
		h := &house{&c}
		if code, out := h.run(t, "migrate"); code != 0 {
			t.Fatal(out)
		}
	}
	if err := c.Initialise(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := &house{&c}
	h.record(t, events)
	h.serve(t, func(string) {})
	return h
}

// record writes events of an operator; the next start logs them.
func (h *house) record(t *testing.T, n int) {
	t.Helper()
	b, err := node.Open(t.Context(), h.c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	err = tool.AdministerAll(t.Context(), b, func(context.Context) (acts []audit.Act, _ error) {
		for i := range n {
			acts = append(acts, tool.Act(audit.InitialTokenCreated, fmt.Sprint("a token ", i), ""))
		}
		return acts, nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// serve runs the server while something is looked at, at its address.
func (h *house) serve(t *testing.T, look func(address string)) {
	t.Helper()
	n, err := node.Start(t.Context(), h.c, node.Options{Pushes: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	look("http://" + n.Addr().String())
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
}

// run runs a command of the house.
func (h *house) run(t *testing.T, words ...string) (code int, out string) {
	t.Helper()
	var said bytes.Buffer
	e := &tool.Env{Out: &said, Err: &said, Environment: config.Environment{Lookup: func(string) (string, bool) { return "", false }}}
	words = append(words, "--state", h.c.State)
	if !strings.HasSuffix(h.c.Database, ".db") {
		words = append(words, "--database", h.c.Database)
	}
	return command.Run(t.Context(), e, words), said.String()
}

func (h *house) must(t *testing.T, code int, says string, words ...string) {
	t.Helper()
	if got, out := h.run(t, words...); got != code || !strings.Contains(out, says) {
		t.Fatalf("%v: code %d, want %d and %q: %s", words, got, code, says, out)
	}
}

func (h *house) dir(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(h.c.LogFolder, "consent", "*", "checkpoint"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no shard is in %s: %v", h.c.LogFolder, err)
	}
	return filepath.Dir(found[0])
}

func get(t *testing.T, address string) (parts map[string]string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if err := json.NewDecoder(answer.Body).Decode(&parts); err != nil {
		t.Fatal(err)
	}
	return parts
}

func flip(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)/2] ^= 4
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestAnOperatorMendsTheLog: what was bent is found, takes out what needs the log alone, and
// is made whole from the rows; what cannot be made whole ends, and the log goes on.
func TestAnOperatorMendsTheLog(t *testing.T) {
	for dialect, database := range map[string]string{"sqlite": "", "postgres": pgtest.Database(t)} {
		t.Run(dialect, func(t *testing.T) {
			h := newHouse(t, database)
			h.must(t, 0, "305 entries, whole", "log", "check")
			h.must(t, 0, "0 bundles and 0 tiles", "log", "rebuild")
			dir := h.dir(t)
			shard := filepath.Base(dir)
			whole := releaselog.ConsentOrigin(h.c.LogOrigin) + "/" + shard

			flip(t, filepath.Join(dir, "tile/entries/000"))
			h.must(t, 3, "tile/entries/000", "log", "check")
			h.must(t, 3, `"faults":["tile/entries/000`, "log", "check", "--offline", "--json")
			h.serve(t, func(address string) {
				parts := get(t, address)
				if parts["database"] != "ok" || parts["log"] != "unavailable: consent-damaged" {
					t.Errorf("the parts are %v", parts)
				}
			})
			h.must(t, 0, "1 bundles and 0 tiles", "log", "rebuild", shard)
			h.must(t, 0, "306 entries, whole", "log", "check") // what the operator did is in it

			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			h.must(t, 3, "its folder is not in", "log", "check")
			h.must(t, 0, "306 entries", "log", "rebuild")
			h.must(t, 0, "307 entries, whole", "log", "check")
			h.serve(t, func(address string) {
				if parts := get(t, address); parts["log"] != "ok" {
					t.Errorf("the parts are %v", parts)
				}
				h.must(t, 1, "stop that node first", "log", "rebuild")
				h.must(t, 1, "stop that node first", "log", "begin-shard", whole, "--reason", "none")
			})
			h.must(t, 0, "307 entries, whole", "log", "check")
			h.must(t, 0, "nothing is to be decided", "log", "accept-loss", "--reason", "none")

			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			h.must(t, 1, "no shard", "log", "begin-shard", "1999q1", "--reason", "a disk is lost")
			h.must(t, 1, "say why", "log", "begin-shard", whole, "--reason", " ")
			h.must(t, 0, "ended with 307 entries", "log", "begin-shard", whole, "--reason", "a disk is lost")
			h.must(t, 1, "has ended already", "log", "begin-shard", whole, "--reason", "a disk is lost")
			h.serve(t, func(address string) {
				if parts := get(t, address); parts["log"] != "ok" {
					t.Errorf("after another shard was begun the parts are %v", parts)
				}
			})
			h.must(t, 0, shard+"-2: 1 entries, whole", "log", "check") // what the operator did is in it
		})
	}
}

// TestADatabaseOfBefore: the server starts on a database that is older than the log, which
// logs late what only the database has; what has no row stops releases until an operator
// decides, before a start or while the server runs.
func TestADatabaseOfBefore(t *testing.T) {
	for _, when := range []string{"before the start", "while it runs"} {
		t.Run(when, func(t *testing.T) {
			h := newHouse(t, "")
			old := filepath.Join(t.TempDir(), "hopnhat.db")
			raw, err := os.ReadFile(h.c.Database)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(old, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			h.record(t, 5)
			h.serve(t, func(string) {})
			for _, ending := range []string{"-wal", "-shm"} {
				if err := os.RemoveAll(h.c.Database + ending); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Rename(old, h.c.Database); err != nil {
				t.Fatal(err)
			}
			decide := func() {
				h.must(t, 0, "5 entries without a row are taken as lost", "log", "accept-loss", "--reason", "the copy is the newest")
			}
			if when == "before the start" {
				decide()
			}
			h.record(t, 1)
			h.serve(t, func(address string) {
				parts := get(t, address)
				if parts["log"] != "ok" {
					t.Errorf("the parts are %v", parts)
				}
				if when == "while it runs" {
					decide()
				}
			})
			h.must(t, 0, "entries, whole", "log", "check")
			h.must(t, 0, "nothing is to be decided", "log", "accept-loss", "--reason", "none")
		})
	}
}

// copied copies a state folder, whose files nobody else may read.
func copied(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		return os.Chmod(path, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestAnAnchorIsHeldAgainstTheLog: a log and a database that were both restored from an older
// copy agree, and only what was kept elsewhere tells.
func TestAnAnchorIsHeldAgainstTheLog(t *testing.T) {
	h := newHouse(t, "")
	old := t.TempDir()
	copied(t, h.c.State, filepath.Join(old, "state"))
	h.record(t, 5)
	h.serve(t, func(string) {})
	anchor := filepath.Join(t.TempDir(), "anchor")
	raw, err := os.ReadFile(filepath.Join(h.dir(t), "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(anchor, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	h.must(t, 0, "310 entries, whole", "log", "check", "--log-anchor", anchor)
	if err := os.RemoveAll(h.c.State); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(old, "state"), h.c.State); err != nil {
		t.Fatal(err)
	}
	h.must(t, 0, "305 entries, whole", "log", "check")
	h.must(t, 3, "the anchor says 310", "log", "check", "--log-anchor", anchor)
	h.c.LogAnchor = anchor
	h.serve(t, func(address string) {
		if parts := get(t, address); parts["log"] != "unavailable: consent-older" {
			t.Errorf("the parts are %v", parts)
		}
	})
}

// TestAHeadThatWasAltered: the log is damaged, and an operator has the head sealed anew if it is
// what was signed; one that is not is never taken for genuine.
func TestAHeadThatWasAltered(t *testing.T) {
	h := newHouse(t, "")
	dir := h.dir(t)
	whole := releaselog.ConsentOrigin(h.c.LogOrigin) + "/" + filepath.Base(dir)
	alter := func(does string) {
		t.Helper()
		b, err := node.Open(t.Context(), h.c)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		if _, err := b.DB.Pool().ExecContext(t.Context(), b.DB.Bind("UPDATE log_shards SET "+does+" WHERE origin = ?"), whole); err != nil {
			t.Fatal(err)
		}
	}
	alter("size = size - 1")
	h.must(t, 3, "is not as a server wrote it", "log", "check")
	h.serve(t, func(address string) {
		if parts := get(t, address); parts["log"] != "unavailable: consent-damaged" {
			t.Errorf("the parts are %v", parts)
		}
	})
	h.must(t, 1, "was never signed", "log", "begin-shard", whole, "--reason", "an insider")
	alter("size = size + 1, mac = NULL")
	h.must(t, 0, "sealed anew", "log", "begin-shard", whole, "--reason", "an insider")
	h.serve(t, func(address string) {
		if parts := get(t, address); parts["log"] != "ok" {
			t.Errorf("after it was sealed anew the parts are %v", parts)
		}
	})
}

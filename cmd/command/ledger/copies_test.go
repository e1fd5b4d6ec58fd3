package ledger_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/cmd/node"
	"hopnhat/conformance/harness/pgtest"
)

// exec runs statements on the database as its owner can, with the triggers away.
func (h *house) exec(t *testing.T, statements ...string) {
	t.Helper()
	b, err := node.Open(t.Context(), h.c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	for _, sql := range statements {
		if _, err := b.DB.Pool().ExecContext(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// unguarded takes the triggers away that keep events.
func (h *house) unguarded() []string {
	if strings.HasSuffix(h.c.Database, ".db") {
		return []string{"DROP TRIGGER events_erased", "DROP TRIGGER events_unchanged"}
	}
	return []string{"ALTER TABLE events DISABLE TRIGGER USER"}
}

// event is the newest event of an operator, with its place.
func (h *house) event(t *testing.T) audit.Recorded {
	t.Helper()
	b, err := node.Open(t.Context(), h.c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	found, err := b.DB.Find(t.Context(), audit.Query{Type: audit.Administered, Limit: 1})
	if err != nil || len(found) != 1 || !found[0].Logged {
		t.Fatalf("found %v, %v", found, err)
	}
	return found[0]
}

// holds reports whether a file below a folder holds some bytes.
func holds(t *testing.T, dir string, some []byte) bool {
	t.Helper()
	found := false
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		found = found || bytes.Contains(raw, some)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestCopiesBesideTheLog: each event has one; a bit that differs, one of another entry and one
// of an erased event are found, and mended; an entry that is nowhere else comes from its copy.
func TestCopiesBesideTheLog(t *testing.T) {
	for dialect, database := range map[string]string{"sqlite": "", "postgres": pgtest.Database(t)} {
		t.Run(dialect, func(t *testing.T) {
			h := newHouse(t, database)
			h.must(t, 0, "305 entries, whole; 305 copies of events, 0 erased", "log", "check")
			dir := h.dir(t)
			first := filepath.Join(dir, "copies/000000/000")
			if holds(t, filepath.Join(dir, "copies"), []byte("a token ")) {
				t.Error("a copy can be read without keys")
			}

			flip(t, first)
			h.must(t, 3, "copies/000000/000", "log", "check")
			h.must(t, 3, "copies/000000/000", "log", "check", "--offline")
			h.must(t, 0, "1 were made of rows", "log", "rebuild")
			h.must(t, 0, "306 entries, whole; 306 copies", "log", "check")

			if err := os.RemoveAll(filepath.Join(dir, "copies")); err != nil {
				t.Fatal(err)
			}
			h.must(t, 0, "306 entries, whole; 0 copies", "log", "check")
			h.serve(t, func(string) {}) // a start makes those near the end
			h.must(t, 0, "306 entries, whole; 306 copies", "log", "check")

			// Row and bundle are gone, and the tile says which entry it was.
			e := h.event(t)
			h.exec(t, append(h.unguarded(), "DELETE FROM events WHERE id = '"+e.Event.ID+"'")...)
			if err := os.RemoveAll(filepath.Join(dir, "tile/entries/001.p")); err != nil {
				t.Fatal(err)
			}
			h.must(t, 3, "tile/entries/001.p", "log", "check")
			h.must(t, 0, "1 bundles and 0 tiles", "log", "rebuild")
			h.must(t, 0, "307 entries, whole; 307 copies", "log", "check")
		})
	}
}

// TestErasureReachesTheCopies: beside a server, and without one; an older folder that is put
// back is found to hold what was erased.
func TestErasureReachesTheCopies(t *testing.T) {
	for dialect, database := range map[string]string{"sqlite": "", "postgres": pgtest.Database(t)} {
		t.Run(dialect, func(t *testing.T) {
			h := newHouse(t, database)
			dir := h.dir(t)
			for i, beside := range []bool{true, false} {
				e := h.event(t)
				sealed, err := e.Sealed()
				if err != nil {
					t.Fatal(err)
				}
				b, err := node.Open(t.Context(), h.c)
				if err != nil {
					t.Fatal(err)
				}
				kept, err := b.Copies.Seal(t.Context(), sealed.Entry())
				if b.Close(); err != nil || !holds(t, dir, kept) {
					t.Fatalf("there is no copy of it: %v", err)
				}
				old, err := os.ReadFile(filepath.Join(dir, "copies/000000/000"))
				if err != nil {
					t.Fatal(err)
				}
				erase := func() {
					h.must(t, 0, e.Event.ID+" is erased", "audit", "erase", "--why", "order 12", e.Event.ID)
					for _, part := range [][]byte{kept, kept[3:40], kept[len(kept)-40:]} {
						if holds(t, h.c.LogFolder, part) {
							t.Error("a part of the copy remains")
						}
					}
				}
				if beside {
					h.serve(t, func(string) { erase() })
				} else {
					erase()
				}
				h.must(t, 0, fmt.Sprint("copies of events, ", i+1, " erased"), "log", "check")
				if beside {
					continue
				}
				if err := os.WriteFile(filepath.Join(dir, "copies/000000/000"), old, 0o600); err != nil {
					t.Fatal(err)
				}
				h.must(t, 3, "an event that was erased", "log", "check")
				h.must(t, 0, "1 of erased events overwritten", "log", "rebuild")
				h.must(t, 0, fmt.Sprint("copies of events, ", i+1, " erased"), "log", "check")
				if holds(t, h.c.LogFolder, kept) {
					t.Error("the copy is back")
				}
			}
		})
	}
}

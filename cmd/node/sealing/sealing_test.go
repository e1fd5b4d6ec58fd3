package sealing

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"hopnhat/store"
	"hopnhat/store/evidence"
	"hopnhat/store/storetest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 123456000, time.UTC)

// TestTheTimeIsHeldOutsideOfTheDatabase: by each of two nodes. Whoever takes the note away, or
// puts another one there, ends no window and opens none; who alters the file has it written anew.
func TestTheTimeIsHeldOutsideOfTheDatabase(t *testing.T) {
	now := noon
	for name, db := range map[string]*store.DB{
		"sqlite":   storetest.SQLite(t, func() time.Time { return now }),
		"postgres": storetest.PostgreSQL(t, func() time.Time { return now }),
	} {
		t.Run(name, func(t *testing.T) {
			now = noon
			a, b, none := filepath.Join(t.TempDir(), File), filepath.Join(t.TempDir(), File), filepath.Join(t.TempDir(), "none", File)
			start := func(path string) evidence.Book {
				t.Helper()
				book := evidence.New(db.Handle)
				book.TrustRows(storetest.Rows())
				if err := Begin(t.Context(), path, book); err != nil {
					t.Fatal(err)
				}
				return book
			}
			check := func(when, path string, since time.Time, upgrading bool) {
				t.Helper()
				book := start(path)
				got, err1 := evidence.Since(t.Context(), book)
				open, err2 := book.Upgrading(t.Context())
				if err1 != nil || err2 != nil || !got.Equal(since) || open != upgrading {
					t.Errorf("%s: since %v, and the window is open: %v; %v, %v", when, got, open, err1, err2)
				}
			}
			run := func(sql string, args ...any) {
				t.Helper()
				if _, err := db.Pool().ExecContext(t.Context(), db.Bind(sql), args...); err != nil {
					t.Fatal(err)
				}
			}
			check("the first start", a, noon, true)
			now = noon.Add(time.Hour)
			check("another node", b, noon, true)
			check("a tool without a folder", none, noon, true)
			if _, err := os.Stat(filepath.Dir(none)); err == nil {
				t.Error("it made one")
			}
			run("UPDATE evidence_sealed SET since = ?", noon.AddDate(-1, 0, 0))
			check("with a note that would end it", a, noon, true)
			run("DELETE FROM evidence_sealed")
			now = noon.Add(evidence.UpgradeWindow)
			check("without the note, after the end", a, noon, false)
			check("without the note, at the other node", b, noon, false)
			if err := os.WriteFile(b, []byte("2036-01-01T00:00:00Z\nAAAA\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			run("INSERT INTO evidence_sealed (one, since, mac) SELECT 1, ?, ?", noon, mac(t, noon))
			check("with a file that was altered", b, noon, false)
			run("DELETE FROM evidence_sealed")
			check("and it is written anew", b, noon, false)
		})
	}
}

func mac(t *testing.T, since time.Time) []byte {
	t.Helper()
	m, err := storetest.Rows().SealSince(t.Context(), since)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func FuzzFile(f *testing.F) {
	f.Add([]byte("2026-11-23T12:00:00.123456Z\nAAAA\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if since, mac, ok := parse(raw); ok && string(format(since, mac)) != string(raw) {
			t.Errorf("%q is read, and would be written as %q", raw, format(since, mac))
		}
	})
}

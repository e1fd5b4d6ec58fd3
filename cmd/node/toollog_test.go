package node

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz/audit"
)

// TestAToolsEventIsMissedByTheLog: what a tool did is in the log when it ends, at a node that
// serves and without one. Whoever deletes its row then leaves an entry that no row explains.
func TestAToolsEventIsMissedByTheLog(t *testing.T) {
	c := configured(t)
	n, err := Start(t.Context(), c, Options{Pushes: &bytes.Buffer{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, serving := range []bool{true, false} {
		if !serving {
			if err := n.Stop(); err != nil {
				t.Fatal(err)
			}
		}
		b, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var told bytes.Buffer
		b.Told = &told
		var written []audit.Written
		if err := b.DB.Tx(t.Context(), func(ctx context.Context) (err error) {
			written, err = b.Scribe().Write(ctx, audit.Act{Action: audit.InitialTokenCreated, Detail: audit.Detail{Object: "a token"}})
			return err
		}); err != nil {
			t.Fatal(err)
		}
		id := written[0].Event.ID
		w, err := b.DB.Get(t.Context(), id)
		if err != nil || !w.Logged || !strings.Contains(w.Origin, "/consent/") || told.Len() > 0 {
			t.Fatalf("serving %v: logged %v in %s, %v; it says %q", serving, w.Logged, w.Origin, err, told.String())
		}
		leaf, err := audit.Leaf(w.Event, w.Salt)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := b.DB.Leaves.Explain(t.Context(), w.Origin, w.Index, [][]byte{leaf}); err != nil || len(got) > 0 {
			t.Errorf("serving %v: before, no row explains %v, %v", serving, got, err)
		}
		var guards []string // which keep the server's own role from it
		sql := b.DB.Writer(t.Context())
		if err := sql.Raw("SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'events'").Scan(&guards).Error; err != nil {
			t.Fatal(err)
		}
		for _, guard := range guards {
			if err := sql.Exec("DROP TRIGGER " + guard).Error; err != nil {
				t.Fatal(err)
			}
		}
		if err := sql.Exec("DELETE FROM events WHERE id = ?", id).Error; err != nil {
			t.Fatal(err)
		}
		got, err := b.DB.Leaves.Explain(t.Context(), w.Origin, w.Index, [][]byte{leaf})
		if err != nil || !slices.Equal(got, []uint64{w.Index}) {
			t.Errorf("serving %v: after, no row explains %v, %v", serving, got, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAToolThatDoesNotReachTheLogSaysSo, and its change stands.
func TestAToolThatDoesNotReachTheLogSaysSo(t *testing.T) {
	b, err := Open(t.Context(), configured(t)) // no node ever served: there is no log
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var told bytes.Buffer
	b.Told = &told
	written, err := b.Scribe().Write(t.Context(), audit.Act{Action: audit.InitialTokenCreated, Detail: audit.Detail{Object: "a token"}})
	if err != nil {
		t.Fatal(err)
	}
	if id := written[0].Event.ID; !strings.Contains(told.String(), "event "+id+" is not in the log yet") {
		t.Errorf("it says %q", told.String())
	}
}

package beside_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
	"hopnhat/cmd/node/beside"
	"hopnhat/keys"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/copies"
)

type ring struct{}

func (ring) Derive(_ context.Context, use keys.Use, label string) ([]byte, error) {
	sum := sha256.Sum256([]byte(string(use) + label))
	return sum[:], nil
}

// TestACopyTellsWhichEventAnEntryIsOf: over the border of two files of copies, of entries that are
// asked for alone; a copy of another entry, or none, tells nothing.
func TestACopyTellsWhichEventAnEntryIsOf(t *testing.T) {
	archive := &tlog.Archive{Log: "hopnhat.example/release/dc1", Dir: t.TempDir()}
	name := tlog.Name{Log: archive.Log, Quarter: "2026q4", Part: 1}
	c := beside.New(storetest.SQLite(t, nil), ring{})
	const first = copies.Range - 2
	var leaves [][]byte
	var ids []string
	var records []copies.Record
	for i := range uint64(6) {
		s, err := audit.Event{
			ID: authz.NewID(), Type: audit.SignedIn, When: audit.When{Decided: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Site: "dc1"},
		}.Seal(audit.NewSalt())
		if err != nil {
			t.Fatal(err)
		}
		sealed, err := c.Seal(t.Context(), s.Entry())
		if err != nil {
			t.Fatal(err)
		}
		leaves, ids = append(leaves, s.Leaf), append(ids, s.Event.ID)
		switch i {
		case 3:
			sealed = records[0].Copy // of another entry
		case 4:
			continue
		}
		records = append(records, copies.Record{Index: first + i, Leaf: copyseal.LeafHash(s.Leaf), Copy: sealed})
	}
	if err := os.MkdirAll(name.Dir(archive.Dir), 0o700); err != nil {
		t.Fatal(err)
	}
	w, _, err := copies.Open(copies.Of(name.Dir(archive.Dir)), first)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(records), w.Close()); err != nil {
		t.Fatal(err)
	}
	tell := c.IDs([]*tlog.Archive{{Log: "hopnhat.example/consent/dc1", Dir: t.TempDir()}, archive})
	asked := func(origin string, wanted func([]byte) bool) []string {
		t.Helper()
		got, err := tell(t.Context(), origin, first, leaves, wanted)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	all := func([]byte) bool { return true }
	if got, want := asked(name.Origin(), all), []string{ids[0], ids[1], ids[2], ids[5]}; !slices.Equal(got, want) {
		t.Errorf("told are %v, want %v", got, want)
	}
	second := func(leaf []byte) bool { return string(leaf) == string(leaves[1]) }
	if got := asked(name.Origin(), second); !slices.Equal(got, ids[1:2]) {
		t.Errorf("told are %v, want the second", got)
	}
	for _, origin := range []string{archive.Log + "/2027q1", "another/2026q4"} {
		if got := asked(origin, all); len(got) > 0 {
			t.Errorf("of %s, which is not here, told are %v", origin, got)
		}
	}
}

package tlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/tlog/copies"
)

// copyOf is what is kept beside the n-th entry of a test.
func copyOf(n int) []byte { return fmt.Appendf(nil, "copy %d", n) }

func entry(n int) audit.Entry { return audit.Entry{Leaf: leaf(n), Copy: copyOf(n)} }

// ofRows gives the copies of the first n entries, as rows would.
func ofRows(n int) func(context.Context, uint64, [][]byte) (map[uint64][]byte, error) {
	return func(_ context.Context, first uint64, leaves [][]byte) (map[uint64][]byte, error) {
		found := map[uint64][]byte{}
		for i, have := range leaves {
			for k := range n {
				if string(have) == string(leaf(k)) {
					found[first+uint64(i)] = copyOf(k)
				}
			}
		}
		return found, nil
	}
}

func kept(t *testing.T, dir string) map[uint64]copies.Record {
	t.Helper()
	found, err := copies.Of(dir).Read(0)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestACopyIsOnDiskBeforeItsPlaceIsTold, once for an entry that is appended again.
func TestACopyIsOnDiskBeforeItsPlaceIsTold(t *testing.T) {
	o := options(t.TempDir())
	o.Once = true
	l := mustOpen(t, o)
	for n := range 20 {
		place, err := l.Append(t.Context(), entry(n/2))
		if err != nil {
			t.Fatal(err)
		}
		got := kept(t, o.Dir)
		if r := got[place.Index]; string(r.Copy) != string(copyOf(n/2)) || r.Leaf != copyseal.LeafHash(leaf(n/2)) || len(got) != n/2+1 {
			t.Fatalf("after entry %d there are %d copies, at its place %q", n, len(got), r.Copy)
		}
	}
}

// TestCopiesThatAreMissingComeFromRows: what a crash tore off, and what a node of the release
// before appended, at the start and while the log runs; an entry that has no row stays without.
func TestCopiesThatAreMissingComeFromRows(t *testing.T) {
	o := options(t.TempDir())
	o.Copies = ofRows(5)
	l := mustOpen(t, o)
	for n := range 4 {
		if _, err := l.Append(t.Context(), entry(n)); err != nil {
			t.Fatal(err)
		}
	}
	for _, n := range []int{4, 5} {
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(n)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.fill(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := kept(t, o.Dir)
	if len(got) != 5 || string(got[4].Copy) != "copy 4" {
		t.Errorf("while it runs: %v", got)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := o.Dir + "/" + copies.Name(0)
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw[:len(raw)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, o)
	got = kept(t, o.Dir)
	for n := range 5 {
		if string(got[uint64(n)].Copy) != string(copyOf(n)) {
			t.Errorf("after a crash the copy of entry %d is %q", n, got[uint64(n)].Copy)
		}
	}
	if len(got) != 5 {
		t.Errorf("%d copies", len(got))
	}
}

// TestACopyThatIsNotKeptGivesNoPlace: the entry has it when it is appended again.
func TestACopyThatIsNotKeptGivesNoPlace(t *testing.T) {
	o := options(t.TempDir())
	o.Once = true
	l := mustOpen(t, o)
	if err := os.WriteFile(string(copies.Of(o.Dir)), nil, 0o600); err != nil { // no folder
		t.Fatal(err)
	}
	if place, err := l.Append(t.Context(), entry(0)); err == nil {
		t.Errorf("it stands at %v", place)
	}
	if err := os.Remove(string(copies.Of(o.Dir))); err != nil {
		t.Fatal(err)
	}
	place, err := l.Append(t.Context(), entry(0))
	if err != nil || place.Index != 0 || string(kept(t, o.Dir)[0].Copy) != "copy 0" {
		t.Errorf("appended again it stands at %v, %v, with %q", place, err, kept(t, o.Dir)[0].Copy)
	}
}

// TestWhatWasErasedIsNotFilledInAgain, whether there was a copy or not; another shard is not
// here.
func TestWhatWasErasedIsNotFilledInAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		n := newNode(t, db, "a")
		o := n.options()
		o.Copies = func(ctx context.Context, _ string, first uint64, leaves [][]byte) (map[uint64][]byte, error) {
			return ofRows(2)(ctx, first, leaves)
		}
		s, err := OpenShards(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close(context.Background()) })
		with, err := s.Append(t.Context(), entry(0))
		if err != nil {
			t.Fatal(err)
		}
		without, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(1)})
		if err != nil {
			t.Fatal(err)
		}
		for i, place := range []audit.Place{with, without} {
			if err := s.Erase(t.Context(), place, 1, copyseal.LeafHash(leaf(i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Current().fill(t.Context()); err != nil {
			t.Fatal(err)
		}
		dir := s.current.Load().name.Dir(n.archive.Dir)
		got := kept(t, dir)
		if len(got) != 2 || !got[0].Erased() || !got[1].Erased() {
			t.Errorf("there are %v", got)
		}
		err = s.Erase(t.Context(), audit.Place{Origin: site + "/1999q1"}, 1, copyseal.LeafHash(leaf(0)))
		if !errors.Is(err, authz.ErrNotFound) {
			t.Errorf("another shard: %v", err)
		}
	})
}

// TestALeafThatStandsTwice: both its copies are erased, by whoever writes the shard and where
// nobody does, and no other.
func TestALeafThatStandsTwice(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	s := n.open(t)
	log := s.Current()
	log.places = nil // so that a leaf is appended again
	for _, k := range []int{0, 1, 0, 2, 2} {
		if _, err := s.Append(t.Context(), entry(k)); err != nil {
			t.Fatal(err)
		}
	}
	dir := s.current.Load().name.Dir(n.archive.Dir)
	from := audit.Place{Origin: s.Current().Origin()}
	left := func(want ...uint64) {
		t.Helper()
		var live []uint64
		for index, r := range kept(t, dir) {
			if !r.Erased() {
				live = append(live, index)
			}
		}
		slices.Sort(live)
		if !slices.Equal(live, want) {
			t.Errorf("copies are at %v, want %v", live, want)
		}
	}
	left(0, 1, 2, 3, 4)
	if err := s.Erase(t.Context(), from, 1<<20, copyseal.LeafHash(leaf(0))); err != nil {
		t.Fatal(err)
	}
	left(1, 3, 4)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := n.archive.Erase(t.Context(), from, 1<<20, copyseal.LeafHash(leaf(2))); err != nil {
		t.Fatal(err)
	}
	left(1)
}

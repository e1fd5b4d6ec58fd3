package tlog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

const site = "hopnhat.example/release/dc1"

// node is a node of the site: it writes into a folder of its own.
type node struct {
	db      *store.DB
	name    string
	archive *Archive
	clock   *atomic.Pointer[time.Time]
	holds   func() error
}

func newNode(t *testing.T, db *store.DB, name string) *node {
	dir := filepath.Join(t.TempDir(), "tlog")
	n := &node{
		db: db, name: name, archive: &Archive{Log: site, Dir: dir, KeyFile: filepath.Join(filepath.Dir(dir), "log.vkey")},
		clock: &atomic.Pointer[time.Time]{},
	}
	n.at(time.Date(2026, 12, 31, 23, 59, 58, 0, time.UTC))
	return n
}

func (n *node) at(now time.Time) { n.clock.Store(&now) }

func (n *node) options() ShardsOptions {
	return ShardsOptions{
		Archive: n.archive, Heads: n.db.Heads, Writer: n.name, KnownSize: n.db.KnownLogSize, Holds: n.holds, Explain: explained,
		Key:                func(string, string) (Key, error) { return testKey(1), nil },
		CheckpointInterval: 100 * time.Millisecond, Now: func() time.Time { return *n.clock.Load() },
	}
}

// explained finds a row for each entry.
func explained(context.Context, string, uint64, [][]byte) ([]uint64, error) { return nil, nil }

func (n *node) open(t *testing.T) *Shards {
	t.Helper()
	s, err := OpenShards(t.Context(), n.options())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close(context.Background()) })
	return s
}

func mustAppend(t *testing.T, s *Shards, n int) audit.Place {
	t.Helper()
	place, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(n)})
	if err != nil {
		t.Fatal(err)
	}
	return place
}

func heads(t *testing.T, db *store.DB) map[string]trees.Head {
	t.Helper()
	list, err := db.Heads.Shards(t.Context(), site)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]trees.Head{}
	for _, h := range list {
		all[h.Origin] = h
	}
	return all
}

// proved checks that an entry has a proof at its place.
func proved(t *testing.T, s *Shards, place audit.Place, entry []byte) {
	t.Helper()
	r, err := s.Reader(t.Context(), place.Origin)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Proof(t.Context(), place.Index); err != nil {
		t.Errorf("the proof of entry %d of %s: %v", place.Index, place.Origin, err)
	}
	if got, err := r.Entries(t.Context(), place.Index, 1); err != nil || string(got[0]) != string(entry) {
		t.Errorf("entry %d of %s is %q, %v", place.Index, place.Origin, got, err)
	}
}

// TestShardsRollOverWhileEntriesCome: no entry is lost or stands twice, and the old shard
// ends with a checkpoint of all it holds.
func TestShardsRollOverWhileEntriesCome(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	s := n.open(t)
	const callers, each = 16, 60
	places := make([]audit.Place, callers*each)
	var all sync.WaitGroup
	var before atomic.Int64
	half := make(chan struct{})
	for c := range callers {
		all.Go(func() {
			for i := range each {
				place, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(c*each + i)})
				if err != nil {
					t.Error(err)
					return
				}
				places[c*each+i] = place
				if before.Add(1) == callers*each/2 {
					close(half)
				}
			}
		})
	}
	<-half
	n.at(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	if err := s.Roll(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	last := mustAppend(t, s, callers*each)
	if last.Origin != site+"/2027q1" {
		t.Errorf("the next entry went into %s", last.Origin)
	}
	s.ending.Wait()
	counts, seen := map[string]uint64{}, map[audit.Place]bool{}
	for i, place := range places {
		if seen[place] {
			t.Fatalf("place %v was given twice", place)
		}
		seen[place] = true
		counts[place.Origin]++
		if i%97 == 0 {
			proved(t, s, place, leaf(i))
		}
	}
	old := heads(t, n.db)[site+"/2026q4"]
	if !old.Closed || old.Size != counts[old.Origin] {
		t.Errorf("the old shard is recorded as %d entries (closed: %v), and took %d", old.Size, old.Closed, counts[old.Origin])
	}
	if keys, err := n.archive.Keys(); err != nil || len(keys) != 2 {
		t.Errorf("the keys of the shards are %v, %v", keys, err)
	}
}

// TestAnEntryThatIsAppendedAgainKeepsItsPlace: at once, together with others, and after a
// restart.
func TestAnEntryThatIsAppendedAgainKeepsItsPlace(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	s := n.open(t)
	first := mustAppend(t, s, 1)
	mustAppend(t, s, 2)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if again, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(1)}); err != nil || again != first {
				t.Errorf("again: %v, %v; want %v", again, err, first)
			}
		})
	}
	all.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s = n.open(t)
	if again := mustAppend(t, s, 1); again != first {
		t.Errorf("after a restart: %v, want %v", again, first)
	}
	if size, err := s.Current().Size(t.Context()); err != nil || size != 2 {
		t.Errorf("the log holds %d entries, %v", size, err)
	}
}

// TestATakeoverInAnotherFolder: the shard of a node that is gone ends where it was recorded
// last, the next part says so by its name, and what the other one signs late loses.
func TestATakeoverInAnotherFolder(t *testing.T) {
	db := storetest.SQLite(t, nil)
	a, b := newNode(t, db, "a"), newNode(t, db, "b")
	first := a.open(t)
	mustAppend(t, first, 1)
	signed(t, first.Current(), 1)

	second := b.open(t)
	if got := second.Current().Origin(); got != site+"/2026q4-2" {
		t.Fatalf("it writes %s", got)
	}
	recorded := heads(t, db)[site+"/2026q4"]
	if !recorded.Closed || recorded.Size != 1 {
		t.Fatalf("the shard before: %+v", recorded)
	}
	place := mustAppend(t, second, 7)
	proved(t, second, place, leaf(7))

	// The first goes on, not knowing: its entry is written, its checkpoint is not published.
	_, _ = first.Append(t.Context(), audit.Entry{Leaf: leaf(2)})
	waitFor(t, func() bool { return errors.Is(first.Health(t.Context()), ErrReplaced) })
	if _, c, err := first.Current().checkpoint(t.Context()); err != nil || c.Size != 1 {
		t.Errorf("it published a tree of %d entries, %v", c.Size, err)
	}
	if _, err := first.Append(t.Context(), audit.Entry{Leaf: leaf(3)}); !errors.Is(err, ErrReplaced) {
		t.Errorf("it acknowledged an entry: %v", err)
	}
	if after := heads(t, db)[site+"/2026q4"]; after != recorded {
		t.Errorf("the closed shard changed: %+v", after)
	}

	// The folder of before comes back, and finds that the site has gone on without it.
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_ = first.Close(ctx)
	third := a.open(t)
	if got := third.Current().Origin(); got != site+"/2026q4-3" {
		t.Errorf("it writes %s", got)
	}
}

// TestATakeoverInTheSameFolder goes on with the shard.
func TestATakeoverInTheSameFolder(t *testing.T) {
	db := storetest.SQLite(t, nil)
	a := newNode(t, db, "a")
	s := a.open(t)
	place := mustAppend(t, s, 1)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	b := newNode(t, db, "b")
	b.archive = a.archive
	s = b.open(t)
	proved(t, s, place, leaf(1))
	if next := mustAppend(t, s, 2); next != (audit.Place{Origin: place.Origin, Index: 1}) {
		t.Errorf("the next entry stands at %v", next)
	}
	if h := heads(t, db)[place.Origin]; h.Epoch != 2 || h.Writer != "b" || h.Closed {
		t.Errorf("the head: %+v", h)
	}
}

// TestOwnShardThatIsGone: a node whose own log is gone or older is refused, so that a person
// decides; another node would go on without it.
func TestOwnShardThatIsGone(t *testing.T) {
	a := newNode(t, storetest.SQLite(t, nil), "a")
	s := a.open(t)
	mustAppend(t, s, 1)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(a.archive.Dir); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenShards(t.Context(), a.options()); !errors.Is(err, ErrOlder) {
		t.Errorf("got %v, want %v", err, ErrOlder)
	}
}

// TestTwoNodesTakeOverAtOnce: exactly one writes.
func TestTwoNodesTakeOverAtOnce(t *testing.T) {
	for name, db := range map[string]*store.DB{"sqlite": storetest.SQLite(t, nil), "postgres": storetest.PostgreSQL(t, nil)} {
		t.Run(name, func(t *testing.T) {
			dead := newNode(t, db, "dead").open(t)
			mustAppend(t, dead, 1)
			signed(t, dead.Current(), 1)
			var all sync.WaitGroup
			opened := make([]*Shards, 4)
			failed := make([]error, 4)
			for i := range opened {
				n := newNode(t, db, fmt.Sprint("n", i))
				all.Go(func() { opened[i], failed[i] = OpenShards(context.WithoutCancel(t.Context()), n.options()) })
			}
			all.Wait()
			acknowledged := map[audit.Place]int{}
			for i, s := range opened {
				if s == nil {
					continue
				}
				if place, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(100 + i)}); err == nil {
					if other, twice := acknowledged[place]; twice {
						t.Errorf("nodes %d and %d both gave %v", i, other, place)
					}
					acknowledged[place] = i
				}
				ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
				_ = s.Close(ctx)
				cancel()
			}
			open := 0
			for _, h := range heads(t, db) {
				if !h.Closed {
					open++
				}
			}
			if open != 1 {
				t.Errorf("%d shards are open: %v", open, failed)
			}
		})
	}
}

// TestAShardOfBeforeHeads: a log that is there from before goes on, and is recorded.
func TestAShardOfBeforeHeads(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	o := options(Name{site, "2026q4", 1}.Dir(n.archive.Dir))
	l := mustOpen(t, o)
	fill(t, l, 4, 300)
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := n.open(t)
	if place := mustAppend(t, s, 1000); place.Index != 300 {
		t.Errorf("the next entry stands at %d", place.Index)
	}
	proved(t, s, audit.Place{Origin: origin, Index: 300}, leaf(1000))
}

// TestAShardThatWasLeftOpenIsEnded: a node that was down when the quarter ended signs what
// the shard holds when it comes back.
func TestAShardThatWasLeftOpenIsEnded(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	s := n.open(t)
	mustAppend(t, s, 1)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.at(time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC))
	s = n.open(t)
	s.ending.Wait()
	if h := heads(t, n.db)[site+"/2026q4"]; !h.Closed || h.Size != 1 {
		t.Errorf("the shard of before: %+v", h)
	}
}

// TestEntriesOfADoubtfulWriterAreNotAcknowledged.
func TestEntriesOfADoubtfulWriterAreNotAcknowledged(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	doubt := errors.New("not seen for long")
	var doubtful atomic.Bool
	n.holds = func() error {
		if doubtful.Load() {
			return doubt
		}
		return nil
	}
	s := n.open(t)
	mustAppend(t, s, 1)
	doubtful.Store(true)
	if _, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(2)}); !errors.Is(err, doubt) {
		t.Errorf("got %v", err)
	}
}

// waitFor waits for what comes by itself.
func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for range again.C {
		if done() {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("it did not come")
		}
	}
}

func TestParseName(t *testing.T) {
	for _, row := range []struct{ origin, shard string }{
		{site + "/2026q4", "2026q4"},
		{site + "/2026q4-2", "2026q4-2"},
		{site + "/2026q4-17", "2026q4-17"},
		{site + "/2026q5", ""},
		{site + "/2026q4-1", ""},
		{site + "/2026q4-02", ""},
		{site + "/2026q4/../2026q3", ""},
		{"other.example/release/dc1/2026q4", ""},
		{site, ""},
	} {
		n, err := ParseName(site, row.origin)
		if (err == nil) != (row.shard != "") || err == nil && (n.Shard() != row.shard || n.Origin() != row.origin) {
			t.Errorf("%s: %+v, %v", row.origin, n, err)
		}
	}
}

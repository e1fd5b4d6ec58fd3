package counting_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/counts"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/node/counting"
	"hopnhat/store"
	"hopnhat/store/counters"
	"hopnhat/store/storetest"
)

const origin = "hopnhat.example/release/dc1/2026q4"

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// site is a site of one node or several, with a log of which the heads are set by a test.
type site struct {
	t     *testing.T
	db    *store.DB
	heads []trees.Head
	lost  error
	next  map[string]uint64
}

func (s *site) book() counters.Book {
	return counters.Book{Handle: s.db.Handle, Events: s.db.Leaves.Book}
}

// node is a node that writes, or not.
func (s *site) node(writes *bool) *counting.Job {
	return &counting.Job{
		Book: s.book(), Heads: func(context.Context) ([]trees.Head, error) { return s.heads, nil }, Rows: s.db.Leaves.PlacesBeyond,
		Writes: func() bool { return *writes }, Explained: func() error { return s.lost }, Now: func() time.Time { return noon },
	}
}

// event records an event at the next place of a shard, and has a node note it, if that is not nil.
func (s *site) event(j *counting.Job, shard string, at time.Time, late bool) {
	s.t.Helper()
	e, err := audit.Event{
		ID: authz.NewID(), Type: audit.SignedIn, Asked: audit.Asked{Client: "app"},
		Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"}, When: audit.When{Decided: at, Site: "dc1"},
	}.Seal(audit.NewSalt())
	if err != nil {
		s.t.Fatal(err)
	}
	place := audit.Place{Origin: shard, Index: s.next[shard]}
	s.next[shard]++
	if err := errors.Join(s.db.Record(s.t.Context(), e), s.db.NotePlaces(s.t.Context(), shard, map[string]uint64{e.Event.ID: place.Index}, late)); err != nil {
		s.t.Fatal(err)
	}
	j.Note(place, e.Entry())
}

func (s *site) counted(shard string) (all []string) {
	s.t.Helper()
	if err := s.book().Walk(s.t.Context(), shard, 0, 1<<62, func(c counts.Counter, genuine bool) bool {
		text := fmt.Sprintf("%d-%d %s", c.First, c.End, c.Way)
		if c.Unknown > 0 {
			text += fmt.Sprintf(" ?%d", c.Unknown)
		}
		for _, tag := range c.Counted.Tags() {
			text += fmt.Sprintf(" %d:%d", tag.Hour-noon.Unix()/3600, c.Counted[tag])
		}
		if !genuine {
			text = "false"
		}
		all = append(all, text)
		return true
	}); err != nil {
		s.t.Fatal(err)
	}
	return all
}

// TestTheWriterCounts: what it wrote and recorded, by the hour of the event, whoever has the log.
func TestTheWriterCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s := &site{t: t, db: db, next: map[string]uint64{}}
		yes, no := true, false
		a, b := s.node(&yes), s.node(&no)
		step := func(want string, jobs ...*counting.Job) {
			t.Helper()
			for _, j := range jobs {
				if err := j.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := s.counted(origin); want == "" && len(got) > 0 || want != "" && (len(got) == 0 || got[len(got)-1] != want) {
				t.Errorf("the last counter is %v, want %q", got, want)
			}
		}
		size := func(n uint64) { s.heads = []trees.Head{{Origin: origin, Size: n}} }
		for range 5 {
			s.event(a, origin, noon, false)
		}
		step("", a, b) // nothing is recorded
		size(3)
		step("0-3 written 0:3", b, a)
		step("0-3 written 0:3", a)
		s.event(a, origin, noon.Add(-26*time.Hour), true) // logged late: of the hour of the event
		size(6)
		step("3-6 written -26:1 0:2", a)
		// The writer changes. What the one before did not count yet is counted by its rows; an
		// event that is logged late says nothing of how late that was.
		s.event(a, origin, noon.Add(time.Minute), false)
		s.event(a, origin, noon.Add(-26*time.Hour), true)
		size(8)
		yes, no = false, true
		step("6-8 rows -26:1 0:1", a, b)
		// While entries have no row, nothing is counted; what has none after that is unknown.
		s.next[origin]++
		s.lost = errors.New("entries have no row")
		size(9)
		step("6-8 rows -26:1 0:1", b)
		s.lost = nil
		step("8-9 rows ?1", b)
		// Counters that somebody deleted are made again, and that is said.
		for n := range 3 {
			s.event(b, origin, noon.Add(time.Duration(n)*20*time.Minute), false)
		}
		size(12)
		yes, no = true, false
		step("9-12 anew 0:3", b, a)
		// A shard of a new quarter begins with its first place, and one that is as old as this
		// release is not counted again.
		for range 2 {
			s.event(a, origin+"-2", noon.Add(time.Hour), false)
		}
		s.heads = []trees.Head{{Origin: origin, Size: 12, Closed: true}, {Origin: origin + "-2", Size: 2}, {Origin: "old", Size: 1 << 20}, {Origin: "bent", Size: 1, Altered: true}}
		step("9-12 anew 0:3", a)
		if got := s.counted(origin + "-2"); !slices.Equal(got, []string{"0-2 written 1:2"}) {
			t.Errorf("of the new quarter there are %v", got)
		}
		if got := s.counted("old"); !slices.Equal(got, []string{"0-1048576 before"}) {
			t.Errorf("of the old shard there are %v", got)
		}
		if got := s.counted("bent"); len(got) > 0 {
			t.Errorf("of the altered head there are %v", got)
		}
	})
}

// TestALargeStretchIsCountedInPieces of which each can be compared at once.
func TestALargeStretchIsCountedInPieces(t *testing.T) {
	s := &site{t: t, db: storetest.SQLite(t, nil), next: map[string]uint64{}}
	yes := true
	j := s.node(&yes)
	for n := range uint64(2*counts.Most + 1) {
		j.Note(audit.Place{Origin: origin, Index: n}, audit.Entry{Event: audit.Event{ID: "x", Type: "x", When: audit.When{Decided: noon}}})
	}
	s.heads = []trees.Head{{Origin: origin, Size: 2*counts.Most + 1}}
	if err := j.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := s.counted(origin); !slices.Equal(got, []string{"0-4096 written 0:4096", "4096-8192 written 0:4096", "8192-8193 written 0:1"}) {
		t.Errorf("counted are %v", got)
	}
}

// TestACounterOfLongNamesIsOfFewerPlaces: what a counter says stays bounded.
func TestACounterOfLongNamesIsOfFewerPlaces(t *testing.T) {
	s := &site{t: t, db: storetest.SQLite(t, nil), next: map[string]uint64{}}
	yes := true
	j := s.node(&yes)
	for n := range uint64(counts.Most) {
		j.Note(audit.Place{Origin: origin, Index: n}, audit.Entry{Event: audit.Event{
			ID: "x", Type: "x", Asked: audit.Asked{Client: authz.ClientID(fmt.Sprintf("%0900d", n))}, When: audit.When{Decided: noon},
		}})
	}
	s.heads = []trees.Head{{Origin: origin, Size: counts.Most}}
	if err := j.Step(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(s.counted(origin)); got < 4 {
		t.Errorf("3.8 MB of names are in %d counters", got)
	}
	if end, there, err := s.book().End(t.Context(), origin); err != nil || !there || end != counts.Most {
		t.Errorf("counted up to %d, %v, %v", end, there, err)
	}
}

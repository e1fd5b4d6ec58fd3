package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit/tail"
)

// rows keeps events in memory and complains when a promise is broken.
type rows struct {
	mu         sync.Mutex
	byID       map[string]Recorded
	order      []string
	commits    int
	statements int
	closed     bool // places are passed over
	ended      map[authz.GrantID]bool
	fail       func(what string) error // before the effect
	altered    error                   // of rows that are no evidence, beside the others
}

func newRows() *rows {
	return &rows{byID: map[string]Recorded{}, fail: func(string) error { return nil }}
}

func (r *rows) Record(_ context.Context, events ...Sealed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fail("record"); err != nil {
		return err
	}
	r.statements++
	for _, e := range events {
		if _, again := r.byID[e.Event.ID]; again {
			return authz.ErrConflict
		}
		r.byID[e.Event.ID] = Recorded{Event: e.Event, Salt: e.Salt}
		r.order = append(r.order, e.Event.ID)
	}
	return nil
}

func (r *rows) RecordHolding(ctx context.Context, e Sealed, h Hold) error {
	if r.ended[h.Grant] {
		return authz.ErrConflict
	}
	return r.Record(ctx, e)
}

func (r *rows) NextNumber(_ context.Context, pseudonym string, h *Hold) (int64, error) {
	if h != nil && r.ended[h.Grant] {
		return 0, authz.ErrConflict
	}
	last := int64(0)
	for _, row := range r.byID {
		if row.Event.Person.Pseudonym == pseudonym {
			last = max(last, row.Event.Person.Sequence)
		}
	}
	return last + 1, nil
}

type inTx struct{}

// Tx keeps nothing of a function that fails, and calls after its end what was to be.
func (r *rows) Tx(ctx context.Context, fn func(context.Context) error) error {
	if ctx.Value(inTx{}) != nil {
		return fn(ctx)
	}
	before, order := maps.Clone(r.byID), slices.Clone(r.order)
	var after []func(context.Context) error
	if err := fn(context.WithValue(ctx, inTx{}, &after)); err != nil {
		r.byID, r.order = before, order
		return err
	}
	var failed []error
	for _, do := range after {
		failed = append(failed, do(ctx))
	}
	return errors.Join(failed...)
}

func (r *rows) AfterCommit(ctx context.Context, do func(context.Context) error) error {
	if after, ok := ctx.Value(inTx{}).(*[]func(context.Context) error); ok {
		*after = append(*after, do)
		return nil
	}
	return do(ctx)
}

func (r *rows) NotePlaces(_ context.Context, origin string, places map[string]uint64, late bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.fail("note"); err != nil {
		return err
	}
	r.commits++
	if r.closed {
		clear(places)
	}
	for id, index := range places {
		if row, ok := r.byID[id]; ok {
			row.Index, row.Origin, row.Logged, row.Late = index, origin, true, late
			r.byID[id] = row
		}
	}
	clear(places) // the map was given to us
	return nil
}

func (r *rows) Unlogged(_ context.Context, after string, limit int) (out []Recorded, last string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, id := range slices.Sorted(slices.Values(r.order)) {
		if row := r.byID[id]; !row.Logged && id > after {
			if len(out) == limit {
				return out, out[limit-1].Event.ID, r.altered
			}
			out = append(out, row)
		}
	}
	return out, "", r.altered
}

func (r *rows) Find(context.Context, Query) ([]Recorded, error) { return nil, errors.ErrUnsupported }

func (r *rows) Get(_ context.Context, id string) (Recorded, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	row, ok := r.byID[id]
	if !ok {
		return Recorded{}, authz.ErrNotFound
	}
	return row, nil
}

// leaves is a log in memory. It can fail before the effect, and after it.
type leaves struct {
	mu   sync.Mutex
	list [][]byte
	fail func(after bool) error
}

func newLeaves() *leaves { return &leaves{fail: func(bool) error { return nil }} }

func (l *leaves) Append(_ context.Context, e Entry) (Place, error) {
	leaf := e.Leaf
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.fail(false); err != nil {
		return Place{}, err
	}
	l.list = append(l.list, leaf)
	if err := l.fail(true); err != nil {
		return Place{}, err
	}
	return Place{l.Origin(), uint64(len(l.list) - 1)}, nil
}

func (l *leaves) Origin() string { return "hopnhat.example/release/dc1/2026q4" }

func (l *leaves) Size(context.Context) (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return uint64(len(l.list)), nil
}

func (l *leaves) Entries(_ context.Context, from uint64, n int) ([][]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list[from:min(from+uint64(n), uint64(len(l.list)))]), nil
}

// checkEvidence: each row is in the log at its place, and each leaf is of a row.
func checkEvidence(t interface{ Fatalf(string, ...any) }, r *rows, l *leaves) {
	known := map[string]bool{}
	for id, row := range r.byID {
		leaf, err := Leaf(row.Event, row.Salt)
		if err != nil {
			t.Fatalf("%v", err)
		}
		known[string(leaf)] = true
		if !row.Logged {
			t.Fatalf("event %s has no place", id)
		}
		if row.Index >= uint64(len(l.list)) || string(l.list[row.Index]) != string(leaf) {
			t.Fatalf("event %s is not at place %d", id, row.Index)
		}
	}
	for i, leaf := range l.list {
		if !known[string(leaf)] {
			t.Fatalf("leaf %d is of no event", i)
		}
	}
}

func fresh(n int) Event {
	e := sample()
	e.ID = authz.NewID()
	e.Person.Sequence = int64(n)
	return e
}

// quiet never notes by itself, so that a test decides when.
var quiet = Options{NoteEvery: time.Hour, SweepEvery: time.Hour, RetryEvery: time.Hour, NoteSize: 1 << 20}

// record writes an event's row and then its leaf.
func record(ctx context.Context, r *rows, rec *Recorder, e Event) (Place, error) {
	sealed, err := e.Seal(NewSalt())
	if err == nil {
		err = r.Record(ctx, sealed)
	}
	if err != nil {
		return Place{}, err
	}
	return rec.AppendLeaf(ctx, sealed)
}

func TestEverythingRecordedIsInTheLogAtItsPlace(t *testing.T) {
	r, l := newRows(), newLeaves()
	rec := NewRecorder(r, l)
	var all sync.WaitGroup
	for i := range 500 {
		all.Go(func() {
			if _, err := record(t.Context(), r, rec, fresh(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	checkEvidence(t, r, l)
	for id, row := range r.byID { // still known, though noted
		if place, ok := rec.Place(id); !ok || place != (Place{row.Origin, row.Index}) {
			t.Errorf("place %v (%v), want %d of %s", place, ok, row.Index, row.Origin)
		}
	}
	if len(rec.places) > 0 {
		t.Errorf("%d places would be noted again", len(rec.places))
	}
	if r.commits > 20 {
		t.Errorf("%d commits for 500 places", r.commits)
	}
	if _, err := record(t.Context(), r, rec, fresh(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestRecoveryAfterAnyFailures draws failures before and after the effect of
// row, leaf and note, kills the recorder, and recovers.
func TestRecoveryAfterAnyFailures(t *testing.T) {
	broken := errors.New("the disk is full")
	rapid.Check(t, func(t *rapid.T) {
		r, l := newRows(), newLeaves()
		fails := rapid.SliceOfN(rapid.SampledFrom([]string{"", "", "", "record", "before", "after", "note"}), 1, 40).Draw(t, "fails")
		var next string
		r.fail = func(what string) error {
			if what == next {
				return broken
			}
			return nil
		}
		l.fail = func(after bool) error {
			if (next == "before" && !after) || (next == "after" && after) {
				return broken
			}
			return nil
		}
		rec := NewRecorderWith(r, l, quiet)
		for i, next0 := range fails {
			next = next0
			place, err := record(context.Background(), r, rec, fresh(i))
			if (err != nil) != (next == "record" || next == "before" || next == "after") {
				t.Fatalf("fault %q: error %v", next, err)
			}
			if err == nil && place.Index >= uint64(len(l.list)) {
				t.Fatalf("place %d of %d", place.Index, len(l.list))
			}
			if rapid.Bool().Draw(t, "note now") {
				_ = rec.flush()
			}
		}
		next = ""
		killed := maps.Clone(r.byID) // the recorder is gone with what it had not noted
		r.byID = killed
		again := NewRecorderWith(r, l, quiet)
		missing, _, _ := r.Unlogged(t.Context(), "", 1000)
		n, err := again.Recover(context.Background())
		if err != nil || n != len(missing) {
			t.Fatalf("recovered %d of %d: %v", n, len(missing), err)
		}
		checkEvidence(t, r, l)
		if twice, err := duplicates(context.Background(), l, 0, uint64(len(l.list))); err != nil || len(twice) > 0 {
			t.Fatalf("duplicates %v (%v), though the leaves could be found", twice, err)
		}
		for _, rec := range []*Recorder{rec, again} {
			if err := rec.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestALeafThatCannotBeFoundIsAppendedAgainAndListed(t *testing.T) {
	r, l := newRows(), newLeaves()
	o := quiet
	o.Tail = 1
	for i := range 2 { // one leaf for each, no place noted
		rec := NewRecorderWith(r, l, o)
		if _, err := record(t.Context(), r, rec, fresh(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := NewRecorderWith(r, l, o).Recover(t.Context()); err != nil || n != 2 {
		t.Fatalf("recovered %d: %v", n, err)
	}
	checkEvidence(t, r, l)
	twice, err := duplicates(t.Context(), l, 0, uint64(len(l.list)))
	if err != nil || !slices.Equal(twice, []duplicate{{0, 2}}) {
		t.Fatalf("got %v, %v", twice, err)
	}
}

// TestASiteRepairsItsOwnEvents: what another site wrote is not logged here, however old. What
// is logged long after its decision is marked so.
func TestASiteRepairsItsOwnEvents(t *testing.T) {
	r, l := newRows(), newLeaves()
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	for i, row := range []struct {
		site string
		ago  time.Duration
	}{{"dc1", 0}, {"dc2", 0}, {"dc2", 9 * time.Minute}, {"dc2", 24 * time.Hour}, {"dc1", lateAfter + time.Second}} {
		e := fresh(i)
		e.When.Site, e.When.Decided = row.site, now.Add(-row.ago)
		if err := r.Record(t.Context(), Sealed{Event: e, Salt: NewSalt()}); err != nil {
			t.Fatal(err)
		}
	}
	o := quiet
	o.Site, o.Now = "dc1", func() time.Time { return now }
	if n, err := NewRecorderWith(r, l, o).Recover(t.Context()); err != nil || n != 2 {
		t.Errorf("%d were repaired, want its own two: %v", n, err)
	}
	for _, row := range r.byID {
		if own := row.Event.When.Site == "dc1"; row.Logged != own || row.Late != (own && row.Event.When.Decided.Before(now)) {
			t.Errorf("%s, %v: logged %v, late %v", row.Event.When.Site, row.Event.When.Decided, row.Logged, row.Late)
		}
	}
}

func TestABadRowDoesNotKeepTheOthersWaiting(t *testing.T) {
	r, l := newRows(), newLeaves()
	good, bad := fresh(0), fresh(1)
	bad.Reason.Basis = ""
	for _, e := range []Event{bad, good} {
		if err := r.Record(t.Context(), Sealed{Event: e, Salt: NewSalt()}); err != nil {
			t.Fatal(err)
		}
	}
	n, err := NewRecorderWith(r, l, quiet).Recover(t.Context())
	if n != 1 || !errors.Is(err, ErrRow) || !strings.Contains(err.Error(), bad.ID) {
		t.Fatalf("recovered %d, error %v", n, err)
	}
}

func TestAnEventThatCannotBeEvidenceLeavesNoRow(t *testing.T) {
	r, l := newRows(), newLeaves()
	rec := NewRecorderWith(r, l, quiet)
	scribe := newScribe(r, rec)
	bad := full(Agree)
	bad.Consent.Channel = "a\nb"
	if _, err := scribe.Write(t.Context(), full(Agree), bad); err == nil {
		t.Error("recorded")
	}
	r.ended = map[authz.GrantID]bool{"over": true}
	over := full(TokenExchange)
	over.Hold = &Hold{Grant: "over"}
	if _, err := scribe.Write(t.Context(), over); !errors.Is(err, authz.ErrConflict) {
		t.Fatalf("an event that rests on a grant that is over: got %v", err)
	}
	if _, err := scribe.Write(t.Context(), full(Agree), over, over); err == nil {
		t.Error("one that holds something, written with others")
	}
	if len(r.byID) != 0 || len(l.list) != 0 {
		t.Errorf("%d rows, %d leaves", len(r.byID), len(l.list))
	}
}

func TestAFullRecorderLetsTheCallerGo(t *testing.T) {
	r, l := newRows(), newLeaves()
	hold, held := make(chan struct{}), make(chan struct{})
	l.fail = func(after bool) error {
		if !after {
			close(held)
			<-hold
		}
		return nil
	}
	o := quiet
	o.Concurrent = 1
	rec := NewRecorderWith(r, l, o)
	first := make(chan error)
	go func() {
		_, err := record(context.Background(), r, rec, fresh(0))
		first <- err
	}()
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := record(ctx, r, rec, fresh(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(hold)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	l.fail = func(bool) error { return nil }
	again := NewRecorderWith(r, l, quiet)
	if n, err := again.Recover(t.Context()); err != nil || n != 1 {
		t.Errorf("%d rows were left for recovery, want the second: %v", n, err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
	checkEvidence(t, r, l)
}

func TestQueryCheck(t *testing.T) {
	now := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		name string
		q    Query
		ok   bool
	}{
		{"nothing is everything", Query{}, true},
		{"all fields", Query{Pseudonym: "p", Client: "c", Purpose: "dvc.prefill", Type: ReleaseRefused, Outcome: Refused, From: now, To: now.Add(1), Before: sample().ID, Limit: 500}, true},
		{"too many", Query{Limit: 501}, false},
		{"less than none", Query{Limit: -1}, false},
		{"ends before it begins", Query{From: now, To: now}, false},
		{"a type of nobody", Query{Type: "x"}, false},
		{"an outcome of nobody", Query{Outcome: "perhaps"}, false},
		{"a page that is no id", Query{Before: "1 OR 1=1"}, false},
		{"a control character", Query{Client: "a\x00"}, false},
		{"too long", Query{Client: authz.ClientID(strings.Repeat("x", 257))}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			if err := row.q.Check(); (err == nil) != row.ok {
				t.Fatalf("got %v", err)
			}
		})
	}
	if a, b := mustHash(t, Query{Client: "a"}), mustHash(t, Query{Client: "a", Limit: 7, Before: sample().ID}); a != b {
		t.Error("the page changes the hash of the query")
	}
	if a, b := mustHash(t, Query{Client: "a"}), mustHash(t, Query{Pseudonym: "a"}); a == b {
		t.Error("two queries have one hash")
	}
}

func mustHash(t *testing.T, q Query) string {
	t.Helper()
	h, err := q.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

// TestAPlaceThatWasNotTakenIsLoggedAnew: a shard was closed before where a leaf stood, so
// its place was passed over; the sweep logs the event in the shard that goes on.
func TestAPlaceThatWasNotTakenIsLoggedAnew(t *testing.T) {
	r, l := newRows(), newLeaves()
	rec := NewRecorderWith(r, l, Options{Now: func() time.Time { return fresh(0).When.Decided.Add(time.Hour) }})
	defer rec.Close()
	r.closed = true
	e := fresh(0)
	salt := NewSalt()
	if err := r.Record(t.Context(), Sealed{Event: e, Salt: salt}); err != nil {
		t.Fatal(err)
	}
	leaf, err := Leaf(e, salt)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rec.AppendLeaf(t.Context(), Sealed{Event: e, Leaf: leaf}); err != nil {
		t.Fatal(err)
	}
	if err := rec.flush(); err != nil || r.byID[e.ID].Logged {
		t.Fatalf("the place was noted in a shard that is closed, %v", err)
	}
	r.closed = false
	rec.sweep()
	if row := r.byID[e.ID]; !row.Logged || row.Index != uint64(len(l.list)-1) {
		t.Errorf("after the sweep: %+v, and the log holds %d", row, len(l.list))
	}
}

// TestARefusedLeafIsTakenSoon: a log that works again gets what it refused without waiting
// for the sweep, each leaf once, whether or not it was written before the refusal.
func TestARefusedLeafIsTakenSoon(t *testing.T) {
	for name, after := range map[string]bool{"not written": false, "written, and refused all the same": true} {
		t.Run(name, func(t *testing.T) {
			r, l := newRows(), newLeaves()
			refusals := 3
			l.fail = func(at bool) error {
				if at == after && refusals > 0 {
					refusals--
					return errors.New("no room")
				}
				return nil
			}
			rec := NewRecorderWith(r, l, Options{SweepEvery: time.Hour, RetryEvery: time.Millisecond})
			defer rec.Close()
			if _, err := record(t.Context(), r, rec, fresh(0)); err == nil {
				t.Fatal("the log took it")
			}
			for logged := false; !logged; runtime.Gosched() {
				r.mu.Lock()
				for _, row := range r.byID {
					logged = row.Logged
				}
				r.mu.Unlock()
			}
			if l.mu.Lock(); len(l.list) != 1 {
				t.Errorf("the log holds %d leaves", len(l.list))
			}
			l.mu.Unlock()
			checkEvidence(t, r, l)
		})
	}
	t.Run("beside a row that is no evidence", func(t *testing.T) {
		r, l := newRows(), newLeaves()
		r.altered = ErrRow
		rec := NewRecorderWith(r, l, quiet)
		defer rec.Close()
		l.fail = func(bool) error { return errors.New("no room") }
		if _, err := record(t.Context(), r, rec, fresh(0)); err == nil || rec.retry() {
			t.Fatal("the log took it")
		}
		l.fail = func(bool) error { return nil }
		rec.retry()
		if checkEvidence(t, r, l); !rec.retry() {
			t.Error("it is asked for again for ever")
		}
	})
}

// duplicate is a leaf that stands in the log twice.
type duplicate struct{ first, again uint64 }

// duplicates lists the leaves from a place up to another that stand there more
// than once: the traces of crashes. They harm nothing, and an auditor who counts
// leaves must know them.
func duplicates(ctx context.Context, log tail.Log, from, to uint64) ([]duplicate, error) {
	var list []duplicate
	first := map[string]uint64{}
	err := tail.Each(ctx, log, from, to, func(index uint64, leaf []byte) {
		if earlier, again := first[string(leaf)]; again {
			list = append(list, duplicate{earlier, index})
			return
		}
		first[string(leaf)] = index
	})
	return list, err
}

// TestWhatCannotBeLoggedKeepsNothingWaiting: however many rows that are not logged somebody puts
// before one that is to be logged, a sweep passes over them once, and the next goes on there.
func TestWhatCannotBeLoggedKeepsNothingWaiting(t *testing.T) {
	for name, row := range map[string]struct{ before, sweeps int }{
		"a page":            {recoverPage, 1},
		"more than a sweep": {recoverPage*sweepPages + 1, 2},
	} {
		t.Run(name, func(t *testing.T) {
			r, l := newRows(), newLeaves()
			rec := NewRecorderWith(r, l, Options{
				Now: func() time.Time { return fresh(0).When.Decided.Add(time.Hour) }, Logger: slog.New(slog.DiscardHandler),
			})
			defer rec.Close()
			for i := range row.before {
				e := fresh(0)
				e.ID = fmt.Sprintf("00000000-0000-7000-8000-%012d", i)
				r.byID[e.ID] = Recorded{Event: e, Fault: FaultUnsealed}
				r.order = append(r.order, e.ID)
			}
			good := fresh(1)
			if err := r.Record(t.Context(), Sealed{Event: good, Salt: NewSalt()}); err != nil {
				t.Fatal(err)
			}
			for n := range row.sweeps {
				if r.byID[good.ID].Logged {
					t.Errorf("logged by sweep %d", n)
				}
				rec.sweep()
			}
			if got := r.byID[good.ID]; !got.Logged || len(l.list) != 1 {
				t.Errorf("after %d sweeps: %+v, and the log holds %d", row.sweeps, got, len(l.list))
			}
		})
	}
}

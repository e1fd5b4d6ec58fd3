package trees

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// rows are the rows of events in memory.
type rows struct {
	audit.Events // what is not asked for

	mu    sync.Mutex
	order []audit.Recorded
}

func (r *rows) record(e audit.Event) (audit.Sealed, error) {
	s, err := e.Seal(audit.NewSalt())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order = append(r.order, audit.Recorded{Event: s.Event, Salt: s.Salt})
	return s, err
}

func (r *rows) NotePlaces(_ context.Context, origin string, places map[string]uint64, _ bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.order {
		if index, ok := places[r.order[i].Event.ID]; ok {
			r.order[i].Index, r.order[i].Origin, r.order[i].Logged = index, origin, true
		}
	}
	return nil
}

func (r *rows) find(is func(audit.Recorded) bool) (out []audit.Recorded) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, w := range r.order {
		if is(w) {
			out = append(out, w)
		}
	}
	return out
}

func (r *rows) Unlogged(context.Context, string, int) ([]audit.Recorded, string, error) {
	return r.find(func(w audit.Recorded) bool { return !w.Logged }), "", nil
}

func (r *rows) UnloggedReleases(_ context.Context, consents ...authz.ConsentID) ([]audit.Recorded, error) {
	return r.find(func(w audit.Recorded) bool {
		return !w.Logged && w.Event.Type == audit.ReleasePermitted && slices.Contains(consents, w.Event.Consent.ID)
	}), nil
}

func (r *rows) Get(_ context.Context, id string) (audit.Recorded, error) {
	found := r.find(func(w audit.Recorded) bool { return w.Event.ID == id })
	if len(found) == 0 {
		return audit.Recorded{}, authz.ErrNotFound
	}
	return found[0], nil
}

// memory is a log in memory, which gives an entry the place it has. It refuses some.
type memory struct {
	mu       sync.Mutex
	origin   string
	list     []string
	refusals int
}

func (m *memory) Append(_ context.Context, e audit.Entry) (audit.Place, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refusals > 0 {
		m.refusals--
		return audit.Place{}, errors.New("no room")
	}
	at := slices.Index(m.list, string(e.Leaf))
	if at < 0 {
		at, m.list = len(m.list), append(m.list, string(e.Leaf))
	}
	return audit.Place{Origin: m.origin, Index: uint64(at)}, nil
}

// at is where the leaf of an event stands; -1 if it has no place.
func (m *memory) at(t interface{ Fatal(...any) }, w audit.Recorded) int {
	leaf, err := audit.Leaf(w.Event, w.Salt)
	if err != nil {
		t.Fatal(err)
	}
	return slices.Index(m.list, string(leaf))
}

// of is an event of a kind on a consent.
func of(kind audit.Type, id authz.ConsentID) audit.Event {
	return audit.Event{
		ID: authz.NewID(), Type: kind, Consent: audit.Consent{ID: id, Version: 1}, When: audit.When{Decided: time.Now(), Site: "dc1"},
		Asked: audit.Asked{Client: "land-app"}, Person: audit.Person{Pseudonym: "pseudonym-of-somebody"},
		Reason: audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent}, Data: audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.area"}},
		Decision: audit.Decision{Permit: kind != audit.ConsentWithdrawn, Code: string(kind)},
	}
}

// world is a site of two nodes.
type world struct {
	rows              *rows
	released, agreed  *memory
	logs              *Logs
	recorders         []*audit.Recorder
	anotherRecorderOf func() *audit.Recorder
}

func newWorld() *world {
	w := &world{rows: &rows{}, released: &memory{origin: "release/1"}, agreed: &memory{origin: "consent/1"}}
	w.logs = &Logs{Release: w.released, Consent: w.agreed, Events: w.rows}
	quiet := audit.Options{NoteEvery: time.Hour, SweepEvery: time.Hour, RetryEvery: time.Hour, SoonEvery: time.Nanosecond}
	w.anotherRecorderOf = func() *audit.Recorder { return audit.NewRecorderWith(w.rows, w.logs, quiet) }
	w.recorders = []*audit.Recorder{w.anotherRecorderOf(), w.anotherRecorderOf()}
	return w
}

// TestAnEndStandsBehindTheReleasesBeforeIt: releases race the withdrawals of their consents,
// by two nodes, of which some die before the leaf, and the release log refuses some leaves. A
// release holds its consent, so each is committed before the withdrawal or not at all. In the
// release log each stands before the withdrawal, which stands in the consent log as well.
func TestAnEndStandsBehindTheReleasesBeforeIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		w.released.refusals = rapid.IntRange(0, 3).Draw(t, "refusals")
		var all sync.WaitGroup
		for _, consent := range []authz.ConsentID{"one", "two"} {
			var lock sync.Mutex // of the consent's row
			ended := false
			commit := func(kind audit.Type) (s audit.Sealed, committed bool) {
				lock.Lock()
				defer lock.Unlock()
				if ended {
					return s, false
				}
				s, err := w.rows.record(of(kind, consent))
				if err != nil {
					panic(err)
				}
				ended = kind == audit.ConsentWithdrawn
				return s, true
			}
			for range rapid.IntRange(0, 5).Draw(t, "releases") {
				node, dies := rapid.IntRange(0, 1).Draw(t, "node"), rapid.Bool().Draw(t, "dies")
				all.Go(func() {
					if s, committed := commit(audit.ReleasePermitted); committed && !dies {
						_, _ = w.recorders[node].AppendLeaf(context.Background(), s) // what is refused is found
					}
				})
			}
			node := rapid.IntRange(0, 1).Draw(t, "the node of the withdrawal")
			all.Go(func() {
				s, _ := commit(audit.ConsentWithdrawn)
				w.recorders[node].AppendSoon(s)
			})
		}
		all.Wait()
		for _, r := range w.recorders {
			if err := r.Close(); err != nil {
				t.Fatal(err)
			}
		}
		w.released.refusals = 0
		again := w.anotherRecorderOf()
		_, err := again.Recover(context.Background())
		if err := errors.Join(err, again.Close()); err != nil {
			t.Fatal(err)
		}
		for _, e := range w.rows.order {
			if !e.Logged {
				t.Errorf("%v has no place", e.Event)
			}
			if e.Event.Type != audit.ConsentWithdrawn {
				if w.agreed.at(t, e) >= 0 {
					t.Error("a release stands in the consent log")
				}
				continue
			}
			end := w.released.at(t, e)
			if end < 0 || w.agreed.at(t, e) < 0 || e.Origin != w.agreed.origin {
				t.Fatalf("a withdrawal stands at %d of the release log and %d of the consent log", end, w.agreed.at(t, e))
			}
			for _, release := range w.rows.order {
				if release.Event.Type == audit.ReleasePermitted && release.Event.Consent.ID == e.Event.Consent.ID {
					if at := w.released.at(t, release); at < 0 || at > end {
						t.Errorf("a release stands at %d, behind the withdrawal at %d", at, end)
					}
				}
			}
		}
	})
}

// TestEachLeafGoesToItsLog, and a leaf that is to be there is appended once.
func TestEachLeafGoesToItsLog(t *testing.T) {
	w := newWorld()
	for _, kind := range []audit.Type{audit.ReleasePermitted, audit.ConsentApproved} {
		s, err := w.rows.record(of(kind, "one"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := w.logs.Ensure(t.Context(), s.Event.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(w.released.list) != 1 || len(w.agreed.list) != 1 ||
		w.released.at(t, w.rows.order[0]) != 0 || w.agreed.at(t, w.rows.order[1]) != 0 {
		t.Errorf("the logs hold %d and %d leaves", len(w.released.list), len(w.agreed.list))
	}
	if err := w.logs.Ensure(t.Context(), authz.NewID()); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("an event that has no row: %v", err)
	}
}

// TestAnEndWaitsForTheReleasesBeforeIt: where one of them does not come into the log, neither
// does the end.
func TestAnEndWaitsForTheReleasesBeforeIt(t *testing.T) {
	w := newWorld()
	if _, err := w.rows.record(of(audit.ReleasePermitted, "one")); err != nil {
		t.Fatal(err)
	}
	s, err := w.rows.record(of(audit.ConsentWithdrawn, "one"))
	if err != nil {
		t.Fatal(err)
	}
	w.released.refusals = 1
	if place, err := w.logs.Append(t.Context(), audit.Entry{Leaf: s.Leaf, Event: s.Event}); err == nil {
		t.Errorf("it stands at %v", place)
	}
	if len(w.released.list)+len(w.agreed.list) > 0 {
		t.Errorf("the logs hold %d and %d leaves", len(w.released.list), len(w.agreed.list))
	}
}

// TestAGroundWhosePlaceCarriesNoMAC: it is in the log where its leaf is, and otherwise appended; a
// row without a MAC never is. What another site's log has of before cannot be asked here.
func TestAGroundWhosePlaceCarriesNoMAC(t *testing.T) {
	for _, row := range []struct {
		name     string
		fault    audit.Fault
		another  bool
		err      error
		appended int
		refused  bool
		before   bool
	}{
		{name: "its leaf is there"},
		{name: "another leaf is there", another: true, appended: 1},
		{name: "there is no such place", err: authz.ErrUnavailable, appended: 1},
		{name: "no MAC, and its leaf is there", fault: audit.FaultUnsealed},
		{name: "no MAC, and another leaf is there", fault: audit.FaultUnsealed, another: true, refused: true},
		{name: "no MAC, and no such place", fault: audit.FaultUnsealed, err: authz.ErrUnavailable, refused: true},
		{name: "no MAC, in the log of another site, of before", fault: audit.FaultUnsealed, err: authz.ErrNotFound, before: true},
		{name: "no MAC, in the log of another site, of later", fault: audit.FaultUnsealed, err: authz.ErrNotFound, refused: true},
		{name: "a wrong MAC", fault: audit.FaultAltered, refused: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := newWorld()
			s, err := w.rows.record(of(audit.ConsentApproved, "one"))
			if err != nil {
				t.Fatal(err)
			}
			r := &w.rows.order[0]
			r.Origin, r.Index, r.Logged, r.Unproven, r.Fault = "o", 7, true, true, row.fault
			w.logs.Leaf = func(context.Context, string, uint64) ([]byte, error) {
				if row.another {
					return []byte("another"), row.err
				}
				return s.Leaf, row.err
			}
			w.logs.Before = func(_ context.Context, decided time.Time) (bool, error) { return row.before, nil }
			if err := w.logs.Ensure(t.Context(), s.Event.ID); (err != nil) != row.refused {
				t.Errorf("got %v", err)
			}
			if n := len(w.agreed.list); n != row.appended {
				t.Errorf("%d leaves were appended", n)
			}
		})
	}
}

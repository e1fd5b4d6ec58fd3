package reconciling_test

import (
	"context"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/cmd/node/reconciling"
	"hopnhat/store"
	"hopnhat/store/handle"
	"hopnhat/store/storetest"
)

// TestAnInventedPlaceKeepsNoEventOutOfTheLog: whoever adds places for an event that is not in the
// log, however many and with whatever MAC, has it logged late by the next look, and once.
func TestAnInventedPlaceKeepsNoEventOutOfTheLog(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, 10)
		events := map[string]audit.Event{}
		for _, name := range []string{"hidden", "of another site", "invented"} {
			e := tab.event(0)
			e.ID, e.Person.Sequence, e.Type, e.When.Decided = authz.NewID(), 0, audit.SignedIn, epoch.Add(-time.Hour)
			if name == "of another site" {
				e.When.Site = "dc2"
			}
			s, err := e.Seal(audit.NewSalt())
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Record(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			events[name] = s.Event
			for i := range 100 {
				tab.run(t, "INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at, mac) VALUES (?, ?, ?, 1, false, ?, ?)",
					origin, 1000+i, s.Event.ID, epoch.Add(-time.Hour), handle.Blob("a MAC that does not hold, 32 by."))
			}
		}
		tab.unguard(t)
		tab.run(t, "UPDATE events SET mac = salt WHERE id = ?", events["invented"].ID)
		if waiting, _, err := db.Unlogged(t.Context(), "", 10); err != nil || len(waiting) > 0 {
			t.Fatalf("the sweep finds %d of them without help, %v", len(waiting), err)
		}
		var logged []string
		job := &reconciling.Job{
			Evidence: tab.e, Desk: &finder{}, Looks: db.Incidents, Site: "dc1", Writes: func() bool { return true },
			Late: &reconciling.Late{Events: db, Site: "dc1", Now: tab.e.Now, Append: func(
				_ context.Context, e audit.Entry,
			) (audit.Place, error) {
				logged = append(logged, e.Event.ID)
				return audit.Place{Origin: origin, Index: 10}, nil
			}},
		}
		for range 20 { // two looks and more
			if _, err := job.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if len(logged) != 1 || logged[0] != events["hidden"].ID {
			t.Errorf("logged are %v, want %s alone", logged, events["hidden"].ID)
		}
		if r, err := db.Get(t.Context(), events["hidden"].ID); err != nil || r.Unproven || r.Index != 10 {
			t.Errorf("its place is %d, %v", r.Index, err)
		}
	})
}

package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/querytext"
	"hopnhat/authz/consent"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

func release(n int, sight audit.Sight) audit.Event {
	return audit.Event{
		ID: authz.NewID(), Type: audit.ReleasePermitted,
		Asked:   audit.Asked{Client: "land-app", Name: "Đất đai Đà Nẵng", Owner: "UBND thành phố Đà Nẵng"},
		Person:  audit.Person{Pseudonym: fmt.Sprintf("pseudonym-of-a-person-%d", n%2), Relation: "self"},
		Reason:  audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent},
		Consent: audit.Consent{ID: "consent-1", Version: 1},
		Data:    audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.area", "land.address"}},
		Decision: audit.Decision{
			Permit: true, Code: "released", Determining: []string{"statutory"},
		},
		When:       audit.When{Decided: noon.Add(time.Duration(n) * time.Second), Site: "dc1"},
		Visibility: audit.Visibility{Sight: sight},
	}
}

// sealed is an event as it is written.
func sealed(t testing.TB, e audit.Event, salt audit.Salt) audit.Sealed {
	t.Helper()
	s, err := e.Seal(salt)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAnEventComesBackAsItWasCommittedTo(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		e, salt := release(0, audit.Visible), audit.NewSalt()
		want, err := audit.Leaf(e, salt)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Record(t.Context(), sealed(t, e, salt)); err != nil {
			t.Fatal(err)
		}
		got, err := db.Get(t.Context(), e.ID)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := audit.Leaf(got.Event, got.Salt)
		if err != nil || !bytes.Equal(leaf, want) {
			t.Fatalf("the stored event gives another leaf: %v", err)
		}
		if got.Logged {
			t.Fatal("an event has a place before its leaf is in the log")
		}
		if err := db.Record(t.Context(), sealed(t, e, salt)); !errors.Is(err, authz.ErrConflict) {
			t.Fatalf("recording twice: got %v, want ErrConflict", err)
		}
		if _, err := db.Get(t.Context(), authz.NewID()); !errors.Is(err, authz.ErrNotFound) {
			t.Fatalf("got %v, want ErrNotFound", err)
		}
	})
}

func TestPlacesAreNotedInOneCommitAndTheCallersMapIsLeftAlone(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		places := map[string]uint64{authz.NewID(): 7} // of nobody
		err := db.Tx(ctx, func(ctx context.Context) error {
			for n := range 1_203 {
				e := release(n, audit.Visible)
				if err := db.Record(ctx, sealed(t, e, audit.NewSalt())); err != nil {
					return err
				}
				if n >= 3 {
					places[e.ID] = uint64(n) + 1<<40
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		kept := maps.Clone(places)
		before := db.Stats().Commits
		if err := db.NotePlaces(ctx, "log", places, false); err != nil {
			t.Fatal(err)
		}
		if got := db.Stats().Commits - before; got != 1 {
			t.Fatalf("noting %d places took %d commits, want 1", len(places), got)
		}
		if !maps.Equal(kept, places) {
			t.Fatal("the caller's map was changed")
		}
		waiting, _, err := db.Unlogged(ctx, "", 10)
		if err != nil || len(waiting) != 3 {
			t.Fatalf("got %d without a place, %v; want 3", len(waiting), err)
		}
		for i := 1; i < len(waiting); i++ {
			if waiting[i].Event.ID < waiting[i-1].Event.ID {
				t.Fatal("not oldest first")
			}
		}
		if size, err := db.KnownLogSize(ctx, "log"); err != nil || size != 1_203+1<<40 {
			t.Fatalf("got a log of %d, %v", size, err)
		}
		for id, index := range places {
			got, err := db.Get(ctx, id)
			if errors.Is(err, authz.ErrNotFound) && index == 7 {
				continue
			}
			if err != nil || !got.Logged || got.Index != index {
				t.Fatalf("got place %d (%v), %v; want %d", got.Index, got.Logged, err, index)
			}
			break
		}
		if err := db.NotePlaces(ctx, "log", nil, false); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPagesOfASearchAreWholeAndInOrder(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		for n := range 23 {
			if err := db.Record(ctx, sealed(t, release(n, audit.Visible), audit.NewSalt())); err != nil {
				t.Fatal(err)
			}
		}
		q := audit.Query{
			Pseudonym: "pseudonym-of-a-person-1", Client: "land-app", Purpose: "land.mortgage", Type: audit.ReleasePermitted,
			Outcome: audit.Permitted, From: noon.Add(2 * time.Second), To: noon.Add(22 * time.Second), Limit: 4,
		}
		seen, last := map[string]bool{}, noon.Add(time.Hour)
		for pages := 0; ; pages++ {
			found, err := db.Find(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range found {
				if seen[r.Event.ID] || !r.Event.When.Decided.Before(last) {
					t.Fatal("an event stands twice or out of order")
				}
				seen[r.Event.ID], last, q.Before = true, r.Event.When.Decided, r.Event.ID
			}
			if len(found) < 4 {
				break
			}
		}
		if len(seen) != 10 { // the odd ones from 3 to 21
			t.Fatalf("found %d, want 10", len(seen))
		}
		counts, err := db.CountEvents(ctx, audit.Query{Client: "land-app"})
		if err != nil || counts != (store.EventCounts{Total: 23, Permitted: 23, People: 2}) {
			t.Fatalf("got %+v, %v", counts, err)
		}
		if _, err := db.Find(ctx, audit.Query{Limit: 501}); err == nil {
			t.Fatal("a page without bounds was served")
		}
		for _, q := range []audit.Query{{Client: "tax-app"}, {Outcome: audit.Refused}, {Type: audit.ConsentApproved}, {To: noon}} {
			if found, err := db.Find(ctx, q); err != nil || len(found) != 0 {
				t.Fatalf("%s: got %d, %v; want none", querytext.Text(q), len(found), err)
			}
		}
	})
}

func TestThePersonSeesHiddenAccessNeverAndDelayedAccessLater(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		delayed := release(0, audit.Delayed)
		delayed.Visibility.Until = noon.Add(time.Hour)
		for _, e := range []audit.Event{release(0, audit.Visible), release(0, ""), release(0, audit.Hidden), delayed, release(0, audit.Delayed)} {
			if err := db.Record(ctx, sealed(t, e, audit.NewSalt())); err != nil {
				t.Fatal(err)
			}
		}
		q := audit.Query{Pseudonym: "pseudonym-of-a-person-0"}
		for _, row := range []struct {
			name string
			at   time.Time
			want int
		}{
			{"before the delay is over", noon.Add(time.Minute), 2},
			{"at its end", noon.Add(time.Hour), 3},
			{"a century later", noon.AddDate(100, 0, 0), 3},
		} {
			found, err := db.FindVisible(ctx, q, audit.Releases, row.at)
			if err != nil || len(found) != row.want {
				t.Fatalf("%s: got %d, %v; want %d", row.name, len(found), err, row.want)
			}
			counted, err := db.CountVisible(t.Context(), q, audit.Releases, row.at)
			if err != nil || counted.Total != row.want {
				t.Fatalf("%s: counted %d, %v; want %d, as listed", row.name, counted.Total, err, row.want)
			}
		}
		if all, err := db.CountEvents(ctx, q); err != nil || all.Total != 5 || all.Concealed < 2 {
			t.Fatalf("of all: %+v, %v; two of them she never sees", all, err)
		}
		if others, err := db.FindVisible(ctx, q, audit.OfTheAccount, noon.Add(time.Hour)); err != nil || len(others) != 0 {
			t.Fatalf("other kinds: got %d, %v; want none", len(others), err)
		}
		if all, err := db.Find(ctx, q); err != nil || len(all) != 5 {
			t.Fatalf("an auditor: got %d, %v; want all 5", len(all), err)
		}
	})
}

func TestUsesOfAConsentAreCounted(t *testing.T) {
	storetest.Everywhere(t, func(t *testing.T, db *store.DB) {
		for n := range 3 {
			if err := db.Record(t.Context(), sealed(t, release(n, audit.Visible), audit.NewSalt())); err != nil {
				t.Fatal(err)
			}
		}
		uses, err := db.UsesOf(t.Context(), []authz.ConsentID{"consent-1", "consent-2"})
		if err != nil || len(uses) != 1 || uses["consent-1"] != (consent.Uses{Count: 3, Last: noon.Add(2 * time.Second)}) {
			t.Fatalf("got %+v, %v", uses, err)
		}
	})
}

// TestABadRowHidesNoOther: events without a place are listed, whatever somebody wrote
// beside them.
func TestABadRowHidesNoOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		good := release(1, audit.Visible)
		if err := db.Record(t.Context(), sealed(t, good, audit.NewSalt())); err != nil {
			t.Fatal(err)
		}
		db.Forge(t, "0")
		waiting, _, err := db.Unlogged(t.Context(), "", 10)
		if len(waiting) != 1 || waiting[0].Event.ID != good.ID || !errors.Is(err, audit.ErrRow) {
			t.Errorf("%d events, %v; want the good one, and %v", len(waiting), err, audit.ErrRow)
		}
	})
}

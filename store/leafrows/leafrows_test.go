package leafrows_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/erasure"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestEntriesWithoutARow: an entry whose event is noted at its place, whose event has no
// place yet, and one that an operator decided on are explained; all others are not.
func TestEntriesWithoutARow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const origin = "hopnhat.example/release/dc1/2026q4"
		var leaves [][]byte
		var ids []string
		for n := range 6 {
			s, err := audit.Event{
				ID: authz.NewID(), Type: audit.SignedIn, Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"},
				When: audit.When{Decided: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second), Site: "dc1"},
			}.Seal(audit.NewSalt())
			if err != nil {
				t.Fatal(err)
			}
			leaves, ids = append(leaves, s.Leaf), append(ids, s.Event.ID)
			if n < 4 {
				if err := db.Record(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := db.NotePlaces(t.Context(), origin, map[string]uint64{ids[0]: 10, ids[1]: 11}, false); err != nil {
			t.Fatal(err)
		}
		without := func(want ...uint64) {
			t.Helper()
			if got, err := db.Leaves.Explain(t.Context(), origin, 10, leaves); err != nil || !slices.Equal(got, want) {
				t.Errorf("without a row are %v (%v), want %v", got, err, want)
			}
		}
		without(14, 15)
		if err := db.Leaves.Decide(t.Context(), origin, 15, "restored from the copy of yesterday"); err != nil {
			t.Fatal(err)
		}
		without(15)
		if got, err := db.Leaves.Explain(t.Context(), origin+"-2", 10, leaves); err != nil || len(got) != 4 {
			t.Errorf("a decision on another shard explains: %v, %v", got, err)
		}
		found, err := db.Leaves.PlacesBeyond(t.Context(), origin, 11, 100)
		if err != nil || len(found) != 1 || found[11].Event.ID != ids[1] {
			t.Errorf("the events from place 11 on: %v, %v", found, err)
		}
	})
}

// TestPlacesAreTheAuthority: where the hint in the row says something else, the table of
// places counts; a place beyond the end of its shard is none; and an erased event explains
// its entry, one that was deleted otherwise does not.
func TestPlacesAreTheAuthority(t *testing.T) {
	const origin = "hopnhat.example/release/dc1/2026q4"
	for _, row := range []struct {
		name, does string // $: the event at place 10, %: the tombstone that was written for it
		without    []uint64
		found      int
	}{
		{"as it is", "SELECT 1", nil, 2},
		{"the hint differs", "UPDATE events SET log_index = 77 WHERE id = '$'", nil, 2},
		{"the hint is gone", "UPDATE events SET log_index = NULL, log_origin = '' WHERE id = '$'", nil, 2},
		{"deleted", "DELETE FROM events WHERE id = '$'", []uint64{10}, 1},
		{
			"ordered to be erased by nobody", "INSERT INTO event_erasures (event_id, tombstone, ordered_at) VALUES ('$', 'x', CURRENT_TIMESTAMP); " +
				"DELETE FROM events WHERE id = '$'", []uint64{10}, 1,
		},
		{
			"erased", "INSERT INTO event_erasures (event_id, tombstone, ordered_at) VALUES ('$', '%', CURRENT_TIMESTAMP); " +
				"DELETE FROM events WHERE id = '$'", nil, 1,
		},
		{
			"erased by another's tombstone", "INSERT INTO event_erasures (event_id, tombstone, ordered_at) SELECT '$', id, CURRENT_TIMESTAMP FROM events " +
				"WHERE id <> '$' AND id <> '%'; DELETE FROM events WHERE id = '$'", []uint64{10}, 1,
		},
		{"its MAC is taken away", "UPDATE events SET mac = NULL, mac_key = NULL WHERE id = '$'", []uint64{10}, 2},
		{"its MAC is another's", "UPDATE events SET mac = salt WHERE id = '$'", []uint64{10}, 2},
		{
			"beyond the end of its shard", "INSERT INTO log_shards (origin, log, epoch, size, root, checkpoint, verifier_key, writer, recorded_at, " +
				"closed_at) VALUES ('" + origin + "', 'l', 1, 11, '', '', '', '', CURRENT_TIMESTAMP, CURRENT_TIMESTAMP)", []uint64{11}, 1,
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				var leaves [][]byte
				places, first := map[string]uint64{}, ""
				for n := range 2 {
					s, err := audit.Event{
						ID: authz.NewID(), Type: audit.SignedIn, Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"},
						When: audit.When{Decided: time.Date(2026, 11, 23, 12, 0, n, 0, time.UTC), Site: "dc1"},
					}.Seal(audit.NewSalt())
					if err != nil {
						t.Fatal(err)
					}
					if err := db.Record(t.Context(), s); err != nil {
						t.Fatal(err)
					}
					leaves, places[s.Event.ID] = append(leaves, s.Leaf), uint64(10+n)
					if n == 0 {
						first = s.Event.ID
					}
				}
				if err := db.NotePlaces(t.Context(), origin, places, false); err != nil {
					t.Fatal(err)
				}
				tombstone := erased(t, db, first)
				drop := []string{"DROP TRIGGER events_erased", "DROP TRIGGER events_unchanged"}
				if db.Dialect() == store.PostgreSQL {
					drop = []string{"ALTER TABLE events DISABLE TRIGGER USER"}
				}
				does := strings.NewReplacer("$", first, "%", tombstone).Replace(row.does)
				for _, sql := range append(drop, strings.Split(does, "; ")...) {
					if _, err := db.Pool().ExecContext(t.Context(), sql); err != nil {
						t.Fatal(err)
					}
				}
				if got, err := db.Leaves.Explain(t.Context(), origin, 10, leaves); err != nil || !slices.Equal(got, row.without) {
					t.Errorf("without a row are %v (%v), want %v", got, err, row.without)
				}
				if found, err := db.Leaves.PlacesBeyond(t.Context(), origin, 10, 5); err != nil || len(found) != row.found {
					t.Errorf("%d events have places, %v; want %d", len(found), err, row.found)
				}
			})
		})
	}
}

// erased writes the tombstone of an event.
func erased(t *testing.T, db *store.DB, id string) string {
	t.Helper()
	r, err := db.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	act, err := erasure.Tombstone(r, "order 12")
	if err != nil {
		t.Fatal(err)
	}
	act.ID, act.At = authz.NewID(), time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	scribe := audit.Scribe{Rows: db, Site: "dc1"}
	if _, err := scribe.Write(t.Context(), act); err != nil {
		t.Fatal(err)
	}
	return act.ID
}

// TestWhatEndsAConsentStandsInBothLogs: in the release log it is explained, though its place
// is noted in the consent log; one that no row has is not.
func TestWhatEndsAConsentStandsInBothLogs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var leaves [][]byte
		first := authz.NewID()
		for n := range 2 {
			s, err := audit.Event{
				ID: []string{first, authz.NewID()}[n], Type: audit.ConsentWithdrawn, Consent: audit.Consent{ID: "one", Version: 2},
				Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"},
				When:   audit.When{Decided: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Site: "dc1"},
			}.Seal(audit.NewSalt())
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, s.Leaf)
			if n > 0 {
				continue
			}
			if err := db.Record(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			if err := db.NotePlaces(t.Context(), "hopnhat.example/consent/dc1/2026q4", map[string]uint64{s.Event.ID: 3}, false); err != nil {
				t.Fatal(err)
			}
		}
		got, err := db.Leaves.Explain(t.Context(), "hopnhat.example/release/dc1/2026q4", 10, leaves)
		if err != nil || !slices.Equal(got, []uint64{11}) {
			t.Errorf("without a row are %v (%v), want the second", got, err)
		}
		// Its place there is noted too: it is one event, in the log that it is of.
		if err := db.NotePlaces(t.Context(), "hopnhat.example/release/dc1/2026q4", map[string]uint64{first: 10}, false); err != nil {
			t.Fatal(err)
		}
		all, err := db.Find(t.Context(), audit.Query{Type: audit.ConsentWithdrawn, Limit: 10})
		if err != nil || len(all) != 1 || all[0].Origin != "hopnhat.example/consent/dc1/2026q4" || all[0].Index != 3 {
			t.Errorf("found: %+v, %v", all, err)
		}
	})
}

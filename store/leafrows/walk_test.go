package leafrows_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

// TestAStartIsNotSlowerForRowsThatSomebodyAdds: rows without a place, newer than all and more than
// a walk reads, hide the row of an entry for no longer than a few walks, each of which is bounded;
// and for none where the entry's copy names the event.
func TestAStartIsNotSlowerForRowsThatSomebodyAdds(t *testing.T) {
	const added = 30_000
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, err := audit.Event{
			ID: authz.NewID(), Type: audit.SignedIn, Person: audit.Person{Pseudonym: "q0Yw1nN5cJ8s1m3v2b4x6z8k0l2j4h6g"},
			When: audit.When{Decided: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Site: "dc1"},
		}.Seal(audit.NewSalt())
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Record(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		const columns = "at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, salt, sequence"
		series := "WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < ?)"
		if _, err := db.Pool().ExecContext(t.Context(), db.Bind(series+" INSERT INTO events (id, "+columns+
			", canonical, mac, mac_key) SELECT 'ffffffff-'||(1000000+n), "+columns+", 'x', mac, mac_key FROM events, g WHERE id = ?"), added, s.Event.ID); err != nil {
			t.Fatal(err)
		}
		const origin = "hopnhat.example/release/dc1/2026q4"
		walked := 0
		db.Watch(func(query string, values []any) { walked++ })
		walks := 0
		for left := []uint64{10}; len(left) > 0; walks++ {
			before := walked
			if left, err = db.Leaves.Explain(t.Context(), origin, 10, [][]byte{s.Leaf}); err != nil || walks > 10 {
				t.Fatalf("after %d walks %v have no row, %v", walks, left, err)
			}
			if read := walked - before; read < 4 || read > 60 {
				t.Errorf("walk %d made %d statements", walks, read)
			}
		}
		if walks < 2 {
			t.Errorf("the row was found by %d walks: nothing hid it", walks)
		}
		named := db.Leaves.Named(func(
			_ context.Context, of string, first uint64, leaves [][]byte, wanted func([]byte) bool,
		) ([]string, error) {
			if of != origin || first != 20 || !wanted(leaves[0]) {
				return nil, fmt.Errorf("asked of place %d of %s", first, of)
			}
			return []string{s.Event.ID}, nil
		})
		before := walked
		if left, err := named.Explain(t.Context(), origin, 20, [][]byte{s.Leaf}); err != nil || len(left) > 0 || walked-before > 8 {
			t.Errorf("whose event is known has no row: %v, %v, after %d statements", left, err, walked-before)
		}
	})
}

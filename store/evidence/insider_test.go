package evidence_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/authz/audit/trees"
	"hopnhat/store"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
	"hopnhat/store/storetest"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

const origin = "log/2026q4"

// recorded is a release of a person that is in the database, with its place.
func recorded(t *testing.T, db *store.DB, n int) audit.Event {
	t.Helper()
	s, err := event(n).Seal(audit.NewSalt())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Record(t.Context(), s), db.NotePlaces(t.Context(), origin, map[string]uint64{s.Event.ID: uint64(n)}, false)); err != nil {
		t.Fatal(err)
	}
	return s.Event
}

func event(n int) audit.Event {
	return audit.Event{
		ID: authz.NewID(), Type: audit.ReleasePermitted,
		Asked:   audit.Asked{Client: "land-app", Name: "Đất đai Đà Nẵng"},
		Person:  audit.Person{Pseudonym: fmt.Sprintf("pseudonym-of-a-person-%d", n), Relation: "self"},
		Reason:  audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent},
		Consent: audit.Consent{ID: "consent-1", Version: 1},
		Data:    audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.area"}},
		Decision: audit.Decision{
			Permit: true, Code: "released", Determining: []string{"statutory"},
		},
		When: audit.When{Decided: noon.Add(time.Duration(n) * time.Second), Site: "dc1"}, Visibility: audit.Visibility{Sight: audit.Hidden},
	}
}

// exec runs a statement as whoever owns the tables.
func exec(t *testing.T, db *store.DB, sql string, args ...any) error {
	t.Helper()
	_, err := db.Pool().ExecContext(t.Context(), db.Bind(sql), args...)
	return err
}

// unguard takes the triggers away, as a superuser of the database can.
func unguard(t *testing.T, db *store.DB) {
	t.Helper()
	drop := []string{
		"DROP TRIGGER events_unchanged", "DROP TRIGGER events_erased", "DROP TRIGGER event_places_unchanged", "DROP TRIGGER event_places_kept",
	}
	if db.Dialect() == store.PostgreSQL {
		drop = []string{
			"ALTER TABLE events DISABLE TRIGGER USER", "ALTER TABLE event_places DISABLE TRIGGER USER",
			"ALTER TABLE events DROP CONSTRAINT events_times", "ALTER TABLE event_places DROP CONSTRAINT event_places_times",
		}
	}
	for _, sql := range drop {
		if err := exec(t, db, sql); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAnInsiderOfTheDatabase: who has the database and no keys can alter no row unseen, and
// brings none into the log. What is gone is for reconciliation to find (package reconcile),
// by its leaf and by the number of its person.
func TestAnInsiderOfTheDatabase(t *testing.T) {
	for _, row := range []struct {
		name string
		does string // $1: the one event, $2: the other
		want audit.Fault
		gone bool
	}{
		{"alters the content", "UPDATE events SET canonical = replace(canonical, 'land.area', 'land.arei') WHERE id = $1", audit.FaultAltered, false},
		{"makes the content no event", "UPDATE events SET canonical = 'x' WHERE id = $1", audit.FaultUnreadable, false},
		{"alters the salt", "UPDATE events SET salt = mac WHERE id = $1", audit.FaultAltered, false},
		{"alters the MAC", "UPDATE events SET mac = salt WHERE id = $1", audit.FaultAltered, false},
		{"takes the MAC away", "UPDATE events SET mac = NULL, mac_key = NULL WHERE id = $1", audit.FaultUnsealed, false},
		{"takes the MAC away and alters the content", "UPDATE events SET mac = NULL, mac_key = NULL, canonical = replace(canonical, 'land.area', 'land.arei') WHERE id = $1", audit.FaultUnsealed, false},
		{"names another key", "UPDATE events SET mac_key = '2027' WHERE id = $1", audit.FaultAltered, false},
		{"gives it to another person", "UPDATE events SET pseudonym = 'pseudonym-of-a-person-9' WHERE id = $1", audit.FaultColumns, false},
		{"hides it from searches by app", "UPDATE events SET client_id = 'tax-app' WHERE id = $1", audit.FaultColumns, false},
		{"shows what is hidden", "UPDATE events SET visible_from = at WHERE id = $1", audit.FaultColumns, false},
		{"moves it in time", "UPDATE events SET at = (SELECT o.at FROM events o WHERE o.id = $2) WHERE id = $1", audit.FaultColumns, false},
		{"alters the number", "UPDATE events SET sequence = 7 WHERE id = $1", audit.FaultColumns, false},
		{"gives one the content of another", `UPDATE events SET canonical = o.canonical, salt = o.salt, mac = o.mac FROM (SELECT * FROM events) AS o WHERE events.id = $1 AND o.id = $2`, audit.FaultAltered, false},
		{"gives it a time that is none", "UPDATE events SET at = 'infinity' WHERE id = $1", audit.FaultColumns, false},
		{"gives it a time before all", "UPDATE events SET at = '-infinity' WHERE id = $1", audit.FaultColumns, false},
		{"shows it at a time that is none", "UPDATE events SET visible_from = 'infinity' WHERE id = $1", audit.FaultColumns, false},
		{"gives its place a time that is none", "UPDATE event_places SET noted_at = 'infinity' WHERE event_id = $1", "", false},
		{"deletes it", "DELETE FROM events WHERE id = $1", "", true},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				one, other := recorded(t, db, 0), recorded(t, db, 1)
				does := strings.NewReplacer("$1", "'"+one.ID+"'", "$2", "'"+other.ID+"'").Replace(row.does)
				if err := exec(t, db, does); err == nil {
					t.Error("the triggers let it")
				}
				unguard(t, db)
				if err := exec(t, db, does); err != nil {
					t.Fatal(err)
				}
				got, err := db.Get(t.Context(), one.ID)
				if row.gone {
					if !errors.Is(err, authz.ErrNotFound) {
						t.Errorf("got %v", err)
					}
					return
				}
				if err != nil || got.Fault != row.want || got.Event.ID != one.ID {
					t.Errorf("got %v, fault %q, %v; want %q", got.Event, got.Fault, err, row.want)
				}
				all, err := db.Find(t.Context(), audit.Query{})
				if err != nil || len(all) != 2 {
					t.Fatalf("%d events, %v", len(all), err)
				}
				for _, r := range all {
					if r.Event.ID == other.ID && r.Fault != "" {
						t.Errorf("the other has the fault %q", r.Fault)
					}
				}
			})
		})
	}
}

// TestAPlaceIsNotChanged: and one that is emptied is found again. Where another claims the same
// place, both are noted, for reconciliation to tell.
func TestAPlaceIsNotChanged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one, other := recorded(t, db, 0), recorded(t, db, 1)
		third := recorded(t, db, 2)
		for _, sql := range []string{"UPDATE event_places SET idx = 9", "DELETE FROM event_places", "UPDATE event_places SET event_id = ''"} {
			if err := exec(t, db, sql); err == nil {
				t.Errorf("the triggers let %q", sql)
			}
		}
		if err := db.NotePlaces(t.Context(), origin, map[string]uint64{other.ID: 0, third.ID: 7}, false); err != nil {
			t.Error(err)
		}
		if size, err := db.KnownLogSize(t.Context(), origin); err != nil || size != 8 {
			t.Errorf("the one beside it was not noted: %d, %v", size, err)
		}
		unguard(t, db)
		if err := exec(t, db, "DELETE FROM event_places WHERE idx = 0"); err != nil {
			t.Fatal(err)
		}
		if err := exec(t, db, "UPDATE events SET log_index = NULL, log_origin = '' WHERE id = ?", one.ID); err != nil {
			t.Fatal(err)
		}
		waiting, _, err := db.Unlogged(t.Context(), "", 10)
		if err != nil || len(waiting) != 1 || waiting[0].Event.ID != one.ID || waiting[0].Fault != "" {
			t.Errorf("%d events wait, %v", len(waiting), err)
		}
		if err := exec(t, db, "UPDATE events SET canonical = replace(canonical, 'land.area', 'land.arei') WHERE id = ?", one.ID); err != nil {
			t.Fatal(err)
		}
		if waiting, _, err := db.Unlogged(t.Context(), "", 10); len(waiting) != 0 || !errors.Is(err, audit.ErrRow) {
			t.Errorf("what was altered waits to be logged: %d, %v", len(waiting), err)
		}
	})
}

// TestAnInventedRowIsNotLogged: neither one without a MAC nor an old one under a new id.
func TestAnInventedRowIsNotLogged(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one := recorded(t, db, 0)
		const columns = "at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence"
		for i, made := range []struct {
			mac  string
			want audit.Fault
		}{{"mac, mac_key", audit.FaultAltered}, {"salt, mac_key", audit.FaultAltered}, {"NULL, NULL", audit.FaultAltered}} {
			id := authz.NewID()
			if err := exec(t, db, "INSERT INTO events (id, "+columns+", mac, mac_key) SELECT ?, "+columns+", "+made.mac+
				" FROM events WHERE id = ?", id, one.ID); err != nil {
				t.Fatal(err)
			}
			if got, err := db.Get(t.Context(), id); err != nil || got.Fault != made.want || got.Event.ID != id {
				t.Errorf("%d: %v has the fault %q, %v", i, got.Event, got.Fault, err)
			}
		}
		if waiting, _, err := db.Unlogged(t.Context(), "", 10); len(waiting) != 0 || !errors.Is(err, audit.ErrRow) {
			t.Errorf("%d wait to be logged, %v", len(waiting), err)
		}
	})
}

// TestNumbersHaveNoGap: the next number of a person, and that of a transaction that failed
// again.
func TestNumbersHaveNoGap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		failed := errors.New("no")
		for _, row := range []struct {
			person string
			want   int64
			err    error
		}{{"an", 1, nil}, {"an", 2, failed}, {"an", 2, nil}, {"binh", 1, nil}, {"an", 3, nil}} {
			err := db.Tx(t.Context(), func(ctx context.Context) error {
				n, err := db.NextNumber(ctx, row.person, nil)
				if err != nil || n != row.want {
					t.Errorf("%s has number %d, %v; want %d", row.person, n, err, row.want)
				}
				return row.err
			})
			if !errors.Is(err, row.err) {
				t.Fatal(err)
			}
		}
		for _, sql := range []string{"UPDATE event_numbers SET last = 1", "DELETE FROM event_numbers"} {
			if err := exec(t, db, sql); err == nil {
				t.Errorf("the triggers let %q", sql)
			}
		}
		if _, err := db.NextNumber(t.Context(), "an", &audit.Hold{Grant: "none", Clients: []authz.ClientID{"app"}}); !errors.Is(err, authz.ErrConflict) {
			t.Errorf("a number for what has ended: %v", err)
		}
	})
}

// TestNothingIsErasedBeforeItsTombstone: the trigger waits for the tombstone's place.
func TestNothingIsErasedBeforeItsTombstone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one := recorded(t, db, 0)
		erase := func() error { return exec(t, db, "DELETE FROM events WHERE id = ?", one.ID) }
		tombstone := audit.Event{
			ID: authz.NewID(), Type: audit.Erased, Detail: audit.Detail{Action: string(audit.Erase), Object: one.ID},
			When: audit.When{Decided: noon, Site: "dc1"},
		}
		s, err := tombstone.Seal(audit.NewSalt())
		if err != nil {
			t.Fatal(err)
		}
		steps := []func() error{
			func() error { return nil },
			func() error { return db.Record(t.Context(), s) },
			func() error {
				return exec(t, db, "INSERT INTO event_erasures (event_id, tombstone, ordered_at) VALUES (?, ?, ?)", one.ID, tombstone.ID, noon)
			},
		}
		for i, step := range steps {
			if err := step(); err != nil {
				t.Fatal(err)
			}
			if err := erase(); err == nil {
				t.Fatalf("erased after step %d", i)
			}
		}
		if err := errors.Join(db.NotePlaces(t.Context(), origin, map[string]uint64{tombstone.ID: 1}, false), erase()); err != nil {
			t.Errorf("what is ordered and logged: %v", err)
		}
	})
}

// TestAPlaceThatNoServerNoted: who may add places gives an event none that counts, keeps no
// event from its own, and says nothing of the size of a log that is recorded.
func TestAPlaceThatNoServerNoted(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one, other := recorded(t, db, 0), recorded(t, db, 1)
		head := trees.Head{Log: "log", Origin: origin, Epoch: 1, Size: 2, Writer: "w", VerifierKey: "k"}
		if err := db.Heads.Begin(t.Context(), head); err != nil {
			t.Fatal(err)
		}
		claim := func(event string, index int64, mac string) {
			t.Helper()
			if err := exec(t, db, "INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at, mac) SELECT origin, ?, ?, 1, false, noted_at, "+
				mac+" FROM event_places WHERE event_id = ? ORDER BY idx LIMIT 1", index, event, other.ID); err != nil {
				t.Fatal(err)
			}
		}
		place := func(id string) (uint64, bool) {
			t.Helper()
			got, err := db.Get(t.Context(), id)
			if err != nil || !got.Logged || got.Fault != "" {
				t.Fatalf("%+v, %v", got, err)
			}
			return got.Index, got.Unproven
		}
		claim(one.ID, 1<<62, "NULL")
		claim(one.ID, 1<<61, "mac")
		claim(other.ID, 0, "mac")
		if at, unproven := place(one.ID); at != 0 || unproven {
			t.Errorf("the one stands at %d, without proof: %v", at, unproven)
		}
		if at, unproven := place(other.ID); at != 1 || unproven {
			t.Errorf("the other stands at %d, without proof: %v", at, unproven)
		}
		if size, err := db.KnownLogSize(t.Context(), origin); err != nil || size != 2 {
			t.Errorf("the log is known to hold %d, %v", size, err)
		}
		// An export has each once, at the place that counts, wherever else somebody put it.
		claim(one.ID, 1, "NULL")
		whole := audit.Query{From: time.Unix(0, 0), To: time.Unix(1<<33, 0)}
		listed, _, _, err := evidence.Exports{Book: db.Evidence}.PlacedIn(t.Context(), whole, "~", origin, evidence.After{}, 100)
		var order []string
		for _, r := range listed {
			order = append(order, r.Event.ID)
		}
		if err != nil || !slices.Equal(order, []string{one.ID, other.ID}) {
			t.Errorf("the shard's events are %q, %v", order, err)
		}
		third := recorded(t, db, 2)
		claim(third.ID, 1, "NULL")
		if at, unproven := place(third.ID); at != 2 || unproven {
			t.Errorf("the third stands at %d, without proof: %v", at, unproven)
		}
		s, err := event(3).Seal(audit.NewSalt())
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Record(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		claim(s.Event.ID, 3, "mac")
		got, err := db.Get(t.Context(), s.Event.ID)
		if err != nil || !got.Unproven {
			t.Fatalf("%+v, %v", got, err)
		}
		at := func(leaf []byte) rowseal.LeafAt {
			return func(context.Context, string, uint64) ([]byte, error) { return leaf, nil }
		}
		if r := rowseal.Placed(t.Context(), at(s.Leaf), got); !r.Logged || r.Unproven || r.Fault != "" {
			t.Errorf("where the log has the leaf: %+v", r)
		}
		if r := rowseal.Placed(t.Context(), at([]byte("another")), got); r.Logged || r.Fault != "" {
			t.Errorf("where the log has another: %+v", r)
		}
	})
}

// TestSealingBegins: once; the release before may write rows without a MAC for thirty days after,
// and whoever takes the note away, or makes a false one, opens no new window.
func TestSealingBegins(t *testing.T) {
	now := noon
	for name, db := range map[string]*store.DB{
		"sqlite":   storetest.SQLite(t, func() time.Time { return now }),
		"postgres": storetest.PostgreSQL(t, func() time.Time { return now }),
	} {
		t.Run(name, func(t *testing.T) {
			now = noon
			check := func(when string, want bool) {
				t.Helper()
				if err := db.BeginSealing(t.Context()); err != nil {
					t.Fatal(err)
				}
				if got, err := db.Upgrading(t.Context()); err != nil || got != want {
					t.Errorf("%s: %v, %v", when, got, err)
				}
			}
			if err := exec(t, db, "INSERT INTO evidence_sealed (one, since, mac) VALUES (1, ?, ?)", noon.AddDate(-1, 0, 0), handle.Blob("x")); err != nil {
				t.Fatal(err)
			}
			check("at the first start, where somebody put a false note before", true)
			if since, err := evidence.Since(t.Context(), db.Leaves.Book); err != nil || !since.Equal(noon) {
				t.Errorf("rows carry MACs since %v, %v", since, err)
			}
			recorded(t, db, 0)
			another := evidence.New(db.Handle) // a node that does not hold it
			another.TrustRows(storetest.Rows())
			if got, err := another.Upgrading(t.Context()); err != nil || got {
				t.Errorf("at another node, which believes no false note: %v, %v", got, err)
			}
			now = noon.Add(evidence.UpgradeWindow - time.Second)
			check("before the end", true)
			now = noon.Add(evidence.UpgradeWindow)
			check("at the end", false)
			if err := exec(t, db, "UPDATE evidence_sealed SET since = ?", now); err != nil {
				t.Fatal(err)
			}
			check("with a note that was altered", false)
			if err := exec(t, db, "DELETE FROM evidence_sealed"); err != nil {
				t.Fatal(err)
			}
			check("without a note", false)
			head := trees.Head{Log: "log", Origin: origin, Epoch: 1, Writer: "w", VerifierKey: "k"}
			if err := db.Heads.Begin(t.Context(), head); err != nil {
				t.Fatal(err)
			}
			unguard(t, db)
			if err := exec(t, db, "UPDATE events SET mac = NULL, mac_key = NULL"); err != nil {
				t.Fatal(err)
			}
			check("without a row that has a MAC", false)
		})
	}
}

// TestPlacesForTheReleaseBefore: what this release notes stands in the rows, where the release
// before looks for it, of all that one statement notes; and what that one writes there is in
// the table of places.
func TestPlacesForTheReleaseBefore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var ids []string
		places := map[string]uint64{}
		for n := range 4 {
			s, err := audit.Event{
				ID: authz.NewID(), Type: audit.SignedIn, Person: audit.Person{Pseudonym: "pseudonym-of-a-person-1"},
				When: audit.When{Decided: noon, Site: "dc1"},
			}.Seal(audit.NewSalt())
			if err != nil {
				t.Fatal(err)
			}
			if err := db.Record(t.Context(), s); err != nil {
				t.Fatal(err)
			}
			ids = append(ids, s.Event.ID)
			if n < 3 {
				places[s.Event.ID] = uint64(n)
			}
		}
		if err := db.NotePlaces(t.Context(), origin, places, false); err != nil {
			t.Fatal(err)
		}
		if err := exec(t, db, "UPDATE events SET log_index = 3, log_origin = ? WHERE id = ?", origin, ids[3]); err != nil {
			t.Fatal(err)
		}
		for table, query := range map[string]string{
			"events":       "SELECT count(*) FROM events WHERE id = ? AND log_origin = ? AND log_index = ?",
			"event_places": "SELECT count(*) FROM event_places WHERE event_id = ? AND origin = ? AND idx = ?",
		} {
			for n, id := range ids {
				var found int
				if err := db.Pool().QueryRowContext(t.Context(), db.Bind(query), id, origin, n).Scan(&found); err != nil || found != 1 {
					t.Errorf("the place of event %d is in %s %d times, %v", n, table, found, err)
				}
			}
		}
		if found, _, err := db.Unlogged(t.Context(), "", 10); err != nil || len(found) != 0 {
			t.Errorf("%d events have no place, %v", len(found), err)
		}
	})
}

// TestATimeThatIsNone: PostgreSQL takes no infinity into events and places, from whomever.
func TestATimeThatIsNone(t *testing.T) {
	db := storetest.PostgreSQL(t, nil)
	one := recorded(t, db, 0)
	const columns = "type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence, mac, mac_key"
	for _, sql := range []string{
		"INSERT INTO events (id, at, " + columns + ") SELECT 'x', 'infinity', " + columns + " FROM events WHERE id = ?",
		"INSERT INTO events (id, at, " + columns + ") SELECT 'x', at, " + strings.Replace(columns, "visible_from", "'-infinity'", 1) + " FROM events WHERE id = ?",
		"INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at) SELECT 'x', 1, id, 1, false, 'infinity' FROM events WHERE id = ?",
	} {
		if err := exec(t, db, sql, one.ID); err == nil || !strings.Contains(err.Error(), "_times") {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// TestAColumnThatIsNoNumber: SQLite takes any value into any column, and a row with one keeps no
// other from being read.
func TestAColumnThatIsNoNumber(t *testing.T) {
	db := storetest.SQLite(t, nil)
	one, other := recorded(t, db, 0), recorded(t, db, 1)
	unguard(t, db)
	for _, does := range []string{"at = 'x'", "at = x'00'", "visible_from = 'x'", "permit = 'x'", "permit = 7", "sequence = 'x'", "salt = 7", "canonical = 7"} {
		if err := exec(t, db, "UPDATE events SET "+does+" WHERE id = '"+one.ID+"'"); err != nil {
			t.Fatal(err)
		}
		all, err := db.Find(t.Context(), audit.Query{})
		if err != nil || len(all) != 2 {
			t.Fatalf("%s: %d events, %v", does, len(all), err)
		}
		for _, r := range all {
			if (r.Fault == "") != (r.Event.ID == other.ID) {
				t.Errorf("%s: event %s has the fault %q", does, r.Event.ID, r.Fault)
			}
		}
	}
}

// TestMorePlacesThanAreRead: however many are added to an event, its own is found and the rest is
// not read.
func TestMorePlacesThanAreRead(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		one, other := recorded(t, db, 0), recorded(t, db, 1)
		if err := exec(t, db, "WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 500) INSERT INTO event_places "+
			"(origin, idx, event_id, epoch, late, noted_at) SELECT 'a', n, '"+one.ID+"', 0, false, CURRENT_TIMESTAMP FROM g"); err != nil {
			t.Fatal(err)
		}
		for n, id := range []string{one.ID, other.ID} {
			got, err := db.Get(t.Context(), id)
			if err != nil || !got.Logged || got.Unproven || got.Origin != origin || got.Index != uint64(n) {
				t.Errorf("event %d stands at %+v, %v", n, got, err)
			}
		}
		if all, err := db.Find(t.Context(), audit.Query{}); err != nil || len(all) != 2 {
			t.Errorf("%d events, %v", len(all), err)
		}
	})
}

// TestPlacesWithAFalseMACHideNone: however many places with a MAC somebody adds to an event, before
// its own or after, its own is found, and no more of the others are read than of any event.
func TestPlacesWithAFalseMACHideNone(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		s, err := event(0).Seal(audit.NewSalt())
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Record(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		for n, id := range []string{s.Event.ID, recorded(t, db, 1).ID} {
			if err := exec(t, db, "WITH RECURSIVE g (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 3000) INSERT INTO event_places "+
				"(origin, idx, event_id, epoch, late, noted_at, mac, tag) SELECT 'a', n, '"+id+"', 0, false, CURRENT_TIMESTAMP, ?, n FROM g", handle.Blob("x")); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				break
			}
			// It is noted twice at one place, as after an answer that was lost, and at five others.
			for _, at := range []uint64{7, 7, 8, 9, 10, 11, 12} {
				if err := db.NotePlaces(t.Context(), origin, map[string]uint64{id: at}, false); err != nil {
					t.Fatal(err)
				}
			}
		}
		all, err := db.Find(t.Context(), audit.Query{})
		if err != nil || len(all) != 2 {
			t.Fatalf("%d events, %v", len(all), err)
		}
		for _, r := range all {
			first, last := uint64(1), uint64(1)
			if r.Event.ID == s.Event.ID { // any of its own
				first, last = 7, 12
			}
			if !r.Logged || r.Unproven || r.Origin != origin || r.Index < first || r.Index > last {
				t.Errorf("event %s stands at %d of %s, want %d to %d; %v, %v", r.Event.ID, r.Index, r.Origin, first, last, r.Logged, r.Unproven)
			}
		}
		var noted, tagged int
		if err := db.Pool().QueryRowContext(t.Context(), db.Bind("SELECT count(*), count(tag) FROM event_places WHERE event_id = ? AND origin = ?"),
			s.Event.ID, origin).Scan(&noted, &tagged); err != nil || noted != 6 || tagged != 4 {
			t.Errorf("%d places are noted, %d with a tag: want 6, and 4; %v", noted, tagged, err)
		}
		// Whoever copies a tag that is there is refused.
		if err := exec(t, db, "INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at, mac, tag) SELECT 'b', idx, event_id, epoch, late, noted_at, mac, tag "+
			"FROM event_places WHERE event_id = ? AND origin = ?", s.Event.ID, origin); err == nil {
			t.Error("the tags of places are copied")
		}
	})
}

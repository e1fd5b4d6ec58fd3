package reconciling_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/change"
	"hopnhat/authz/audit/counts"
	"hopnhat/authz/audit/erasure"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/node/reconciling"
	"hopnhat/store"
	"hopnhat/store/storetest"
	"hopnhat/store/streams"
)

// rows is how many rows the table has that is tampered with: the drill of tampering takes
// ten million.
var rows = flag.Int("rows", 20_000, "rows of the table that is tampered with")

const (
	log    = "log.test/dc1"
	origin = log + "/2026Q4"
)

var epoch = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// names gives persons the names they have in the evidence of these tests.
type names struct{}

func (names) Audit(_ context.Context, who authz.Subject) (string, error) {
	return pseudonym(string(who)), nil
}

func pseudonym(who string) string { return "pseudonym-of-somebody-" + who }

// leaves are those of a log, as its folder would give them.
type leaves [][]byte

func (l leaves) Entries(_ context.Context, from uint64, n int) ([][]byte, error) {
	if from >= uint64(len(l)) {
		return nil, nil
	}
	return l[from:min(from+uint64(n), uint64(len(l)))], nil
}

// table is a table of evidence with its log.
type table struct {
	db     *store.DB
	log    leaves
	ids    []string
	people int
	e      reconciling.Evidence
}

// event is the i-th event of a table: releases of data of many persons to a few apps.
func (t *table) event(i int) audit.Event {
	return audit.Event{
		ID: fmt.Sprintf("0199a7c2-%04x-7000-8000-%012x", i>>16, i), Type: audit.ReleasePermitted,
		Asked:    audit.Asked{Client: authz.ClientID(fmt.Sprintf("app-%d", i%7)), Name: "Dịch vụ đất đai", Owner: "UBND thành phố Đà Nẵng"},
		Person:   audit.Person{Pseudonym: pseudonym(fmt.Sprintf("%07d", i%t.people)), Sequence: int64(i/t.people) + 1},
		Reason:   audit.Reason{Purpose: "land.mortgage", Basis: authz.BasisConsent, Citation: "Law 91/2025/QH15 Art. 9"},
		Consent:  audit.Consent{ID: "0197a1b2-0000-7000-8000-000000000002", Version: 1},
		Data:     audit.Data{Registry: "land", Attributes: []authz.AttributeID{"land.area", "land.certificate_no"}},
		Decision: audit.Decision{Permit: true, Code: "permitted", Determining: []string{"land/1", "statutory/consent"}},
		Levels:   audit.Levels{Account: 2, ACR: "urn:vn:gov:eid:auth-level:2"},
		Trace:    audit.Trace{Grant: "0197a1b2-0000-7000-8000-000000000001", Latency: 1234, RequestID: "req-1"},
		When:     audit.When{Decided: epoch.Add(-2 * time.Hour).Add(time.Duration(i) * time.Microsecond), Site: "dc1"},
	}
}

// fill writes a table of evidence as a server would, and its log beside it.
func fill(t testing.TB, db *store.DB, n int) *table {
	t.Helper()
	tab := &table{db: db, log: make(leaves, n), ids: make([]string, n), people: max(n/20, 1)}
	next := make(chan int)
	var all sync.WaitGroup
	const batch, told = 500, 100_000 // who fills a large table is told how far it is
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for from := range next {
				var sealed []audit.Sealed
				places := map[string]uint64{}
				for i := from; i < min(from+batch, n); i++ {
					s, err := tab.event(i).Seal(audit.NewSalt())
					if err != nil {
						t.Error(err)
						return
					}
					tab.log[i], tab.ids[i] = s.Leaf, s.Event.ID
					sealed, places[s.Event.ID] = append(sealed, s), uint64(i)
				}
				if err := errors.Join(db.Record(t.Context(), sealed...), db.NotePlaces(t.Context(), origin, places, false)); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for from := 0; from < n; from += batch {
		if from > 0 && from%told == 0 {
			t.Logf("%d of %d rows are written", from, n)
		}
		next <- from
	}
	close(next)
	all.Wait()
	for from := 0; from < tab.people; from += batch { // in statements that take no longer where there are more rows
		var values []string
		var args []any
		for who := from; who < min(from+batch, tab.people, n); who++ {
			values, args = append(values, "(?, ?)"), append(args, pseudonym(fmt.Sprintf("%07d", who)), (n-1-who)/tab.people+1)
		}
		if len(values) > 0 {
			tab.run(t, "INSERT INTO event_numbers (pseudonym, last) VALUES "+strings.Join(values, ", "), args...)
		}
	}
	head := trees.Head{Log: log, Origin: origin, Epoch: 1, Size: uint64(n), Writer: "w", VerifierKey: "k"}
	if err := db.Heads.Begin(t.Context(), head); err != nil {
		t.Fatal(err)
	}
	tab.count(t, 0, n)
	source := streams.Source{Handle: db.Handle, Seals: storetest.Rows()}
	tab.e = reconciling.Evidence{
		Source:   source,
		Heads:    func(ctx context.Context) ([]trees.Head, error) { return db.Heads.Shards(ctx, log) },
		Leaves:   func(context.Context, string) (reconciling.Entries, error) { return tab.log, nil },
		Standing: reconciling.Standings(db, source, names{}),
		Counters: tab.book(),
		Now:      func() time.Time { return time.Now().Add(24 * time.Hour) }, // nothing of it is young any more
	}
	return tab
}

// run runs a statement as the owner of the database, whom no trigger stops.
func (tab *table) run(t testing.TB, statement string, args ...any) {
	t.Helper()
	if _, err := tab.db.Pool().ExecContext(t.Context(), tab.db.Bind(statement), args...); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// unguard takes the triggers away, as an owner can.
func (tab *table) unguard(t testing.TB) {
	t.Helper()
	query := "SELECT name, '' FROM sqlite_master WHERE type = 'trigger'"
	if tab.db.Dialect() == store.PostgreSQL {
		query = "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
	}
	found, err := tab.db.Pool().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	var drop []string
	for found.Next() {
		var name, of string
		if err := found.Scan(&name, &of); err != nil {
			t.Fatal(err)
		}
		if of != "" {
			of = " ON " + of
		}
		drop = append(drop, "DROP TRIGGER "+name+of)
	}
	if err := errors.Join(found.Err(), found.Close()); err != nil {
		t.Fatal(err)
	}
	if tab.db.Dialect() == store.PostgreSQL {
		drop = append(drop, "ALTER TABLE events DROP CONSTRAINT events_times", "ALTER TABLE event_places DROP CONSTRAINT event_places_times")
	}
	for _, statement := range drop {
		tab.run(t, statement)
	}
}

// look is one whole look, with how many rows it compared.
func (tab *table) look(t testing.TB) (found []reconcile.Finding, compared uint64) {
	t.Helper()
	var c reconciling.Cursor
	const told = 500_000
	for !c.Done() {
		before := c.Rows / told
		var err error
		if c, err = tab.e.Step(t.Context(), c, func(f reconcile.Finding) { found = append(found, f) }); err != nil {
			t.Fatal(err)
		}
		if c.Rows/told > before {
			t.Logf("%d rows are compared, %d findings", c.Rows, len(found))
		}
	}
	return found, c.Rows
}

const copied = "id, at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence, mac, mac_key"

// ways is what an owner of the database does to one row in ten, and what tells of it.
var ways = []struct {
	name string
	do   func(t testing.TB, tab *table, i int)
	want func(tab *table, i int, f reconcile.Finding) bool
}{
	{"a row is deleted", func(t testing.TB, tab *table, i int) {
		tab.run(t, "DELETE FROM events WHERE id = ?", tab.ids[i])
	}, at(reconcile.LeafWithoutRow)},
	{"a row and its place are deleted", func(t testing.TB, tab *table, i int) {
		tab.run(t, "DELETE FROM events WHERE id = ?", tab.ids[i])
		tab.run(t, "DELETE FROM event_places WHERE idx = ?", i)
	}, at(reconcile.LeafWithoutRow)},
	{"what an event says is altered", func(t testing.TB, tab *table, i int) {
		tab.run(t, "UPDATE events SET canonical = replace(canonical, 'land.area', 'land.size') WHERE id = ?", tab.ids[i])
	}, of(reconcile.NotGenuine)},
	{"whose event it is, for searches", func(t testing.TB, tab *table, i int) {
		tab.run(t, "UPDATE events SET pseudonym = ? WHERE id = ?", pseudonym("nobody"), tab.ids[i])
	}, of(reconcile.NotGenuine)},
	{"from when on she sees it", func(t testing.TB, tab *table, i int) {
		tab.run(t, "UPDATE events SET visible_from = NULL WHERE id = ?", tab.ids[i])
	}, of(reconcile.NotGenuine)},
	{"the salt is altered", func(t testing.TB, tab *table, i int) {
		tab.run(t, "UPDATE events SET salt = mac WHERE id = ?", tab.ids[i])
	}, of(reconcile.NotGenuine)},
	{"an event is put in the place of another, seal and all", func(t testing.TB, tab *table, i int) {
		tab.run(t, "DELETE FROM events WHERE id = ?", tab.ids[i])
		tab.run(t, "INSERT INTO events ("+copied+") SELECT "+strings.Replace(copied, "id,", "'"+tab.ids[i]+"',", 1)+" FROM events WHERE id = ?", tab.ids[i+1])
	}, of(reconcile.NotGenuine)},
	{"an event is invented", func(t testing.TB, tab *table, i int) {
		tab.run(t, "INSERT INTO events ("+copied+") SELECT "+strings.Replace(strings.Replace(copied, "id,", "'"+invented(tab.ids[i])+"',", 1),
			"mac, mac_key", "NULL, NULL", 1)+" FROM events WHERE id = ?", tab.ids[i])
	}, func(tab *table, i int, f reconcile.Finding) bool {
		return f.Kind == reconcile.NotGenuine && f.Event == invented(tab.ids[i])
	}},
	{"two events change places", func(t testing.TB, tab *table, i int) {
		tab.run(t, "UPDATE event_places SET event_id = CASE WHEN idx = ? THEN ? ELSE ? END WHERE idx IN (?, ?)", i, tab.ids[i+1], tab.ids[i], i, i+1)
	}, at(reconcile.PlaceForged)},
	{"when it was is no time", func(t testing.TB, tab *table, i int) {
		tab.run(t, "UPDATE events SET at = 'infinity' WHERE id = ?", tab.ids[i])
	}, of(reconcile.NotGenuine)},
	{"a place is added far beyond the end", func(t testing.TB, tab *table, i int) {
		tab.run(t, "INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at) VALUES (?, ?, ?, 1, false, ?)",
			origin, 1<<62+i, tab.ids[i], epoch)
	}, of(reconcile.PlaceForged)},
	{"a place is claimed that is another's", func(t testing.TB, tab *table, i int) {
		tab.run(t, "INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at, mac) VALUES (?, ?, ?, 1, false, ?, ?)",
			origin, i+1, tab.ids[i], epoch, make([]byte, 32))
	}, of(reconcile.PlaceForged)},
	{"a row, its place and what was counted of it are deleted", func(t testing.TB, tab *table, i int) {
		tab.run(t, "DELETE FROM events WHERE id = ?", tab.ids[i])
		tab.run(t, "DELETE FROM event_places WHERE idx = ?", i)
		tab.run(t, "DELETE FROM log_counters WHERE first_idx <= ? AND end_idx > ?", i, i)
	}, func(tab *table, _ int, f reconcile.Finding) bool {
		return f.Kind == reconcile.CounterDiffers && f.Text == string(reconcile.NotCounted)
	}},
	{"the log has another leaf", func(_ testing.TB, tab *table, i int) {
		tab.log[i] = slices.Concat(tab.log[i][:8], []byte("x"), tab.log[i][9:])
	}, at(reconcile.OtherCommitment)},
}

func invented(id string) string { return strings.Replace(id, "0199a7c2", "0199a7c3", 1) }

func at(kind reconcile.Kind) func(*table, int, reconcile.Finding) bool {
	return func(_ *table, i int, f reconcile.Finding) bool {
		return f.Kind == kind && f.Origin == origin && f.Index == uint64(i)
	}
}

func of(kind reconcile.Kind) func(*table, int, reconcile.Finding) bool {
	return func(tab *table, i int, f reconcile.Finding) bool { return f.Kind == kind && f.Event == tab.ids[i] }
}

// TestTampering: of rows of a large table, tampered with in many ways by one who
// owns the database and has no keys, each is found; and nothing is where nobody tampered.
func TestTampering(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, *rows)
		began := time.Now()
		found, compared := tab.look(t)
		if len(found) > 0 || compared != uint64(*rows) {
			t.Fatalf("%d rows, found before anybody tampered: %+v", compared, found)
		}
		took := time.Since(began)
		t.Logf("%d rows in %v, %.0f a second", compared, took.Round(time.Millisecond), float64(compared)/took.Seconds())
		tab.unguard(t)
		tampered := min(1000, *rows/100)
		row := func(n int) int { return n * (*rows / tampered) }
		for n := range tampered {
			ways[n%len(ways)].do(t, tab, row(n))
		}
		found, _ = tab.look(t)
		for n := range tampered {
			way := ways[n%len(ways)]
			if !slices.ContainsFunc(found, func(f reconcile.Finding) bool { return way.want(tab, row(n), f) }) {
				t.Errorf("row %d, where %s, is not found", row(n), way.name)
			}
		}
		again, _ := tab.look(t)
		if len(again) != len(found) {
			t.Errorf("%d findings, then %d", len(found), len(again))
		}
		t.Logf("%d findings of %d rows that were tampered with", len(found), tampered)
	})
}

// TestAnErasureIsNoFinding: neither while the row waits for its tombstone's place nor when it
// is deleted; one whose order was made without a tombstone is.
func TestAnErasureIsNoFinding(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, 100)
		eraser := erasure.Eraser{
			Orders: db.Erasures, Event: db.Get, Leaf: tab.e.Leaf, By: []string{"operator"},
			Scribe: &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"},
			Copies: func(context.Context, audit.Place, uint64, [32]byte) error { return nil }, // there are none beside this log
			AtOnce: 1 << 20, Sizes: func(context.Context) (map[string]uint64, error) { return map[string]uint64{origin: 101}, nil },
		}
		s, err := eraser.Order(t.Context(), tab.ids[7], "order 12")
		if err != nil || s.Done {
			t.Fatalf("%+v, %v", s, err)
		}
		leaf, err := audit.Leaf(s.Tombstone.Event, s.Tombstone.Salt)
		if err != nil {
			t.Fatal(err)
		}
		tab.log = append(tab.log, leaf)
		if err := db.NotePlaces(t.Context(), origin, map[string]uint64{s.Tombstone.Event.ID: 100}, false); err != nil {
			t.Fatal(err)
		}
		head := trees.Head{Log: log, Origin: origin, Epoch: 1, Size: 101, Writer: "w", VerifierKey: "k"}
		if err := db.Heads.Record(t.Context(), head); err != nil {
			t.Fatal(err)
		}
		c := counts.Counter{Origin: origin, First: 100, End: 101, Way: counts.Written, At: epoch}
		c.Counted = counts.Tally{counts.Of(s.Tombstone.Event.When.Decided, "", audit.Erased): 1}
		if err := tab.book().Add(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		for _, done := range []bool{false, true} {
			if found, _ := tab.look(t); len(found) > 0 {
				t.Errorf("deleted: %v: %+v", done, found)
			}
			if s, err = eraser.Finish(t.Context(), tab.ids[7]); err != nil || !s.Done {
				t.Fatalf("%+v, %v", s, err)
			}
		}
		tab.unguard(t)
		tab.run(t, "INSERT INTO event_erasures (event_id, tombstone, ordered_at) VALUES (?, ?, ?)", tab.ids[8], s.Tombstone.Event.ID, epoch)
		tab.run(t, "DELETE FROM events WHERE id = ?", tab.ids[8])
		found, _ := tab.look(t)
		if !slices.ContainsFunc(found, func(f reconcile.Finding) bool { return at(reconcile.LeafWithoutRow)(tab, 8, f) }) {
			t.Errorf("deleted under the tombstone of another: %+v", found)
		}
	})
}

// TestALookThatIsEndedFindsNothing: whenever a look is ended, the rows that it did not come
// to are no finding.
func TestALookThatIsEndedFindsNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, 12_000)
		for statements := range 8 {
			ctx, end := context.WithCancel(t.Context())
			n := 0
			tab.e.Source.Pause = func(ctx context.Context, _ time.Duration) error {
				if n++; n > statements {
					end()
				}
				return ctx.Err()
			}
			var c reconciling.Cursor
			var err error
			for err == nil && !c.Done() {
				c, err = tab.e.Step(ctx, c, func(f reconcile.Finding) { t.Errorf("ended after %d statements: %+v", statements, f) })
			}
			if err == nil && statements < 4 {
				t.Errorf("ended after %d statements: it went on to its end", statements)
			}
			end()
		}
	})
}

// TestWhatNoLeafTells: numbers, roles, apps, APIs and incidents that somebody who owns the
// database added, altered or took away.
func TestWhatNoLeafTells(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, 400)
		scribe := &audit.Scribe{Rows: db, Pseudonyms: names{}, Site: "dc1"}
		app := &authz.Client{ID: "so-dat", Name: authz.LocalizedText{VI: "Sổ đất"}, Profile: authz.FAPI2}
		api := &authz.Resource{ID: "https://api.example"}
		write := func(act audit.Act, state any) {
			t.Helper()
			if state != nil {
				if err := change.Commit(&act, state); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := scribe.Write(t.Context(), act); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(db.SaveClient(t.Context(), app), db.SaveResource(t.Context(), api)); err != nil {
			t.Fatal(err)
		}
		write(audit.Act{Action: audit.ClientRegistered, App: app, Detail: audit.Detail{Object: string(app.ID)}}, app)
		write(audit.Act{Action: audit.ResourceRegistered, Detail: audit.Detail{Object: api.ID}}, change.Resource(api))
		tab.unguard(t)
		tab.run(t, "INSERT INTO accounts (subject, kind, person_id, name, account_level, password_hash, totp_seed, created_at)"+
			" VALUES ('chi', 'citizen', 'p', 'Chi', 2, '', '', ?)", epoch)
		kinds := func() (all []reconcile.Kind) {
			found, _ := tab.look(t)
			for _, f := range found {
				if f.Kind != reconcile.RowWithoutLeaf { // what this test wrote has no log
					all = append(all, f.Kind)
				}
			}
			return all
		}
		if got := kinds(); len(got) > 0 {
			t.Fatalf("found before anybody tampered: %v", got)
		}
		for _, row := range []struct {
			name, do, undo string
			want           reconcile.Kind
		}{
			{
				"a number is set back", "UPDATE event_numbers SET last = last - 1 WHERE pseudonym = '" + pseudonym("0000003") + "'",
				"UPDATE event_numbers SET last = last + 1 WHERE pseudonym = '" + pseudonym("0000003") + "'", reconcile.NumberTwice,
			},
			{
				"an event was deleted before it was logged", "UPDATE event_numbers SET last = last + 1 WHERE pseudonym = '" + pseudonym("0000004") + "'",
				"UPDATE event_numbers SET last = last - 1 WHERE pseudonym = '" + pseudonym("0000004") + "'", reconcile.NumberMissing,
			},
			{
				"a role is inserted", "INSERT INTO roles (subject, role, granted_at) VALUES ('chi', 'auditor', '2026-11-30 12:00:00+00:00')",
				"DELETE FROM roles", reconcile.RoleUnexplained,
			},
			{"an app is disabled", "UPDATE clients SET disabled = true", "UPDATE clients SET disabled = false", reconcile.AppUnexplained},
			{"an API is disabled", "UPDATE resources SET disabled = true", "UPDATE resources SET disabled = false", reconcile.ResourceUnexplained},
			{
				"an incident is invented", "INSERT INTO incidents (id, key, kind, node, found_at, seen_at, state) VALUES " +
					"('i', 'k', 'not-genuine', 'n', '2026-11-30 12:00:00+00:00', '2026-11-30 12:00:00+00:00', 'open')",
				"DELETE FROM incidents", reconcile.IncidentUnexplained,
			},
			{
				"a decision is invented", "INSERT INTO log_decisions (origin, size, reason, decided_at) VALUES ('" + origin + "', 7, '', '2026-11-30 12:00:00+00:00')",
				"DELETE FROM log_decisions", reconcile.StateForged,
			},
		} {
			tab.run(t, row.do)
			if got := kinds(); len(got) != 1 || got[0] != row.want {
				t.Errorf("%s: found %v, want %s", row.name, got, row.want)
			}
			tab.run(t, row.undo)
		}
		if got := kinds(); len(got) > 0 {
			t.Errorf("found when all was as before: %v", got)
		}
	})
}

// BenchmarkLook is how fast a table without a fault is held against its log, and how much CPU
// time of this process that takes a row.
func BenchmarkLook(b *testing.B) {
	for name, db := range map[string]*store.DB{"sqlite": storetest.SQLite(b, nil), "postgres": storetest.PostgreSQL(b, nil)} {
		b.Run(name, func(b *testing.B) {
			tab := fill(b, db, *rows)
			b.ResetTimer()
			compared, busy := uint64(0), cpu()
			for b.Loop() {
				found, n := tab.look(b)
				if len(found) > 0 {
					b.Fatal(found)
				}
				compared += n
			}
			b.ReportMetric(float64(compared)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64((cpu()-busy).Nanoseconds())/1000/float64(compared), "cpu-us/row")
		})
	}
}

// cpu is the CPU time of this process.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// finder keeps what a job found.
type finder struct{ found []reconcile.Finding }

func (f *finder) Report(_ context.Context, found []reconcile.Finding, _ time.Time) (int, error) {
	f.found = append(f.found, found...)
	return len(found), nil
}

// TestWhoMovesTheCursor: a look whose cursor was moved, or set back to where it was, begins anew
// and it is told; a head that was altered is told, and its shard not compared by it.
func TestWhoMovesTheCursor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, 100)
		told := &finder{}
		job := &reconciling.Job{Evidence: tab.e, Desk: told, Looks: db.Incidents, Site: "dc1", Writes: func() bool { return true }}
		step := func(want ...reconcile.Kind) {
			t.Helper()
			told.found = nil
			if _, err := job.Step(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []reconcile.Kind
			for _, f := range told.found {
				got = append(got, f.Kind)
			}
			if !slices.Equal(got, want) {
				t.Errorf("found %v, want %v", got, want)
			}
		}
		step()
		tab.run(t, "CREATE TABLE kept AS SELECT * FROM reconcilers")
		step()
		step()
		tab.run(t, "UPDATE reconcilers SET cursor = ?", `{"stage":"finished"}`)
		step(reconcile.StateForged)
		step()
		step()
		tab.run(t, "UPDATE reconcilers SET (cursor, began_at, ended_at, seconds, mac) = (SELECT cursor, began_at, ended_at, seconds, mac FROM kept)")
		step(reconcile.StateForged)
		tab.run(t, "DELETE FROM reconcilers")
		step(reconcile.StateForged)
		tab.run(t, "UPDATE log_shards SET size = 50")
		tab.run(t, "UPDATE reconcilers SET cursor = ''")
		step(reconcile.StateForged, reconcile.StateForged)
	})
}

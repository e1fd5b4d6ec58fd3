package reconciling_test

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit/counts"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/node/reconciling"
	"hopnhat/store"
	"hopnhat/store/counters"
	"hopnhat/store/storetest"
)

// stretch is how many places one counter of a table covers.
const stretch = 100

func (tab *table) book() counters.Book {
	return counters.Book{Handle: tab.db.Handle, Events: tab.db.Leaves.Book}
}

// counter is what the writer counts of some places of a table.
func (tab *table) counter(from, to int) counts.Counter {
	c := counts.Counter{Origin: origin, First: uint64(from), End: uint64(to), Way: counts.Written, At: epoch, Counted: counts.Tally{}}
	for i := from; i < to; i++ {
		e := tab.event(i)
		c.Counted[counts.Of(e.When.Decided, e.Asked.Client, e.Type)]++
	}
	return c
}

// count counts the places of a table from one on, as its writer would.
func (tab *table) count(t testing.TB, from, to int) {
	t.Helper()
	for ; from < to; from += stretch {
		if err := tab.book().Add(t.Context(), tab.counter(from, min(from+stretch, to))); err != nil {
			t.Fatal(err)
		}
	}
}

// told are the findings about counters, each with its words.
func told(found []reconcile.Finding) (all []string) {
	for _, f := range found {
		if f.Kind == reconcile.CounterDiffers || f.Kind == reconcile.StateForged {
			all = append(all, strings.TrimSpace(f.Object+": "+f.English()))
		}
	}
	return all
}

// TestTheHourAndTheAppOfADeletedEventAreNamed: whoever deletes a row, its place and its copy, or
// bends what was counted of it, is found; and where nobody did, nothing is.
func TestTheHourAndTheAppOfADeletedEventAreNamed(t *testing.T) {
	const (
		app3    = "2026-11-30T10:00Z release.permitted of app-3 in " + origin + "#0-100: the log counted 14, the rows are 13"
		missing = ": what the log counted from this place on is gone"
		late    = ": it was counted long after it was written: what was counted then is gone"
		forged  = "counters of " + origin + ":"
	)
	gone := func(i int) func(testing.TB, *table) {
		return func(t testing.TB, tab *table) {
			tab.run(t, "DELETE FROM events WHERE id = ?", tab.ids[i])
			tab.run(t, "DELETE FROM event_places WHERE event_id = ?", tab.ids[i])
		}
	}
	sql := func(statements ...string) func(testing.TB, *table) {
		return func(t testing.TB, tab *table) {
			for _, one := range statements {
				tab.run(t, one)
			}
		}
	}
	again := func(way counts.Way, at time.Time) func(testing.TB, *table) {
		return func(t testing.TB, tab *table) {
			tab.run(t, "DELETE FROM log_counters WHERE first_idx >= 100")
			for from := 100; from < 300; from += 100 {
				c := tab.counter(from, from+100)
				if c.Way, c.At = way, at; way == counts.Before {
					c.Counted = nil
				}
				if err := tab.book().Add(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	add := func(c func(*table) counts.Counter) func(testing.TB, *table) {
		return func(t testing.TB, tab *table) {
			if err := tab.book().Add(t.Context(), c(tab)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, row := range []struct {
		name string
		do   []func(testing.TB, *table)
		want []string
	}{
		{"nobody did", nil, nil},
		{"an event is gone, with its place", []func(testing.TB, *table){gone(3)}, []string{app3}},
		{"an event is gone, without its place", []func(testing.TB, *table){sql("DELETE FROM events WHERE id = '" + id(3) + "'")}, []string{app3}},
		{"an event is gone, and what was counted of it is altered", []func(testing.TB, *table){gone(3), sql("UPDATE log_counters SET counted = replace(counted, ':14', ':13') WHERE first_idx = 0")}, []string{origin + "#0" + missing, forged}},
		{"a counter is gone", []func(testing.TB, *table){sql("DELETE FROM log_counters WHERE first_idx = 100")}, []string{origin + "#100" + missing}},
		{"two counters are gone, which is told once", []func(testing.TB, *table){sql("DELETE FROM log_counters WHERE first_idx IN (0, 200)")}, []string{origin + "#0" + missing}},
		{"all counters are gone", []func(testing.TB, *table){sql("DELETE FROM log_counters")}, []string{origin + "#0" + missing}},
		{"the last counter is gone", []func(testing.TB, *table){sql("DELETE FROM log_counters WHERE first_idx = 200")}, []string{origin + "#200" + missing}},
		{"they are made again, long after", []func(testing.TB, *table){again(counts.Anew, epoch)}, []string{origin + "#100-200" + late, origin + "#200-300" + late}},
		{"they are made as if there had been none", []func(testing.TB, *table){again(counts.Before, epoch)}, []string{origin + "#100-200" + late, origin + "#200-300" + late}},
		{"there were none before this release", []func(testing.TB, *table){again(counts.Before, epoch.Add(-24*time.Hour))}, nil},
		{"a false one is added", []func(testing.TB, *table){sql("INSERT INTO log_counters (origin, first_idx, end_idx, counted_at, counted, mac) SELECT origin, 1, 200, counted_at, counted, mac FROM log_counters WHERE first_idx = 0")}, []string{forged}},
		{"one is made twice, since it was not known whether it was", []func(testing.TB, *table){add(func(tab *table) counts.Counter { return tab.counter(100, 150) })}, nil},
		{"an event is gone and another was erased, whose leaf is counted", []func(testing.TB, *table){gone(3), gone(4)}, []string{app3, strings.ReplaceAll(app3, "app-3", "app-4")}},
		{"more rows than were counted", []func(testing.TB, *table){sql("DELETE FROM log_counters WHERE first_idx = 0"), add(func(tab *table) counts.Counter {
			c := tab.counter(0, 100)
			for tag := range c.Counted {
				if tag.Client == "app-3" {
					c.Counted[tag]--
					tag.Client = "app-9"
					c.Counted[tag]++
				}
			}
			return c
		})}, []string{strings.ReplaceAll(app3, "counted 14, the rows are 13", "counted 13, the rows are 14")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				tab := fill(t, db, 300)
				tab.e.Early = func(context.Context) (time.Time, error) { return epoch.Add(-time.Hour), nil }
				tab.unguard(t)
				for _, do := range row.do {
					do(t, tab)
				}
				found, _ := tab.look(t)
				got := told(found)
				slices.Sort(got)
				slices.Sort(row.want)
				if !slices.Equal(got, row.want) {
					t.Errorf("told is\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(row.want, "\n"))
				}
			})
		})
	}
}

func id(i int) string { return (&table{people: 1}).event(i).ID }

// TestALeafThatStandsTwiceIsNoMissingEvent: a crash had it appended again, and it was counted
// again. If its row is nowhere, its hour and app are named at the end of the look.
func TestALeafThatStandsTwiceIsNoMissingEvent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tab := fill(t, db, 100)
		tab.log = append(tab.log, tab.log[5])
		e := tab.event(5)
		head := trees.Head{Log: log, Origin: origin, Epoch: 1, Size: 101, Writer: "w", VerifierKey: "k"}
		if err := cmp.Or(db.Heads.Record(t.Context(), head), tab.book().Add(t.Context(), counts.Counter{
			Origin: origin, First: 100, End: 101, Way: counts.Written, At: epoch,
			Counted: counts.Tally{counts.Of(e.When.Decided, e.Asked.Client, e.Type): 1},
		})); err != nil {
			t.Fatal(err)
		}
		if found, _ := tab.look(t); len(found) > 0 {
			t.Errorf("found: %+v", found)
		}
		tab.unguard(t)
		tab.run(t, "DELETE FROM events WHERE id = ?", tab.ids[5])
		found, _ := tab.look(t)
		got := told(found)
		want := "2026-11-30T10:00Z release.permitted of app-5 in " + origin + "#"
		if len(got) != 2 || !strings.HasPrefix(got[0], want+"0-100:") || !strings.HasPrefix(got[1], want+"100-101:") {
			t.Errorf("told is %q", got)
		}
	})
}

// TestCountersAreHeldInSteps: a look over several steps, in which a counter lies across the end of
// one, judges each counter once.
func TestCountersAreHeldInSteps(t *testing.T) {
	const n, each = 40_000, 3_000
	tab := fill(t, storetest.SQLite(t, nil), n)
	tab.unguard(t)
	tab.run(t, "DELETE FROM log_counters")
	for from := 0; from < n; from += each {
		c := tab.counter(from, min(from+each, n))
		if err := tab.book().Add(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	for from := 0; from < n; from += each { // the first of each stretch
		tab.run(t, "DELETE FROM events WHERE id = ?", tab.ids[from])
	}
	found, compared := tab.look(t)
	got := told(found)
	want := (n + each - 1) / each
	if len(got) != want || compared != n {
		t.Errorf("%d rows, told is %q, want %d", compared, got, want)
	}
	if of := slices.Compact(slices.Sorted(slices.Values(got))); len(of) != want {
		t.Errorf("told twice: %q", got)
	}
}

var _ reconciling.Counters = counters.Book{}

package counters_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/audit/counts"
	"hopnhat/store"
	"hopnhat/store/counters"
	"hopnhat/store/handle"
	"hopnhat/store/storetest"
)

const origin = "hopnhat.example/release/dc1/2026q4"

func of(first, end uint64) counts.Counter {
	return counts.Counter{
		Origin: origin, First: first, End: end, Way: counts.Written, At: time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC),
		Counted: counts.Tally{{Hour: 3, Client: "app", Type: "x"}: end - first},
	}
}

func run(t *testing.T, db *store.DB, sql string, args ...any) error {
	t.Helper()
	_, err := db.Pool().ExecContext(t.Context(), db.Bind(sql), args...)
	return err
}

// TestOnlyTrueCountersCount: whatever somebody adds to the table, before, between or behind, the
// true ones are read in their order, and a false one keeps none from being added.
func TestOnlyTrueCountersCount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book := counters.Book{Handle: db.Handle, Events: db.Leaves.Book}
		if end, there, err := book.End(t.Context(), origin); err != nil || there || end != 0 {
			t.Errorf("before any: %d, %v, %v", end, there, err)
		}
		forge := "INSERT INTO log_counters (origin, first_idx, end_idx, counted_at, counted, mac) VALUES (?, ?, ?, ?, ?, ?)"
		said, _ := of(0, 10).Text()
		for n := range 600 {
			if err := run(t, db, forge, origin, n%30, n%30+10, time.Now(), said, handle.Blob(fmt.Appendf(nil, "%032d", n))); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []counts.Counter{of(0, 10), of(10, 12), of(10, 12), {Origin: origin, First: 12, End: 20, Way: counts.Rows, Unknown: 8}} {
			if err := book.Add(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		// True ones, of another place and of another log.
		for _, sql := range []string{
			"INSERT INTO log_counters (origin, first_idx, end_idx, counted_at, counted, mac) SELECT origin, first_idx + 40, end_idx + 40, counted_at, counted, mac FROM log_counters WHERE counted <> ?",
			"INSERT INTO log_counters (origin, first_idx, end_idx, counted_at, counted, mac) SELECT 'other', first_idx, end_idx, counted_at, counted, mac FROM log_counters WHERE counted <> ?",
		} {
			if err := run(t, db, sql, said); err != nil {
				t.Fatal(err)
			}
		}
		var got []string
		forged := 0
		if err := book.Walk(t.Context(), origin, 0, 1000, func(c counts.Counter, genuine bool) bool {
			if !genuine {
				forged++
				return true
			}
			got = append(got, fmt.Sprintf("%d %d %s %d %d", c.First, c.End, c.Way, c.Unknown, len(c.Counted)))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if want := []string{"0 10 written 0 1", "10 12 written 0 1", "12 20 rows 8 0"}; !slices.Equal(got, want) || forged != 1 {
			t.Errorf("genuine are %v, want %v; %d are not, want one to be told of", got, want, forged)
		}
		if end, there, err := book.End(t.Context(), origin); err != nil || !there || end != 20 {
			t.Errorf("the end: %d, %v, %v", end, there, err)
		}
		if _, there, err := book.End(t.Context(), "other"); err != nil || there {
			t.Errorf("the counters of one log count for another: %v, %v", there, err)
		}
		long, mac := strings.Repeat("x", counts.Longest+1), handle.Blob(strings.Repeat("m", 32))
		if run(t, db, forge, origin, 900, 910, time.Now(), long, mac) == nil {
			t.Error("a text longer than any counter is taken")
		}
		for _, sql := range []string{"UPDATE log_counters SET end_idx = 9", "DELETE FROM log_counters"} {
			if run(t, db, sql) == nil {
				t.Errorf("%s is not refused", sql)
			}
		}
	})
}

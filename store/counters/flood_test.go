package counters_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"hopnhat/authz/audit/counts"
	"hopnhat/store"
	"hopnhat/store/counters"
	"hopnhat/store/handle"
	"hopnhat/store/storetest"
)

// TestFalseCountersAreNotRead: among however many that somebody added before, between and behind
// them, the true ones are found, and no more rows are read than a few pages.
func TestFalseCountersAreNotRead(t *testing.T) {
	const many, each = 300, 10
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		book := counters.Book{Handle: db.Handle, Events: db.Leaves.Book}
		for n := range uint64(many) {
			if err := book.Add(t.Context(), of(n*each, n*each+each)); err != nil {
				t.Fatal(err)
			}
		}
		said, err := of(0, 10).Text()
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Tx(t.Context(), func(ctx context.Context) error {
			for n := range 20_000 {
				if _, err := db.Change(ctx, "testing", "INSERT INTO log_counters (origin, first_idx, end_idx, counted_at, counted, mac, tag)"+
					" VALUES (?, ?, ?, ?, ?, ?, ?)", origin, n%(3*many*each/2), 1_000_000, time.Now().UTC(), said,
					handle.Blob(fmt.Appendf(nil, "%032d", n)), n); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if end, there, err := book.End(t.Context(), origin); err != nil || !there || end != many*each {
			t.Errorf("the end: %d, %v, %v", end, there, err)
		}
		for _, from := range []uint64{0, 5, each, 1000, 1001, many*each - each, many * each} {
			told, next := 0, (from+each-1)/each*each
			if err := book.Walk(t.Context(), origin, from, 1<<40, func(c counts.Counter, genuine bool) bool {
				if !genuine {
					told++
					return true
				}
				if c.First != next {
					t.Errorf("from %d on: the counter of %d, want that of %d", from, c.First, next)
				}
				next = c.End
				return true
			}); err != nil || next != many*each || told != 1 {
				t.Errorf("from %d on: up to %d, %d are told of as false, %v", from, next, told, err)
			}
		}
		// One more is added behind the others, once.
		for range 2 {
			if err := book.Add(t.Context(), of(many*each, many*each+1)); err != nil {
				t.Fatal(err)
			}
		}
		if end, _, err := book.End(t.Context(), origin); err != nil || end != many*each+1 {
			t.Errorf("the end: %d, %v", end, err)
		}
		// A tag that is there is nobody else's.
		if err := run(t, db, "INSERT INTO log_counters (origin, first_idx, end_idx, counted_at, counted, mac, tag)"+
			" SELECT origin, 7, 9, counted_at, counted, mac, tag FROM log_counters WHERE first_idx = 1000 AND end_idx = 1010"); err == nil {
			t.Errorf("a tag is copied: %v", err)
		}
	})
}

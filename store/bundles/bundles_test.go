package bundles_test

import (
	"sync"
	"testing"
	"time"

	"hopnhat/federation/bundle/order"
	"hopnhat/store"
	"hopnhat/store/storetest"
)

const anchor = "https://neo.example.vn"

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// TestRaise: the newest bundle of an anchor only rises, by serial and by time, and the same one
// counts again.
func TestRaise(t *testing.T) {
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, book := t.Context(), db.Bundles
		if p, err := book.NewestBundle(ctx, anchor); err != nil || p != (order.Place{}) {
			t.Fatalf("before there is one: %+v, %v", p, err)
		}
		kept := order.Place{Serial: 7, IssuedAt: noon, Digest: "a"}
		for _, row := range []struct {
			name   string
			place  order.Place
			raised bool
		}{
			{"the first", kept, true},
			{"the same again", kept, true},
			{"another with its serial", order.Place{Serial: 7, IssuedAt: noon, Digest: "b"}, false},
			{"a lesser serial", order.Place{Serial: 6, IssuedAt: noon.Add(time.Hour), Digest: "b"}, false},
			{"an earlier time", order.Place{Serial: 8, IssuedAt: noon.Add(-time.Second), Digest: "b"}, false},
		} {
			raised, err := book.RaiseBundle(ctx, anchor, row.place)
			if err != nil || raised != row.raised {
				t.Errorf("%s: %v, %v, want %v", row.name, raised, err, row.raised)
			}
			if p, err := book.NewestBundle(ctx, anchor); err != nil || p != kept {
				t.Errorf("%s: the newest is %+v, %v", row.name, p, err)
			}
		}
		if p, err := book.NewestBundle(ctx, "https://la.example.vn"); err != nil || p != (order.Place{}) {
			t.Errorf("another anchor: %+v, %v", p, err)
		}
		var wait sync.WaitGroup
		for i := range int64(8) {
			wait.Go(func() {
				if _, err := book.RaiseBundle(ctx, anchor, order.Place{Serial: 10 + i, IssuedAt: noon, Digest: "c"}); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if p, err := book.NewestBundle(ctx, anchor); err != nil || p.Serial != 17 {
			t.Errorf("after eight at one time: %+v, %v", p, err)
		}
	})
}

package rowseal_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz/audit/rowseal"
	"hopnhat/store/storetest"
)

// TestAMACIsOfOnePlace: of no other shard, place, event, time or lateness, and of no row without
// keys.
func TestAMACIsOfOnePlace(t *testing.T) {
	keys := storetest.Rows()
	draw := func(t *rapid.T, what string) rowseal.Place {
		text := rapid.SampledFrom([]string{"", "a", "ab", "b"})
		return rowseal.Place{
			Origin: text.Draw(t, what+" origin"), Event: text.Draw(t, what+" event"),
			Index: uint64(rapid.IntRange(0, 2).Draw(t, what+" index")), Late: rapid.Bool().Draw(t, what+" late"),
			Noted: time.UnixMicro(int64(rapid.IntRange(0, 2).Draw(t, what+" noted"))).UTC(),
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		one, other := draw(t, "one"), draw(t, "other")
		mac, err := keys.SealPlace(t.Context(), one)
		if err != nil || len(mac) != 32 {
			t.Fatal(mac, err)
		}
		for _, p := range []rowseal.Place{one, other} {
			if proved, err := keys.ProvesPlace(t.Context(), p, mac); err != nil || proved != (p == one) {
				t.Errorf("%+v with the MAC of %+v: %v, %v", p, one, proved, err)
			}
		}
		if proved, err := (*rowseal.Keys)(nil).ProvesPlace(t.Context(), one, mac); err != nil || proved {
			t.Errorf("without keys: %v, %v", proved, err)
		}
		if proved, err := keys.ProvesSince(t.Context(), one.Noted, mac); err != nil || proved {
			t.Errorf("as the MAC of a time: %v, %v", proved, err)
		}
	})
}

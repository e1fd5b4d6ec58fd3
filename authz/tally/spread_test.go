package tally_test

import (
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz/tally"
)

// TestDurations: each bound counts what took at most so long, and nothing is lost,
// whoever counts at once.
func TestDurations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		took := rapid.SliceOfN(rapid.Int64Range(0, int64(10*time.Second)), 1, 50).Draw(t, "took")
		took = append(took, int64(tally.Bounds[rapid.IntRange(0, len(tally.Bounds)-1).Draw(t, "bound")]*float64(time.Second)))
		var d tally.Durations[string]
		var group sync.WaitGroup
		var want tally.Spread
		for _, n := range took {
			group.Go(func() { d.Add("a", time.Duration(n)) })
			want.Count++
			want.Sum += time.Duration(n)
			for i, bound := range tally.Bounds {
				if time.Duration(n).Seconds() <= bound {
					want.Within[i]++
				}
			}
		}
		group.Wait()
		if all := d.All(); len(all) != 1 || all["a"] != want {
			t.Fatalf("got %v, want %v", all, want)
		}
	})
}

// BenchmarkDurations is what each answer pays.
func BenchmarkDurations(b *testing.B) {
	var d tally.Durations[string]
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			d.Add("release", 3*time.Millisecond)
		}
	})
}

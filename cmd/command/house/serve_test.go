package house

import (
	"runtime/debug"
	"testing"
)

// TestWhoeverSaysGOGCHasIt: a server collects more rarely than Go does by itself, unless its
// environment says how often.
func TestWhoeverSaysGOGCHasIt(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	for _, row := range []struct {
		said bool
		want int
	}{{true, 100}, {false, collectAt}} {
		collect(func(name string) (string, bool) { return "100", row.said && name == "GOGC" })
		if got := debug.SetGCPercent(100); got != row.want {
			t.Errorf("GOGC said: %v; memory grows by %d %%, want %d", row.said, got, row.want)
		}
	}
}

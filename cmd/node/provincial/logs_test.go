package provincial

import (
	"testing"

	"hopnhat/federation/regional/stretch"
)

// TestFits: a piece of the log has so many entries that a route takes it, and one at least.
func TestFits(t *testing.T) {
	leaves := make([][]byte, 100)
	var events []stretch.Logged
	for i := range leaves {
		leaves[i] = make([]byte, 60)
		events = append(events, stretch.Logged{Place: 7 + uint64(i), Event: make([]byte, 2000)})
	}
	for _, row := range []struct {
		name   string
		leaves int
		events []stretch.Logged
		want   int
	}{
		{"leaves alone", 100, nil, 100},
		{"events of all of them", 100, events, most / (60 + 4 + 2000 + 200)},
		{"an event that is longer than all", 3, []stretch.Logged{{Place: 7, Event: make([]byte, 2*most)}}, 1},
	} {
		n, some := fits(7, leaves[:row.leaves], row.events)
		if n != row.want || len(some) != min(len(row.events), n) {
			t.Errorf("%s: %d leaves and %d events, want %d", row.name, n, len(some), row.want)
		}
	}
}

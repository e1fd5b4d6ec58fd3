package tlog

import (
	"slices"
	"sync"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/store/storetest"
)

// TestEachEntryIsHeardOfBeforeItsPlaceIsTold: whoever counts hears of each with its place, in the
// shard that took it, and of none that was not taken.
func TestEachEntryIsHeardOfBeforeItsPlaceIsTold(t *testing.T) {
	n := newNode(t, storetest.SQLite(t, nil), "a")
	var mu sync.Mutex
	var heard []audit.Place
	o := n.options()
	o.Counted = func(at audit.Place, e audit.Entry) {
		mu.Lock()
		defer mu.Unlock()
		if len(e.Leaf) == 0 {
			t.Error("it hears of no entry")
		}
		heard = append(heard, at)
	}
	s, err := OpenShards(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	var told []audit.Place
	for i := range 3 {
		told = append(told, mustAppend(t, s, i))
	}
	n.at(time.Date(2027, 1, 1, 0, 0, 1, 0, time.UTC))
	if err := s.Roll(t.Context()); err != nil {
		t.Fatal(err)
	}
	told = append(told, mustAppend(t, s, 3))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), audit.Entry{Leaf: leaf(4)}); err == nil {
		t.Error("a log that is closed takes an entry")
	}
	if !slices.Equal(heard, told) || told[3].Index != 0 || told[3].Origin == told[0].Origin {
		t.Errorf("it heard of %v, told are %v", heard, told)
	}
}

package tally_test

import (
	"maps"
	"sync"
	"testing"

	"hopnhat/authz/tally"
)

func TestCounter(t *testing.T) {
	var c tally.Counter[string]
	if len(c.All()) != 0 {
		t.Fatalf("before anything was counted: %v", c.All())
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				c.Add("a")
				c.Add("b")
			}
		})
	}
	group.Wait()
	if want := map[string]uint64{"a": 800, "b": 800}; !maps.Equal(c.All(), want) {
		t.Errorf("got %v, want %v", c.All(), want)
	}
}

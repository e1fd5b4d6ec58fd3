package copies

import (
	"maps"
	"slices"
	"sync"
)

// Gaps are places without a copy. The zero value has none. It is safe for concurrent use.
type Gaps struct {
	mu     sync.Mutex
	places map[uint64]bool
}

// mostGaps bounds them: more are for hopnhat log rebuild.
const mostGaps = 1 << 14

// Add notes places.
func (g *Gaps) Add(places ...uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.places == nil {
		g.places = map[uint64]bool{}
	}
	for _, place := range places {
		if len(g.places) < mostGaps {
			g.places[place] = true
		}
	}
}

// Has reports whether a place is one.
func (g *Gaps) Has(place uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.places[place]
}

// Fill takes a place that has a copy now.
func (g *Gaps) Fill(place uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.places, place)
}

// List lists them in their order.
func (g *Gaps) List() []uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(maps.Keys(g.places))
}

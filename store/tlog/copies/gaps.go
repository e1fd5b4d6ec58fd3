package copies

import (
	"maps"
	"slices"
	"sync"
)

// Gaps are places without a copy. The zero value has none. It is safe for concurrent use.
type Gaps struct {
	mu     sync.Mutex
	places map[uint64]int // how often no row was found for each
}

// mostGaps bounds them: more are for hopnhat log rebuild.
const mostGaps = 1 << 14

// Add notes places.
func (g *Gaps) Add(places ...uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.places == nil {
		g.places = map[uint64]int{}
	}
	for _, place := range places {
		if _, known := g.places[place]; !known && len(g.places) < mostGaps {
			g.places[place] = 0
		}
	}
}

// Has reports whether a place is one.
func (g *Gaps) Has(place uint64) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, is := g.places[place]
	return is
}

// patience is how often rows are looked for that a gap may have: ten minutes at twice a minute.
const patience = 20

// Miss notes that no row was found for a place. After a while it is given up: to look for a row
// that was deleted again and again would cost the database for nothing.
func (g *Gaps) Miss(place uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n, is := g.places[place]; is && n+1 < patience {
		g.places[place] = n + 1
	} else {
		delete(g.places, place)
	}
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

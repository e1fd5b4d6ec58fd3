// Package tally counts what happens, by kind, for /metrics. A part owns its
// counter and exports it; cmd/node/metrics.go, where every metric has its name,
// reads it.
//
// A kind is one of a fixed set that the code names, never what a caller sent: no
// counter grows with what strangers do, and none tells of a person.
package tally

import (
	"sync"
	"sync/atomic"
)

// Counter counts by kind. The zero value is ready, and it is safe for concurrent
// use.
type Counter[K comparable] struct {
	cells sync.Map // K → *atomic.Uint64
}

// Add counts one of a kind.
func (c *Counter[K]) Add(kind K) {
	cell, ok := c.cells.Load(kind)
	if !ok {
		cell, _ = c.cells.LoadOrStore(kind, new(atomic.Uint64))
	}
	cell.(*atomic.Uint64).Add(1)
}

// All is what was counted so far. A kind that was never counted is not in it.
func (c *Counter[K]) All() map[K]uint64 {
	all := map[K]uint64{}
	c.cells.Range(func(kind, cell any) bool {
		all[kind.(K)] = cell.(*atomic.Uint64).Load()
		return true
	})
	return all
}

package tally

import (
	"sync"
	"sync/atomic"
	"time"
)

// Bounds are the limits of every Spread, in seconds. They are few, since each is a
// number kept for each kind; objectives stand on one of them (docs/production.md).
var Bounds = [...]float64{0.025, 0.1, 0.25, 0.5, 1.5, 5}

// Durations counts how long things took, by kind. The zero value is ready, and it is
// safe for concurrent use.
type Durations[K comparable] struct {
	cells sync.Map // K → *durations
}

// durations are those of one kind.
type durations struct {
	within [len(Bounds) + 1]atomic.Uint64 // the last is of what took longer
	sum    atomic.Int64                   // nanoseconds
}

// Spread is how long the things of one kind took.
type Spread struct {
	// Within tells for each of Bounds how many took at most so long.
	Within [len(Bounds)]uint64
	Count  uint64
	Sum    time.Duration
}

// Add counts one of a kind that took so long.
func (d *Durations[K]) Add(kind K, took time.Duration) {
	cell, ok := d.cells.Load(kind)
	if !ok {
		cell, _ = d.cells.LoadOrStore(kind, new(durations))
	}
	of, i, seconds := cell.(*durations), 0, took.Seconds()
	for i < len(Bounds) && seconds > Bounds[i] {
		i++
	}
	of.within[i].Add(1)
	of.sum.Add(int64(took))
}

// All is what was counted so far. A kind that was never counted is not in it.
func (d *Durations[K]) All() map[K]Spread {
	all := map[K]Spread{}
	d.cells.Range(func(kind, cell any) bool {
		of, s := cell.(*durations), Spread{}
		for i := range of.within {
			s.Count += of.within[i].Load()
			if i < len(Bounds) {
				s.Within[i] = s.Count
			}
		}
		s.Sum = time.Duration(of.sum.Load())
		all[kind.(K)] = s
		return true
	})
	return all
}

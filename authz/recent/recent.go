// Package recent holds values in memory for a short life, so that a hot path costs no
// query, and every node sees a change when that life is over.
package recent

import (
	"sync"
	"time"
)

// Map holds values by key, each for the same short life. It is bounded: beyond the
// bound a new value takes the place of the one that was put longest ago, so that
// nobody who makes many keys empties it for all. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	life time.Duration
	most int
	now  func() time.Time

	mu    sync.RWMutex
	known map[K]*entry[K, V]
	ring  entry[K, V] // its next is the oldest, its previous the newest
}

type entry[K comparable, V any] struct {
	key            K
	value          V
	until          time.Time // zero: no end
	previous, next *entry[K, V]
}

// Forever is the life of values that stay until others take their place.
const Forever time.Duration = -1

// New makes a Map of at most most values, each kept for life, 5 s if zero. now is
// the clock, that of package time if nil.
func New[K comparable, V any](most int, life time.Duration, now func() time.Time) *Map[K, V] {
	if life == 0 {
		life = 5 * time.Second
	}
	if now == nil {
		now = time.Now
	}
	m := &Map[K, V]{life: life, most: most, now: now, known: map[K]*entry[K, V]{}}
	m.ring.previous, m.ring.next = &m.ring, &m.ring
	return m
}

// Get finds a value whose life is not over. now is when it was asked, to be passed
// to [Map.Put] with what is then read: a slow read does not make it younger.
func (m *Map[K, V]) Get(key K) (value V, now time.Time, ok bool) {
	now = m.now()
	m.mu.RLock()
	defer m.mu.RUnlock()
	value, ok = m.alive(key, now)
	return value, now, ok
}

// alive is called with the lock held.
func (m *Map[K, V]) alive(key K, now time.Time) (value V, ok bool) {
	e, ok := m.known[key]
	if !ok {
		return value, false
	}
	return e.value, e.until.IsZero() || now.Before(e.until)
}

// Put keeps a value that was asked for at a time.
func (m *Map[K, V]) Put(key K, value V, began time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(key, value, began)
}

// Update puts what change makes of a value, in one step. ok says whether there is one
// whose life is not over. change must not use the map.
func (m *Map[K, V]) Update(key K, change func(value V, ok bool) V) {
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.alive(key, now)
	m.put(key, change(value, ok), now)
}

// put is called with the lock held.
func (m *Map[K, V]) put(key K, value V, began time.Time) {
	e, ok := m.known[key]
	switch {
	case ok:
		e.leave()
	case len(m.known) >= m.most:
		e = m.ring.next // the oldest: its place is taken
		e.leave()
		delete(m.known, e.key)
	default:
		e = &entry[K, V]{}
	}
	e.key, e.value, e.until = key, value, time.Time{}
	if m.life != Forever {
		e.until = began.Add(m.life)
	}
	e.previous, e.next = m.ring.previous, &m.ring
	e.previous.next, m.ring.previous = e, e
	m.known[key] = e
}

// leave takes an entry out of the ring.
func (e *entry[K, V]) leave() {
	e.previous.next, e.next.previous = e.next, e.previous
}

// Forget drops a value.
func (m *Map[K, V]) Forget(key K) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if e, ok := m.known[key]; ok {
		e.leave()
		delete(m.known, key)
	}
}

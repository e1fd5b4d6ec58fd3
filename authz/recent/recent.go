// Package recent keeps what was read from a store for a short time, so that a hot
// path costs no query and a change is seen by every node within that time.
package recent

import (
	"sync"
	"time"
)

// Map holds values by key, each for the same short life. It is bounded: a new value
// beyond the bound makes it start afresh. It is safe for concurrent use.
type Map[K comparable, V any] struct {
	life time.Duration
	most int
	now  func() time.Time

	mu    sync.RWMutex
	known map[K]entry[V]
}

type entry[V any] struct {
	value V
	until time.Time
}

// New makes a Map of at most most values, each kept for life, 5 s if zero. now is
// the clock, that of package time if nil.
func New[K comparable, V any](most int, life time.Duration, now func() time.Time) *Map[K, V] {
	if life == 0 {
		life = 5 * time.Second
	}
	if now == nil {
		now = time.Now
	}
	return &Map[K, V]{life: life, most: most, now: now, known: map[K]entry[V]{}}
}

// Get finds a value whose life is not over. now is when it was asked, to be passed
// to [Map.Put] with what is then read: a slow read does not make it younger.
func (m *Map[K, V]) Get(key K) (value V, now time.Time, ok bool) {
	now = m.now()
	m.mu.RLock()
	e, ok := m.known[key]
	m.mu.RUnlock()
	return e.value, now, ok && now.Before(e.until)
}

// Put keeps a value that was asked for at a time.
func (m *Map[K, V]) Put(key K, value V, asked time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.known) >= m.most {
		clear(m.known)
	}
	m.known[key] = entry[V]{value, asked.Add(m.life)}
}

// Forget drops a value.
func (m *Map[K, V]) Forget(key K) {
	m.mu.Lock()
	delete(m.known, key)
	m.mu.Unlock()
}

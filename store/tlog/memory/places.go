package memory

import "crypto/sha256"

// Remembered is how many places are known at least.
const Remembered = 1 << 14

// Places are the places of the newest entries, by their SHA-256; the older half is forgotten at a
// time. One goroutine uses them.
type Places struct{ recent, older map[[sha256.Size]byte]uint64 }

// NewPlaces knows none.
func NewPlaces() *Places { return &Places{recent: map[[sha256.Size]byte]uint64{}} }

// Of is the place of an entry, if it is known.
func (p *Places) Of(sum [sha256.Size]byte) (uint64, bool) {
	if index, ok := p.recent[sum]; ok {
		return index, true
	}
	index, ok := p.older[sum]
	return index, ok
}

// Note keeps the first place of an entry that stands in the log twice.
func (p *Places) Note(sum [sha256.Size]byte, index uint64) {
	if _, ok := p.Of(sum); ok {
		return
	}
	if len(p.recent) >= Remembered {
		p.older, p.recent = p.recent, make(map[[sha256.Size]byte]uint64, Remembered)
	}
	p.recent[sum] = index
}

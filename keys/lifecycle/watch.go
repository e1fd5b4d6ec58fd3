package lifecycle

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"hopnhat/keys"
)

// watch gathers observations and counts in memory and writes them to the Ledger now and then,
// so that a token request pays no query for it.
type watch struct {
	mu           sync.Mutex
	observations map[Observation]time.Time // At is zero in the key
	counts       map[Count]int64           // N is zero in the key
}

// maxSightings bounds what one interval remembers: the JWK Set is public, and
// anybody may fetch it from anywhere.
const maxObservations = 4096

func (w *watch) observe(s Observation) {
	at := s.At
	s.At = time.Time{}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.observations == nil {
		w.observations = map[Observation]time.Time{}
	}
	if _, known := w.observations[s]; known || len(w.observations) < maxObservations || s.Active {
		w.observations[s] = at
	}
}

func (w *watch) signed(id keys.KeyID, at time.Time, n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = map[Count]int64{}
	}
	w.counts[Count{KeyID: id, Minute: at.UTC().Truncate(time.Minute)}] += int64(n)
}

// flush notes what was gathered; what could not be noted is kept.
func (w *watch) flush(ctx context.Context, ledger Ledger) error {
	w.mu.Lock()
	observations, counts := w.observations, w.counts
	w.observations, w.counts = nil, nil
	w.mu.Unlock()
	if len(observations) > 0 {
		list := make([]Observation, 0, len(observations))
		for s, at := range observations {
			s.At = at
			list = append(list, s)
		}
		// A fetch counts for who is known to be active.
		slices.SortFunc(list, func(a, b Observation) int {
			switch {
			case a.Active == b.Active:
				return strings.Compare(a.Party, b.Party) // the same order on every node: no deadlock
			case a.Active:
				return -1
			}
			return 1
		})
		if err := ledger.NoteKeyParties(ctx, list); err != nil {
			for _, s := range list {
				w.observe(s)
			}
			w.restore(counts)
			return err
		}
	}
	if len(counts) > 0 {
		list := make([]Count, 0, len(counts))
		for c, n := range counts {
			c.N = n
			list = append(list, c)
		}
		if err := ledger.AddKeySignatures(ctx, list); err != nil {
			w.restore(counts)
			return err
		}
	}
	return nil
}

func (w *watch) restore(counts map[Count]int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.counts == nil {
		w.counts = map[Count]int64{}
	}
	for c, n := range counts {
		w.counts[c] += n
	}
}

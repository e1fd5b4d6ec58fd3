package federated

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/enrol"
	"hopnhat/federation/mark"
)

// registry keeps subordinates and marks in memory.
type registry struct {
	mu           sync.Mutex
	subordinates map[federation.EntityID]enrol.Subordinate
	marks        map[string]enrol.Mark // by type and holder
}

func newRegistry() *registry {
	return &registry{subordinates: map[federation.EntityID]enrol.Subordinate{}, marks: map[string]enrol.Mark{}}
}

// Subordinate finds one.
func (r *registry) Subordinate(_ context.Context, id federation.EntityID) (enrol.Subordinate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s, ok := r.subordinates[id]; ok {
		return s, nil
	}
	return enrol.Subordinate{}, authz.ErrNotFound
}

// CheckSubordinate and CheckMark find everything in order: nobody else writes this memory.
func (r *registry) CheckSubordinate(context.Context, enrol.Subordinate) error { return nil }

// CheckMark is as CheckSubordinate.
func (r *registry) CheckMark(context.Context, enrol.Mark) error { return nil }

func (r *registry) keep(s enrol.Subordinate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.subordinates[s.ID] = s
}

// Subordinates lists them in the order of their names.
func (r *registry) Subordinates(_ context.Context, after federation.EntityID, limit int) ([]enrol.Subordinate, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []enrol.Subordinate
	for _, id := range slices.Sorted(maps.Keys(r.subordinates)) {
		if id > after && len(list) < limit {
			list = append(list, r.subordinates[id])
		}
	}
	return list, nil
}

// Mark finds one.
func (r *registry) Mark(_ context.Context, kind string, subject federation.EntityID) (enrol.Mark, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if m, ok := r.marks[kind+" "+string(subject)]; ok {
		return m, nil
	}
	return enrol.Mark{}, authz.ErrNotFound
}

// Holders lists those with an active mark.
func (r *registry) Holders(
	_ context.Context, kind string, now time.Time, after federation.EntityID, limit int,
) ([]federation.EntityID, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var ids []federation.EntityID
	for _, m := range r.marks {
		if (kind == "" || m.Type == kind) && m.Subject > after && m.Status(now) == mark.Active {
			ids = append(ids, m.Subject)
		}
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	return ids[:min(len(ids), limit)], nil
}

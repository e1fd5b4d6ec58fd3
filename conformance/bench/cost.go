package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
)

// Cost is what one operation costs, in whole numbers that no load of the machine changes.
type Cost struct{ Commits, Signatures, Queries int }

// maxTries bounds how often an operation is counted, see [Costs].
const maxTries = 12

// Costs counts what one operation of each route costs at a server of its own, with one
// caller, after one that warms up. What the server does in the background may fall
// into a count and can only make it larger: a route that costs more than want says is
// counted again, maxTries times at most, and the least count stands.
func Costs(ctx context.Context, o Options, store Store, want map[string]Cost) (costs map[string]Cost, err error) {
	s, closed, err := open(ctx, o, store)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, closed()) }()
	costs = map[string]Cost{}
	for _, r := range routes() {
		if costs[r.name], err = s.cost(ctx, r, want[r.name]); err != nil {
			return costs, fmt.Errorf("counting %s on %s: %w", r.name, store.Name, err)
		}
	}
	return costs, nil
}

// cost counts one route.
func (s *subject) cost(ctx context.Context, r route, want Cost) (Cost, error) {
	operations, err := r.prepare(ctx, s, 1)
	if err != nil {
		return Cost{}, fmt.Errorf("preparing: %w", err)
	}
	if err := operations[0](ctx); err != nil { // connections, nonces, caches
		return Cost{}, err
	}
	least := Cost{math.MaxInt, math.MaxInt, math.MaxInt}
	for range maxTries {
		before, _, err := s.measure(ctx)
		if err != nil {
			return Cost{}, err
		}
		if err := operations[0](ctx); err != nil {
			return Cost{}, err
		}
		after, _, err := s.measure(ctx)
		if err != nil {
			return Cost{}, err
		}
		used := after.minus(before)
		least = Cost{
			min(least.Commits, int(used.commits)), min(least.Signatures, int(used.signatures)), min(least.Queries, int(used.queries)),
		}
		if least.within(want) {
			break
		}
	}
	return least, nil
}

// within reports whether a cost is nowhere above another.
func (c Cost) within(most Cost) bool {
	return c.Commits <= most.Commits && c.Signatures <= most.Signatures && c.Queries <= most.Queries
}

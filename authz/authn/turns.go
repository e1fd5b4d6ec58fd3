package authn

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// turns lets one attempt at an account run at a time. Attempts that come together
// would all read the same count of failures, and however many they were, each
// would be free; one after the other, the fifth finds four failures. It holds in
// this process: nodes together let one each through.
type turns struct {
	mu      sync.Mutex
	queues  map[[32]byte]*queue
	longest int
}

// queue is who has the turn, and how many hold or wait for it.
type queue struct {
	turn chan struct{}
	size int
}

// patience is how many may wait for one account: a person with a nervous finger,
// and not a flood, which would hold connections here for nothing.
const patience = 8

func newTurns() *turns { return &turns{queues: map[[32]byte]*queue{}, longest: patience} }

// take waits for the turn; done gives it on. With too many in front it says so
// at once.
func (t *turns) take(ctx context.Context, key [32]byte) (done func(), err error) {
	t.mu.Lock()
	q, ok := t.queues[key]
	if !ok {
		q = &queue{turn: make(chan struct{}, 1)}
		t.queues[key] = q
	}
	if q.size > t.longest {
		t.mu.Unlock()
		return nil, Throttled{time.Second}
	}
	q.size++
	t.mu.Unlock()
	select {
	case q.turn <- struct{}{}:
		return func() { <-q.turn; t.leave(key, q) }, nil
	case <-ctx.Done():
		t.leave(key, q)
		return nil, fmt.Errorf("waiting for another attempt at the account: %w", ctx.Err())
	}
}

func (t *turns) leave(key [32]byte, q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if q.size--; q.size == 0 {
		delete(t.queues, key)
	}
}

package authn

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// lane is who waits for a password to be checked.
type lane int

const (
	strangers lane = iota
	known          // browsers that signed in to the account before
)

// Busy means that so many passwords wait to be checked that one more would wait too
// long. Nothing was counted or checked.
type Busy struct{ Wait time.Duration }

// Error says when to come again.
func (b Busy) Error() string {
	return fmt.Sprintf("too many sign-ins at once; try again in %s", b.Wait)
}

// busyFor is how soon who was told [Busy] may come again.
const busyFor = 5 * time.Second

// queue lets as many hash at a time as there are cores. One of them is kept from
// strangers, who get half when the alarm is up; known devices go first. How many may
// be under way is bounded for each lane: beyond it one is told to come again at once,
// in place of waiting until the deadline. So it is for each account that known devices
// sign in to.
type queue struct {
	cores int
	most  [2]int
	// alarmed reports whether strangers are guessing in numbers; nil never is.
	alarmed func() bool

	mu      sync.Mutex
	inside  [2]int         // admitted
	known   map[string]int // admitted, by account
	running [2]int
	waiting [2][]chan struct{}
}

// knownOfAccount is how many attempts of known devices at one account may be under way:
// no address is counted for them, and its owner could fill the lane with her own.
const knownOfAccount = 4

// newQueue: a core checks some 40 passwords a second, so nobody waits longer than a
// second or two.
func newQueue(cores int) *queue {
	return &queue{cores: cores, most: [2]int{strangers: 16 * cores, known: 32 * cores}, known: map[string]int{}}
}

// admit lets an attempt at an account begin, or says Busy. leave ends it.
func (q *queue) admit(l lane, account string) (leave func(), err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.inside[l] >= q.most[l] || l == known && q.known[account] >= knownOfAccount {
		return nil, Busy{busyFor}
	}
	q.inside[l]++
	if l == known {
		q.known[account]++
	}
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.inside[l]--
		if l != known {
			return
		}
		if q.known[account]--; q.known[account] == 0 {
			delete(q.known, account)
		}
	}, nil
}

// free reports whether one of a lane may run now.
func (q *queue) free(l lane) bool {
	if q.running[known]+q.running[strangers] >= q.cores {
		return false
	}
	share := q.cores - 1
	if q.alarmed != nil && q.alarmed() {
		share = q.cores / 2
	}
	return l == known || q.running[strangers] < max(1, share)
}

// enter waits for a core.
func (q *queue) enter(ctx context.Context, l lane) error {
	turn := q.ask(l)
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		q.giveUp(l, turn)
		return fmt.Errorf("waiting to check a password: %w", ctx.Err())
	}
}

// ask gets in line; the channel is closed when it is one's turn.
func (q *queue) ask(l lane) (turn chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	turn = make(chan struct{})
	q.waiting[l] = append(q.waiting[l], turn)
	q.next()
	return turn
}

// giveUp leaves the line, or the core that came at the same moment.
func (q *queue) giveUp(l lane, turn chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.waiting[l], turn); i >= 0 {
		q.waiting[l] = slices.Delete(q.waiting[l], i, i+1)
	} else {
		q.running[l]--
	}
	q.next()
}

// leave gives the core on.
func (q *queue) leave(l lane) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.running[l]--
	q.next()
}

// next gives free cores to who waits.
func (q *queue) next() {
	for _, l := range []lane{known, strangers} {
		for len(q.waiting[l]) > 0 && q.free(l) {
			close(q.waiting[l][0])
			q.waiting[l] = q.waiting[l][1:]
			q.running[l]++
		}
	}
}

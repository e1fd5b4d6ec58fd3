package authn

import (
	"sync"
	"time"
)

// Attempts of one known browser at one account that a node looks at in a while. No
// address is counted for them, and even one that the database tells to wait costs a
// transaction, and at the second step a key store's answer: whoever signed in once could
// ask for as many as she likes. Nobody types so many.
const (
	maxTries = 60
	triesFor = 5 * time.Minute
)

// tries counts them, in memory.
type tries struct {
	mu    sync.Mutex
	until time.Time
	of    map[string]int
}

// take takes one attempt, or says how long to wait.
func (t *tries) take(account, device []byte, now time.Time) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !now.Before(t.until) || len(t.of) > maxBuckets || t.until.Sub(now) > triesFor { // or the clock was set back
		t.until, t.of = now.Add(triesFor), map[string]int{}
	}
	key := string(account) + string(device)
	if t.of[key] >= maxTries {
		return t.until.Sub(now)
	}
	t.of[key]++
	return 0
}

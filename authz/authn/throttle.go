package authn

import (
	"net/netip"
	"sync"
	"time"
)

// Addresses limits sign-in attempts per network address: a bucket that holds
// burst attempts and refills by one each interval. IPv6 counts by /64, which one
// household has.
type Addresses struct {
	burst    float64
	interval time.Duration
	now      func() time.Time
	mu       sync.Mutex
	buckets  map[netip.Prefix]bucket
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds the memory; the fullest table is started afresh, which lets
// an attacker with that many addresses try again, while accounts have limits of
// their own.
const maxBuckets = 200_000

// NewAddresses allows burst attempts at once and one more each interval.
func NewAddresses(burst int, interval time.Duration, now func() time.Time) *Addresses {
	return &Addresses{burst: float64(burst), interval: interval, now: now, buckets: map[netip.Prefix]bucket{}}
}

// Take takes one attempt, or says how long to wait.
func (a *Addresses) Take(address netip.Addr) (wait time.Duration) {
	bits := 32
	if address = address.Unmap(); address.Is6() {
		bits = 64
	}
	prefix, err := address.Prefix(bits)
	if err != nil {
		prefix = netip.Prefix{} // unknown addresses share one bucket
	}
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	b, ok := a.buckets[prefix]
	if !ok {
		if len(a.buckets) >= maxBuckets {
			clear(a.buckets)
		}
		b = bucket{a.burst, now}
	}
	b.tokens = min(a.burst, b.tokens+float64(now.Sub(b.at))/float64(a.interval))
	b.at = now
	if b.tokens < 1 {
		a.buckets[prefix] = b
		return time.Duration((1 - b.tokens) * float64(a.interval))
	}
	b.tokens--
	a.buckets[prefix] = b
	return 0
}

// penalty is how long an account waits after so many failures in a row: free
// for four, then 30 s doubling to 15 min. The wait is per account and holds on
// all nodes, since it is derived from what the database keeps.
func penalty(failures int) time.Duration {
	if failures < 5 {
		return 0
	}
	wait := 30 * time.Second
	for range min(failures-5, 5) {
		wait *= 2
	}
	return min(wait, 15*time.Minute)
}

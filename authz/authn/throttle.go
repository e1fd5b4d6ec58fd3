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

// Network is what one household or one machine has: an address of IPv4, a /64 of IPv6.
// Unknown addresses are one network.
func Network(address netip.Addr) netip.Prefix {
	bits := 32
	if address = address.Unmap().WithZone(""); address.Is6() {
		bits = 64
	}
	prefix, _ := address.Prefix(bits)
	return prefix
}

// Take takes one attempt, or says how long to wait.
func (a *Addresses) Take(address netip.Addr) (wait time.Duration) {
	prefix, now := Network(address), a.now()
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

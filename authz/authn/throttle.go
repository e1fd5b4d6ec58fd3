package authn

import (
	"net/netip"
	"sync"
	"time"

	"hopnhat/authz/recent"
)

// Addresses limits sign-in attempts per network address: a bucket that holds
// burst attempts and refills by one each interval. IPv6 counts by /64, which one
// household has, and by /48 for 32 of them.
type Addresses struct {
	burst    float64
	interval time.Duration
	now      func() time.Time
	mu       sync.Mutex // of one attempt, from reading its buckets to writing them
	buckets  *recent.Map[netip.Prefix, bucket]
}

type bucket struct {
	tokens float64
	at     time.Time
}

// maxBuckets bounds the memory. Beyond it the bucket that was taken from longest ago is
// forgotten: an attacker with that many addresses can try again, and accounts have limits
// of their own.
const maxBuckets = 200_000

// NewAddresses allows burst attempts at once and one more each interval.
func NewAddresses(burst int, interval time.Duration, now func() time.Time) *Addresses {
	return newAddresses(burst, interval, now, maxBuckets)
}

// newAddresses keeps at most most buckets, each until it would be full again.
func newAddresses(burst int, interval time.Duration, now func() time.Time, most int) *Addresses {
	return &Addresses{
		burst: float64(burst), interval: interval, now: now,
		buckets: recent.New[netip.Prefix, bucket](most, time.Duration(burst)*interval, now),
	}
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

// networksOfSite is for how many networks a /48 counts, which is what a site is given
// (RFC 6177): it holds 65,536 of them, all of one guesser, or of as many telephones.
const networksOfSite = 32

// part is a bucket that an address takes from, and for how many networks it counts.
type part struct {
	of    netip.Prefix
	times float64
}

// partsOf are the buckets of an address.
func partsOf(address netip.Addr) []part {
	parts := []part{{Network(address), 1}}
	if address = address.Unmap().WithZone(""); address.Is6() {
		site, _ := address.Prefix(48)
		parts = append(parts, part{site, networksOfSite})
	}
	return parts
}

// Take takes one attempt, or says how long to wait. What is refused is not written down.
func (a *Addresses) Take(address netip.Addr) (wait time.Duration) {
	parts, now := partsOf(address), a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	left := make([]bucket, len(parts))
	for i, p := range parts {
		b, _, ok := a.buckets.Get(p.of)
		if !ok {
			b = bucket{p.times * a.burst, now}
		}
		b.tokens = min(p.times*a.burst, b.tokens+p.times*float64(now.Sub(b.at))/float64(a.interval))
		if b.tokens < 1 {
			wait = max(wait, 1, time.Duration((1-b.tokens)*float64(a.interval)/p.times))
		}
		left[i] = bucket{b.tokens - 1, now}
	}
	if wait > 0 {
		return wait
	}
	for i, p := range parts {
		a.buckets.Put(p.of, left[i], now)
	}
	return 0
}

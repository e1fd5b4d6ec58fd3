// Package crowd bounds how many connections one network holds open.
package crowd

import (
	"net/netip"
	"sync"

	"hopnhat/authz/authn"
)

// MostOfNetwork is how many connections one network may hold open: an address of IPv4,
// behind which may be many people, or a /64. Each costs some 40 KiB, and who opens them
// and falls silent pays nothing.
const MostOfNetwork = 4096

// Crowd counts open connections by network. The zero value is ready, and it is safe for
// concurrent use.
type Crowd struct {
	mu sync.Mutex
	of map[netip.Prefix]int
}

// Enter counts a connection; leave takes it out again. ok is false where the network has
// as many as it may.
func (c *Crowd) Enter(from netip.Addr) (leave func(), ok bool) {
	network := authn.Network(from)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[network] >= MostOfNetwork {
		return nil, false
	}
	if c.of == nil {
		c.of = map[netip.Prefix]int{}
	}
	c.of[network]++
	return sync.OnceFunc(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.of[network]--; c.of[network] == 0 {
			delete(c.of, network)
		}
	}), true
}

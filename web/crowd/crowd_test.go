package crowd

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// TestCrowd: a network has so many connections and no more, whatever others do; who has
// left twice has left once; and nothing is kept of who is gone.
func TestCrowd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c Crowd
		addresses := []string{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}
		network := map[string]string{"::ffff:192.0.2.1": "192.0.2.1", "2001:db8::2": "2001:db8::1"}
		c.of = map[netip.Prefix]int{netip.MustParsePrefix("192.0.2.1/32"): MostOfNetwork - 2, netip.MustParsePrefix("2001:db8::/64"): MostOfNetwork - 1}
		open := map[string]int{"192.0.2.1": MostOfNetwork - 2, "2001:db8::1": MostOfNetwork - 1}
		type one struct {
			network string
			leave   func()
		}
		var inside []one
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			if i := rapid.IntRange(-2, len(inside)-1).Draw(t, "who leaves"); i >= 0 {
				inside[i].leave()
				inside[i].leave()
				open[inside[i].network]--
				inside = append(inside[:i:i], inside[i+1:]...)
				continue
			}
			address := rapid.SampledFrom(addresses).Draw(t, "address")
			of := address
			if other, ok := network[address]; ok {
				of = other
			}
			leave, ok := c.Enter(netip.MustParseAddr(address))
			if ok != (open[of] < MostOfNetwork) {
				t.Fatalf("%s with %d open: let in %v", address, open[of], ok)
			}
			if ok {
				open[of]++
				inside = append(inside, one{of, leave})
			}
		}
		for _, o := range inside {
			o.leave()
		}
		if len(c.of) != 2 {
			t.Fatalf("kept %v", c.of)
		}
	})
}

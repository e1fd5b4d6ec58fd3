package web

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

// TestCrowd: a network has so many connections and no more, whatever others do; who has
// left twice has left once; and nothing is kept of who is gone.
func TestCrowd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c crowd
		addresses := []string{"192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"}
		network := map[string]string{"::ffff:192.0.2.1": "192.0.2.1", "2001:db8::2": "2001:db8::1"}
		c.of = map[netip.Prefix]int{netip.MustParsePrefix("192.0.2.1/32"): maxOfNetwork - 2, netip.MustParsePrefix("2001:db8::/64"): maxOfNetwork - 1}
		open := map[string]int{"192.0.2.1": maxOfNetwork - 2, "2001:db8::1": maxOfNetwork - 1}
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
			leave, ok := c.enter(netip.MustParseAddr(address))
			if ok != (open[of] < maxOfNetwork) {
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

// TestCrowdAtTheDoor: a network that has all its connections gets no further one until
// one is closed; on this machine and behind a proxy of ours are many, who have no bound.
func TestCrowdAtTheDoor(t *testing.T) {
	for _, row := range []struct {
		name    string
		from    string
		proxies []netip.Prefix
		bound   bool
	}{
		{"a stranger", "198.51.100.7:4711", nil, true},
		{"a stranger beside a proxy", "198.51.100.7:4711", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, true},
		{"a proxy of ours", "10.0.0.1:4711", []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, false},
		{"this machine", "127.0.0.1:4711", nil, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := &Server{o: Options{TrustedProxies: row.proxies}}
			door := s.onWire(&pipes{from: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(row.from))})
			var first net.Conn
			for range maxOfNetwork {
				c, err := door.Accept()
				if err != nil {
					t.Fatal(err)
				}
				first = c
			}
			further := func() bool {
				_, err := door.Accept() // of two that come; a third is none
				return err == nil
			}
			door.(wire).Listener.(*pipes).left = 2
			if further() == row.bound {
				t.Fatalf("one more was let in: %v", !row.bound)
			}
			_ = first.Close()
			_ = first.Close()
			door.(wire).Listener.(*pipes).left = 1
			if !further() {
				t.Fatal("none was let in after one was closed")
			}
		})
	}
}

// pipes are connections from one address.
type pipes struct {
	net.Listener
	from net.Addr
	left int // none are left at -1; zero has no end
}

func (p *pipes) Accept() (net.Conn, error) {
	if p.left < 0 {
		return nil, io.EOF
	}
	if p.left > 0 {
		if p.left--; p.left == 0 {
			p.left = -1
		}
	}
	here, there := net.Pipe()
	_ = there.Close()
	return addressed{here, p.from}, nil
}

type addressed struct {
	net.Conn
	from net.Addr
}

func (a addressed) RemoteAddr() net.Addr { return a.from }

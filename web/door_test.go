package web

import (
	"io"
	"net"
	"net/netip"
	"testing"

	"hopnhat/web/crowd"
)

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
			for range crowd.MostOfNetwork {
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

package web

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// caller is the network address of who calls: of the connection, or, where that
// is a proxy of ours, of the last one in X-Forwarded-For that is none. What
// stands before it was written by the caller, who can write anything there: the
// first address of the list is worth nothing for limits.
func (s *Server) caller(c *fiber.Ctx) netip.Addr {
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) { // RFC 9110 §5.3: several lines are one list
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	return behind(connected(c), hops, s.o.TrustedProxies)
}

// proxy reports whether the connection is one of a proxy of ours.
func (s *Server) proxy(c *fiber.Ctx) bool { return among(s.o.TrustedProxies, connected(c)) }

// connected is the address at the other end of the connection.
func connected(c *fiber.Ctx) netip.Addr { return addressOf(c.Context().RemoteAddr()) }

// addressOf is the address in that of a TCP connection; the zero one where it is none.
func addressOf(end net.Addr) netip.Addr {
	tcp, ok := end.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

func among(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(address) })
}

// behind goes back from a connection's address through the hops, the nearest
// last, as long as the one who wrote the next hop is trusted.
func behind(address netip.Addr, hops []string, trusted []netip.Prefix) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		if !among(trusted, address) {
			return address
		}
		hop = strings.TrimSpace(hop)
		before, err := netip.ParseAddr(hop)
		if err != nil {
			withPort, err := netip.ParseAddrPort(hop)
			if err != nil {
				return address // the chain is broken: nobody beyond it is known
			}
			before = withPort.Addr()
		}
		address = before.Unmap().WithZone("")
	}
	return address
}

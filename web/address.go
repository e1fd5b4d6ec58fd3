package web

import (
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// clientAddress is the network address of the caller: that of the connection, or, where
// that is a proxy of ours, the last one in X-Forwarded-For that is none. What
// stands before it was written by the caller, who can write anything there: the
// first address of the list is worth nothing for limits.
func (s *Server) clientAddress(c *fiber.Ctx) netip.Addr {
	var hops []string
	for _, line := range c.Request().Header.PeekAll(fiber.HeaderXForwardedFor) { // RFC 9110 §5.3: several lines are one list
		hops = append(hops, strings.Split(string(line), ",")...)
	}
	return beyondProxies(peerAddress(c), hops, s.o.TrustedProxies)
}

// fromProxy reports whether the connection is one of a proxy of ours.
func (s *Server) fromProxy(c *fiber.Ctx) bool { return contains(s.o.TrustedProxies, peerAddress(c)) }

// peerAddress is the address at the other end of the connection.
func peerAddress(c *fiber.Ctx) netip.Addr { return addressOf(c.Context().RemoteAddr()) }

// addressOf is the address in that of a TCP connection; the zero one where it is none.
func addressOf(end net.Addr) netip.Addr {
	tcp, ok := end.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}
	}
	return tcp.AddrPort().Addr().Unmap()
}

// contains reports whether an address is in one of the networks.
func contains(networks []netip.Prefix, address netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(address) })
}

// beyondProxies goes back from a connection's address through the hops, the nearest
// last, as long as the writer of the next hop is trusted.
func beyondProxies(address netip.Addr, hops []string, trusted []netip.Prefix) netip.Addr {
	for _, hop := range slices.Backward(hops) {
		if !contains(trusted, address) {
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

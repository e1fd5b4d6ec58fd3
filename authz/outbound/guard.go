package outbound

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// ErrNotPublic means that an address is not one of the public internet.
var ErrNotPublic = errors.New("the address is not public")

// guardDial is a [net.Dialer]'s Control. It runs after the name was resolved, for
// each address that is dialled, so a name that changes its address between check and
// use gains nothing, and no connection is made that was not checked.
func guardDial(b Bounds) func(network, address string, c syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return err
		}
		ip, err := netip.ParseAddr(host)
		if err != nil {
			return err
		}
		plain := ip.Unmap().WithZone("")
		named := slices.ContainsFunc(b.Networks, func(n netip.Prefix) bool { return n.Contains(plain) })
		if plain.IsLoopback() && b.Loopback || named || public(ip) {
			return nil
		}
		return ErrNotPublic
	}
}

// registries refuses what IANA's registries of special-purpose addresses list for IPv4
// and IPv6 (RFC 6890), blocks that are "Globally Reachable" included, since no app has
// its server there, and all of IPv6 that is not given out (2000::/3 is, RFC 4291 §2.4):
// ::/96 and ::ffff:0:0:0/96, which stand for IPv4 addresses (RFC 4291 §2.5.5.1, RFC
// 2765 §2.1), 64:ff9b::/96 and 64:ff9b:1::/48 (RFC 6052, RFC 8215), fc00::/7, fe80::/10
// and the rest. The module is generated anew from the registries. The port is the
// app's own matter.
var registries = ssrf.New(ssrf.WithAnyPort(), ssrf.WithDeniedV6Prefixes(
	netip.MustParsePrefix("3ffe::/16"), // the 6bone's, given back, RFC 3701
))

// public reports whether an address is one of the public internet: not this machine,
// not a network of ours, and not an address that stands for another.
func public(ip netip.Addr) bool {
	// A mapped address is dialled as the IPv4 address it holds (RFC 4291 §2.5.5.2); a
	// prefix contains no address with a zone.
	ip = ip.Unmap().WithZone("")
	return ip.IsValid() && !(ip.Is6() && isatap(ip)) && registries.SafeAddr(ip) == nil
}

// isatap reports whether an IPv6 address ends in one of IPv4, for a tunnel inside a
// network (RFC 5214 §6.1).
func isatap(ip netip.Addr) bool {
	b := ip.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

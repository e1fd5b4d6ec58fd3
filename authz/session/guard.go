package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// GuardedClient is an HTTP client for URLs that apps have registered: it reaches
// public addresses only, follows no redirect and gives up soon. allowLoopback
// lets demonstrations reach this machine.
func GuardedClient(allowLoopback bool) *http.Client {
	dialer := &net.Dialer{
		Timeout: 3 * time.Second,
		// Control runs after the name was resolved, so a name that changes its
		// address between check and use gains nothing.
		Control: func(_, address string, _ syscall.RawConn) error {
			host, _, err := net.SplitHostPort(address)
			if err != nil {
				return err
			}
			ip, err := netip.ParseAddr(host)
			if err != nil {
				return err
			}
			if ip = ip.Unmap(); ip.IsLoopback() && allowLoopback {
				return nil
			}
			if !public(ip) {
				return errNotPublic
			}
			return nil
		},
	}
	return &http.Client{
		Timeout: 10 * time.Second,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 3 * time.Second, MaxIdleConns: 50,
			IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 16 << 10, Proxy: nil,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errNotPublic = errors.New("the address is not public")

// Fetcher gets documents with a guarded client.
type Fetcher struct{ Client *http.Client }

// Fetch gets what is at a URL: status 200, and no longer than limit.
func (f Fetcher) Fetch(ctx context.Context, address string, limit int64) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	answer, err := f.Client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	raw, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err == nil && int64(len(raw)) > limit {
		err = fmt.Errorf("longer than %d bytes", limit)
	}
	return raw, err
}

// public reports whether an address is one of the public internet: not this machine,
// not a network of ours, and not an address that stands for another.
func public(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("") // a prefix contains no address with a zone
	if ip.Is6() && (!unicast.Contains(ip) || isatap(ip)) {
		return false
	}
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// unicast is all that IANA gives out of IPv6 (RFC 4291 §2.4, registry "IPv6 Address
// Space"). What is outside is nobody's, or special: ::/96 and ::ffff:0:0:0/96, which
// stand for IPv4 addresses (RFC 4291 §2.5.5.1, RFC 2765 §2.1), 64:ff9b::/96 and
// 64:ff9b:1::/48 (RFC 6052, RFC 8215), 100::/64 and 100:0:0:1::/64 (RFC 6666, RFC
// 9780), 5f00::/16 (RFC 9602), fc00::/7, fe80::/10, fec0::/10 and ff00::/8.
var unicast = netip.MustParsePrefix("2000::/3")

// isatap reports whether an IPv6 address ends in one of IPv4, for a tunnel inside a
// network (RFC 5214 §6.1).
func isatap(ip netip.Addr) bool {
	b := ip.As16()
	return b[8]&^2 == 0 && b[9] == 0 && b[10] == 0x5e && b[11] == 0xfe
}

// special are the blocks of the IANA special-purpose registries (RFC 6890) that the
// standard library takes for ordinary ones, those with "Globally Reachable" true
// included: no app has its server there.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared address space, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation, RFC 5737
	netip.MustParsePrefix("192.31.196.0/24"), // AS112, RFC 7535
	netip.MustParsePrefix("192.52.193.0/24"), // AMT, RFC 7450
	netip.MustParsePrefix("192.88.99.0/24"),  // relays of 6to4, RFC 7526
	netip.MustParsePrefix("192.175.48.0/24"), // AS112, RFC 7534
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("2001::/23"),         // Teredo, ORCHID, benchmarks and others, RFC 2928
	netip.MustParsePrefix("2001:db8::/32"),     // documentation, RFC 3849
	netip.MustParsePrefix("2002::/16"),         // stands for an IPv4 address, RFC 3056
	netip.MustParsePrefix("2620:4f:8000::/48"), // AS112, RFC 7534
	netip.MustParsePrefix("3ffe::/16"),         // the 6bone's, given back, RFC 3701
	netip.MustParsePrefix("3fff::/20"),         // documentation, RFC 9637
}

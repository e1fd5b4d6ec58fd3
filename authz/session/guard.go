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

// public tells whether an address is one of the public internet: not this machine,
// not a network of ours, and not an address that stands for another.
func public(ip netip.Addr) bool {
	ip = ip.Unmap()
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() &&
		!slices.ContainsFunc(special, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// special are address blocks of the IANA special-purpose registries (RFC 6890)
// that the standard library takes for ordinary ones.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared address space, RFC 6598
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"), // documentation
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // stands for an IPv4 address, RFC 6052
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("2001::/23"),
	netip.MustParsePrefix("2001:db8::/32"),
	netip.MustParsePrefix("2002::/16"), // stands for an IPv4 address, RFC 3056
	netip.MustParsePrefix("fec0::/10"),
}

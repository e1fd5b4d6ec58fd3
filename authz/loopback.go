package authz

import (
	"regexp"
	"slices"
	"strconv"
)

// loopback is a redirect to a server that a native app runs on the device itself
// (RFC 8252 §7.3): an address and not the name localhost, which the device may resolve
// to something else (§8.3). The port stands apart.
var loopback = regexp.MustCompile(`^(http://(?:127\.0\.0\.1|\[::1\]))(?::([1-9][0-9]{0,4}))?([/?][!"$-\[\]-~]*)?$`)

// Loopback takes the port out of a redirect URI on the device itself. ok is false for
// every other URI.
func Loopback(uri string) (portless string, ok bool) {
	parts := loopback.FindStringSubmatch(uri)
	if parts == nil {
		return "", false
	}
	if port, _ := strconv.Atoi(parts[2]); port > 65535 {
		return "", false
	}
	return parts[1] + parts[3], true
}

// redirects reports whether an app that registered some URIs may be answered at another:
// only at the very same (RFC 9700 §2.1), save that a native app's own server is on
// whatever port was free (RFC 8252 §7.3).
func (c *Client) redirects(registered []string, uri string) bool {
	here, onDevice := Loopback(uri)
	onDevice = onDevice && Profiles[c.Profile].AnyLoopbackPort
	for _, one := range registered {
		if one == uri {
			return true
		}
		if there, ok := Loopback(one); onDevice && ok && there == here {
			return true
		}
	}
	return false
}

// HasRedirectURI reports whether answers may go to a URI.
func (c *Client) HasRedirectURI(uri string) bool { return c.redirects(c.RedirectURIs, uri) }

// HasPostLogoutRedirectURI reports whether a browser may be sent to a URI after a
// sign-out (RP-Initiated Logout §3).
func (c *Client) HasPostLogoutRedirectURI(uri string) bool {
	return c.redirects(c.PostLogoutRedirectURIs, uri)
}

// OnDevice reports whether the app is answered on a loopback address of the device: then
// whatever runs there can use its name (RFC 8252 §8.6), and people are told so.
func (c *Client) OnDevice() bool {
	return Profiles[c.Profile].AnyLoopbackPort &&
		slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { _, ok := Loopback(uri); return ok })
}

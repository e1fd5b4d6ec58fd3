package registration

import (
	"slices"
	"strings"

	"hopnhat/authz"
)

// Why an app without a secret is of one profile or of none.
const (
	useNative = "an app on a phone or a desktop is of profile native, which keeps no secret (RFC 8252)"
	// RFC 9700 and the browser-based-apps draft leave such apps three ways; ours is the
	// first, a back end for the front end.
	noBrowserApps = "an app that runs in a browser alone is not offered: any script that gets into its page could read and use what people gave it, and nothing could be bound to it; give it a back end, which is of profile fapi2 (docs/integrate.md)"
)

// checkPublic: who keeps no secret is of a profile for apps on a person's own device, and
// only those are (RFC 8252 §8.4).
func checkPublic(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	switch {
	case profile.AnyLoopbackPort && c.ApplicationType == "web":
		return refuse("application_type", "profile %s is for application_type native; %s", profile.Name, noBrowserApps)
	case profile.AnyLoopbackPort, c.Method != authz.PublicClient:
		return nil
	case c.ApplicationType == "native":
		return refuse("token_endpoint_auth_method", "profile %s does not allow none; %s", profile.Name, useNative)
	}
	return refuse("token_endpoint_auth_method", "profile %s does not allow none; %s", profile.Name, noBrowserApps)
}

// wrongRedirect says what is wrong with a URI that answers go to; empty is right. A
// native app claims an https address, which the device gives to no other app (RFC 8252
// §7.2), or runs a server on the device (§7.3). A scheme of its own is refused: any app
// may claim it (§7.1, §8.4), and then sign people in under the first one's name, which
// no PKCE and no key prevents.
func wrongRedirect(uri string, profile authz.Profile, rules Rules) string {
	if !profile.AnyLoopbackPort {
		return wrongURI(uri, rules.Loopback)
	}
	if _, onDevice := authz.Loopback(uri); onDevice {
		return ""
	}
	switch scheme, _, _ := strings.Cut(strings.ToLower(uri), ":"); scheme {
	case "https":
		return wrongURI(uri, false)
	case "http":
		return "plain HTTP is for a server on the device itself: http://127.0.0.1 or http://[::1], and not localhost (RFC 8252 §7.3, §8.3)"
	}
	return "any app on the device can claim a scheme of its own (RFC 8252 §8.4): claim an https address (§7.2), or run a server on loopback (§7.3)"
}

// onDevice reports whether answers may go to the device itself, which proves no host.
func onDevice(uris []string) bool {
	return slices.ContainsFunc(uris, func(uri string) bool { _, ok := authz.Loopback(uri); return ok })
}

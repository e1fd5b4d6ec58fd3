package passkey

import (
	"net/netip"
	"net/url"
)

// Party is this server as a relying party of WebAuthn.
type Party struct {
	// ID is the RP ID: the host of the issuer and no domain above it, so a passkey is good
	// here and at no other service of the domain (WebAuthn Level 3 §5.1.2).
	ID string
	// Origin is the one origin whose pages may ask for a passkey.
	Origin string
}

// PartyOf is the relying party of an issuer. ok is false where its host is an address: an
// RP ID is a domain (WebAuthn Level 3 §5.1.2), so there are no passkeys then.
func PartyOf(issuer string) (p Party, ok bool) {
	u, err := url.Parse(issuer)
	if err != nil || u.Hostname() == "" {
		return Party{}, false
	}
	if _, err := netip.ParseAddr(u.Hostname()); err == nil {
		return Party{}, false
	}
	return Party{ID: u.Hostname(), Origin: u.Scheme + "://" + u.Host}, true
}

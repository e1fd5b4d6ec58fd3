package registration

import (
	"context"
	"encoding/json"
	"net/url"
	"slices"

	"hopnhat/authz"
)

// A sector is whose pseudonyms an app sees its people by. It is proved by where
// answers go: whoever names a host that is not its own gets nothing there. What is
// answered to no redirect URI is proved by the app's keys instead (CIBA Core §4).

// checkSector: OpenID Connect Core §8.1. That the sector is the app's own is
// [CheckSectorList], for whoever fetched the list, and [CheckSectorKeys].
func checkSector(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	if c.SectorIdentifierURI != "" {
		u, err := url.Parse(c.SectorIdentifierURI)
		if err != nil {
			return refuse("sector_identifier_uri", "it is no URL")
		}
		if c.Sector != "" && c.Sector != u.Host {
			return refuse("sector", "it is not the host of sector_identifier_uri")
		}
		c.Sector = u.Host
		return nil
	}
	if c.Sector != "" {
		return nil
	}
	if profile.AnyLoopbackPort && onDevice(c.RedirectURIs) {
		// The device is everybody's: such an app knows people by names of its own.
		c.Sector = string(c.ID)
		return nil
	}
	sector, ok := authz.SectorOf(c.RedirectURIs)
	if !ok && len(c.RedirectURIs) > 0 {
		return refuse("sector_identifier_uri", "redirect_uris are of several hosts: one URL must list them all (OpenID Connect Core §8.1)")
	}
	if c.Sector = sector; sector == "" && withoutRedirect(c) {
		// Or all such apps would know a person by one name.
		return refuse("sector", "an app without redirect_uris names its sector (OpenID Connect Core §8.1)")
	}
	return nil
}

// withoutRedirect reports whether an app gets pseudonyms in answers that go to no
// redirect URI.
func withoutRedirect(c *authz.Client) bool {
	return slices.ContainsFunc([]string{authz.GrantDevice, authz.GrantCIBA, authz.GrantTokenExchange}, c.AllowsGrant)
}

// Fetcher gets a document from a URL that an app named: public addresses only, no
// redirect, at most limit bytes.
type Fetcher interface {
	Fetch(ctx context.Context, address string, limit int64) ([]byte, error)
}

// maxSectorList bounds the list at a sector_identifier_uri.
const maxSectorList = 64 << 10

// ProveSector fetches the list of OpenID Connect Dynamic Registration §5, if the app names
// one: without it an app could take the pseudonyms of another sector.
func ProveSector(ctx context.Context, from Fetcher, c *authz.Client) error {
	if c.SectorIdentifierURI == "" {
		return nil
	}
	raw, err := from.Fetch(ctx, c.SectorIdentifierURI, maxSectorList)
	if err != nil {
		return authz.NewError(authz.InvalidClientMetadata, "sector_identifier_uri: the list could not be fetched: it must be public, answer 200 without redirect, and be no longer than %d bytes",
			maxSectorList).At("sector_identifier_uri").Because(err)
	}
	return CheckSectorList(raw, c)
}

// CheckSectorList reads what is at a sector_identifier_uri: a JSON array that
// holds every redirect URI of the client (OpenID Connect Dynamic Registration
// §5), and its jwks_uri where that is the proof (CIBA Core §4).
func CheckSectorList(raw []byte, c *authz.Client) error {
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return refuse("sector_identifier_uri", "there is no JSON array of URIs at it")
	}
	for _, uri := range c.RedirectURIs {
		if !slices.Contains(list, uri) {
			return refuse("sector_identifier_uri", "the list at it lacks the redirect URI %q", clip(uri))
		}
	}
	if withoutRedirect(c) && c.JWKSURI != "" && !slices.Contains(list, c.JWKSURI) {
		return refuse("sector_identifier_uri", "the list at it lacks jwks_uri (CIBA Core §4)")
	}
	return nil
}

// CheckSectorKeys refuses an app that brought itself and gets pseudonyms without a
// redirect, unless it authenticates with keys that are published in its sector: at
// its host, or at a URI of the list (CIBA Core §4). A redirect URI of another's
// proves nothing where no answer goes to it.
func CheckSectorKeys(c *authz.Client) error {
	if !withoutRedirect(c) {
		return nil
	}
	if c.JWKSURI == "" || c.Method != authz.PrivateKeyJWT && c.Method != authz.SelfSignedTLSClientAuth {
		return refuse("jwks_uri", "an app with a grant that needs no redirect proves its sector by keys: register jwks_uri, and %s or %s (CIBA Core §4)",
			authz.PrivateKeyJWT, authz.SelfSignedTLSClientAuth)
	}
	u, err := url.Parse(c.JWKSURI)
	if err != nil || c.SectorIdentifierURI == "" && u.Host != c.Sector {
		return refuse("jwks_uri", "it is not at the host of redirect_uris; list it at a sector_identifier_uri (CIBA Core §4)")
	}
	return nil
}

// KeepSector keeps the sector of an app through an update: what an operator gave
// stays, and what the app brought cannot change, or its refresh tokens would tell
// it the names that another sector knows its people by.
func KeepSector(before, c *authz.Client) error {
	if derived, _ := authz.SectorOf(before.RedirectURIs); before.SectorIdentifierURI == "" && before.Sector != derived &&
		c.SectorIdentifierURI == "" {
		c.Sector = before.Sector
	}
	if c.Sector != before.Sector {
		return refuse("sector_identifier_uri", "an update does not change the sector, which is the host of sector_identifier_uri or else of redirect_uris: register the app anew")
	}
	return nil
}

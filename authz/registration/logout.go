package registration

import (
	"net/url"
	"slices"

	"hopnhat/authz"
)

// checkBrowserLogout: what passes through the browser is the profile's to offer,
// and a frame of ours shows nobody but the app itself: scheme, host and port are
// those of a redirect URI (Front-Channel Logout §2).
func checkBrowserLogout(_ Metadata, c *authz.Client, profile authz.Profile, _ Rules) error {
	switch {
	case c.SessionManagement && !profile.BrowserLogout:
		return refuse("session_management", "profile %s does not offer it; register backchannel_logout_uri", profile.Name)
	case c.FrontchannelLogoutURI == "" && c.FrontchannelSession:
		return refuse("frontchannel_logout_session_required", "it goes with a frontchannel_logout_uri, which is missing")
	case c.FrontchannelLogoutURI == "":
		return nil
	case !profile.BrowserLogout:
		return refuse("frontchannel_logout_uri", "profile %s does not offer it; register backchannel_logout_uri", profile.Name)
	}
	logoutOrigin := origin(c.FrontchannelLogoutURI)
	if !slices.ContainsFunc(c.RedirectURIs, func(uri string) bool { return origin(uri) == logoutOrigin }) {
		return refuse("frontchannel_logout_uri", "its scheme, host and port are not those of a redirect URI (Front-Channel Logout §2)")
	}
	return nil
}

// origin is scheme, host and port of a URL that was found good.
func origin(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

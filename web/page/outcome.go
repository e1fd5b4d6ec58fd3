package page

import (
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/session"
	"hopnhat/web/view"
)

// The parts of the site that a person has to sign in for. A sign-in leads back into
// one of them, see [Local].
const (
	PortalPath  = "/portal"
	ConsolePath = "/console"
)

// IncidentsPath lists incidents: each page of the console leads there while one is open.
const IncidentsPath = ConsolePath + "/incidents"

// PasskeysPath is where a person changes how she signs in: see [RecentEnough].
const PasskeysPath = PortalPath + "/passkeys"

// Recent is how long ago a sign-in may be for pages where a person changes how she signs in: a
// browser that was left open gives nobody a way in of his own. A form of such a page may come
// as long again after it.
const Recent = 15 * time.Minute

// RecentEnough reports whether the sign-in of a session will do for a page of the portal.
func RecentEnough(next string, s *session.Session, now time.Time) bool {
	u, err := url.Parse(next)
	return err != nil || !within(u.Path, PasskeysPath) || own(s) && now.Sub(s.AuthTime) < Recent
}

// own reports whether a session began here with two factors. One that began by another provider
// names no method, whatever its level: who signs in there must not give herself a way in here
// that outlasts the link, or reaches a higher level.
func own(s *session.Session) bool { return authz.LevelOf(s.Methods) >= 2 }

// Fault is an error that has a page of its own.
type Fault view.ErrorKind

// Error names the kind of the page, for the log.
func (f Fault) Error() string { return "page error: " + string(f) }

// Redirect is an error that sends the browser to an address, so that a step of a
// handler can end the handler.
type Redirect string

// Error names the address.
func (r Redirect) Error() string { return "redirect to " + string(r) }

// Local is a path of the portal or the console to come back to; anything else becomes
// the start of the portal. A path that is not in its plain form could lead a browser
// elsewhere than it reads.
func Local(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || strings.ContainsAny(next, "\\\r\n") || u.Path != path.Clean(u.Path) ||
		!slices.ContainsFunc([]string{PortalPath, ConsolePath}, func(part string) bool { return within(u.Path, part) }) {
		return PortalPath
	}
	return next
}

// within reports whether a path is that of a part of the site or lies below it.
func within(path, part string) bool { return path == part || strings.HasPrefix(path, part+"/") }

package web

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/provider"
	"hopnhat/authz/session"
	"hopnhat/web/static"
	"hopnhat/web/view"
)

func (s *Server) logoutRoutes(a *fiber.App) {
	a.All(provider.EndSessionPath, s.page(s.logout))
	a.Get(provider.EndSessionPath+"/continue", s.page(s.logoutContinue))
	a.Post(provider.EndSessionPath+"/confirm", s.page(s.logoutConfirm))
	a.Get(provider.EndSessionPath+"/done", s.page(s.signedOut))
	a.Get(provider.CheckSessionPath, s.checkSession)
}

// in is the browser's session as the provider knows it.
func in(who *session.Session) *provider.SignedIn {
	if who == nil {
		return nil
	}
	return &provider.SignedIn{ID: who.ID, Subject: who.Subject}
}

// logout is the end_session_endpoint.
func (s *Server) logout(v *visit) error {
	who, err := v.current()
	if err != nil {
		return err
	}
	asked, err := s.o.Provider.EndSession(v.http, in(who))
	if err != nil {
		return err
	}
	if who == nil && v.c.Method() == http.MethodPost {
		// A POST from the app's page brings no cookie of ours: the session is read after
		// a redirect to ourselves, which carries the verdict and not the ID token.
		return redirect(v.onward("continue", "logout", asked.Ticket))
	}
	return s.askLogout(v, who, asked)
}

// logoutContinue goes on with a request that was checked.
func (s *Server) logoutContinue(v *visit) error {
	who, err := v.current()
	if err != nil {
		return err
	}
	asked, err := s.o.Provider.ContinueEndSession(v.ctx, v.c.Query("logout"), in(who))
	if err != nil {
		return err
	}
	return s.askLogout(v, who, asked)
}

// askLogout asks the person whether to sign out, or signs her out at once where she need
// not be asked (RP-Initiated Logout §2).
func (s *Server) askLogout(v *visit, who *session.Session, asked provider.Logout) error {
	v.hear(asked.Lang)
	switch {
	case who == nil:
		return s.endLeftover(v, asked)
	case asked.Confirmed:
		return s.endNow(v, asked.Client, asked.Return)
	}
	page := view.LogoutConfirm{
		Form:   view.Form{Action: provider.EndSessionPath + "/confirm", Hidden: []view.Field{{Name: "logout", Value: asked.Ticket}}},
		Person: who.Name, Another: asked.Another,
	}
	if asked.Client != nil {
		a := app(asked.Client)
		page.App = &a
		v.leadsAway()
	}
	if v.asked != "" {
		page.Form.Hidden = append(page.Form.Hidden, view.Field{Name: "ui_locales", Value: v.asked})
	}
	v.formPath = v.onward("continue", "logout", asked.Ticket)
	return v.show(page)
}

// onward is the address of the next page of a sign-out, with pairs of names and
// values, in the language that was asked for.
func (v *visit) onward(page string, pairs ...string) string {
	query := url.Values{}
	if v.asked != "" {
		query.Set("ui_locales", v.asked)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return provider.EndSessionPath + "/" + page + "?" + query.Encode()
}

// endLeftover answers a sign-out from a browser whose session has ended already, for
// example by another tab: the last tab to ask is still sent back to its app. A session
// that only ran out is ended now, for the apps that still rely on it.
func (s *Server) endLeftover(v *visit, asked provider.Logout) error {
	old, err := s.o.Sessions.Leftover(v.http)
	if errors.Is(err, session.ErrNone) {
		return s.loggedOut(v, nil, asked.Client, asked.Return)
	}
	if err != nil {
		return err
	}
	v.session = &old
	return s.endNow(v, asked.Client, asked.Return)
}

// logoutConfirm is the person's answer, to a request of an app or to the header's
// sign-out.
func (s *Server) logoutConfirm(v *visit) error {
	if err := v.checkForm(); err != nil {
		return err
	}
	who, err := v.current()
	if err != nil {
		return err
	}
	var asked provider.Logout
	if ticket := v.field("logout"); ticket != "" {
		if asked, err = s.o.Provider.ContinueEndSession(v.ctx, ticket, in(who)); err != nil {
			return err
		}
	}
	if who == nil {
		return s.endLeftover(v, asked)
	}
	switch v.field("decision") {
	case "stay":
		return redirect(portal)
	case "app":
		return s.leaveApp(v, who, asked)
	case "everywhere":
		return s.endEverywhere(v, who, asked.Client, asked.Return)
	default:
		return s.endNow(v, asked.Client, asked.Return)
	}
}

// leaveApp signs out of the app that asked, and of nothing else.
func (s *Server) leaveApp(v *visit, who *session.Session, asked provider.Logout) error {
	if asked.Client == nil {
		return fault(view.ErrorBadRequest)
	}
	told, err := s.o.Sessions.Leave(v.ctx, s.o.Clients, who.Subject, who.ID, asked.Client.ID, "left by the person")
	if err != nil && !errors.Is(err, authz.ErrNotFound) { // it has no grants: left already
		return err
	}
	s.o.LogoutQueued()
	return s.farewell(v, farewell{Left: true}, told, asked.Client, asked.Return)
}

func (s *Server) endNow(v *visit, client *authz.Client, back string) error {
	who, err := v.current()
	if err != nil {
		return err
	}
	var told []session.Told
	if who != nil {
		if told, err = s.o.Sessions.End(v.ctx, s.o.Clients, who.Subject, who.ID, "signed out"); err != nil && !errors.Is(err, authz.ErrNotFound) {
			return err
		}
		s.o.LogoutQueued()
	}
	return s.loggedOut(v, told, client, back)
}

func (s *Server) endEverywhere(v *visit, who *session.Session, client *authz.Client, back string) error {
	told, err := s.o.Sessions.EndAll(v.ctx, s.o.Clients, who.Subject, "all ended by the person")
	if err != nil {
		return err
	}
	s.o.LogoutQueued()
	return s.loggedOut(v, told, client, back)
}

func (s *Server) endSession(v *visit) error {
	if err := v.checkForm(); err != nil {
		return err
	}
	who, _, err := v.mine()
	if err != nil {
		return err
	}
	id := authz.SessionID(v.field("session"))
	told, err := s.o.Sessions.End(v.ctx, s.o.Clients, who.Subject, id, "ended by the person")
	if err != nil {
		return err
	}
	s.o.LogoutQueued()
	if id == who.ID {
		return s.loggedOut(v, told, nil, "")
	}
	v.formPath = portal + "/sessions"
	return s.showSessions(v, 1)
}

func (s *Server) endAllSessions(v *visit) error {
	if err := v.checkForm(); err != nil {
		return err
	}
	who, _, err := v.mine()
	if err != nil {
		return err
	}
	return s.endEverywhere(v, who, nil, "")
}

// loggedOut lets the browser forget the session.
func (s *Server) loggedOut(v *visit, told []session.Told, client *authz.Client, back string) error {
	own := authz.SessionID("")
	if v.session != nil {
		own = v.session.ID
		v.rebind() // the forms of the session that are open elsewhere are void
	}
	v.cookie(s.o.Sessions.CookieName(), "", -time.Second)
	v.forgetState()
	v.session = nil
	return s.farewell(v, farewell{Own: own}, told, client, back)
}

// farewell is what the page after a sign-out shows, as it travels in its address. It
// is bound to the browser, and old after ten minutes.
type farewell struct {
	Own     authz.SessionID   `json:"o,omitempty"` // the session of this browser
	Others  []authz.SessionID `json:"x,omitempty"` // that ended with it
	Apps    []authz.ClientID  `json:"a,omitempty"`
	Frames  []authz.ClientID  `json:"f,omitempty"` // apps of this browser to tell by frames
	Client  authz.ClientID    `json:"c,omitempty"`
	Return  string            `json:"r,omitempty"`
	Left    bool              `json:"l,omitempty"` // only one app was left
	Expires int64             `json:"e"`
}

// Limits of the page.
const (
	maxTold   = 40 // apps that are named
	maxFrames = 12 // apps that are told by frames
	farewells = 10 * time.Minute
)

// farewell sends the browser back to the app at once, or, where some app has to be
// notified through a frame, to a page that lists the apps that are notified. That page
// has an address of its own, so that it can be reloaded.
func (s *Server) farewell(v *visit, f farewell, told []session.Told, client *authz.Client, back string) error {
	for _, one := range told {
		if f.Left {
			f.Own = one.Session
		}
		if len(f.Apps) < maxTold && !slices.Contains(f.Apps, one.Client.ID) {
			f.Apps = append(f.Apps, one.Client.ID)
		}
		switch {
		case one.Session != f.Own:
			if len(f.Others) < maxTold && !slices.Contains(f.Others, one.Session) {
				f.Others = append(f.Others, one.Session)
			}
		case one.Client.FrontchannelLogoutURI != "" && len(f.Frames) < maxFrames:
			f.Frames = append(f.Frames, one.Client.ID)
		}
	}
	if back != "" && len(f.Frames) == 0 {
		return redirect(back)
	}
	if f.Return = back; client != nil {
		f.Client = client.ID
	}
	f.Expires = s.o.Now().Add(farewells).Unix()
	raw, err := json.Marshal(f)
	if err != nil {
		return err
	}
	body := base64.RawURLEncoding.EncodeToString(raw)
	return redirect(v.onward("done", "t", body, "s", s.o.Forms.Token(v.bind(), "farewell "+body)))
}

// opened is the farewell in the address. One of another browser, or an old one, counts
// as none.
func (s *Server) opened(v *visit) farewell {
	var f farewell
	body := v.c.Query("t")
	if !s.o.Forms.Genuine(v.binding, "farewell "+body, v.c.Query("s")) {
		return farewell{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &f) != nil || s.o.Now().Unix() >= f.Expires {
		return farewell{}
	}
	return f
}

// signedOut says which apps were told, and tells those that can only be told through
// the browser (Front-Channel Logout §2): the frames of this one answer are of their
// origins and of no other.
func (s *Server) signedOut(v *visit) error {
	f := s.opened(v)
	page := view.LoggedOut{HomeURL: "/", Left: f.Left}
	if f.Client != "" {
		client := s.client(v.ctx, f.Client)
		a := app(client)
		page.Return, page.ReturnURL = &a, client.HomeURI
		if f.Return != "" {
			page.ReturnURL, page.Onward = f.Return, true
		}
		if page.ReturnURL == "" {
			page.Return = nil
		}
	}
	var origins []string
	for _, id := range f.Frames {
		client := s.client(v.ctx, id)
		at := s.o.Provider.FrontchannelLogout(client, f.Own)
		u, err := url.Parse(at)
		if at == "" || err != nil {
			continue // the registration has changed meanwhile
		}
		page.Frames = append(page.Frames, view.Frame{App: client.Name, URL: at})
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	if len(origins) > 0 {
		v.c.Set(fiber.HeaderContentSecurityPolicy, policy+"; frame-src "+strings.Join(origins, " "))
	}
	answers, err := s.answers(v, f)
	if err != nil {
		return err
	}
	for _, id := range f.Apps {
		answer, ok := answers[id]
		switch {
		case ok:
		case slices.Contains(f.Frames, id):
			answer = view.LogoutAsked
		default:
			answer = view.LogoutUntold
		}
		page.Apps = append(page.Apps, view.LogoutTold{App: app(s.client(v.ctx, id)), Answer: answer})
		page.Waiting = page.Waiting || answer == view.LogoutWaiting
	}
	page.AgainURL, page.Again = v.c.OriginalURL(), v.c.Query("again") != ""
	if !page.Again {
		page.AgainURL += "&again=1"
	}
	return v.show(page)
}

// answers is the state of the logout tokens that were sent, the worst of each app.
func (s *Server) answers(v *visit, f farewell) (map[authz.ClientID]view.LogoutAnswer, error) {
	sessions := f.Others
	if f.Own != "" {
		sessions = append(sessions, f.Own)
	}
	if len(f.Apps) == 0 {
		return nil, nil
	}
	found, err := s.o.Logouts.LogoutsOf(v.ctx, sessions)
	if err != nil {
		return nil, err
	}
	rank := []view.LogoutAnswer{view.LogoutDone, view.LogoutWaiting, view.LogoutFailed, view.LogoutUnreached}
	out := map[authz.ClientID]view.LogoutAnswer{}
	for _, d := range found {
		answer := view.LogoutDone
		switch state := d.State(); {
		case state == session.GivenUp:
			answer = view.LogoutUnreached
		case state == session.Waiting && d.Failed != "":
			answer = view.LogoutFailed
		case state == session.Waiting:
			answer = view.LogoutWaiting
		}
		if before, ok := out[d.Client]; !ok || slices.Index(rank, answer) > slices.Index(rank, before) {
			out[d.Client] = answer
		}
	}
	return out, nil
}

// stateName is the cookie that the frame of session management reads.
func (s *Server) stateName() string {
	if s.o.Sessions.Secure() {
		return "__Host-hn_state"
	}
	return "hn_state"
}

// keepState sets it, for an app that registered for session management: readable by
// our script, sent along in frames of other sites, and good for nothing else.
func (v *visit) keepState(state string) {
	if state == "" {
		return
	}
	v.stateCookie(state, 12*time.Hour)
}

// forgetState lets the frame say "changed": the session ended, or another began.
func (v *visit) forgetState() {
	if v.c.Cookies(v.s.stateName()) != "" {
		v.stateCookie("", -time.Second)
	}
}

func (v *visit) stateCookie(value string, life time.Duration) {
	c := &fiber.Cookie{Name: v.s.stateName(), Value: value, Path: "/", SameSite: fiber.CookieSameSiteLaxMode, MaxAge: int(life.Seconds())}
	if v.s.o.Sessions.Secure() {
		c.Secure, c.SameSite = true, fiber.CookieSameSiteNoneMode
	}
	v.c.Cookie(c)
}

// checkSession is the frame of Session Management §3.2: a page of one script, which
// any app may show, since it says "unchanged" only to who knows a session_state that
// was made for its own origin.
func (s *Server) checkSession(c *fiber.Ctx) error {
	c.Response().Header.Del("X-Frame-Options")
	c.Set(fiber.HeaderContentSecurityPolicy, "default-src 'none'; script-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors *")
	c.Set(fiber.HeaderCacheControl, metadataCache)
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	return c.SendString(`<!doctype html><html lang="vi" data-cookie="` + s.stateName() + `"><head><meta charset="utf-8"><title>Phiên đăng nhập</title>` +
		`<script src="` + static.Path("session.js") + `"></script></head><body></body></html>` + "\n")
}

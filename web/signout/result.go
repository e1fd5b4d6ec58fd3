package signout

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/endsession"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
	"hopnhat/web/view/ways"
)

// result is what the page after a sign-out shows, as it travels in its address. It
// is bound to the browser, and expires.
type result struct {
	Own     authz.SessionID   `json:"o,omitempty"` // the session of this browser
	Others  []authz.SessionID `json:"x,omitempty"` // that ended with it
	Apps    []authz.ClientID  `json:"a,omitempty"`
	Frames  []authz.ClientID  `json:"f,omitempty"` // apps of this browser to notify by frames
	Client  authz.ClientID    `json:"c,omitempty"`
	Return  string            `json:"r,omitempty"`
	Left    bool              `json:"l,omitempty"` // only one app was left
	Expires int64             `json:"e"`
}

// Limits of the page.
const (
	maxApps    = 40 // that are named
	maxFrames  = 12 // apps that are notified by frames
	resultLife = 10 * time.Minute
)

// resultToken is what the token of a result is made for. The word is part of addresses
// that are in use.
func resultToken(body string) string { return "farewell " + body }

// add takes in the apps that relied on the sessions that ended.
func (r *result) add(notified []session.Notified) {
	for _, one := range notified {
		if r.Left {
			r.Own = one.Session
		}
		if len(r.Apps) < maxApps && !slices.Contains(r.Apps, one.Client.ID) {
			r.Apps = append(r.Apps, one.Client.ID)
		}
		switch {
		case one.Session != r.Own:
			if len(r.Others) < maxApps && !slices.Contains(r.Others, one.Session) {
				r.Others = append(r.Others, one.Session)
			}
		case one.Client.FrontchannelLogoutURI != "" && len(r.Frames) < maxFrames:
			r.Frames = append(r.Frames, one.Client.ID)
		}
	}
}

// finish sends the browser back to the app at once, or, where some app has to be
// notified through a frame, to a page that lists the apps that are notified. That page
// has an address of its own, so that it can be reloaded.
func (p *Pages) finish(v *page.Visit, r result, notified []session.Notified, request endsession.Logout) error {
	r.add(notified)
	if request.Return != "" && len(r.Frames) == 0 && p.upstream(v, r) == nil {
		return page.Redirect(request.Return)
	}
	if r.Return = request.Return; request.Client != nil {
		r.Client = request.Client.ID
	}
	r.Expires = p.o.Now().Add(resultLife).Unix()
	raw, err := json.Marshal(r)
	if err != nil {
		return err
	}
	body := base64.RawURLEncoding.EncodeToString(raw)
	return page.Redirect(address(v, DonePath, "t", body, "s", v.Token(resultToken(body))))
}

// upstream is the link that signs the browser out at another provider, where its session ended
// and began by one.
func (p *Pages) upstream(v *page.Visit, r result) *ways.ProviderButton {
	if p.o.Upstream == nil || r.Left || r.Own == "" {
		return nil
	}
	return p.o.Upstream(v.Context, r.Own)
}

// open opens the result in the address. One of another browser, or an old one, counts
// as none.
func (p *Pages) open(v *page.Visit) result {
	var r result
	body := v.C.Query("t")
	if !v.Genuine(resultToken(body), v.C.Query("s")) {
		return result{}
	}
	raw, err := base64.RawURLEncoding.DecodeString(body)
	if err != nil || json.Unmarshal(raw, &r) != nil || p.o.Now().Unix() >= r.Expires {
		return result{}
	}
	return r
}

// Done says which apps were notified, and notifies those that can only be reached through
// the browser (Front-Channel Logout §2): the frames of this one answer are of their
// origins and of no other.
func (p *Pages) Done(v *page.Visit) error {
	r := p.open(v)
	body := view.LoggedOut{HomeURL: "/", Left: r.Left, Provider: p.upstream(v, r)}
	if r.Client != "" {
		client := page.ClientOrID(v.Context, p.o.Clients, r.Client)
		a := page.App(client)
		body.Return, body.ReturnURL = &a, client.HomeURI
		if r.Return != "" {
			body.ReturnURL, body.Onward = r.Return, body.Provider == nil // else she reads it first
		}
		if body.ReturnURL == "" {
			body.Return = nil
		}
	}
	var origins []string
	if body.Frames, origins = p.frames(v, r); len(origins) > 0 {
		v.C.Set(fiber.HeaderContentSecurityPolicy, page.Policy+"; frame-src "+strings.Join(origins, " "))
	}
	answers, err := p.answers(v, r)
	if err != nil {
		return err
	}
	for _, id := range r.Apps {
		answer, ok := answers[id]
		switch {
		case ok:
		case slices.Contains(r.Frames, id):
			answer = view.LogoutAsked
		default:
			answer = view.LogoutUntold
		}
		body.Apps = append(body.Apps, view.LogoutTold{App: page.App(page.ClientOrID(v.Context, p.o.Clients, id)), Answer: answer})
		body.Waiting = body.Waiting || answer == view.LogoutWaiting
	}
	body.AgainURL, body.Again = v.C.OriginalURL(), v.C.Query("again") != ""
	if !body.Again {
		body.AgainURL += "&again=1"
	}
	return v.Show(body)
}

// frames are the frames of apps that are notified through the browser, and the origins of
// their addresses.
func (p *Pages) frames(v *page.Visit, r result) (frames []view.Frame, origins []string) {
	for _, id := range r.Frames {
		client := page.ClientOrID(v.Context, p.o.Clients, id)
		at := p.o.Provider.FrontchannelLogout(client, r.Own)
		u, err := url.Parse(at)
		if at == "" || err != nil {
			continue // the registration has changed meanwhile
		}
		frames = append(frames, view.Frame{App: client.Name, URL: at})
		if origin := u.Scheme + "://" + u.Host; !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	return frames, origins
}

// answers is the state of the logout tokens that were sent, the worst of each app.
func (p *Pages) answers(v *page.Visit, r result) (map[authz.ClientID]view.LogoutAnswer, error) {
	sessions := r.Others
	if r.Own != "" {
		sessions = append(sessions, r.Own)
	}
	if len(r.Apps) == 0 {
		return nil, nil
	}
	found, err := p.o.Deliveries.LogoutsOf(v.Context, sessions)
	if err != nil {
		return nil, err
	}
	rank := []view.LogoutAnswer{view.LogoutDone, view.LogoutWaiting, view.LogoutFailed, view.LogoutUnreached}
	out := map[authz.ClientID]view.LogoutAnswer{}
	for _, d := range found {
		answer := answerOf(d)
		if before, ok := out[d.Client]; !ok || slices.Index(rank, answer) > slices.Index(rank, before) {
			out[d.Client] = answer
		}
	}
	return out, nil
}

// answerOf is what one delivery of a logout token came to.
func answerOf(d session.Delivery) view.LogoutAnswer {
	switch state := d.State(); {
	case state == session.GivenUp:
		return view.LogoutUnreached
	case state == session.Waiting && d.Failed != "":
		return view.LogoutFailed
	case state == session.Waiting:
		return view.LogoutWaiting
	default:
		return view.LogoutDone
	}
}

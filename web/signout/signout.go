package signout

import (
	"errors"
	"net/http"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/endsession"
	"hopnhat/authz/protocol"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// The addresses of a sign-out.
const (
	Path         = protocol.EndSessionPath
	ContinuePath = Path + "/continue"
	ConfirmPath  = Path + "/confirm"
	DonePath     = Path + "/done"
)

// signedInOf is the browser's session as the provider knows it.
func signedInOf(who *session.Session) *authorize.SignedIn {
	if who == nil {
		return nil
	}
	return &authorize.SignedIn{ID: who.ID, Principal: who.Principal}
}

// EndSession is the end_session_endpoint (RP-Initiated Logout §2).
func (p *Pages) EndSession(v *page.Visit) error {
	who, err := v.Current()
	if err != nil {
		return err
	}
	request, err := p.o.Provider.EndSession(v.HTTP, signedInOf(who))
	if err != nil {
		return err
	}
	if who == nil && v.C.Method() == http.MethodPost {
		// A POST from the app's page brings no cookie of ours: the session is read after
		// a redirect to ourselves, which carries the verdict and not the ID token.
		return page.Redirect(address(v, ContinuePath, "logout", request.Ticket))
	}
	return p.ask(v, who, request)
}

// Continue goes on with a request that was checked.
func (p *Pages) Continue(v *page.Visit) error {
	who, err := v.Current()
	if err != nil {
		return err
	}
	request, err := p.o.Provider.ContinueEndSession(v.Context, v.C.Query("logout"), signedInOf(who))
	if err != nil {
		return err
	}
	return p.ask(v, who, request)
}

// ask asks the person whether to sign out, or signs her out at once where she need
// not be asked (RP-Initiated Logout §2).
func (p *Pages) ask(v *page.Visit, who *session.Session, request endsession.Logout) error {
	v.SetUILocales(request.Lang)
	switch {
	case who == nil:
		return p.endExpired(v, request)
	case request.Confirmed:
		return p.end(v, request)
	}
	body := view.LogoutConfirm{
		Form:   view.Form{Action: ConfirmPath, Hidden: []view.Field{{Name: "logout", Value: request.Ticket}}},
		Person: who.Name, Another: request.Another,
	}
	if request.Client != nil {
		a := page.App(request.Client)
		body.App = &a
		v.AllowAnyFormAction()
	}
	if v.UILocale != "" {
		body.Form.Hidden = append(body.Form.Hidden, view.Field{Name: "ui_locales", Value: v.UILocale})
	}
	v.FormPath = address(v, ContinuePath, "logout", request.Ticket)
	return v.Show(body)
}

// address is one of a sign-out, with pairs of names and values, in the language that
// was asked for.
func address(v *page.Visit, path string, pairs ...string) string {
	query := url.Values{}
	if v.UILocale != "" {
		query.Set("ui_locales", v.UILocale)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + query.Encode()
}

// endExpired answers a sign-out from a browser whose session has ended already, for
// example by another tab: the last tab to ask is still sent back to its app. A session
// that only ran out is ended now, for the apps that still rely on it.
func (p *Pages) endExpired(v *page.Visit, request endsession.Logout) error {
	old, err := p.o.Sessions.Expired(v.HTTP)
	if errors.Is(err, session.ErrNone) {
		return p.ended(v, nil, request)
	}
	if err != nil {
		return err
	}
	v.Session = &old
	return p.end(v, request)
}

// Confirm takes the person's answer, to a request of an app or to the header's
// sign-out.
func (p *Pages) Confirm(v *page.Visit) error {
	if err := v.CheckForm(); err != nil {
		return err
	}
	who, err := v.Current()
	if err != nil {
		return err
	}
	var request endsession.Logout
	if ticket := v.Field("logout"); ticket != "" {
		if request, err = p.o.Provider.ContinueEndSession(v.Context, ticket, signedInOf(who)); err != nil {
			return err
		}
	}
	if who == nil {
		return p.endExpired(v, request)
	}
	switch v.Field("decision") {
	case "stay":
		return page.Redirect(page.PortalPath)
	case "app":
		return p.leaveApp(v, who, request)
	case "everywhere":
		return p.endEverywhere(v, who, request)
	default:
		return p.end(v, request)
	}
}

// leaveApp signs out of the app that asked, and of nothing else.
func (p *Pages) leaveApp(v *page.Visit, who *session.Session, request endsession.Logout) error {
	if request.Client == nil {
		return page.Fault(view.ErrorBadRequest)
	}
	notified, err := p.o.Sessions.Leave(v.Context, p.o.Clients, who.Actor, who.ID, request.Client)
	if err != nil && !errors.Is(err, authz.ErrNotFound) { // it has no grants: left already
		return err
	}
	p.o.LogoutQueued()
	return p.finish(v, result{Left: true}, notified, request)
}

// end ends the session of the browser.
func (p *Pages) end(v *page.Visit, request endsession.Logout) error {
	who, err := v.Current()
	if err != nil {
		return err
	}
	var notified []session.Notified
	if who != nil {
		notified, err = p.o.Sessions.End(v.Context, p.o.Clients, who.Actor, who.ID, session.SignedOut)
		if err != nil && !errors.Is(err, authz.ErrNotFound) {
			return err
		}
		p.o.LogoutQueued()
	}
	return p.ended(v, notified, request)
}

func (p *Pages) endEverywhere(v *page.Visit, who *session.Session, request endsession.Logout) error {
	notified, err := p.o.Sessions.EndAll(v.Context, p.o.Clients, who.Actor, session.AllEnded)
	if err != nil {
		return err
	}
	p.o.LogoutQueued()
	return p.ended(v, notified, request)
}

// Everywhere ends all sessions of the person who is signed in, and answers the visit.
func (p *Pages) Everywhere(v *page.Visit) error {
	return p.endEverywhere(v, v.Session, endsession.Logout{})
}

// Ended answers a visit whose own session was ended, with the apps that relied on it.
func (p *Pages) Ended(v *page.Visit, notified []session.Notified) error {
	return p.ended(v, notified, endsession.Logout{})
}

// ended lets the browser forget the session.
func (p *Pages) ended(v *page.Visit, notified []session.Notified, request endsession.Logout) error {
	current := authz.SessionID("")
	if v.Session != nil {
		current = v.Session.ID
	}
	v.ForgetSession()
	return p.finish(v, result{Own: current}, notified, request)
}

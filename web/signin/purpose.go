package signin

import (
	"net/url"
	"time"

	"hopnhat/authz/authorize"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// signInPurpose is what a sign-in is for: an app's request, or a page of ours.
type signInPurpose struct {
	authorization string
	next          string
	locale        string             // that the app asks for
	waiting       *authorize.Waiting // of an app's request, once a page has asked for it
}

// ResumePath is where the authorization endpoint decides again, after a page of ours.
const ResumePath = protocol.AuthorizePath + "/resume"

// Bounds of what is carried along in an address.
const (
	maxAuthorization = 256
	maxNext          = 4096
)

// purposeOf reads the purpose of the sign-in from the request. A value that is longer
// than any of ours counts as none, since it would make addresses longer than we read.
func purposeOf(v *page.Visit) signInPurpose {
	to := signInPurpose{authorization: v.Param("a"), next: v.Param("next"), locale: v.UILocale}
	if len(to.authorization) > maxAuthorization {
		to.authorization = "-"
	}
	if len(to.next) > maxNext {
		to.next = page.PortalPath
	}
	return to
}

// waitingPurpose is [purposeOf] for a page, which shows the app that waits.
func (p *Pages) waitingPurpose(v *page.Visit) (signInPurpose, error) {
	to := purposeOf(v)
	if to.authorization == "" {
		return to, nil
	}
	w, err := p.o.Requests.Waiting(v.Context, grant.Handle(to.authorization))
	if err != nil {
		return to, err
	}
	v.SetUILocales(w.Request.UILocales...)
	to.waiting, to.locale = &w, v.UILocale
	return to, nil
}

// resume is the address where the authorization endpoint decides again about a request.
func resume(id grant.Handle) string {
	return signInPurpose{authorization: string(id)}.done()
}

// signedInFor is who is signed in, where a request asks her something. Without anybody the
// authorization endpoint decides what comes first, and the error sends the browser there.
func signedInFor(v *page.Visit, id grant.Handle) (*session.Session, error) {
	who, err := v.Current()
	if err == nil && who == nil {
		err = page.Redirect(resume(id))
	}
	return who, err
}

// address is one of a sign-in, with pairs of names and values.
func (to signInPurpose) address(path string, pairs ...string) string {
	query := url.Values{}
	for _, field := range to.hidden() {
		query.Set(field.Name, field.Value)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + query.Encode()
}

// hidden is what pages and forms of a sign-in carry along.
func (to signInPurpose) hidden() []view.Field {
	fields := []view.Field{{Name: "next", Value: page.Local(to.next)}}
	if to.authorization != "" {
		fields = []view.Field{{Name: "a", Value: to.authorization}}
	}
	if to.locale != "" {
		fields = append(fields, view.Field{Name: "ui_locales", Value: to.locale})
	}
	return fields
}

// app is the app that waits, nil where none does.
func (to signInPurpose) app() *view.App {
	if to.waiting == nil {
		return nil
	}
	a := page.App(to.waiting.Client)
	return &a
}

// done is where the browser goes after the sign-in: the authorization endpoint
// decides again, or a page of ours.
func (to signInPurpose) done() string {
	if to.authorization != "" {
		return to.address(ResumePath)
	}
	return page.Local(to.next)
}

// cancel is the link that gives up and leads back to the app; empty where there is
// none to go back to.
func (to signInPurpose) cancel() string {
	if to.waiting == nil {
		return ""
	}
	return to.address(CancelPath)
}

// step goes on to a page of a sign-in.
func (to signInPurpose) step(path string, pairs ...string) error {
	return page.Redirect(to.address(path, pairs...))
}

// satisfied reports whether the session that began since a time satisfies the request,
// so that no page of the sign-in need be shown: another tab has signed in meanwhile, or
// the person went back.
func (p *Pages) satisfied(v *page.Visit, to signInPurpose, since time.Time) (bool, error) {
	who, err := v.Current()
	if err != nil || who == nil || who.AuthTime.Before(since) {
		return false, err
	}
	if to.authorization == "" {
		return true, nil
	}
	return p.o.Requests.SignedInFor(v.HTTP, grant.Handle(to.authorization))
}

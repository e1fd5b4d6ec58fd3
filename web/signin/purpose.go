package signin

import (
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/grant"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// signInPurpose is what a sign-in is for: an app's request, or a page of ours.
type signInPurpose struct {
	authorization string
	next          string
	locale        string        // that the app asks for
	hint          string        // the provider that the app names, see [HintField]
	waits         string        // what the browser carries of the request, see [withWaits]
	client        *authz.Client // of an app's request, once a page has asked for it
}

// ResumePath is where the authorization endpoint decides again, after a page of ours.
const ResumePath = protocol.AuthorizePath + "/resume"

// HintField names the provider that a request hints at, where it is carried.
const HintField = "provider"

// Bounds of what is carried along in an address.
const (
	maxAuthorization = 256
	maxNext          = 4096
)

// purposeOf reads the purpose of the sign-in from the request. A value that is longer
// than any of ours counts as none, since it would make addresses longer than we read.
func purposeOf(v *page.Visit) signInPurpose {
	to := signInPurpose{authorization: v.Param("a"), next: v.Param("next"), locale: v.UILocale, waits: v.Param(waitsField)}
	to.hint = v.Param(HintField)
	if len(to.authorization) > maxAuthorization {
		to.authorization = "-"
	}
	if len(to.next) > maxNext {
		to.next = page.PortalPath
	}
	if len(to.waits) > maxWaits {
		to.waits = ""
	}
	if len(to.hint) > request.MaxProviderHint {
		to.hint = ""
	}
	return to
}

// waitingPurpose is [purposeOf] for a page, which shows the app that waits.
func (p *Pages) waitingPurpose(v *page.Visit) (signInPurpose, error) {
	to := purposeOf(v)
	if to.authorization == "" {
		return to, nil
	}
	if to.client = p.carried(v, to); to.client != nil {
		return to, nil
	}
	w, err := p.o.Requests.Waiting(v.Context, grant.Handle(to.authorization))
	if err != nil {
		return to, err
	}
	v.SetUILocales(w.Request.UILocales...)
	to.client, to.locale = w.Client, v.UILocale
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

// address is one that ends a sign-in.
func (to signInPurpose) address(path string) string {
	to.waits, to.hint = "", "" // are of the pages of the sign-in alone
	return to.pageAddress(path)
}

// pageAddress is one of a page of a sign-in, with pairs of names and values.
func (to signInPurpose) pageAddress(path string, pairs ...string) string {
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
	if to.hint != "" {
		fields = append(fields, view.Field{Name: HintField, Value: to.hint})
	}
	if to.authorization != "" && to.waits != "" {
		fields = append(fields, view.Field{Name: waitsField, Value: to.waits})
	}
	return fields
}

// app is the app that waits, nil where none does.
func (to signInPurpose) app() *view.App {
	if to.client == nil {
		return nil
	}
	a := page.App(to.client)
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
	if to.client == nil {
		return ""
	}
	return to.address(CancelPath)
}

// step goes on to a page of a sign-in.
func (to signInPurpose) step(path string, pairs ...string) error {
	return page.Redirect(to.pageAddress(path, pairs...))
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
		return page.RecentEnough(to.next, who, p.o.Now()), nil
	}
	return p.o.Requests.SignedInFor(v.HTTP, grant.Handle(to.authorization))
}

package web

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz/grant"
	"hopnhat/authz/provider"
	"hopnhat/web/view"
)

// errand is what a sign-in is for: an app's request, or a page of ours.
type errand struct {
	authorization string
	next          string
	locale        string            // that the app asks for
	waiting       *provider.Waiting // of an app's request, once a page has asked for it
}

// errand reads the purpose of the sign-in from the request. A value that is longer than
// any of ours counts as none, since it would make addresses longer than we read.
func (v *visit) errand() errand {
	e := errand{authorization: v.param("a"), next: v.param("next"), locale: v.asked}
	if len(e.authorization) > 256 {
		e.authorization = "-"
	}
	if len(e.next) > 4096 {
		e.next = portal
	}
	return e
}

// waitingErrand is errand for a page, which shows the app that waits.
func (v *visit) waitingErrand() (errand, error) {
	e := v.errand()
	if e.authorization == "" {
		return e, nil
	}
	w, err := v.s.o.Provider.Waiting(v.ctx, grant.Handle(e.authorization))
	if err != nil {
		return e, err
	}
	v.hear(w.Request.UILocales...)
	e.waiting, e.locale = &w, v.asked
	return e, nil
}

// address is one of a sign-in, with pairs of names and values.
func (e errand) address(path string, pairs ...string) string {
	query := url.Values{}
	for _, field := range e.hidden() {
		query.Set(field.Name, field.Value)
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		query.Set(pairs[i], pairs[i+1])
	}
	return path + "?" + query.Encode()
}

// hidden is what pages and forms of a sign-in carry along.
func (e errand) hidden() []view.Field {
	fields := []view.Field{{Name: "next", Value: local(e.next)}}
	if e.authorization != "" {
		fields = []view.Field{{Name: "a", Value: e.authorization}}
	}
	if e.locale != "" {
		fields = append(fields, view.Field{Name: "ui_locales", Value: e.locale})
	}
	return fields
}

func (e errand) app() *view.App {
	if e.waiting == nil {
		return nil
	}
	a := app(e.waiting.Client)
	return &a
}

// done is where the browser goes after the sign-in: the authorization endpoint
// decides again, or a page of ours.
func (e errand) done() string {
	if e.authorization != "" {
		return e.address(provider.AuthorizePath + "/resume")
	}
	return local(e.next)
}

// cancel is the link that gives up and leads back to the app; empty where there is
// none to go back to.
func (e errand) cancel() string {
	if e.waiting == nil {
		return ""
	}
	return e.address("/signin/cancel")
}

// cancel sends the browser back to the app. Only this browser knows the handle in the
// link, so no other site can cancel for it.
func (s *Server) cancel(v *visit) error {
	next, err := s.o.Provider.Decline(v.http, grant.Handle(v.c.Query("a")), nil)
	if err != nil {
		return err
	}
	return v.follow(next)
}

// step goes on to a page of a sign-in.
func (e errand) step(path string, pairs ...string) error { return redirect(e.address(path, pairs...)) }

// remark is what a page says of the form that was sent before. A form of a sign-in
// answers with a redirect always, so that going back and reloading send nothing
// again; the remark travels in the address, sealed for this browser, since the
// number that was typed is in it.
type remark struct {
	Problem string        `json:"p"`
	Wait    time.Duration `json:"w,omitempty"` // before another try
	Number  string        `json:"n,omitempty"`
	// Ticked is what she had ticked on a page of consent, Notice the digest of what she
	// read there: what she ticked holds for nothing else.
	Ticked  []string `json:"t,omitempty"`
	Notice  string   `json:"d,omitempty"`
	Expires int64    `json:"e"`
}

// Remarks that have no text of their own in view: the page is another than the one that
// was answered, or no symbol was picked.
const (
	changedMeanwhile = "changed"
	notPicked        = "symbol"
)

// remarks is how long one is shown.
const remarks = 10 * time.Minute

// again shows a page of a sign-in once more, with a remark.
func (v *visit) again(e errand, page string, r remark, pairs ...string) error {
	sealed, err := v.sealed(page, r)
	if err != nil {
		return err
	}
	return e.step(page, append(pairs, "remark", sealed)...)
}

// sealed is a remark for the address of a page.
func (v *visit) sealed(page string, r remark) (string, error) {
	r.Expires = v.s.o.Now().Add(remarks).Unix()
	raw, err := json.Marshal(r)
	return v.s.o.Forms.Seal(v.binding, page, raw), err
}

// againOf shows a page of an app's request once more, with a remark that holds for
// that request alone.
func (v *visit) againOf(id grant.Handle, page string, r remark) error {
	sealed, err := v.sealed(pageOf(id, page), r)
	if err != nil {
		return err
	}
	return errand{authorization: string(id), locale: v.asked}.step(page, "remark", sealed)
}

// remarkOf is the remark of againOf.
func (v *visit) remarkOf(id grant.Handle, page string) remark {
	return v.remark(pageOf(id, page))
}

func pageOf(id grant.Handle, page string) string { return page + " " + string(id) }

// remark opens the remark in the address. One of another browser or page, or an old
// one, counts as none.
func (v *visit) remark(page string) remark {
	var r remark
	raw, ok := v.s.o.Forms.Open(v.binding, page, v.c.Query("remark"))
	if !ok || json.Unmarshal(raw, &r) != nil || v.s.o.Now().Unix() >= r.Expires {
		return remark{}
	}
	return r
}

// status is the HTTP status of a page that shows an error: the page came by a redirect,
// but programs still learn the outcome.
func (r remark) status() int {
	switch {
	case r.Problem == "":
		return http.StatusOK
	case r.Problem == changedMeanwhile:
		return http.StatusConflict
	case r.Problem == string(view.SignInBusy):
		return http.StatusServiceUnavailable
	case r.Wait > 0:
		return http.StatusTooManyRequests
	default:
		return http.StatusUnprocessableEntity
	}
}

// told sets the status of a page with a remark, and when to try again.
func (v *visit) told(r remark) {
	v.c.Status(r.status())
	if r.Wait > 0 {
		v.c.Set(fiber.HeaderRetryAfter, strconv.Itoa(int(math.Ceil(r.Wait.Seconds()))))
	}
}

// settled reports whether the session that began since a time satisfies the request, so
// that no page of the sign-in need be shown: another tab has signed in meanwhile, or
// the person went back.
func (v *visit) settled(e errand, since time.Time) (bool, error) {
	who, err := v.current()
	if err != nil || who == nil || who.AuthTime.Before(since) {
		return false, err
	}
	if e.authorization == "" {
		return true, nil
	}
	return v.s.o.Provider.SignedInFor(v.http, grant.Handle(e.authorization))
}

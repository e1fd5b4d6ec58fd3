package web

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/provider"
	"hopnhat/web/view"
)

// The pages of sign-ins that are answered on another device than the one that asks.
const (
	DevicePath   = "/device"
	ApprovePath  = "/approve"
	RequestsPath = portal + "/requests"
)

func (s *Server) approveRoutes(a *fiber.App) {
	a.Get(DevicePath, s.page(s.deviceForm))
	a.Post(DevicePath, s.page(s.device))
	a.Get(ApprovePath, s.page(s.approveForm))
	a.Post(ApprovePath, s.page(s.approve))
	a.Get(ApprovePath+"/done", s.page(s.approved))
	a.Get(RequestsPath, s.page(s.requests))
}

// maxUserCode bounds a code in an address.
const maxUserCode = 40

// devicePage asks for a code, or carries along the one of verification_uri_complete
// (RFC 8628 §3.3.1), which it does not show.
func devicePage(code string) view.Device {
	page := view.Device{Form: view.Form{Action: DevicePath}}
	if code != "" && len(code) <= maxUserCode {
		page.Prefilled, page.OtherURL = true, DevicePath
		page.Form.Hidden = []view.Field{{Name: "user_code", Value: code}, {Name: "prefilled", Value: "1"}}
	}
	return page
}

func (s *Server) deviceForm(v *visit) error {
	if _, err := v.current(); err != nil {
		return err
	}
	page, r := devicePage(v.c.Query("user_code")), v.remark(DevicePath)
	if page.Problem = view.UserCodeProblem(r.Problem); r.Wait > 0 {
		page.RetryMinutes = minutes(r.Wait)
	}
	v.c.Status(r.status())
	return v.show(page)
}

// device finds the device of a code, throttled by address (RFC 8628 §5.1), and goes
// on with its request as with any authorization.
func (s *Server) device(v *visit) error {
	if err := v.checkSignIn(); err != nil {
		return err
	}
	code := v.field("user_code")
	again := func(problem view.UserCodeProblem, wait time.Duration, keep bool) error {
		sealed, err := v.sealed(DevicePath, remark{Problem: string(problem), Wait: wait})
		if err != nil {
			return err
		}
		query := url.Values{"remark": {sealed}}
		if keep {
			query.Set("user_code", code)
		}
		return redirect(DevicePath + "?" + query.Encode())
	}
	if wait := s.o.UserCodes.Take(v.address()); wait > 0 {
		return again(view.UserCodeThrottled, wait, v.field("prefilled") != "" && len(code) <= maxUserCode)
	}
	next, err := s.o.Provider.UserCode(v.ctx, code)
	if errors.Is(err, provider.ErrUserCode) {
		return again(view.UserCodeUnknown, 0, false)
	}
	if err != nil {
		return err
	}
	return v.follow(next)
}

// approvePage is what a person is asked for another device, with what was wrong with
// her answer before.
func (s *Server) approvePage(v *visit, handle grant.Handle, r remark) (view.Approve, error) {
	who, err := v.current()
	if err != nil {
		return view.Approve{}, err
	}
	if who == nil { // the authorization endpoint decides what comes first
		return view.Approve{}, redirect(errand{authorization: string(handle)}.done())
	}
	asked, err := s.o.Provider.Approval(v.ctx, handle, who.Subject)
	if err != nil {
		return view.Approve{}, err
	}
	if asked.Device.State == decoupled.Confirmed {
		return view.Approve{}, redirect(errand{authorization: string(handle)}.done())
	}
	v.hear(asked.Request.UILocales...)
	n, err := s.notice(v.ctx, asked.Waiting, who, v.lang)
	if err != nil {
		return view.Approve{}, err
	}
	page := view.Approve{
		Form: view.Form{Action: ApprovePath, Hidden: append([]view.Field{{Name: "a", Value: string(handle)}}, v.shownFields(who, "approve "+string(handle), n)...)},
		App:  app(n.Client), Person: who.Name, FromDevice: asked.Device.Channel == decoupled.Device,
		Message: decoupled.Masked(asked.Device.Message, asked.Device.Symbol), Symbols: asked.Choices,
		Minutes: s.minutesLeft(asked.Expires), Expires: asked.Expires,
		Missing: r.Problem == notPicked, Changed: r.Problem == changedMeanwhile,
	}
	for _, item := range n.Items {
		page.Wants = append(page.Wants, s.want(item.Release))
	}
	return page, nil
}

// want is a release in few words.
func (s *Server) want(r authz.Release) view.Want {
	purpose, _ := s.o.Consents.Catalogue.Purpose(r.Purpose)
	want := view.Want{Purpose: purpose.Text()}
	for _, id := range r.Attributes {
		a, _ := s.o.Consents.Catalogue.Attribute(id)
		want.Attributes = append(want.Attributes, view.Item{ID: string(id), Name: a.Text(), Sensitive: a.Sensitive()})
	}
	return want
}

func (s *Server) minutesLeft(until time.Time) int { return minutes(until.Sub(s.o.Now())) }

func (s *Server) approveForm(v *visit) error {
	handle := grant.Handle(v.c.Query("a"))
	r := v.remarkOf(handle, ApprovePath)
	page, err := s.approvePage(v, handle, r)
	if err != nil {
		return err
	}
	v.told(r)
	return v.show(page)
}

func (s *Server) approve(v *visit) error {
	if err := v.checkFormOr(v.errand().done()); err != nil {
		return err
	}
	handle := grant.Handle(v.field("a"))
	var next provider.Next
	var err error
	switch v.field("decision") {
	case "approve":
		next, err = s.confirm(v, handle)
	case "not_me":
		next, err = s.o.Provider.Disown(v.http, handle, decoupled.NotMe)
	default:
		next, err = s.o.Provider.Disown(v.http, handle, decoupled.Declined)
	}
	switch {
	case errors.Is(err, decoupled.ErrNotPicked):
		return v.againOf(handle, ApprovePath, remark{Problem: notPicked})
	case changed(err):
		return v.againOf(handle, ApprovePath, remark{Problem: changedMeanwhile})
	case err != nil:
		return err
	}
	s.o.Answered()
	return v.follow(next)
}

// confirm takes the word of the person who was shown this page: what she read holds
// in the transaction that writes it.
func (s *Server) confirm(v *visit, handle grant.Handle) (provider.Next, error) {
	who, err := v.current()
	if err != nil {
		return provider.Next{}, err
	}
	if who == nil {
		return provider.Next{}, redirect(errand{authorization: string(handle)}.done())
	}
	digest, lang, ok := v.shown(who, "approve "+string(handle))
	if !ok { // somebody else signed in meanwhile, in another tab
		return provider.Next{}, redirect(errand{authorization: string(handle)}.done())
	}
	w, err := s.o.Provider.Waiting(v.ctx, handle)
	if err != nil && !errors.As(err, new(provider.Finished)) { // perhaps by this very answer, sent twice
		return provider.Next{}, err
	}
	return s.o.Provider.Confirm(v.http, handle, v.field("symbol"), func(ctx context.Context) error {
		n, err := s.notice(ctx, w, who, lang)
		if err == nil && n.Digest() != digest {
			err = consent.ErrChanged
		}
		return err
	})
}

func (s *Server) approved(v *visit) error {
	if _, err := v.current(); err != nil {
		return err
	}
	result := view.ApproveResult(v.c.Query("result"))
	if !slices.Contains(view.ApproveResults(), result) {
		return fault(view.ErrorNotFound)
	}
	s.o.Answered()
	return v.show(view.Approved{Result: result, PortalURL: portal, HomeURL: "/"})
}

// requests lists the sign-ins that wait for the person.
func (s *Server) requests(v *visit) error {
	who, err := v.signedIn()
	if err != nil {
		return err
	}
	waiting, err := s.o.Provider.Approvals(v.ctx, who.Subject)
	if err != nil {
		return err
	}
	page := view.Requests{DeviceURL: DevicePath}
	for _, one := range waiting {
		page.Requests = append(page.Requests, view.SignInRequest{
			URL: errand{authorization: string(one.ID)}.done(), App: app(one.Client), Message: decoupled.Masked(one.Device.Message, one.Device.Symbol),
			At: one.Device.Created, Minutes: s.minutesLeft(one.Expires), Expires: one.Expires,
		})
	}
	return v.show(page, view.PortalNav(portal, view.SectionRequests)...)
}

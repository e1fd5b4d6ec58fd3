package signin

import (
	"context"
	"errors"
	"slices"
	"time"

	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/consent"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// The pages of sign-ins that are answered on another device than the one that asks.
const (
	ApprovePath  = "/approve"
	ApprovedPath = ApprovePath + "/done"
	RequestsPath = page.PortalPath + "/requests"
)

// aboutApproval is what a form of approval is tied to, beside the person.
func aboutApproval(handle grant.Handle) string { return "approve " + string(handle) }

// approvePage is what a person is asked for another device, with what was wrong with
// her answer before.
func (p *Pages) approvePage(v *page.Visit, handle grant.Handle, r remark) (view.Approve, error) {
	who, err := signedInFor(v, handle)
	if err != nil {
		return view.Approve{}, err
	}
	approval, err := p.o.Approvals.Approval(v.Context, handle, who.Actor)
	if err != nil {
		return view.Approve{}, err
	}
	if approval.Device.State == decoupled.Confirmed {
		return view.Approve{}, page.Redirect(resume(handle))
	}
	v.SetUILocales(approval.Request.UILocales...)
	n, err := p.notices.notice(v.Context, approval.Waiting, who, v.Lang)
	if err != nil {
		return view.Approve{}, err
	}
	body := view.Approve{
		Form: view.Form{
			Action: ApprovePath,
			Hidden: append([]view.Field{{Name: "a", Value: string(handle)}}, p.notices.fields(who, aboutApproval(handle), n)...),
		},
		App: page.App(n.Client), Person: who.Name, FromDevice: approval.Device.Channel == decoupled.Device,
		Message: decoupled.Masked(approval.Device.Message, approval.Device.Symbol), Symbols: approval.Choices,
		Minutes: p.minutesUntil(approval.Expires), Expires: approval.Expires,
		Missing: r.Problem == notPicked, Changed: r.Problem == changedMeanwhile,
	}
	for _, item := range n.Items {
		body.Wants = append(body.Wants, p.notices.want(item.Release))
	}
	return body, nil
}

func (p *Pages) minutesUntil(expires time.Time) int { return minutes(expires.Sub(p.o.Now())) }

// ApproveForm is the page that asks for the answer to a request of another device.
func (p *Pages) ApproveForm(v *page.Visit) error {
	handle := grant.Handle(v.C.Query("a"))
	r := p.remarks.openFor(v, handle, ApprovePath)
	body, err := p.approvePage(v, handle, r)
	if err != nil {
		return err
	}
	r.answer(v)
	return v.Show(body)
}

// Approve takes a person's answer to a request of another device.
func (p *Pages) Approve(v *page.Visit) error {
	if err := v.CheckFormOr(purposeOf(v).done()); err != nil {
		return err
	}
	handle := grant.Handle(v.Field("a"))
	var next response.Next
	var err error
	switch v.Field("decision") {
	case "approve":
		next, err = p.confirm(v, handle)
	case "not_me":
		next, err = p.o.Approvals.Disown(v.HTTP, handle, decoupled.NotMe)
	default:
		next, err = p.o.Approvals.Disown(v.HTTP, handle, decoupled.Declined)
	}
	switch {
	case errors.Is(err, decoupled.ErrNotPicked):
		return p.remarks.againFor(v, handle, ApprovePath, remark{Problem: notPicked})
	case changed(err):
		return p.remarks.againFor(v, handle, ApprovePath, remark{Problem: changedMeanwhile})
	case err != nil:
		return err
	}
	p.o.Answered()
	return follow(v, next)
}

// confirm takes the word of the person who was shown this page: what she read holds
// in the transaction that writes it.
func (p *Pages) confirm(v *page.Visit, handle grant.Handle) (response.Next, error) {
	who, err := signedInFor(v, handle)
	if err != nil {
		return response.Next{}, err
	}
	digest, lang, ok := p.notices.shown(v, who, aboutApproval(handle))
	if !ok { // somebody else signed in meanwhile, in another tab
		return response.Next{}, page.Redirect(resume(handle))
	}
	w, err := p.o.Requests.Waiting(v.Context, handle)
	if err != nil && !errors.As(err, new(authorize.Finished)) { // perhaps by this very answer, sent twice
		return response.Next{}, err
	}
	return p.o.Approvals.Confirm(v.HTTP, handle, v.Field("symbol"), func(ctx context.Context) error {
		n, err := p.notices.notice(ctx, w, who, lang)
		if err == nil && n.Digest() != digest {
			err = consent.ErrChanged
		}
		return err
	})
}

// Approved is the page after an answer.
func (p *Pages) Approved(v *page.Visit) error {
	if _, err := v.Current(); err != nil {
		return err
	}
	result := view.ApproveResult(v.C.Query("result"))
	if !slices.Contains(view.ApproveResults(), result) {
		return page.Fault(view.ErrorNotFound)
	}
	p.o.Answered()
	return v.Show(view.Approved{Result: result, PortalURL: page.PortalPath, HomeURL: "/"})
}

// Requests lists the sign-ins that wait for the person.
func (p *Pages) Requests(v *page.Visit) error {
	waiting, err := p.o.Approvals.Approvals(v.Context, v.Session.Actor)
	if err != nil {
		return err
	}
	body := view.Requests{DeviceURL: DevicePath}
	for _, one := range waiting {
		body.Requests = append(body.Requests, view.SignInRequest{
			URL: resume(one.ID), App: page.App(one.Client), Message: decoupled.Masked(one.Device.Message, one.Device.Symbol),
			At: one.Device.Created, Minutes: p.minutesUntil(one.Expires), Expires: one.Expires,
		})
	}
	return v.Show(body, view.PortalNav(page.PortalPath, view.SectionRequests)...)
}

package signin

import (
	"context"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

const (
	// doubleTap is how long a form that was accepted is accepted again.
	doubleTap = time.Minute
	// maxTicket bounds the ticket of a first step.
	maxTicket = 2048
)

// CodeForm is the page of the second step. The ticket in its address is sealed, and
// good in this browser and with a code only.
func (p *Pages) CodeForm(v *page.Visit) error {
	to, err := p.waitingPurpose(v)
	if err != nil {
		return err
	}
	ticket := v.C.Query("ticket")
	begun, late := p.o.Authn.Begun(ticket, v.Binding)
	if satisfied, err := p.satisfied(v, to, begun.Add(time.Second)); err != nil { // tickets know seconds
		return err
	} else if satisfied {
		return page.Redirect(to.done())
	}
	if late != nil {
		return p.remarks.again(v, to, Path, remark{Problem: string(view.SignInLate)})
	}
	if to.client != nil {
		v.AllowAnyFormAction()
	}
	r := p.remarks.open(v, CodePath)
	r.answer(v)
	return v.Show(view.OneTimeCode{
		Form: view.Form{Action: CodePath, Hidden: append(to.hidden(), view.Field{Name: "ticket", Value: ticket})},
		App:  to.app(), CancelURL: to.cancel(), Problem: view.CodeProblem(r.Problem), RetryMinutes: minutes(r.Wait),
		Passkey: p.passkeyWay(v, to, ticket),
	})
}

// SignInCode is the second step: a one-time code. It begins the session.
func (p *Pages) SignInCode(v *page.Visit) error {
	if err := v.CheckSignInForm(); err != nil {
		return err
	}
	to := purposeOf(v)
	ticket, code := v.Field("ticket"), authz.Typed(v.Field("code"))
	again := func(problem view.CodeProblem, wait time.Duration) error {
		return p.remarks.again(v, to, CodePath, remark{Problem: string(problem), Wait: wait}, "ticket", ticket)
	}
	switch {
	case len(ticket) > maxTicket: // none of ours
		return p.remarks.again(v, to, Path, remark{Problem: string(view.SignInLate)})
	case len(code) != 6 || !digits(code):
		return again(view.CodeMalformed, 0)
	}
	before, err := v.Current()
	if err != nil {
		return err
	}
	// The secret follows from the form, under our key: the very form, sent twice as a
	// double tap does, leads to the very session that it began.
	secret := p.o.Forms.Token(v.Binding, "session "+ticket+" "+code)
	var began session.Session
	step, err := p.o.Authn.Answer(v.Context, ticket, code, p.origin(v, to), func(ctx context.Context, r authn.Result) (err error) {
		began, err = p.o.begin(ctx, v, r, secret, before)
		return err
	})
	if errors.Is(err, authn.ErrWrong) {
		if found, again := p.o.Sessions.Find(v.Context, secret); again == nil && p.o.Now().Sub(found.AuthTime) < doubleTap {
			began, err = found, nil
		}
	}
	var throttled authn.Throttled
	switch {
	case errors.As(err, &throttled):
		return again(view.CodeThrottled, throttled.Wait)
	case errors.Is(err, authn.ErrWrong):
		return again(view.CodeWrong, 0)
	case errors.Is(err, authn.ErrTicket):
		return p.remarks.again(v, to, Path, remark{Problem: string(view.SignInLate)})
	case errors.Is(err, authn.ErrLocked):
		return page.Fault(view.ErrorLocked)
	case err != nil:
		return err
	case step.Ticket != "":
		return askNext(to, step)
	}
	if step.Device != "" {
		v.SetCookie(p.o.Sessions.DeviceName(), step.Device, authn.DeviceLife)
	}
	return p.o.signedIn(v, to, before, began, secret)
}

package signin

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/grant"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// The pages of a sign-in.
const (
	Path       = "/signin"
	CodePath   = Path + "/code"
	CancelPath = Path + "/cancel"
)

// maxNumber bounds what was typed for a number and is shown again.
const maxNumber = 40

// SignInForm is the page of the first step.
func (p *Pages) SignInForm(v *page.Visit) error {
	to, err := p.waitingPurpose(v)
	if err != nil {
		return err
	}
	r := p.remarks.open(v, Path)
	if r.Problem == "" { // else somebody is just trying
		if satisfied, err := p.satisfied(v, to, time.Time{}); err != nil {
			return err
		} else if satisfied {
			return page.Redirect(to.done())
		}
	}
	r.answer(v)
	body := view.SignIn{
		Form: view.Form{Action: Path, Hidden: to.hidden()}, App: to.app(), CancelURL: to.cancel(),
		Number: r.Number, Problem: view.SignInProblem(r.Problem), RetryMinutes: minutes(r.Wait),
		Region: p.o.Region.In(string(v.Lang)), Passkey: p.passkeyWay(v, to, ""),
	}
	if p.o.Buttons != nil {
		body.Providers = p.o.Buttons(v, to.hint, to.done(), grant.Handle(to.authorization))
	}
	return v.Show(body)
}

// SignIn is the first step: number and password.
func (p *Pages) SignIn(v *page.Visit) error {
	if err := v.CheckSignInForm(); err != nil {
		return err
	}
	to := purposeOf(v)
	number, password := authz.Typed(v.Field("number")), v.Field("password")
	again := func(problem view.SignInProblem, wait time.Duration) error {
		r := remark{Problem: string(problem), Wait: wait}
		if len(number) <= maxNumber {
			r.Number = number
		}
		return p.remarks.again(v, to, Path, r)
	}
	switch {
	case number == "" || password == "":
		return again(view.SignInMissing, 0)
	case len(number) != 12 || !digits(number):
		return again(view.SignInMalformed, 0)
	}
	step, err := p.o.Authn.Password(v.Context, authn.Attempt{
		Number: authz.PersonalNumber(number), Password: password, Origin: p.origin(v, to),
	})
	var throttled authn.Throttled
	var busy authn.Busy
	switch {
	case errors.As(err, &busy):
		return again(view.SignInBusy, busy.Wait)
	case errors.As(err, &throttled):
		return again(view.SignInThrottled, throttled.Wait)
	case errors.Is(err, authn.ErrWrong):
		return again(view.SignInWrong, 0)
	case errors.Is(err, authn.ErrLocked):
		return page.Fault(view.ErrorLocked)
	case err != nil:
		return err
	}
	return askNext(to, step)
}

// factorPages are the pages of the factors that follow the password.
var factorPages = map[authn.FactorKind]string{authn.TOTPFactor: CodePath}

// askNext leads to the page of the factor that comes next.
func askNext(to signInPurpose, step authn.Step) error {
	path, ok := factorPages[step.Next]
	if !ok {
		return fmt.Errorf("no page asks for a factor of kind %q", step.Next)
	}
	return to.step(path, "ticket", step.Ticket)
}

// digits reports whether a text has no character but the digits 0 to 9.
func digits(text string) bool { return strings.Trim(text, "0123456789") == "" }

// origin is where an attempt at a sign-in comes from. The app that it is for is looked up
// only where the attempt is counted.
func (p *Pages) origin(v *page.Visit, to signInPurpose) authn.Origin {
	return authn.Origin{
		Address: v.Address(), Binding: v.Binding, Device: v.C.Cookies(p.o.Sessions.DeviceName()),
		App: func() authz.ClientID {
			if to.authorization == "" {
				return ""
			}
			w, err := p.o.Requests.Waiting(v.Context, grant.Handle(to.authorization))
			if err != nil {
				return ""
			}
			return w.Client.ID
		},
	}
}

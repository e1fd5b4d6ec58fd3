package signin

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/authn/passkey"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view"
)

// PasskeyPath takes what a passkey signed, from the script of a page.
const PasskeyPath = Path + "/passkey"

// Passkeys sign people in.
type Passkeys interface {
	// Ask is what a browser asks for a passkey by.
	Ask(binding string) string
	// SignIn checks a passkey, and runs start, which begins the session, in its transaction.
	// A ticket says who gave her number and password before.
	SignIn(ctx context.Context, answer, ticket string, from authn.Origin, start func(context.Context, authn.Result) error) error
}

// passkeyWay is the way to sign in with a passkey from a page; nil where there is none.
func (p *Pages) passkeyWay(v *page.Visit, to signInPurpose, ticket string) *view.PasskeyWay {
	if p.o.Passkeys == nil {
		return nil
	}
	way := view.PasskeyWay{
		Form: view.Form{Action: PasskeyPath, Hidden: to.hidden()}, Options: p.o.Passkeys.Ask(v.Bind()), Offered: ticket == "",
	}
	if ticket != "" {
		way.Form.Hidden = append(way.Form.Hidden, view.Field{Name: "ticket", Value: ticket})
	}
	return &way
}

// passkeyAnswer tells the script of a page where to go on, in this site.
type passkeyAnswer struct {
	Location string `json:"location"`
}

// SignInPasskey signs in with a passkey. It answers the script of the page with the address to
// go on at: that of the app, or of the same page with a remark.
func (p *Pages) SignInPasskey(v *page.Visit) error {
	err := p.signInPasskey(v)
	var next page.Redirect
	if errors.As(err, &next) {
		return v.C.JSON(passkeyAnswer{Location: string(next)})
	}
	return err
}

func (p *Pages) signInPasskey(v *page.Visit) error {
	if err := v.CheckSignInForm(); err != nil {
		return err
	}
	to, ticket := purposeOf(v), v.Field("ticket")
	again := func(r remark) error {
		if ticket == "" || len(ticket) > maxTicket {
			return p.remarks.again(v, to, Path, r)
		}
		return p.remarks.again(v, to, CodePath, r, "ticket", ticket)
	}
	if len(ticket) > maxTicket { // none of ours
		return again(remark{Problem: string(view.SignInLate)})
	}
	before, err := v.Current()
	if err != nil {
		return err
	}
	secret := authz.NewSecret()
	var began session.Session
	start := func(ctx context.Context, r authn.Result) (err error) {
		began, err = p.o.begin(ctx, v, r, secret, before)
		return err
	}
	err = p.o.Passkeys.SignIn(v.Context, v.Field("credential"), ticket, p.origin(v, to), start)
	var throttled authn.Throttled
	var refused passkey.Refusal
	switch {
	case errors.As(err, &throttled):
		return again(remark{Problem: string(view.SignInThrottled), Wait: throttled.Wait})
	case errors.As(err, &refused) && refused.Reason == passkey.Late:
		return again(remark{Problem: string(view.SignInPasskeyLate)})
	case errors.As(err, &refused):
		return again(remark{Problem: string(view.SignInPasskey)})
	case errors.Is(err, authn.ErrTicket):
		return p.remarks.again(v, to, Path, remark{Problem: string(view.SignInLate)})
	case errors.Is(err, authn.ErrLocked):
		return page.Fault(view.ErrorLocked)
	case err != nil:
		return err
	}
	return p.o.signedIn(v, to, before, began, secret)
}

// begin begins the session of a sign-in.
func (o Options) begin(
	ctx context.Context, v *page.Visit, r authn.Result, secret string, before *session.Session,
) (session.Session, error) {
	return o.Sessions.Begin(ctx, o.Clients, session.SignIn{
		Subject: r.Subject, Methods: r.Methods, At: r.At, UserAgent: v.C.Get(fiber.HeaderUserAgent), Secret: secret, By: r.By,
	}, before)
}

// signedIn gives the browser its session, and goes on.
func (o Options) signedIn(v *page.Visit, to signInPurpose, before *session.Session, began session.Session, secret string) error {
	v.KeepSession(secret)
	if before == nil || before.ID != began.ID {
		v.ForgetBrowserState()
	}
	if before != nil && before.Actor != began.Actor {
		v.Rebind() // what the other person left open in this browser is void
		o.LogoutQueued()
	}
	return page.Redirect(to.done())
}

package signin

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
	"hopnhat/authz/authorize"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/consent"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view/ways"
)

// Requests is the authorization endpoint and its pending requests.
type Requests interface {
	// Authorize takes a request to the authorization endpoint, and says where to send the
	// browser.
	Authorize(r *http.Request) (response.Next, error)
	// Resume decides again about a pending request.
	Resume(r *http.Request, id grant.Handle) (response.Next, error)
	// Waiting finds a pending request; [authorize.Finished] is in the error for one that was
	// answered.
	Waiting(ctx context.Context, id grant.Handle) (authorize.Waiting, error)
	// App finds an app, out of memory while it was used a moment ago.
	App(ctx context.Context, id authz.ClientID) (*authz.Client, error)
	// SignedInFor reports whether the browser's session satisfies a pending request.
	SignedInFor(r *http.Request, id grant.Handle) (bool, error)
}

// Answers takes a person's answer to a pending request.
type Answers interface {
	// Approve runs record in the transaction that answers the request. The same answer,
	// sent twice, leads to the same place.
	Approve(
		r *http.Request, id grant.Handle, answer string,
		record func(context.Context, authorize.Waiting, authorize.SignedIn) ([]authz.Release, error),
	) (response.Next, error)
	// Decline refuses the request; record may be nil.
	Decline(r *http.Request, id grant.Handle, record func(context.Context) error) (response.Next, error)
	// Kept are the releases of a grant that the request goes on from.
	Kept(ctx context.Context, w authorize.Waiting, who authz.Principal) ([]authz.Release, error)
}

// Approvals takes a person's answer to a request of another device.
type Approvals interface {
	// UserCode finds the request of a code that was typed; [authorize.ErrUserCode] where
	// there is none.
	UserCode(ctx context.Context, typed string) (response.Next, error)
	Approval(ctx context.Context, handle grant.Handle, who authz.Subject) (authorize.Approval, error)
	// Approvals are the requests that wait for a person.
	Approvals(ctx context.Context, who authz.Subject) ([]authorize.Approval, error)
	// Confirm runs same in the transaction that confirms: it fails where the page would be
	// another now.
	Confirm(r *http.Request, handle grant.Handle, picked string, same func(context.Context) error) (response.Next, error)
	Disown(r *http.Request, handle grant.Handle, because decoupled.Reason) (response.Next, error)
}

// Authenticator checks what a person proves herself with.
type Authenticator interface {
	// Password is the first step; it returns the one that comes next.
	Password(ctx context.Context, try authn.Attempt) (authn.Step, error)
	// Begun is when the first step of a ticket was done; [authn.ErrTicket] where it is of no
	// use any more.
	Begun(ticket, binding string) (time.Time, error)
	// Answer is a further step. Where none comes after it, it runs start, which begins the
	// session, in its transaction.
	Answer(
		ctx context.Context, ticket, answer string, from authn.Origin, start func(context.Context, authn.Result) error,
	) (authn.Step, error)
}

// Sessions begins sessions.
type Sessions interface {
	Begin(ctx context.Context, clients session.Clients, in session.SignIn, before *session.Session) (session.Session, error)
	// Find finds the session of a secret.
	Find(ctx context.Context, secret string) (session.Session, error)
	// DeviceName is the name of the cookie of a browser that signed in before.
	DeviceName() string
}

// Consents says what a person is asked, and records her answer.
type Consents interface {
	Notice(ctx context.Context, q consent.Question) (consent.Notice, error)
	// Record and Declined join the transaction of the context.
	Record(ctx context.Context, a consent.Answer) ([]authz.Release, error)
	Declined(ctx context.Context, a consent.Answer) error
}

// UserCodes limits how often an address may type the code of a device.
type UserCodes interface {
	Take(address netip.Addr) (wait time.Duration)
}

// Options is what the pages of a sign-in are made of; all but DemoApps, Passkeys and Buttons are
// needed.
type Options struct {
	Issuer    string
	Requests  Requests
	Answers   Answers
	Approvals Approvals
	Authn     Authenticator
	Sessions  Sessions
	Consents  Consents
	Catalogue *consent.Catalogue
	Forms     page.Forms
	Clients   page.Clients
	UserCodes UserCodes
	// LogoutQueued is called when logout tokens were queued, Answered when a person has
	// answered a request of another device.
	LogoutQueued func()
	Answered     func()
	Now          func() time.Time
	DemoApps     []DemoApp
	// Region is the province whose provider this is; empty for the national one.
	Region authz.LocalizedText
	// Passkeys are a way to sign in; nil where there are none.
	Passkeys Passkeys
	// Buttons are the links to other providers for a sign-in that goes on at next, for a request
	// of an app if it is not empty; hint names the one that comes first. Nil where there are none.
	Buttons func(v *page.Visit, hint, next string, request grant.Handle) []ways.ProviderButton
}

// DemoApp is a sample app to try.
type DemoApp struct {
	Client authz.ClientID
	URL    string
}

// Pages are the pages of a sign-in. They are safe for concurrent use.
type Pages struct {
	o       Options
	notices notices
	remarks remarks
}

// New makes the pages.
func New(o Options) *Pages {
	return &Pages{o: o, notices: notices{o.Consents, o.Answers, o.Catalogue, o.Forms}, remarks: remarks{o.Now}}
}

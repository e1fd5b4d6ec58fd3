package signout

import (
	"context"
	"net/http"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/endsession"
	"hopnhat/authz/session"
	"hopnhat/web/page"
	"hopnhat/web/view/ways"
)

// Provider checks what an app asks of the end_session_endpoint.
type Provider interface {
	// EndSession checks a request against the session of the browser, nil for none.
	EndSession(r *http.Request, in *authorize.SignedIn) (endsession.Logout, error)
	// ContinueEndSession opens the ticket of a request that was checked.
	ContinueEndSession(ctx context.Context, ticket string, in *authorize.SignedIn) (endsession.Logout, error)
	// FrontchannelLogout is the address of an app's frame; empty if it has none.
	FrontchannelLogout(client *authz.Client, ended authz.SessionID) string
}

// Sessions ends sessions. What it returns are the apps that relied on them, whose
// logout tokens are queued with the end.
type Sessions interface {
	// Expired is the session of a browser that has run out without having been ended;
	// [session.ErrNone] where there is none.
	Expired(r *http.Request) (session.Session, error)
	End(
		ctx context.Context, clients session.Clients, who authz.Subject, id authz.SessionID, because session.Because,
	) ([]session.Notified, error)
	EndAll(ctx context.Context, clients session.Clients, who authz.Subject, because session.Because) ([]session.Notified, error)
	// Leave signs out of one app alone; [authz.ErrNotFound] where it has no grants.
	Leave(
		ctx context.Context, clients session.Clients, who authz.Subject, id authz.SessionID, client *authz.Client,
	) ([]session.Notified, error)
}

// Deliveries finds the logout tokens that were sent for sessions.
type Deliveries interface {
	LogoutsOf(ctx context.Context, sessions []authz.SessionID) ([]session.Delivery, error)
}

// Options is what the pages of a sign-out are made of; all but Upstream are needed.
type Options struct {
	Provider   Provider
	Sessions   Sessions
	Deliveries Deliveries
	Clients    page.Clients
	// LogoutQueued is called when logout tokens were queued.
	LogoutQueued func()
	Now          func() time.Time
	// Upstream is the link by which the browser of a session signs out at the provider that it
	// began by; nil where there is none. It is nil where there are no other providers.
	Upstream func(ctx context.Context, ended authz.SessionID) *ways.ProviderButton
}

// Pages are the pages of a sign-out. They are safe for concurrent use.
type Pages struct{ o Options }

// New makes the pages.
func New(o Options) *Pages { return &Pages{o} }

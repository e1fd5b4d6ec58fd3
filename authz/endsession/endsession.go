package endsession

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
)

// Options is what an Endpoint is made of.
type Options struct {
	Issuer     string
	Directory  *clientauth.Directory
	Verifier   *token.Verifier
	Pseudonyms token.Pseudonyms
	// Tickets seals requests, Browser makes browser states.
	Tickets TicketKey
	Browser BrowserKey
	// TicketLife is how long a person has to answer.
	TicketLife time.Duration
	Now        func() time.Time
}

// Endpoint is the end session endpoint. It is safe for concurrent use.
type Endpoint struct{ o Options }

// New makes an Endpoint.
func New(o Options) *Endpoint { return &Endpoint{o} }

// Logout is a checked request of an app to sign the person out, RP-Initiated Logout §2.
type Logout struct {
	// Client is the app that asks, nil when it did not say.
	Client *authz.Client
	// Return is where the browser goes afterwards, with state; empty for our
	// own page.
	Return string
	// Confirmed means that id_token_hint is for this very session, so that the
	// person need not be asked (§2).
	Confirmed bool
	// Another means that id_token_hint is for somebody else than who is signed in:
	// the page says so when it asks.
	Another bool
	// Lang is the first of ui_locales that we speak, or empty.
	Lang string
	// Ticket stands for the request in an address or a form of ours.
	Ticket string
}

// EndSession checks a logout request by GET or POST. signedIn may be nil. It
// ends nothing: the page asks the person first, unless Confirmed. Errors are
// *authz.Error, and none of them sends the browser anywhere. logout_hint is taken
// and passed over: the person who is signed in is signed out, and nobody else.
func (e *Endpoint) EndSession(r *http.Request, signedIn *authorize.SignedIn) (Logout, error) {
	form, err := endSessionForm(r)
	if err != nil {
		return Logout{}, err
	}
	logout := logoutRequest{
		URI: form.Get("post_logout_redirect_uri"), State: form.Get("state"),
		Lang: authz.Language(strings.Fields(form.Get("ui_locales"))...),
	}
	logout.Client = authz.ClientID(form.Get("client_id"))
	if token := form.Get("id_token_hint"); token != "" {
		hint, err := e.o.Verifier.IDTokenHint(token)
		if err != nil {
			return Logout{}, err
		}
		if logout.Client == "" && len(hint.Audience) == 1 {
			logout.Client = authz.ClientID(hint.Audience[0])
		}
		// §2: when both are there, the token must have been issued to the client.
		if !slices.Contains(hint.Audience, string(logout.Client)) {
			return Logout{}, authz.NewError(authz.InvalidRequest, "client_id is not the app id_token_hint was issued to").At("client_id")
		}
		logout.SID, logout.Subject = hint.SID, hint.Subject
	}
	return e.check(r.Context(), logout, signedIn)
}

// ContinueEndSession is EndSession for a request that was checked before and comes
// back by its ticket. What may have changed meanwhile is checked again.
func (e *Endpoint) ContinueEndSession(ctx context.Context, ticket string, signedIn *authorize.SignedIn) (Logout, error) {
	logout, ok := e.o.Tickets.open(ticket, e.o.Now())
	if !ok {
		return Logout{}, authz.NewError(authz.InvalidRequest,
			"this sign-out was begun too long ago; start again at the app").At("logout").Because(authorize.ErrGone)
	}
	return e.check(ctx, logout, signedIn)
}

// endSessionForm reads the parameters: of a POST in the body, in form serialisation (§2).
func endSessionForm(r *http.Request) (url.Values, error) {
	if r.Method == http.MethodHead {
		return request.ParseQuery(r.URL.RawQuery)
	}
	form, ok, err := protocol.BrowserForm(r)
	if err == nil && !ok {
		err = authz.NewError(authz.InvalidRequest, "the end session endpoint takes GET and POST").Under("RP-Initiated Logout §2")
	}
	return form, err
}

// check judges a request against the registration and who is signed in.
func (e *Endpoint) check(ctx context.Context, logout logoutRequest, signedIn *authorize.SignedIn) (Logout, error) {
	out := Logout{Lang: logout.Lang}
	var client *clientauth.Registered
	if logout.Client != "" {
		var err error
		client, err = e.o.Directory.Client(ctx, logout.Client)
		if errors.Is(err, clientauth.ErrUnknownClient) {
			return Logout{}, authz.NewError(authz.InvalidRequest, "no app is registered with this client_id").At("client_id")
		}
		if err != nil {
			return Logout{}, authz.AsError(err)
		}
		out.Client = client.Client
	}
	// §2, §3: a URI that comes without id_token_hint and client_id is held against
	// nobody's registration; the person is asked, and stays with us.
	if logout.URI != "" && client != nil {
		// §3: compared exactly with those that were registered.
		if !client.HasPostLogoutRedirectURI(logout.URI) {
			return Logout{}, authz.NewError(authz.InvalidRequest,
				"post_logout_redirect_uri is not registered for this app").At("post_logout_redirect_uri")
		}
		out.Return = protocol.WithParameters(logout.URI, "state", logout.State)
	}
	if signedIn != nil && client != nil && logout.Subject != "" {
		pairwise, err := e.o.Pseudonyms.Pairwise(ctx, client.Sector, signedIn.Actor)
		if err != nil {
			return Logout{}, token.KeysError(err)
		}
		out.Another = logout.Subject != string(pairwise)
		// A hint of an earlier session of the same person is no proof that she wants
		// to leave this one.
		out.Confirmed = !out.Another && logout.SID == e.o.Pseudonyms.SID(signedIn.ID, client.ID)
	}
	out.Ticket = e.o.Tickets.seal(logout, e.o.Now().Add(e.o.TicketLife))
	return out, nil
}

// FrontchannelLogout is what a frame loads so that the app forgets a session, with
// iss and sid (Front-Channel Logout §2); empty for an app that has not registered
// for it.
func (e *Endpoint) FrontchannelLogout(client *authz.Client, session authz.SessionID) string {
	if client.FrontchannelLogoutURI == "" {
		return ""
	}
	return protocol.WithParameters(client.FrontchannelLogoutURI, "iss", e.o.Issuer, "sid", e.o.Pseudonyms.SID(session, client.ID))
}

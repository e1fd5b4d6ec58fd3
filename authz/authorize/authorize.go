package authorize

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize/object"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
)

// Authorizer is the authorization endpoint and what its pages need. It is safe for
// concurrent use.
type Authorizer struct {
	o          Options
	decider    decider
	references *References
}

// New makes an Authorizer.
func New(o Options) *Authorizer {
	return &Authorizer{o: o, decider: decider{&o}, references: &References{Store: o.Store, Targets: o.Minter.Targets, Now: o.Now}}
}

// Authorize is the authorization endpoint, RFC 6749 §3.1, by GET or POST. A
// request that was answered with an error the app may see comes back as Next;
// the error returned is an *authz.Error for a page of ours.
func (a *Authorizer) Authorize(r *http.Request) (response.Next, error) {
	form, ok, err := protocol.BrowserForm(r)
	if err != nil {
		return response.Next{}, err
	}
	if !ok {
		return response.Next{}, authz.NewError(authz.InvalidRequest,
			"the authorization endpoint takes GET and POST").Under("OpenID Connect Core §3.1.2.1")
	}
	pending, client, err := a.begin(r.Context(), form)
	if err != nil {
		var refusal *authz.Error
		if errors.As(err, &refusal) && refusal.Redirectable {
			return a.o.Responder.Answer(r.Context(), pending.Request, refusal.Parameters())
		}
		return response.Next{}, err
	}
	if pending.ID == "" { // it came with the browser, and is kept if it has to wait
		if err := admit(a.o.Strangers, r); err != nil {
			return response.Next{}, err
		}
	}
	return a.step(r, pending, client)
}

// admit limits, by address, the rows that unauthenticated callers can make us store: for
// requests that come with a browser, and for those of apps without a secret. One
// address may stand for many people.
func admit(strangers Strangers, r *http.Request) error {
	if strangers == nil {
		return nil
	}
	address, _ := netip.ParseAddr(r.RemoteAddr)
	if wait := strangers.Take(address); wait > 0 {
		return &authz.Error{
			Code: authz.TemporarilyUnavailable, Description: "too many requests from this address; try again later",
			RetryAfter: max(time.Second, wait.Round(time.Second)), Cause: protocol.ErrTooMany,
		}
	}
	return nil
}

// Resume asks the question again for a pending authorization, named by its handle,
// after a page has done its part.
func (a *Authorizer) Resume(r *http.Request, id grant.Handle) (response.Next, error) {
	pending, client, err := a.pendingByHandle(r.Context(), id)
	var next response.Next
	if err == nil {
		next, err = a.step(r, pending, client)
	}
	if err != nil { // the form that led here was sent twice?
		next, err = a.sameCode(r, id, "", err)
	}
	if err != nil {
		next, err = a.sameRefusal(r.Context(), id, err)
	}
	return next, err
}

// begin finds the pushed request, or checks one that came with the browser. In
// the latter case nothing is stored yet.
func (a *Authorizer) begin(ctx context.Context, form url.Values) (grant.Pending, *clientauth.Registered, error) {
	clientID := authz.ClientID(form.Get("client_id"))
	if clientID == "" {
		return grant.Pending{}, nil, authz.NewError(authz.InvalidRequest, "client_id is missing").At("client_id").Under("RFC 6749 §4.1.1")
	}
	if err := a.o.Directory.Introduced(ctx, clientID, form.Get("request")); err != nil {
		return grant.Pending{}, nil, err
	}
	client, err := a.o.Directory.Client(ctx, clientID)
	if errors.Is(err, clientauth.ErrUnknownClient) && !authz.IsError(err) {
		return grant.Pending{}, nil, authz.NewError(authz.InvalidRequest,
			"no app is registered with this client_id").At("client_id").Under("RFC 6749 §4.1.2.1").Because(err)
	}
	if err != nil {
		return grant.Pending{}, nil, authz.AsError(err)
	}
	if uri := form.Get("request_uri"); strings.HasPrefix(uri, requestURIPrefix) {
		id, wellFormed := parseRequestURI(uri)
		unusable := authz.NewError(authz.InvalidRequestURI,
			"this request_uri is unknown, used, expired, or another app's; push the request anew").At("request_uri").Under("RFC 9126 §2.2, §4")
		if !wellFormed {
			return grant.Pending{}, nil, unusable.Because(object.ErrForeign)
		}
		pending, err := a.o.Store.Pending(ctx, id)
		switch {
		case err != nil:
			return grant.Pending{}, nil, authz.NotFoundAs(err, unusable)
		case pending.Request.ClientID != clientID || !pending.Pushed:
			return grant.Pending{}, nil, unusable.Because(object.ErrForeign)
		case !pending.Finished.IsZero():
			return grant.Pending{}, nil, unusable.Because(Finished{client.Client})
		case !pending.Usable(a.o.Now()):
			return grant.Pending{}, nil, unusable
		case a.o.Now().After(pending.Created.Add(a.o.Lifetimes.Pushed)):
			// RFC 9126 §4: expired before it was opened. Whoever opened it in time
			// goes on through the id of the pending authorization.
			return grant.Pending{}, nil, unusable
		}
		return pending, client, nil
	}
	// Only a request_uri of ours stands for pushed parameters; the redirect URI
	// is found good first, so that the app can be told what else is wrong.
	now := a.o.Now().UTC()
	pending := grant.Pending{Created: now, Expires: now.Add(a.o.Lifetimes.Interaction)}
	outer := request.Answerable(form, client.Client, client.Profile)
	if client.Membership.Federated() && form.Get("request") == "" && form.Get("request_uri") == "" {
		return grant.Pending{}, nil, authz.NewError(authz.InvalidRequest,
			"an app of a federation signs its request (request) or pushes it (RFC 9126)").At("request").Under("OpenID Federation 1.0 §12.1.1")
	}
	form, err = a.o.Objects.Unwrap(ctx, form, client)
	if err != nil {
		refusal := authz.AsError(err)
		if pending.Request = outer; outer.RedirectURI == "" || client.Profile.RequirePAR || refusal.Parameter == "state" {
			return grant.Pending{}, nil, err // nowhere to send it, nothing was proved, or the app would miss its state
		}
		// OpenID Connect Core §6.1: redirect_uri may stand beside the object, and
		// is one of this app's.
		return pending, nil, refusal.ToClient()
	}
	pending.Request, err = a.o.Checker.Check(form, client.Client, client.Profile)
	if err == nil {
		err = a.references.Check(ctx, client, pending.Request)
	}
	if err == nil {
		err = request.KeyNamed(client.Profile, &pending.Request)
	}
	if err == nil {
		err = request.Deliverable(client.Client, client.Profile, &pending.Request)
	}
	if pending.Request.RedirectURI != "" && client.Profile.RequirePAR {
		return pending, nil, authz.NewError(authz.InvalidRequest,
			"this app must push its authorization requests, profile %s", client.Profile.Name).Under("RFC 9126 §4; FAPI 2.0 SP §5.3.2.2").ToClient()
	}
	return pending, client, err
}

// step decides what comes next (package interaction), and does it.
func (a *Authorizer) step(r *http.Request, pending grant.Pending, client *clientauth.Registered) (response.Next, error) {
	ctx := r.Context()
	signedIn, ok, err := a.o.Sessions.Current(r)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	if !ok && r.Method == http.MethodPost {
		// A POST from the app's page brings no cookie of ours (SameSite=Lax), so the
		// session is read after one redirect to ourselves.
		return a.redirectToResume(ctx, pending)
	}
	outcome, granted, err := a.decider.decide(ctx, pending, client, signedIn, ok, false)
	if err != nil {
		return response.Next{}, err
	}
	switch outcome.Kind {
	case interaction.Answer:
		signedIn.Level = outcome.Level
		return a.issue(ctx, pending, client, signedIn, "", granted, nil)
	case interaction.Reject:
		return a.reject(ctx, pending, authz.NewError(outcome.Code, "%s", outcome.Why))
	default:
		return a.page(ctx, pending, outcome.Kind)
	}
}

// savePending stores a request that came with the browser and is to wait.
func (a *Authorizer) savePending(ctx context.Context, pending grant.Pending) (grant.Pending, error) {
	if pending.ID != "" {
		return pending, nil
	}
	pending.ID = authz.AuthorizationID(authz.NewSecret())
	return pending, a.o.Store.InsertPending(ctx, pending, clientauth.Assertion{})
}

// redirectToResume sends the browser to [Authorizer.Resume] by GET.
func (a *Authorizer) redirectToResume(ctx context.Context, pending grant.Pending) (response.Next, error) {
	pending, err := a.savePending(ctx, pending)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	return a.resume(pending.ID), nil
}

// resume is the redirect to [Authorizer.Resume].
func (a *Authorizer) resume(id authz.AuthorizationID) response.Next {
	query := url.Values{"a": {string(a.o.Handles.Handle(id))}}
	return response.Next{Location: protocol.WithQuery(a.o.URLs.Authorize+"/resume", query.Encode())}
}

// page sends the browser to a page of ours and keeps the request until then.
func (a *Authorizer) page(ctx context.Context, pending grant.Pending, kind interaction.Kind) (response.Next, error) {
	pending, err := a.savePending(ctx, pending)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	path := a.o.Pages.SignIn
	query := url.Values{"a": {string(a.o.Handles.Handle(pending.ID))}}
	switch kind {
	case interaction.Consent:
		path = a.o.Pages.Consent
	case interaction.Approve:
		path = a.o.Pages.Approve
	}
	lang := authz.Language(pending.Request.UILocales...)
	if lang != "" {
		query.Set("ui_locales", lang)
	}
	if hint := pending.Request.ProviderHint; hint != "" && path == a.o.Pages.SignIn {
		query.Set("provider", hint)
	}
	next := response.Next{Location: a.o.URLs.Issuer + path + "?" + query.Encode(), Lang: lang}
	if kind == interaction.Login {
		next.Waits = &response.Waits{ID: a.o.Handles.Handle(pending.ID), Client: pending.Request.ClientID, Expires: pending.Expires}
	}
	return next, nil
}

package provider

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
	"hopnhat/authz/protocol"
	"hopnhat/authz/request"
)

// Next is where the browser goes: to a page of ours, or back to the app.
type Next struct {
	// Location is where to redirect with 303 (FAPI 2.0 SP §5.3.2.2); empty
	// when Form is set.
	Location string
	// Form is the answer to post to the app, for response_mode=form_post.
	Form *FormPost
	// Lang is the first of ui_locales that we speak, or empty.
	Lang string
	// BrowserState is for the cookie that the frame of session management reads;
	// empty for an app that has not registered for it.
	BrowserState string
}

// FormPost is an answer for OAuth 2.0 Form Post Response Mode.
type FormPost struct {
	Action string
	Fields url.Values
	// Client is the app it goes to, for the page that carries it.
	Client *authz.Client
}

// Authorize is the authorization endpoint, RFC 6749 §3.1, by GET or POST. A
// request that was answered with an error the app may see comes back as Next;
// the error returned is an *authz.Error for a page of ours.
func (p *Provider) Authorize(r *http.Request) (Next, error) {
	form, ok, err := protocol.BrowserForm(r)
	if err != nil {
		return Next{}, err
	}
	if !ok {
		return Next{}, authz.Refuse(authz.InvalidRequest, "the authorization endpoint takes GET and POST").Under("OpenID Connect Core §3.1.2.1")
	}
	pending, client, err := p.begin(r.Context(), form)
	if err != nil {
		var refusal *authz.Error
		if errors.As(err, &refusal) && refusal.Redirectable {
			return p.answer(r.Context(), pending.Request, refusal.Parameters())
		}
		return Next{}, err
	}
	if pending.ID == "" { // it came with the browser, and is kept if it has to wait
		if err := p.admit(r); err != nil {
			return Next{}, err
		}
	}
	return p.step(r, pending, client)
}

// admit limits, by address, the rows that unauthenticated callers can make us store: for
// requests that come with a browser, and for those of apps without a secret. One
// address may stand for many people.
func (p *Provider) admit(r *http.Request) error {
	if p.o.Strangers == nil {
		return nil
	}
	address, _ := netip.ParseAddr(r.RemoteAddr)
	if wait := p.o.Strangers.Take(address); wait > 0 {
		return &authz.Error{
			Code: authz.TemporarilyUnavailable, Description: "too many requests from this address; try again later", RetryAfter: max(time.Second, wait.Round(time.Second)), Cause: protocol.ErrTooMany,
		}
	}
	return nil
}

// Resume asks the question again for a pending authorization, named by its handle,
// after a page has done its part.
func (p *Provider) Resume(r *http.Request, id grant.Handle) (Next, error) {
	pending, client, err := p.open(r.Context(), id)
	var next Next
	if err == nil {
		next, err = p.step(r, pending, client)
	}
	if err != nil { // the form that led here was sent twice?
		next, err = p.sameCode(r, id, "", err)
	}
	if err != nil {
		next, err = p.sameRefusal(r.Context(), id, err)
	}
	return next, err
}

// begin finds the pushed request, or checks one that came with the browser. In
// the latter case nothing is stored yet.
func (p *Provider) begin(ctx context.Context, form url.Values) (Pending, *clientauth.Registered, error) {
	clientID := authz.ClientID(form.Get("client_id"))
	if clientID == "" {
		return Pending{}, nil, authz.Refuse(authz.InvalidRequest, "client_id is missing").At("client_id").Under("RFC 6749 §4.1.1")
	}
	client, err := p.o.Directory.Client(ctx, clientID)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return Pending{}, nil, authz.Refuse(authz.InvalidRequest, "no app is registered with this client_id").At("client_id").Under("RFC 6749 §4.1.2.1").Because(err)
	}
	if err != nil {
		return Pending{}, nil, authz.AsError(err)
	}
	if uri := form.Get("request_uri"); strings.HasPrefix(uri, requestURIPrefix) {
		id, wellFormed := opened(uri)
		unusable := authz.Refuse(authz.InvalidRequestURI, "this request_uri is unknown, used, expired, or another app's; push the request anew").At("request_uri").Under("RFC 9126 §2.2, §4")
		if !wellFormed {
			return Pending{}, nil, unusable.Because(ErrForeign)
		}
		pending, err := p.o.Grants.Pending(ctx, id)
		switch {
		case err != nil:
			return Pending{}, nil, authz.NotFoundAs(err, unusable)
		case pending.Request.ClientID != clientID || !pending.Pushed:
			return Pending{}, nil, unusable.Because(ErrForeign)
		case !pending.Finished.IsZero():
			return Pending{}, nil, unusable.Because(Finished{client.Client})
		case !pending.Usable(p.now()):
			return Pending{}, nil, unusable
		case p.now().After(pending.Created.Add(p.life.Pushed)):
			// RFC 9126 §4: expired before it was opened. Whoever opened it in time
			// goes on through the id of the pending authorization.
			return Pending{}, nil, unusable
		}
		return pending, client, nil
	}
	// Only a request_uri of ours stands for pushed parameters; the redirect URI
	// is found good first, so that the app can be told what else is wrong.
	now := p.now().UTC()
	pending := Pending{Created: now, Expires: now.Add(p.life.Interaction)}
	outer := request.Answerable(form, client.Client, client.Profile)
	form, err = p.unwrapped(ctx, form, client)
	if err != nil {
		refusal := authz.AsError(err)
		if pending.Request = outer; outer.RedirectURI == "" || client.Profile.RequirePAR || refusal.Parameter == "state" {
			return Pending{}, nil, err // nowhere to send it, nothing was proved, or the app would miss its state
		}
		// OpenID Connect Core §6.1: redirect_uri may stand beside the object, and
		// is one of this app's.
		return pending, nil, refusal.ToClient()
	}
	pending.Request, err = p.checker.Check(form, client.Client, client.Profile)
	if err == nil {
		err = p.checkStanding(ctx, client, pending.Request)
	}
	if err == nil {
		err = keyNamed(client, pending.Request)
	}
	if err == nil {
		err = deliverable(client, &pending.Request)
	}
	if pending.Request.RedirectURI != "" && client.Profile.RequirePAR {
		return pending, nil, authz.Refuse(authz.InvalidRequest,
			"this app must push its authorization requests, profile %s", client.Profile.Name).Under("RFC 9126 §4; FAPI 2.0 SP §5.3.2.2").ToClient()
	}
	return pending, client, err
}

// step decides what comes next (package interaction), and does it.
func (p *Provider) step(r *http.Request, pending Pending, client *clientauth.Registered) (Next, error) {
	ctx := r.Context()
	signedIn, ok, err := p.o.Sessions.Current(r)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	if !ok && r.Method == http.MethodPost {
		// A POST from the app's page brings no cookie of ours (SameSite=Lax), so the
		// session is read after one redirect to ourselves.
		return p.later(ctx, pending)
	}
	outcome, granted, err := p.decide(ctx, pending, client, signedIn, ok, false)
	if err != nil {
		return Next{}, err
	}
	switch outcome.Kind {
	case interaction.Answer:
		signedIn.Level = outcome.Level
		return p.issue(ctx, pending, client, signedIn, "", granted, nil)
	case interaction.Refuse:
		return p.Refuse(ctx, pending, authz.Refuse(outcome.Code, "%s", outcome.Why))
	default:
		return p.page(ctx, pending, outcome.Kind)
	}
}

// kept stores a request that came with the browser and is to wait.
func (p *Provider) kept(ctx context.Context, pending Pending) (Pending, error) {
	if pending.ID != "" {
		return pending, nil
	}
	pending.ID = authz.AuthorizationID(authz.NewSecret())
	return pending, p.o.Grants.InsertPending(ctx, pending)
}

// later sends the browser to [Provider.Resume] by GET.
func (p *Provider) later(ctx context.Context, pending Pending) (Next, error) {
	pending, err := p.kept(ctx, pending)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	return Next{Location: p.url.Authorize + "/resume?" + url.Values{"a": {string(p.handles.Handle(pending.ID))}}.Encode()}, nil
}

// page sends the browser to a page of ours and keeps the request until then.
func (p *Provider) page(ctx context.Context, pending Pending, kind interaction.Kind) (Next, error) {
	pending, err := p.kept(ctx, pending)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	path := p.o.SignInPath
	query := url.Values{"a": {string(p.handles.Handle(pending.ID))}}
	switch kind {
	case interaction.Consent:
		path = p.o.ConsentPath
	case interaction.Approve:
		path = p.o.ApprovePath
	}
	lang := authz.Language(pending.Request.UILocales...)
	if lang != "" {
		query.Set("ui_locales", lang)
	}
	return Next{Location: p.o.Issuer + path + "?" + query.Encode(), Lang: lang}, nil
}

// Approve issues the code after the person has agreed. record writes what she
// decided, in the transaction that stores the grant, and returns the releases it
// grants: one commit for both. said is her answer in one text: sent twice it leads
// where it led first, and is recorded once.
func (p *Provider) Approve(r *http.Request, id grant.Handle, said string, record func(ctx context.Context, w Waiting, s SignedIn) ([]authz.Release, error)) (Next, error) {
	said = "agree " + said // never that of a step without a page
	next, err := p.approve(r, id, said, record)
	if err != nil {
		next, err = p.sameCode(r, id, said, err)
	}
	if err != nil {
		next, err = p.sameEnd(r, id, err)
	}
	return next, err
}

func (p *Provider) approve(r *http.Request, id grant.Handle, said string, record func(ctx context.Context, w Waiting, s SignedIn) ([]authz.Release, error)) (Next, error) {
	ctx := r.Context()
	pending, client, err := p.open(ctx, id)
	if err != nil {
		return Next{}, err
	}
	signedIn, ok, err := p.o.Sessions.Current(r)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	outcome, _, err := p.decide(ctx, pending, client, signedIn, ok, true)
	if err != nil {
		return Next{}, err
	}
	switch outcome.Kind {
	case interaction.Answer:
	case interaction.Refuse:
		return p.Refuse(ctx, pending, authz.Refuse(outcome.Code, "%s", outcome.Why))
	default: // the session ended meanwhile, or grew too old
		return p.page(ctx, pending, outcome.Kind)
	}
	who := signedIn
	who.Level = outcome.Level
	waiting := Waiting{ID: id, Client: client.Client, Request: pending.Request, Expires: pending.Expires}
	return p.issue(ctx, pending, client, who, said, nil, func(ctx context.Context) ([]authz.Release, error) {
		return record(ctx, waiting, signedIn)
	})
}

// Decline answers access_denied to the app and ends the pending authorization.
// record writes the refusal in the same transaction; it may be nil. Asked for twice,
// it is answered twice, and recorded once.
func (p *Provider) Decline(r *http.Request, id grant.Handle, record func(ctx context.Context) error) (Next, error) {
	next, err := p.decline(r.Context(), id, record)
	if err != nil {
		next, err = p.sameRefusal(r.Context(), id, err)
	}
	if err != nil {
		next, err = p.sameEnd(r, id, err)
	}
	return next, err
}

func (p *Provider) decline(ctx context.Context, id grant.Handle, record func(ctx context.Context) error) (Next, error) {
	pending, _, err := p.open(ctx, id)
	if err != nil {
		return Next{}, err
	}
	if pending.Request.Decoupled {
		return p.denyDecoupled(ctx, pending, decoupled.Declined, SignedIn{}, record)
	}
	refusal := authz.Refuse(authz.AccessDenied, "the person declined")
	if record == nil {
		return p.Refuse(ctx, pending, refusal)
	}
	err = p.o.Grants.Tx(ctx, func(ctx context.Context) error {
		if err := p.o.Grants.FinishPending(ctx, pending.ID, p.now(), refusal.Parameters().Encode()); err != nil {
			return err
		}
		return record(ctx)
	})
	if err != nil {
		return Next{}, p.finishError(err)
	}
	return p.answer(ctx, pending.Request, refusal.Parameters())
}

// Refuse ends a pending authorization with an error for the app.
func (p *Provider) Refuse(ctx context.Context, pending Pending, refusal *authz.Error) (Next, error) {
	p.refusals.Count(refusal.Code)
	if pending.Request.Decoupled {
		because := decoupled.Declined
		if refusal.Code == authz.UnmetAuthentication {
			because = decoupled.Unreachable
		}
		return p.denyDecoupled(ctx, pending, because, SignedIn{}, nil)
	}
	if pending.ID != "" {
		if err := p.o.Grants.FinishPending(ctx, pending.ID, p.now(), refusal.Parameters().Encode()); err != nil {
			return Next{}, p.finishError(err)
		}
	}
	return p.answer(ctx, pending.Request, refusal.Parameters())
}

func (p *Provider) finishError(err error) error {
	if errors.Is(err, authz.ErrConflict) {
		return authz.Refuse(authz.InvalidRequest, "this sign-in was finished already; start again at the app").Because(Finished{})
	}
	return authz.AsError(err)
}

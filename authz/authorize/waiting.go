package authorize

import (
	"context"
	"errors"
	"net/http"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
	"hopnhat/authz/request"
)

// pendingByHandle finds a pending authorization by its handle, that still can be answered,
// with its app.
func (a *Authorizer) pendingByHandle(ctx context.Context, handle grant.Handle) (grant.Pending, *clientauth.Registered, error) {
	gone := authz.NewError(authz.InvalidRequest, "this sign-in was finished or took too long; start again at the app").Because(ErrGone)
	id, ok := a.o.Handles.Open(handle)
	if !ok {
		return grant.Pending{}, nil, gone
	}
	pending, err := a.o.Store.Pending(ctx, id)
	if err != nil {
		return grant.Pending{}, nil, goneOr(err, gone)
	}
	client, err := a.o.Directory.Client(ctx, pending.Request.ClientID)
	if errors.Is(err, clientauth.ErrUnknownClient) {
		return grant.Pending{}, nil, gone
	}
	if err != nil {
		return grant.Pending{}, nil, authz.AsError(err)
	}
	switch {
	case !pending.Finished.IsZero():
		return grant.Pending{}, nil, gone.Because(Finished{client.Client})
	case !pending.Usable(a.o.Now()):
		return grant.Pending{}, nil, gone
	}
	return pending, client, nil
}

// Finished is the cause of a refusal when what was asked for has been answered:
// the person went back, or reloaded, after the end of a sign-in.
type Finished struct {
	// Client is the app that got the answer.
	Client *authz.Client
}

func (Finished) Error() string { return "the authorization request was answered before" }

// ErrGone is the cause of a refusal when a page belongs to no request that waits.
var ErrGone = errors.New("no authorization request waits under this handle")

func goneOr(err error, gone *authz.Error) error {
	if errors.Is(err, authz.ErrNotFound) {
		return gone
	}
	return authz.AsError(err)
}

// Waiting is what a page needs to know of a pending authorization; ID is its
// handle.
type Waiting struct {
	ID      grant.Handle
	Client  *authz.Client
	Request request.Authorization
	Expires time.Time
}

// Waiting finds a pending authorization for a page.
func (a *Authorizer) Waiting(ctx context.Context, id grant.Handle) (Waiting, error) {
	pending, client, err := a.pendingByHandle(ctx, id)
	if err != nil {
		return Waiting{}, err
	}
	return Waiting{ID: a.o.Handles.Handle(pending.ID), Client: client.Client, Request: pending.Request, Expires: pending.Expires}, nil
}

// App is the app of a request that waits; an error where it may not be shown any more.
func (a *Authorizer) App(ctx context.Context, id authz.ClientID) (*authz.Client, error) {
	client, err := a.o.Directory.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	return client.Client, nil
}

// SignedInFor reports whether the browser's session satisfies a pending authorization,
// named by its handle, so that no page of a sign-in need be shown.
func (a *Authorizer) SignedInFor(r *http.Request, id grant.Handle) (bool, error) {
	ctx := r.Context()
	pending, client, err := a.pendingByHandle(ctx, id)
	if err != nil {
		return false, err
	}
	signedIn, ok, err := a.o.Sessions.Current(r)
	if err != nil {
		return false, authz.AsError(err)
	}
	outcome, _, err := a.decider.decide(ctx, pending, client, signedIn, ok, false)
	if err != nil {
		return false, err
	}
	switch outcome.Kind {
	case interaction.Answer, interaction.Consent, interaction.Approve:
		return true, nil
	default:
		return false, nil
	}
}

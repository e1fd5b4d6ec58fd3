package authorize

import (
	"context"
	"errors"
	"net/http"

	"hopnhat/authz"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
)

// Approve issues the code after the person has agreed. record writes what she
// decided, in the transaction that stores the grant, and returns the releases it
// grants: one commit for both. said is her answer in one text: sent twice it leads
// where it led first, and is recorded once.
func (a *Authorizer) Approve(r *http.Request, id grant.Handle, answer string,
	record func(ctx context.Context, w Waiting, s SignedIn) ([]authz.Release, error),
) (response.Next, error) {
	answer = "agree " + answer // never that of a step without a page
	next, err := a.approve(r, id, answer, record)
	if err != nil {
		next, err = a.sameCode(r, id, answer, err)
	}
	if err != nil {
		next, err = a.sameEnd(r, id, err)
	}
	return next, err
}

func (a *Authorizer) approve(r *http.Request, id grant.Handle, answer string,
	record func(ctx context.Context, w Waiting, s SignedIn) ([]authz.Release, error),
) (response.Next, error) {
	ctx := r.Context()
	pending, client, err := a.pendingByHandle(ctx, id)
	if err != nil {
		return response.Next{}, err
	}
	signedIn, ok, err := a.o.Sessions.Current(r)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	outcome, _, err := a.decider.decide(ctx, pending, client, signedIn, ok, true)
	if err != nil {
		return response.Next{}, err
	}
	switch outcome.Kind {
	case interaction.Answer:
	case interaction.Reject:
		return a.reject(ctx, pending, authz.NewError(outcome.Code, "%s", outcome.Why))
	default: // the session ended meanwhile, or grew too old
		return a.page(ctx, pending, outcome.Kind)
	}
	who := signedIn
	who.Level = outcome.Level
	waiting := Waiting{ID: id, Client: client.Client, Request: pending.Request, Expires: pending.Expires}
	return a.issue(ctx, pending, client, who, answer, nil, func(ctx context.Context) ([]authz.Release, error) {
		return record(ctx, waiting, signedIn)
	})
}

// Decline answers access_denied to the app and ends the pending authorization.
// record writes the refusal in the same transaction; it may be nil. Asked for twice,
// it is answered twice, and recorded once.
func (a *Authorizer) Decline(r *http.Request, id grant.Handle, record func(ctx context.Context) error) (response.Next, error) {
	next, err := a.decline(r.Context(), id, record)
	if err != nil {
		next, err = a.sameRefusal(r.Context(), id, err)
	}
	if err != nil {
		next, err = a.sameEnd(r, id, err)
	}
	return next, err
}

func (a *Authorizer) decline(ctx context.Context, id grant.Handle, record func(ctx context.Context) error) (response.Next, error) {
	pending, _, err := a.pendingByHandle(ctx, id)
	if err != nil {
		return response.Next{}, err
	}
	if pending.Request.Decoupled {
		return a.denyDecoupled(ctx, pending, decoupled.Declined, SignedIn{}, record)
	}
	refusal := authz.NewError(authz.AccessDenied, "the person declined")
	if record == nil {
		return a.reject(ctx, pending, refusal)
	}
	err = a.o.Store.Tx(ctx, func(ctx context.Context) error {
		if err := a.o.Store.FinishPending(ctx, pending.ID, a.o.Now(), refusal.Parameters().Encode()); err != nil {
			return err
		}
		return record(ctx)
	})
	if err != nil {
		return response.Next{}, finishError(err)
	}
	return a.o.Responder.Answer(ctx, pending.Request, refusal.Parameters())
}

// reject ends a pending authorization with an error for the app.
func (a *Authorizer) reject(ctx context.Context, pending grant.Pending, refusal *authz.Error) (response.Next, error) {
	a.o.Refusals.Count(refusal.Code)
	if pending.Request.Decoupled {
		because := decoupled.Declined
		if refusal.Code == authz.UnmetAuthentication {
			because = decoupled.Unreachable
		}
		return a.denyDecoupled(ctx, pending, because, SignedIn{}, nil)
	}
	if pending.ID != "" {
		if err := a.o.Store.FinishPending(ctx, pending.ID, a.o.Now(), refusal.Parameters().Encode()); err != nil {
			return response.Next{}, finishError(err)
		}
	}
	return a.o.Responder.Answer(ctx, pending.Request, refusal.Parameters())
}

func finishError(err error) error {
	if errors.Is(err, authz.ErrConflict) {
		return authz.NewError(authz.InvalidRequest, "this sign-in was finished already; start again at the app").Because(Finished{})
	}
	return authz.AsError(err)
}

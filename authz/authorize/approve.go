package authorize

import (
	"context"
	"errors"
	"net/http"

	"hopnhat/authz"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
)

// Approver is where a person answers for another device. It is safe for concurrent use.
type Approver struct{ a *Authorizer }

// NewApprover makes the Approver of an Authorizer.
func NewApprover(a *Authorizer) *Approver { return &Approver{a} }

// Approval is a request as the page that asks the person shows it.
type Approval struct {
	Waiting
	Device decoupled.Request
	// Choices are the symbols to pick from; one is on the asking device.
	Choices []string
}

// Approval finds a request for the page, and notes that it was shown to her.
func (v *Approver) Approval(ctx context.Context, handle grant.Handle, subject authz.Subject) (Approval, error) {
	w, err := v.a.Waiting(ctx, handle)
	if err != nil {
		return Approval{}, err
	}
	if !w.Request.Decoupled {
		return Approval{}, finishError(authz.ErrConflict)
	}
	id, _ := v.a.o.Handles.Open(handle)
	r, err := v.a.o.Approvals.Show(ctx, id, subject)
	switch {
	case errors.Is(err, decoupled.ErrOver), errors.Is(err, authz.ErrNotFound):
		return Approval{}, finishError(authz.ErrConflict)
	case err != nil:
		return Approval{}, authz.AsError(err)
	}
	return Approval{Waiting: w, Device: r, Choices: v.a.o.Approvals.Keys.Choices(&r)}, nil
}

// Approvals lists what waits for a person, newest first.
func (v *Approver) Approvals(ctx context.Context, subject authz.Subject) ([]Approval, error) {
	waiting, err := v.a.o.Approvals.Waiting(ctx, subject)
	if err != nil {
		return nil, authz.AsError(err)
	}
	var out []Approval
	for _, r := range waiting {
		w, err := v.a.Waiting(ctx, v.a.o.Handles.Handle(r.ID))
		var refusal *authz.Error
		switch {
		case errors.As(err, &refusal) && refusal.Code == authz.InvalidRequest:
			continue // answered or expired meanwhile, or its app was disabled
		case err != nil:
			return nil, err
		}
		out = append(out, Approval{Waiting: w, Device: r})
	}
	return out, nil
}

// Confirm takes the symbol a person picked, and goes on with the authorization:
// consent, if it is needed, or the end. A wrong one denies the request;
// decoupled.ErrNotPicked asks again. same holds what she was shown against what
// she would be shown now, in the transaction that writes her word; its error is
// returned as it is.
func (v *Approver) Confirm(r *http.Request, handle grant.Handle, picked string, same func(context.Context) error) (response.Next, error) {
	pending, client, signedIn, outcome, err := v.answering(r, handle)
	if err != nil {
		return v.a.sameEnd(r, handle, err)
	}
	if outcome.Kind == interaction.Approve {
		var differs error
		switch err := v.a.o.Approvals.Confirm(r.Context(), pending.ID, signedIn.Actor, picked, func(ctx context.Context) error {
			differs = same(ctx)
			return differs
		}); {
		case differs != nil:
			return response.Next{}, differs
		case errors.Is(err, decoupled.ErrWrongSymbol):
			return v.deny(r, handle, pending, decoupled.WrongSymbol, signedIn)
		case errors.Is(err, decoupled.ErrNotPicked):
			return response.Next{}, err
		case errors.Is(err, decoupled.ErrOver): // by the same form, sent twice at once?
			if pending, client, err = v.a.pendingByHandle(r.Context(), handle); err != nil {
				return v.a.sameEnd(r, handle, err)
			}
		case errors.Is(err, authz.ErrNotFound):
			return response.Next{}, finishError(authz.ErrConflict)
		case err != nil:
			return response.Next{}, authz.AsError(err)
		}
	}
	next, err := v.a.step(r, pending, client)
	if err != nil {
		return v.a.sameEnd(r, handle, err)
	}
	return next, nil
}

// Disown denies a request in the name of the person who is signed in.
func (v *Approver) Disown(r *http.Request, handle grant.Handle, because decoupled.Reason) (response.Next, error) {
	pending, client, signedIn, outcome, err := v.answering(r, handle)
	if err != nil {
		return v.a.sameEnd(r, handle, err)
	}
	if outcome.Kind != interaction.Approve && outcome.Kind != interaction.Consent && outcome.Kind != interaction.Answer {
		return v.a.step(r, pending, client)
	}
	return v.deny(r, handle, pending, because, signedIn)
}

// deny denies a request in the name of the person who is signed in; if she has
// denied it before, she is shown the same result again.
func (v *Approver) deny(r *http.Request, handle grant.Handle, pending grant.Pending, because decoupled.Reason,
	signedIn SignedIn,
) (response.Next, error) {
	next, err := v.a.denyDecoupled(r.Context(), pending, because, signedIn, nil)
	if err != nil {
		return v.a.sameEnd(r, handle, err)
	}
	return next, nil
}

// answering finds a request that a person answers, and what comes next for it.
func (v *Approver) answering(r *http.Request,
	handle grant.Handle,
) (grant.Pending, *clientauth.Registered, SignedIn, interaction.Outcome, error) {
	ctx := r.Context()
	pending, client, err := v.a.pendingByHandle(ctx, handle)
	if err == nil && !pending.Request.Decoupled {
		err = finishError(authz.ErrConflict)
	}
	if err != nil {
		return grant.Pending{}, nil, SignedIn{}, interaction.Outcome{}, err
	}
	signedIn, ok, err := v.a.o.Sessions.Current(r)
	if err != nil {
		return grant.Pending{}, nil, SignedIn{}, interaction.Outcome{}, authz.AsError(err)
	}
	outcome, _, err := v.a.decider.decide(ctx, pending, client, signedIn, ok, false)
	return pending, client, signedIn, outcome, err
}

// ErrUserCode means that no device waits with a user code that was typed.
var ErrUserCode = errors.New("no device waits with this code")

// UserCode finds the request of a code that a person typed, and goes on with it as
// with any authorization: sign-in, level, the question, consent. The caller
// throttles (RFC 8628 §5.1).
func (v *Approver) UserCode(ctx context.Context, typed string) (response.Next, error) {
	code, ok := decoupled.ParseUserCode(typed)
	if !ok {
		return response.Next{}, ErrUserCode
	}
	r, err := v.a.o.Approvals.ByUserCode(ctx, code)
	if errors.Is(err, authz.ErrNotFound) || errors.Is(err, decoupled.ErrOver) {
		return response.Next{}, ErrUserCode
	}
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	return v.a.resume(r.ID), nil
}

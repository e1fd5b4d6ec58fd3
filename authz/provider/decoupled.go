package provider

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
	"hopnhat/authz/token"
)

// Decoupled is what the provider itself asks of the store for requests that are
// answered on another device; the rest is the engine's.
type Decoupled interface {
	// Polled finds a request and, once it was approved, the grant of its code: one
	// query. authz.ErrNotFound when there is no such request any more.
	Polled(ctx context.Context, id authz.AuthorizationID, codeHash []byte) (decoupled.Request, *Grant, error)
	// SubjectOfNumber and SubjectOfPairwise find whom a hint names;
	// authz.ErrNotFound.
	SubjectOfNumber(ctx context.Context, number authz.PersonalNumber) (authz.Subject, error)
	SubjectOfPairwise(ctx context.Context, sector string, sub authz.Pairwise) (authz.Subject, error)
	// KnowPairwise remembers whom a pairwise subject names, for clients that may
	// send it back as a hint.
	KnowPairwise(ctx context.Context, sector string, sub authz.Pairwise, subject authz.Subject) error
}

// beginDecoupled stores a request that is to be answered on another device: the
// pending authorization and the engine's row, and what must be spent by it, in one
// commit. spend may change the row still.
func (p *Provider) beginDecoupled(ctx context.Context, pending Pending, r *decoupled.Request, assertion clientauth.Assertion, spend func(context.Context) error) error {
	return p.o.Grants.Tx(ctx, func(ctx context.Context) error {
		return grant.SpendWith(ctx, p.o.Grants, assertion, func(ctx context.Context) error {
			if err := spend(ctx); err != nil {
				return err
			}
			if err := p.o.Grants.InsertPending(ctx, pending); err != nil {
				return err
			}
			return p.o.Approvals.Store.InsertDecoupled(ctx, *r)
		})
	})
}

// confirmFacts adds to the facts of a decision what holds for such a request: the
// person it is for, and that she must confirm it first.
func (p *Provider) confirmFacts(ctx context.Context, pending Pending, s SignedIn, facts *interaction.Request) error {
	confirmed, hinted, err := p.o.Approvals.ConfirmedBy(ctx, pending.ID, s.Subject)
	if err != nil {
		return err
	}
	facts.Confirm = !confirmed
	switch {
	case hinted == "" || facts.Hinted != interaction.HintNone:
	case hinted == s.Subject:
		facts.Hinted = interaction.HintSame
	default:
		facts.Hinted = interaction.HintOther
	}
	return nil
}

// issueDecoupled is issue for a request that is fetched by its client: the code of
// the grant is what the client holds already.
func (p *Provider) issueDecoupled(ctx context.Context, pending Pending, client *clientauth.Registered, s SignedIn, granted []authz.Release, record func(context.Context) ([]authz.Release, error)) (Next, error) {
	now := p.now().UTC()
	grant := p.newGrant(pending, client, s, granted, now)
	grant.CodeHash = authz.HashSecret(p.o.Approvals.Keys.Code(pending.ID))
	// A request that is approved in its last second leaves the device time to poll.
	if grant.CodeExpires.Before(pending.Expires) {
		grant.CodeExpires = pending.Expires
	}
	err := p.o.Grants.Tx(ctx, func(ctx context.Context) error {
		if err := p.o.Grants.FinishPending(ctx, pending.ID, now, ""); err != nil {
			return err
		}
		if err := p.o.Approvals.Approve(ctx, pending.ID, s.Subject); err != nil {
			return err
		}
		if err := p.agreed(ctx, client, s, &grant, record); err != nil {
			return err
		}
		return p.o.Grants.InsertGrant(ctx, grant)
	})
	if err != nil {
		return Next{}, p.finishError(err)
	}
	return p.done("approved"), nil
}

// know stores which subject a pseudonym names, for a client that may send an ID token
// back as id_token_hint; for other clients it does nothing.
func (p *Provider) know(ctx context.Context, client *clientauth.Registered, subject authz.Subject) error {
	if !client.AllowsGrant(authz.GrantCIBA) {
		return nil
	}
	sub, err := p.o.Pseudonyms.Pairwise(ctx, client.Sector, subject)
	if err != nil {
		return token.KeysError(err)
	}
	return p.o.Decoupled.KnowPairwise(ctx, client.Sector, sub, subject)
}

// done is our own page that says how it ended; the app learns it by itself.
func (p *Provider) done(result string) Next {
	return Next{Location: p.o.Issuer + p.o.ApprovePath + "/done?" + url.Values{"result": {result}}.Encode()}
}

// denyDecoupled ends a request: the engine's row, the pending authorization and
// what record writes, in one commit. actor is who denies, empty when nobody did
// in person.
func (p *Provider) denyDecoupled(ctx context.Context, pending Pending, because decoupled.Reason, actor SignedIn, record func(context.Context) error) (Next, error) {
	client, err := p.o.Directory.Client(ctx, pending.Request.ClientID)
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	if actor.Subject == "" {
		found, err := p.o.Approvals.Store.Decoupled(ctx, pending.ID)
		if err != nil {
			return Next{}, authz.AsError(err)
		}
		actor.Subject = found.Subject
	}
	err = p.o.Approvals.Deny(ctx, pending.ID, actor.Subject, because, client.Client, actor.Level.ACR(), func(ctx context.Context) error {
		if err := p.o.Grants.FinishPending(ctx, pending.ID, p.now(), ""); err != nil || record == nil {
			return err
		}
		return record(ctx)
	})
	if errors.Is(err, decoupled.ErrOver) {
		return Next{}, p.finishError(authz.ErrConflict)
	}
	if err != nil {
		return Next{}, authz.AsError(err)
	}
	return p.done(string(because)), nil
}

// Approval is a request as the page that asks the person shows it.
type Approval struct {
	Waiting
	Device decoupled.Request
	// Choices are the symbols to pick from; one is on the asking device.
	Choices []string
}

// Approval finds a request for the page, and notes that it was shown to her.
func (p *Provider) Approval(ctx context.Context, handle grant.Handle, subject authz.Subject) (Approval, error) {
	w, err := p.Waiting(ctx, handle)
	if err != nil {
		return Approval{}, err
	}
	if !w.Request.Decoupled {
		return Approval{}, p.finishError(authz.ErrConflict)
	}
	id, _ := p.handles.Open(handle)
	r, err := p.o.Approvals.Show(ctx, id, subject)
	switch {
	case errors.Is(err, decoupled.ErrOver), errors.Is(err, authz.ErrNotFound):
		return Approval{}, p.finishError(authz.ErrConflict)
	case err != nil:
		return Approval{}, authz.AsError(err)
	}
	return Approval{Waiting: w, Device: r, Choices: p.o.Approvals.Keys.Choices(&r)}, nil
}

// Approvals lists what waits for a person, newest first.
func (p *Provider) Approvals(ctx context.Context, subject authz.Subject) ([]Approval, error) {
	waiting, err := p.o.Approvals.Waiting(ctx, subject)
	if err != nil {
		return nil, authz.AsError(err)
	}
	var out []Approval
	for _, r := range waiting {
		w, err := p.Waiting(ctx, p.handles.Handle(r.ID))
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
func (p *Provider) Confirm(r *http.Request, handle grant.Handle, picked string, same func(context.Context) error) (Next, error) {
	pending, client, signedIn, outcome, err := p.answering(r, handle)
	if err != nil {
		return p.sameEnd(r, handle, err)
	}
	if outcome.Kind == interaction.Approve {
		var differs error
		switch err := p.o.Approvals.Confirm(r.Context(), pending.ID, signedIn.Subject, picked, func(ctx context.Context) error {
			differs = same(ctx)
			return differs
		}); {
		case differs != nil:
			return Next{}, differs
		case errors.Is(err, decoupled.ErrWrongSymbol):
			return p.deny(r, handle, pending, decoupled.WrongSymbol, signedIn)
		case errors.Is(err, decoupled.ErrNotPicked):
			return Next{}, err
		case errors.Is(err, decoupled.ErrOver): // by the same form, sent twice at once?
			if pending, client, err = p.open(r.Context(), handle); err != nil {
				return p.sameEnd(r, handle, err)
			}
		case errors.Is(err, authz.ErrNotFound):
			return Next{}, p.finishError(authz.ErrConflict)
		case err != nil:
			return Next{}, authz.AsError(err)
		}
	}
	next, err := p.step(r, pending, client)
	if err != nil {
		return p.sameEnd(r, handle, err)
	}
	return next, nil
}

// Disown denies a request in the name of the person who is signed in.
func (p *Provider) Disown(r *http.Request, handle grant.Handle, because decoupled.Reason) (Next, error) {
	pending, client, signedIn, outcome, err := p.answering(r, handle)
	if err != nil {
		return p.sameEnd(r, handle, err)
	}
	if outcome.Kind != interaction.Approve && outcome.Kind != interaction.Consent && outcome.Kind != interaction.Answer {
		return p.step(r, pending, client)
	}
	return p.deny(r, handle, pending, because, signedIn)
}

// deny denies a request in the name of the person who is signed in; if she has
// denied it before, she is shown the same result again.
func (p *Provider) deny(r *http.Request, handle grant.Handle, pending Pending, because decoupled.Reason, signedIn SignedIn) (Next, error) {
	next, err := p.denyDecoupled(r.Context(), pending, because, signedIn, nil)
	if err != nil {
		return p.sameEnd(r, handle, err)
	}
	return next, nil
}

// answering finds a request that a person answers, and what comes next for it.
func (p *Provider) answering(r *http.Request, handle grant.Handle) (Pending, *clientauth.Registered, SignedIn, interaction.Outcome, error) {
	ctx := r.Context()
	pending, client, err := p.open(ctx, handle)
	if err == nil && !pending.Request.Decoupled {
		err = p.finishError(authz.ErrConflict)
	}
	if err != nil {
		return Pending{}, nil, SignedIn{}, interaction.Outcome{}, err
	}
	signedIn, ok, err := p.o.Sessions.Current(r)
	if err != nil {
		return Pending{}, nil, SignedIn{}, interaction.Outcome{}, authz.AsError(err)
	}
	outcome, _, err := p.decide(ctx, pending, client, signedIn, ok, false)
	return pending, client, signedIn, outcome, err
}

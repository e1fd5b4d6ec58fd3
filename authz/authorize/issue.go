package authorize

import (
	"context"
	"fmt"
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
)

// issue makes the code and what else the browser carries, and stores the grant,
// together with the end of the pending authorization and what record writes: one
// commit. said is what the person answered on a page, for [CodeKey].
func (a *Authorizer) issue(ctx context.Context, pending grant.Pending, client *clientauth.Registered, s SignedIn, said string,
	granted []authz.Release, record func(context.Context) ([]authz.Release, error),
) (response.Next, error) {
	if pending.Request.Decoupled {
		return a.issueDecoupled(ctx, pending, client, s, granted, record)
	}
	now := a.o.Now().UTC()
	code := authz.NewSecret()
	if pending.ID != "" {
		code = a.o.Codes.of(pending.ID, s.ID, said)
	}
	answer := url.Values{}
	if pending.Request.HasCode() {
		if refusal := a.o.Engine.Authorization(ctx, client, pending.Request, s.Actor, code); refusal != nil {
			return a.reject(ctx, pending, refusal)
		}
		answer.Set("code", code)
	}
	g := a.newGrant(pending, client, s, granted, now)
	g.CodeHash = authz.HashSecret(code)
	before, refusal := a.references.predecessor(ctx, pending.Request, s)
	if refusal != nil {
		return a.reject(ctx, pending, refusal)
	}
	if !pending.Request.HasCode() {
		g.CodeSpent = now // there is none: its tokens are good at once
	}
	write := func(ctx context.Context) error {
		if err := a.recordDecision(ctx, client, s, &g, record); err != nil {
			return a.orFinished(ctx, pending.ID, err)
		}
		return a.o.Store.InsertGrant(ctx, g.Continuing(before, a.o.Minter.Targets.Granted), pending.ID)
	}
	if record != nil || client.AllowsGrant(authz.GrantCIBA) {
		alone := write
		write = func(ctx context.Context) error { return a.o.Store.Tx(ctx, alone) }
	}
	if a.o.Minter.Persons.InFrontChannel(pending.Request) {
		// Here the grant is stored before the response is made: the claims about the
		// person are released under it, with what she has just agreed to.
		if err := write(ctx); err != nil {
			return response.Next{}, finishError(err)
		}
		if err := a.o.Minter.FrontChannel(ctx, client, &g, answer); err != nil {
			return response.Next{}, err
		}
		return a.o.Responder.AnswerInSession(ctx, client, pending.Request, s.ID, answer)
	}
	// Signed before anything is stored: if signing fails, nothing is spent.
	if err := a.o.Minter.FrontChannel(ctx, client, &g, answer); err != nil {
		return response.Next{}, err
	}
	next, err := a.o.Responder.AnswerInSession(ctx, client, pending.Request, s.ID, answer)
	if err != nil {
		return response.Next{}, err
	}
	if err := write(ctx); err != nil {
		return response.Next{}, finishError(err)
	}
	return next, nil
}

// orFinished is the error of a decision that could not be recorded, or authz.ErrConflict if
// the request was answered meanwhile: the same form, sent twice at once, finds what the
// first has recorded.
func (a *Authorizer) orFinished(ctx context.Context, id authz.AuthorizationID, err error) error {
	pending, failed := a.o.Store.Pending(ctx, id)
	if failed == nil && !pending.Finished.IsZero() {
		return fmt.Errorf("%w: %w", authz.ErrConflict, err)
	}
	return err
}

// recordDecision writes what the person decided, if she was asked, into the grant and, by
// record, into her consents, in the transaction of the context.
func (a *Authorizer) recordDecision(ctx context.Context, client *clientauth.Registered, s SignedIn, g *grant.Grant,
	record func(context.Context) ([]authz.Release, error),
) error {
	if record != nil {
		details, err := record(ctx)
		if err != nil {
			return err
		}
		g.Details = details
	}
	return a.rememberPairwise(ctx, client, s.Actor)
}

// newGrant is the grant of an approval, without its code.
func (a *Authorizer) newGrant(pending grant.Pending, client *clientauth.Registered, s SignedIn, granted []authz.Release,
	now time.Time,
) grant.Grant {
	g := grant.Grant{
		ID: authz.GrantID(authz.NewID()), ClientID: client.ID, Principal: s.Principal, Session: s.ID, Profile: client.Profile.Name,
		Scope: pending.Request.Scope, Details: granted, Request: pending.Request,
		Level: s.Level, Methods: s.Methods, AuthTime: s.AuthTime,
		Created: now, Expires: now.Add(a.o.Lifetimes.Grant),
		CodeExpires: now.Add(client.Profile.CodeLife), RefreshSalt: grant.NewSalt(),
	}
	// Of the request the grant keeps only what its tokens need.
	g.Request.Details, g.Request.IDTokenHint = nil, ""
	return g
}

package provider

import (
	"context"
	"net/url"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
)

// issue makes the code and what else the browser carries, and stores the grant,
// together with the end of the pending authorization and what record writes: one
// commit. said is what the person answered on a page, for [Provider.codeOf].
func (p *Provider) issue(ctx context.Context, pending Pending, client *clientauth.Registered, s SignedIn, said string, granted []authz.Release, record func(context.Context) ([]authz.Release, error)) (Next, error) {
	if pending.Request.Decoupled {
		return p.issueDecoupled(ctx, pending, client, s, granted, record)
	}
	now := p.now().UTC()
	code := authz.NewSecret()
	if pending.ID != "" {
		code = p.codeOf(pending.ID, s.ID, said)
	}
	answer := url.Values{}
	if pending.Request.HasCode() {
		if refusal := p.engine.Authorization(ctx, client, pending.Request, s.Subject, code); refusal != nil {
			return p.Refuse(ctx, pending, refusal)
		}
		answer.Set("code", code)
	}
	grant := p.newGrant(pending, client, s, granted, now)
	grant.CodeHash = authz.HashSecret(code)
	before, refusal := p.continued(ctx, pending.Request, s)
	if refusal != nil {
		return p.Refuse(ctx, pending, refusal)
	}
	if !pending.Request.HasCode() {
		grant.CodeSpent = now // there is none: its tokens are good at once
	}
	write := func(ctx context.Context) error {
		if pending.ID != "" {
			if err := p.o.Grants.FinishPending(ctx, pending.ID, now, ""); err != nil {
				return err
			}
		}
		if err := p.agreed(ctx, client, s, &grant, record); err != nil {
			return err
		}
		return p.o.Grants.InsertGrant(ctx, grant.Continuing(before, p.targets.Granted))
	}
	if pending.ID != "" || record != nil || client.AllowsGrant(authz.GrantCIBA) {
		write = inTx(p.o.Grants, write)
	}
	if p.persons.InFrontChannel(pending.Request) {
		// Here the grant is stored before the response is made: the claims about the
		// person are released under it, with what she has just agreed to.
		if err := write(ctx); err != nil {
			return Next{}, p.finishError(err)
		}
		if err := p.minter.FrontChannel(ctx, client, &grant, answer); err != nil {
			return Next{}, err
		}
		return p.answerIn(ctx, client, pending.Request, s, answer)
	}
	// Signed before anything is stored: if signing fails, nothing is spent.
	if err := p.minter.FrontChannel(ctx, client, &grant, answer); err != nil {
		return Next{}, err
	}
	next, err := p.answerIn(ctx, client, pending.Request, s, answer)
	if err != nil {
		return Next{}, err
	}
	if err := write(ctx); err != nil {
		return Next{}, p.finishError(err)
	}
	return next, nil
}

// agreed writes what the person decided, if she was asked, into the grant and, by
// record, into her consents, in the transaction of the context.
func (p *Provider) agreed(ctx context.Context, client *clientauth.Registered, s SignedIn, grant *Grant, record func(context.Context) ([]authz.Release, error)) error {
	if record != nil {
		details, err := record(ctx)
		if err != nil {
			return err
		}
		grant.Details = details
	}
	return p.know(ctx, client, s.Subject)
}

func inTx(g Grants, write func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error { return g.Tx(ctx, write) }
}

// newGrant is the grant of an approval, without its code.
func (p *Provider) newGrant(pending Pending, client *clientauth.Registered, s SignedIn, granted []authz.Release, now time.Time) Grant {
	grant := Grant{
		ID: authz.GrantID(authz.NewID()), ClientID: client.ID, Subject: s.Subject, Session: s.ID, Profile: client.Profile.Name,
		Scope: pending.Request.Scope, Details: granted, Request: pending.Request,
		Level: s.Level, Methods: s.Methods, AuthTime: s.AuthTime,
		Created: now, Expires: now.Add(p.life.Grant),
		CodeExpires: now.Add(client.Profile.CodeLife), RefreshSalt: newSalt(),
	}
	// Of the request the grant keeps only what its tokens need.
	grant.Request.Details, grant.Request.IDTokenHint = nil, ""
	return grant
}

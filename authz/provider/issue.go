package provider

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/ory/fosite"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/request"
)

// issue makes the code and what else the browser carries, and stores the grant,
// together with the end of the pending authorization and what record writes: one
// commit. said is what the person answered on a page, for [Provider.codeOf].
func (p *Provider) issue(ctx context.Context, pending Pending, client *clientauth.Registered, s SignedIn, said string, granted []authz.Release, record func(context.Context) ([]authz.Release, error)) (Next, error) {
	if pending.Request.Decoupled {
		return p.issueDecoupled(ctx, pending, client, s, granted, record)
	}
	now := p.now().UTC()
	u := &unit{client: client, now: now}
	if pending.ID != "" {
		u.code = p.codeOf(pending.ID, s.ID, said)
		u.hash = authz.HashSecret(u.code)
	}
	answer := url.Values{}
	if pending.Request.HasCode() {
		code, refusal := p.engineCode(withUnit(ctx, u), pending.Request, s)
		if refusal != nil {
			return p.Refuse(ctx, pending, refusal)
		}
		answer.Set("code", code)
	}
	grant := p.newGrant(pending, client, s, granted, now)
	grant.CodeHash = u.hash
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

// engineCode runs the engine's authorization handlers over the checked request
// and nothing else: what the browser added to the URL never reaches it.
func (p *Provider) engineCode(ctx context.Context, a request.Authorization, s SignedIn) (string, *authz.Error) {
	form := url.Values{
		"client_id": {string(a.ClientID)}, "redirect_uri": {a.RedirectURI}, "response_type": {"code"},
		"scope": {strings.Join(a.Scope, " ")},
		// The engine refuses a short or missing state, which is the app's choice
		// (FAPI 2.0 SP: optional); the answer's state is ours to set.
		"state": {placeholder},
	}
	if a.CodeChallenge != "" {
		form.Set("code_challenge", a.CodeChallenge)
		form.Set("code_challenge_method", "S256")
	}
	r, err := engineRequest(ctx, p.url.Authorize, form)
	if err != nil {
		return "", authz.AsError(err)
	}
	requester, err := p.engine.NewAuthorizeRequest(ctx, r)
	if err != nil {
		return "", engineError(err)
	}
	for _, scope := range a.Scope {
		requester.GrantScope(scope)
	}
	response, err := p.engine.NewAuthorizeResponse(ctx, requester, &fosite.DefaultSession{Subject: string(s.Subject)})
	if err != nil {
		return "", engineError(err)
	}
	return response.GetCode(), nil
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

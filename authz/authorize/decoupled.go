package authorize

import (
	"context"
	"errors"
	"net/url"

	"hopnhat/authz"
	"hopnhat/authz/authorize/response"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/decoupled"
	"hopnhat/authz/grant"
	"hopnhat/authz/token"
)

// issueDecoupled is issue for a request that is fetched by its client: the code of
// the grant is what the client holds already.
func (a *Authorizer) issueDecoupled(ctx context.Context, pending grant.Pending, client *clientauth.Registered, s SignedIn,
	granted []authz.Release, record func(context.Context) ([]authz.Release, error),
) (response.Next, error) {
	now := a.o.Now().UTC()
	g := a.newGrant(pending, client, s, granted, now)
	g.CodeHash = authz.HashSecret(a.o.Approvals.Keys.Code(pending.ID))
	// A request that is approved in its last second leaves the device time to poll.
	if g.CodeExpires.Before(pending.Expires) {
		g.CodeExpires = pending.Expires
	}
	err := a.o.Store.Tx(ctx, func(ctx context.Context) error {
		if err := a.o.Store.FinishPending(ctx, pending.ID, now, ""); err != nil {
			return err
		}
		if err := a.o.Approvals.Approve(ctx, pending.ID, s.Actor); err != nil {
			return err
		}
		if err := a.recordDecision(ctx, client, s, &g, record); err != nil {
			return err
		}
		return a.o.Store.InsertGrant(ctx, g, "")
	})
	if err != nil {
		return response.Next{}, finishError(err)
	}
	return a.done("approved"), nil
}

// rememberPairwise stores which subject a pseudonym names, for a client that may send an ID token
// back as id_token_hint; for other clients it does nothing.
func (a *Authorizer) rememberPairwise(ctx context.Context, client *clientauth.Registered, subject authz.Subject) error {
	if !client.AllowsGrant(authz.GrantCIBA) {
		return nil
	}
	sub, err := a.o.Pseudonyms.Pairwise(ctx, client.Sector, subject)
	if err != nil {
		return token.KeysError(err)
	}
	return a.o.People.KnowPairwise(ctx, client.Sector, sub, subject)
}

// done is our own page that says how it ended; the app learns it by itself.
func (a *Authorizer) done(result string) response.Next {
	return response.Next{Location: a.o.URLs.Issuer + a.o.Pages.Approve + "/done?" + url.Values{"result": {result}}.Encode()}
}

// denyDecoupled ends a request: the engine's row, the pending authorization and
// what record writes, in one commit. actor is who denies, empty when nobody did
// in person.
func (a *Authorizer) denyDecoupled(ctx context.Context, pending grant.Pending, because decoupled.Reason, actor SignedIn,
	record func(context.Context) error,
) (response.Next, error) {
	client, err := a.o.Directory.Client(ctx, pending.Request.ClientID)
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	if actor.Actor == "" {
		found, err := a.o.Approvals.Store.Decoupled(ctx, pending.ID)
		if err != nil {
			return response.Next{}, authz.AsError(err)
		}
		actor.Actor = found.Subject
	}
	err = a.o.Approvals.Deny(ctx, pending.ID, actor.Actor, because, client.Client, actor.Level.ACR(), func(ctx context.Context) error {
		if err := a.o.Store.FinishPending(ctx, pending.ID, a.o.Now(), ""); err != nil || record == nil {
			return err
		}
		return record(ctx)
	})
	if errors.Is(err, decoupled.ErrOver) {
		return response.Next{}, finishError(authz.ErrConflict)
	}
	if err != nil {
		return response.Next{}, authz.AsError(err)
	}
	return a.done(string(because)), nil
}

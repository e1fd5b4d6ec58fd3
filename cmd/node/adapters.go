package node

import (
	"context"
	"errors"
	"net/http"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/authz/authorize"
	"hopnhat/authz/broker"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/interaction"
	"hopnhat/authz/provider"
	"hopnhat/authz/session"
	"hopnhat/authz/token"
	"hopnhat/store"
	pages "hopnhat/web/evidence"
)

// The seams between parts that do not know each other.

// signedIn shows sessions to the provider. reachable is the highest level that the
// factors offered here reach.
type signedIn struct {
	sessions  *session.Sessions
	reachable authz.AuthenticationLevel
}

func (s signedIn) Current(r *http.Request) (authorize.SignedIn, bool, error) {
	found, err := s.sessions.Of(r)
	if errors.Is(err, session.ErrNone) {
		return authorize.SignedIn{Reachable: s.reachable}, false, nil
	}
	if err != nil {
		return authorize.SignedIn{}, false, err
	}
	return authorize.SignedIn{
		ID: found.ID, Principal: found.Principal, AuthTime: found.AuthTime, Methods: found.Methods, Level: found.Level,
		Account: found.Account, Reachable: s.reachable, Kind: found.Kind,
	}, true, nil
}

// asker shows consents to the provider.
type asker struct{ *consent.Consents }

func (a asker) Needed(
	ctx context.Context, client *authz.Client, s authorize.SignedIn, wanted []authz.Release,
) (interaction.Question, []authz.Release, error) {
	need, err := a.Consents.Needed(ctx, client.ID, s.Principal, wanted)
	switch {
	case need.Ask:
		return interaction.Ask, nil, err
	case need.Tell:
		return interaction.Tell, nil, err
	}
	return interaction.Nothing, need.Granted, err
}

// logoutToken shows the provider to the deliverer.
func logoutToken(p *provider.Provider) func(context.Context, session.Delivery) (string, error) {
	return func(ctx context.Context, d session.Delivery) (string, error) {
		return p.LogoutToken(ctx, d.Client, d.Subject, d.Session)
	}
}

// consentNotice shows the provider to the deliverer.
func consentNotice(p *provider.Provider, consents *consent.Consents) func(context.Context, session.Delivery) (string, error) {
	return func(ctx context.Context, d session.Delivery) (string, error) {
		id, _, _ := consent.ParseReference(d.About)
		c, err := consents.Store.Consent(ctx, d.Subject, id)
		if err != nil {
			return "", err
		}
		return p.ConsentNotice(ctx, token.Withdrawn{
			ID: d.ID, Client: d.Client, Subject: d.Subject, Reference: d.About, Purpose: c.Purpose, Registry: c.Registry,
			At: d.Queued(), ProcessBy: d.Queued().AddDate(0, 0, consent.DaysToProcess),
		})
	}
}

// verifier shows access tokens to the broker.
type verifier struct{ *provider.Provider }

func (v verifier) BrokerAccess(r *http.Request) (broker.Access, error) {
	a, err := v.Provider.BrokerAccess(r)
	return broker.Access{Grant: a.Grant, Client: a.ClientID, Pairwise: a.Subject, Actors: a.Act.Clients(), NextNonce: a.NextNonce}, err
}

// directory shows registered apps to the broker, from memory.
type directory struct{ *clientauth.Directory }

func (d directory) Client(ctx context.Context, id authz.ClientID) (*authz.Client, error) {
	c, err := d.Directory.Client(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.Client, nil
}

// releaser shows the broker to the provider, for claims about the person.
type releaser struct{ *broker.Broker }

func (r releaser) Release(ctx context.Context, d authz.Demand) (token.Released, bool, error) {
	released, err := r.Broker.Release(ctx, d)
	var refused *broker.Refused
	if errors.As(err, &refused) {
		return token.Released{}, false, nil
	}
	if err != nil {
		return token.Released{}, false, err
	}
	out := token.Released{Values: map[authz.AttributeID]any{}, Kind: released.Kind, Account: released.Account, Proofed: released.Proofed}
	for attribute, value := range released.Records[0] { // a person has one row in these registers
		out.Values[authz.AttributeID(attribute)] = value
	}
	return out, true, nil
}

// evidence shows the record to the pages. A place that was not noted yet is
// known to the recorder, so a proof is there within a second. Rows without a MAC, of the
// release before, are held against the log.
type evidence struct {
	*store.DB
	recorder *audit.Recorder
	leaf     rowseal.LeafAt
}

func (e evidence) Get(ctx context.Context, id string) (audit.Recorded, error) {
	found, err := e.DB.Get(ctx, id)
	if err != nil {
		return found, err
	}
	if !found.Logged {
		var place audit.Place
		place, found.Logged = e.recorder.Place(id)
		found.Index, found.Origin = place.Index, place.Origin
	}
	return rowseal.Placed(ctx, e.leaf, found), nil
}

func (e evidence) Find(ctx context.Context, q audit.Query) ([]audit.Recorded, error) {
	found, err := e.DB.Find(ctx, q)
	return rowseal.Unsealed(ctx, e.leaf, found), err
}

func (e evidence) FindVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]audit.Recorded, error) {
	found, err := e.DB.FindVisible(ctx, q, kinds, now)
	return rowseal.Unsealed(ctx, e.leaf, found), err
}

func (e evidence) Count(ctx context.Context, q audit.Query) (pages.Counts, error) {
	c, err := e.DB.CountEvents(ctx, q)
	return pages.Counts(c), err
}

func (e evidence) CountVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) (pages.Counts, error) {
	c, err := e.DB.CountVisible(ctx, q, kinds, now)
	return pages.Counts(c), err
}

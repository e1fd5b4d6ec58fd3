package node

import (
	"context"
	"errors"
	"net/http"

	"hopnhat/authz"
	"hopnhat/authz/authorize"
	"hopnhat/authz/broker"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/consent"
	"hopnhat/authz/interaction"
	"hopnhat/authz/provider"
	"hopnhat/authz/session"
	"hopnhat/authz/token"
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

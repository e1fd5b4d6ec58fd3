package authorize

import (
	"context"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/grant"
	"hopnhat/authz/interaction"
	"hopnhat/authz/request"
	"hopnhat/authz/token"
)

// decider gathers the facts of a decision.
type decider struct{ o *Options }

// decide gathers the facts and asks [interaction.Next]. granted are the releases
// that need no asking. Of an answer that was given, what it needs is not looked up:
// whoever records it does, in the transaction.
func (d decider) decide(ctx context.Context, pending grant.Pending, client *clientauth.Registered, s SignedIn, signedIn,
	given bool,
) (interaction.Outcome, []authz.Release, error) {
	req := pending.Request
	facts := interaction.Request{
		Prompt: req.Prompt, MaxAge: req.MaxAge, Created: pending.Created, Level: client.MinimumLevel,
		Present: !request.Assured(client.Client, &req),
	}
	wished := req.ACRValues
	if req.Claims != nil {
		switch values, essential := req.Claims.ACR(); {
		case essential && values != nil:
			facts.Essential = levels(values)
		default:
			wished = slices.Concat(wished, values)
		}
	}
	if best := highest(wished, s.Reachable); best > facts.Level && facts.Essential == nil {
		facts.Level = best
	}
	var question interaction.Question
	var granted []authz.Release
	if req.IDTokenHint != "" {
		hinted, err := d.hintOf(ctx, req.IDTokenHint, client, s)
		if refusal := authz.AsError(err); refusal != nil && refusal.Code == authz.InvalidRequest {
			return interaction.Outcome{
				Kind: interaction.Reject, Code: refusal.Code,
				Why: "id_token_hint is not an ID token of ours for this app",
			}, nil, nil
		} else if refusal != nil {
			return interaction.Outcome{}, nil, refusal
		}
		facts.Hinted = hinted
	}
	if signedIn {
		other, err := d.requestsOtherSubject(ctx, req, client, s)
		if err != nil {
			return interaction.Outcome{}, nil, token.KeysError(err)
		}
		if other {
			facts.Hinted = interaction.HintOther
		}
		if req.Decoupled {
			if err := d.confirmFacts(ctx, pending, s, &facts); err != nil {
				return interaction.Outcome{}, nil, authz.AsError(err)
			}
		}
		if !given {
			if question, granted, err = d.o.Consents.Needed(ctx, client.Client, s, req.Details); err != nil {
				return interaction.Outcome{}, nil, authz.AsError(err)
			}
		}
	}
	outcome := interaction.Next(facts, interaction.Session{
		SignedIn: signedIn, AuthTime: s.AuthTime, Level: s.Level, Reachable: s.Reachable,
	}, question, given, d.o.Now())
	return outcome, granted, nil
}

// levels are those of ours among acr values, never nil.
func levels(values []string) []authz.AuthenticationLevel {
	found := []authz.AuthenticationLevel{}
	for _, v := range values {
		if level, ok := authz.ParseACR(v); ok {
			found = append(found, level)
		}
	}
	return found
}

// highest is the best level among acr_values that the account can reach; a wish
// beyond reach is not held against the person (OpenID Connect Core §3.1.2.1).
func highest(values []string, reachable authz.AuthenticationLevel) authz.AuthenticationLevel {
	var best authz.AuthenticationLevel
	for _, v := range values {
		if level, ok := authz.ParseACR(v); ok && level > best && level <= reachable {
			best = level
		}
	}
	return best
}

// hintOf reports whom an id_token_hint names, beside the person who is signed in.
func (d decider) hintOf(ctx context.Context, hint string, client *clientauth.Registered, s SignedIn) (interaction.Hint, error) {
	claims, err := d.o.Verifier.IDTokenHint(hint)
	if err != nil {
		return interaction.HintNone, err
	}
	if !slices.Contains(claims.Audience, string(client.ID)) {
		return interaction.HintNone, authz.NewError(authz.InvalidRequest, "id_token_hint was issued to another app")
	}
	if s.Actor == "" {
		return interaction.HintOther, nil
	}
	pairwise, err := d.o.Pseudonyms.Pairwise(ctx, client.Sector, s.Actor)
	if err != nil {
		return interaction.HintNone, token.KeysError(err)
	}
	if claims.Subject == string(pairwise) {
		return interaction.HintSame, nil
	}
	return interaction.HintOther, nil
}

// confirmFacts adds to the facts of a decision what holds for such a request: the
// person it is for, and that she must confirm it first.
func (d decider) confirmFacts(ctx context.Context, pending grant.Pending, s SignedIn, facts *interaction.Request) error {
	confirmed, hinted, err := d.o.Approvals.ConfirmedBy(ctx, pending.ID, s.Actor)
	if err != nil {
		return err
	}
	facts.Confirm = !confirmed
	switch {
	case hinted == "" || facts.Hinted != interaction.HintNone:
	case hinted == s.Actor:
		facts.Hinted = interaction.HintSame
	default:
		facts.Hinted = interaction.HintOther
	}
	return nil
}

// requestsOtherSubject reports whether a request is for a sub that is not the person who is
// signed in (OpenID Connect Core §3.1.2.2, §5.5.1).
func (d decider) requestsOtherSubject(ctx context.Context, r request.Authorization, client *clientauth.Registered,
	s SignedIn,
) (bool, error) {
	if r.Claims == nil {
		return false, nil
	}
	subjects, present := r.Claims.Subject()
	if !present {
		return false, nil
	}
	pairwise, err := d.o.Pseudonyms.Pairwise(ctx, client.Sector, s.Actor)
	return err == nil && !slices.Contains(subjects, string(pairwise)), err
}

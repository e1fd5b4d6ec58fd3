package provider

import (
	"context"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/clientauth"
	"hopnhat/authz/interaction"
	"hopnhat/authz/token"
)

// decide gathers the facts and asks [interaction.Next]. granted are the releases
// that need no asking, or were just given.
func (p *Provider) decide(ctx context.Context, pending Pending, client *clientauth.Registered, s SignedIn, signedIn, given bool) (interaction.Outcome, []authz.Release, error) {
	req := pending.Request
	facts := interaction.Request{Prompt: req.Prompt, MaxAge: req.MaxAge, Created: pending.Created, Level: client.MinimumLevel, Present: !assured(client, req)}
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
		hinted, err := p.hintOf(ctx, req.IDTokenHint, client, s)
		if refusal := authz.AsError(err); refusal != nil && refusal.Code == authz.InvalidRequest {
			return interaction.Outcome{Kind: interaction.Refuse, Code: refusal.Code, Why: "id_token_hint is not an ID token of ours for this app"}, nil, nil
		} else if refusal != nil {
			return interaction.Outcome{}, nil, refusal
		}
		facts.Hinted = hinted
	}
	if signedIn {
		other, err := p.otherSubject(ctx, req, client, s)
		if err != nil {
			return interaction.Outcome{}, nil, token.KeysError(err)
		}
		if other {
			facts.Hinted = interaction.HintOther
		}
		if req.Decoupled {
			if err := p.confirmFacts(ctx, pending, s, &facts); err != nil {
				return interaction.Outcome{}, nil, authz.AsError(err)
			}
		}
		if question, granted, err = p.o.Consents.Needed(ctx, client.Client, s, req.Details); err != nil {
			return interaction.Outcome{}, nil, authz.AsError(err)
		}
	}
	outcome := interaction.Next(facts, interaction.Session{
		SignedIn: signedIn, AuthTime: s.AuthTime, Level: s.Level, Reachable: s.Reachable,
	}, question, given, p.now())
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
func (p *Provider) hintOf(ctx context.Context, hint string, client *clientauth.Registered, s SignedIn) (interaction.Hint, error) {
	claims, err := p.verifier.IDTokenHint(hint)
	if err != nil {
		return interaction.HintNone, err
	}
	if !slices.Contains(claims.Audience, string(client.ID)) {
		return interaction.HintNone, authz.Refuse(authz.InvalidRequest, "id_token_hint was issued to another app")
	}
	if s.Subject == "" {
		return interaction.HintOther, nil
	}
	own, err := p.o.Pseudonyms.Pairwise(ctx, client.Sector, s.Subject)
	if err != nil {
		return interaction.HintNone, token.KeysError(err)
	}
	if claims.Subject == string(own) {
		return interaction.HintSame, nil
	}
	return interaction.HintOther, nil
}

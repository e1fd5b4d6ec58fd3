package delegation

import (
	"slices"
	"time"

	"hopnhat/authz"
)

// Subject is a subject token that was checked: its signature, its time, its
// grant.
type Subject struct {
	// Type is one of RFC 8693 §3: access_token or id_token.
	Type     string
	Client   authz.ClientID // it was issued to
	Audience []string
	Scope    []string
	Expires  time.Time
	Act      *Actor
	MayAct   *Party
}

// Wish is what the app asks for.
type Wish struct {
	// Targets are audience and resource together, RFC 8693 §2.1.
	Targets []string
	// Scope is nil where none was asked for.
	Scope []string
}

// Target is a resource that tokens can be for.
type Target struct {
	ID     string
	Scopes []string
}

// Outcome is the token that may be issued.
type Outcome struct {
	Audience string
	Scope    []string
	Expires  time.Time
	Act      *Actor
}

// Exchange decides a token exchange. actor is who will act: Client the app that
// asks, Subject itself or the service its actor token names. find gives a target
// by its URL, not ok for one that is unknown or that the app is not registered
// for. latest is when a token made now ends.
//
// Scope and life never grow, the audience is one that a rule names, and every
// actor stays in the chain. Errors are *authz.Error: RFC 8693 §2.2.2 says
// invalid_request for tokens that are unacceptable by policy, invalid_target for
// a target that is.
func Exchange(
	rules []authz.ExchangeRule, actor Actor, s Subject, w Wish, find func(id string) (Target, bool), now, latest time.Time,
) (Outcome, *authz.Error) {
	if !now.Before(s.Expires) {
		return Outcome{}, authz.NewError(authz.InvalidRequest, "the subject_token has expired").At("subject_token")
	}
	if s.MayAct != nil && s.MayAct.Subject != actor.Subject && s.MayAct.Subject != string(actor.Client) {
		return Outcome{}, authz.NewError(authz.InvalidRequest, "the subject_token names another party that may act (may_act, RFC 8693 §4.4)").At("subject_token")
	}
	if len(s.Act.Chain()) >= MaxDepth {
		return Outcome{}, authz.NewError(authz.InvalidRequest, "the subject_token was exchanged %d times; a chain of actors ends there", MaxDepth).At("subject_token")
	}
	fitting := slices.DeleteFunc(slices.Clone(rules), func(r authz.ExchangeRule) bool { return !covers(r, s) })
	if len(fitting) == 0 {
		return Outcome{}, authz.NewError(authz.InvalidRequest, "no token_exchange rule of this app covers tokens of that app, audience and type").At("subject_token")
	}
	audience, refusal := target(fitting, w.Targets)
	if refusal != nil {
		return Outcome{}, refusal
	}
	to, ok := find(audience)
	if !ok {
		return Outcome{}, authz.NewError(authz.InvalidTarget, "the target is not a resource that this app may have tokens for").At("audience")
	}
	scope, refusal := scope(fitting, to, s, w)
	if refusal != nil {
		return Outcome{}, refusal
	}
	acting := actor
	acting.Act = s.Act
	out := Outcome{Audience: audience, Scope: scope, Expires: latest, Act: &acting}
	if s.Expires.Before(latest) {
		out.Expires = s.Expires
	}
	return out, nil
}

func covers(r authz.ExchangeRule, s Subject) bool {
	types := r.SubjectTokenTypes
	if len(types) == 0 {
		types = []string{authz.TokenTypeAccess}
	}
	if !slices.Contains(r.Clients, s.Client) || !slices.Contains(types, s.Type) {
		return false
	}
	return s.Type == authz.TokenTypeID || overlap(r.SubjectAudience, s.Audience)
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(one string) bool { return slices.Contains(b, one) })
}

// target is the one audience of the new token. Tokens for several would let one
// resource use them at another (RFC 9068 §5).
func target(rules []authz.ExchangeRule, wanted []string) (string, *authz.Error) {
	var possible []string
	for _, r := range rules {
		for _, a := range r.Audience {
			if !slices.Contains(possible, a) {
				possible = append(possible, a)
			}
		}
	}
	wanted = slices.Compact(slices.Sorted(slices.Values(wanted)))
	switch {
	case len(wanted) > 1:
		return "", authz.NewError(authz.InvalidTarget, "name one audience or resource; a token is for one").At("audience")
	case len(wanted) == 1 && slices.Contains(possible, wanted[0]):
		return wanted[0], nil
	case len(wanted) == 1:
		return "", authz.NewError(authz.InvalidTarget, "no token_exchange rule of this app leads to that audience or resource").At("audience")
	case len(possible) == 1:
		return possible[0], nil
	}
	return "", authz.NewError(authz.InvalidTarget, "name the audience or resource the token is for").At("audience")
}

// scope is what the subject token has, the target knows and a rule for that
// target names; of that what is wished.
func scope(rules []authz.ExchangeRule, to Target, s Subject, w Wish) ([]string, *authz.Error) {
	var possible []string
	for _, r := range rules {
		if !slices.Contains(r.Audience, to.ID) {
			continue
		}
		for _, one := range r.Scope {
			if slices.Contains(s.Scope, one) && slices.Contains(to.Scopes, one) && !slices.Contains(possible, one) {
				possible = append(possible, one)
			}
		}
	}
	if w.Scope == nil {
		return possible, nil
	}
	for _, one := range w.Scope {
		if !slices.Contains(possible, one) {
			return nil, authz.NewError(authz.InvalidScope, "the scope goes beyond what the subject_token, the target and the token_exchange rules have in common").At("scope")
		}
	}
	return slices.Clone(w.Scope), nil
}

// Package interaction decides what an authorization request needs next: login,
// step-up, consent, an answer, or a refusal. It is pure: facts come in as
// values, with the time; it never touches a cookie, a page or the database. A
// page that has done its part sends the browser back, and the question is asked
// again (OpenID Connect Core §3.1.2.3 to §3.1.2.6).
package interaction

import (
	"slices"
	"time"

	"hopnhat/authz"
)

// Kind is what comes next.
type Kind string

// The steps.
const (
	Login   Kind = "login"   // nobody is signed in, or must be again
	StepUp  Kind = "step_up" // signed in, but at too low a level
	Approve Kind = "approve" // the person must say that she asks for it on another device
	Consent Kind = "consent" // the person has to be asked, or told
	Answer  Kind = "answer"  // everything is there: issue the code
	Reject  Kind = "refuse"  // answer the client with Code
)

// Outcome is the decision; Code is set when Kind is Reject, and Level, the one that
// the answer says, when Kind is Answer.
type Outcome struct {
	Kind  Kind
	Code  authz.Code
	Why   string
	Level authz.AuthenticationLevel
}

// Request are the facts of the authorization request.
type Request struct {
	Prompt []string
	MaxAge *int // seconds
	// Created is when the request reached us; a session that signed in after it
	// satisfies prompt=login.
	Created time.Time
	// Level is the lowest authentication level that will do.
	Level authz.AuthenticationLevel
	// Essential are the levels of which the answer must say one (an essential acr,
	// OpenID Connect Core §5.5.1.1); nil demands none, and an empty list cannot be
	// met.
	Essential []authz.AuthenticationLevel
	// Confirm tells that another device asks, and that the person who is signed in
	// has not said yet that it is hers (RFC 8628 §3.3).
	Confirm bool
	// Hinted says whether the request names the End-User, by id_token_hint or otherwise.
	Hinted Hint
	// Present tells that the answer may reach another app than it is for, so that the
	// person has to be there (RFC 8252 §8.6).
	Present bool
}

// Hint says whom a request names as the End-User (OpenID Connect Core §3.1.2.1).
type Hint int

// The hints: nobody is named, the person of the session, or anybody else.
const (
	HintNone Hint = iota
	HintSame
	HintOther
)

// Session are the facts of the browser's session.
type Session struct {
	SignedIn bool
	AuthTime time.Time
	Level    authz.AuthenticationLevel
	// Reachable is the highest level this account can reach at all.
	Reachable authz.AuthenticationLevel
}

// Question is what has to be put before the person, beside who she is.
type Question int

// The questions. Tell is of what is read by law, which she is told before it happens
// the first time; Ask is of what no live consent covers.
const (
	Nothing Question = iota
	Tell
	Ask
)

// Next decides. answered reports whether the person has just answered the page that
// puts the question, for this very request.
func Next(r Request, s Session, question Question, answered bool, now time.Time) Outcome {
	silent := slices.Contains(r.Prompt, "none")
	reject := func(code authz.Code, why string) Outcome { return Outcome{Kind: Reject, Code: code, Why: why} }
	ask := func(kind Kind, otherwise authz.Code, why string) Outcome {
		if silent {
			return reject(otherwise, why)
		}
		return Outcome{Kind: kind, Why: why}
	}
	says, needed, met := r.level(s)
	switch {
	case !s.SignedIn:
		return ask(Login, authz.LoginRequired, "nobody is signed in")
	case r.Hinted == HintOther && !s.AuthTime.Before(r.Created.Truncate(time.Second)):
		// OpenID Connect Core §3.1.2.1: the hinted End-User must be the one who
		// is signed in; anybody else answers login_required. Who has just signed in
		// for this very request is not asked again.
		return reject(authz.LoginRequired, "another person is signed in than id_token_hint names")
	case r.Hinted == HintOther:
		return ask(Login, authz.LoginRequired, "another person is signed in than id_token_hint names")
	case r.Present && silent:
		return reject(authz.LoginRequired, "an app on the device is not answered without the person")
	case (forced(r.Prompt) || r.Present) && s.AuthTime.Before(r.Created.Truncate(time.Second)):
		return ask(Login, authz.LoginRequired, "the app asks for a new sign-in")
	case r.MaxAge != nil && tooOld(s.AuthTime, *r.MaxAge, r.Created, now):
		return ask(Login, authz.LoginRequired, "the sign-in is older than the app accepts")
	case !met && s.Reachable < needed:
		return reject(authz.UnmetAuthentication, "this account cannot reach the authentication level asked for")
	case !met:
		return ask(StepUp, authz.InteractionRequired, "a higher authentication level is needed")
	case r.Confirm:
		return ask(Approve, authz.InteractionRequired, "another device asks")
	case (question == Ask || slices.Contains(r.Prompt, "consent")) && !answered:
		return ask(Consent, authz.ConsentRequired, "the person has not agreed to this yet")
	case question == Tell && !answered:
		// OpenID Connect Core §3.1.2.6: no consent is missing, a page is.
		return ask(Consent, authz.InteractionRequired, "the person has not been told of this yet")
	default:
		return Outcome{Kind: Answer, Level: says}
	}
}

// unreachable is above every level.
const unreachable authz.AuthenticationLevel = 1 << 10

// level is the acr to report for this session: the session's own level, or, with an
// essential acr, the highest of its values that the session reaches. If the session is
// too low, met is false and needed is the lowest level that would do.
func (r Request) level(s Session) (says, needed authz.AuthenticationLevel, met bool) {
	if r.Essential == nil {
		return s.Level, r.Level, s.Level >= r.Level
	}
	needed = unreachable
	for _, level := range r.Essential {
		switch {
		case level < r.Level: // the app registered that it accepts no such
		case level <= s.Level:
			says, met = max(says, level), true
		default:
			needed = min(needed, level)
		}
	}
	return says, needed, met
}

// forced: choosing an account is, with one account a person, a new sign-in.
func forced(prompt []string) bool {
	return slices.Contains(prompt, "login") || slices.Contains(prompt, "select_account")
}

// tooOld: a sign-in made for this very request is fresh, whatever max_age says,
// or max_age=0 could never be satisfied.
func tooOld(authTime time.Time, maxAge int, created, now time.Time) bool {
	if !authTime.Before(created.Truncate(time.Second)) {
		return false
	}
	return now.Sub(authTime) > time.Duration(min(maxAge, 100*365*24*3600))*time.Second
}

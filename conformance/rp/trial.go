package rp

import (
	"context"
	"net/http"
	"slices"
	"time"

	"hopnhat/conformance/suite"
)

// Trial is one module at work.
type Trial struct {
	suite.Journal

	provider *provider
	module   Module
	actor    actor
	knows    traits
	ctx      context.Context
	came     bool // the app did something; guarded by the provider's lock
}

// traits are what the first sign-in showed of the app: what it makes use of, and what
// can be seen of it.
type traits struct {
	pushes, binds, signed, nonce, state bool // its request
	info, resource, refreshes           bool // what it uses
	shows                               bool // its pages tell whether somebody is signed in
	logout, infoSigned                  bool // its registration
	driven                              bool // no person drives it
}

// shown is what a page says of somebody being signed in.
type shown int

const (
	unknown shown = iota
	in
	out
)

// view is what was seen of the app.
type view struct {
	shown shown
	text  string
}

// String tells it for conditions.
func (v view) String() string {
	return [...]string{"nobody can tell whether she is signed in", "she is signed in", "she is not signed in"}[v.shown] + ": " + v.text
}

// actor uses the app: a browser, or a person.
type actor interface {
	// signIn begins anew, in a browser of its own, and goes on to the end.
	signIn(t *Trial, s *SignIn) view
	// refresh makes the app use its refresh token, in the browser of the last sign-in;
	// ok reports whether there is a way to.
	refresh(t *Trial) (ok bool)
	// look sees whether somebody is signed in there still.
	look(t *Trial) view
}

// SignIn makes the app sign somebody in at a provider with a fault.
func (t *Trial) SignIn(f Fault) *SignIn {
	s := t.provider.begin(t, f)
	s.seen = t.actor.signIn(t, s)
	t.Note("what was seen of the app: %s", s.seen)
	return s
}

// hold keeps an answer back until the app gives up.
func (t *Trial) hold(ctx context.Context, s *SignIn) {
	timer := time.NewTimer(t.provider.c.Patience)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		s.mark(gaveUp)
	case <-timer.C:
	case <-t.ctx.Done():
	}
}

// stage is where something wrong is handed to the app.
type stage struct {
	given   step   // it was
	goes    []step // what the app does with it if it accepts it
	what    string
	refusal string
}

var (
	atDiscovery = stage{gaveMetadata, []step{pushed, asked}, "the discovery document", "it sends nobody to this provider"}
	atResponse  = stage{answered, []step{redeemed}, "the authorization response", "it redeems no code"}
	atTokens    = stage{gaveTokens, []step{calledInfo, calledResource, refreshed}, "the tokens", "it does not use the access token"}
	atInfo      = stage{calledInfo, nil, "the UserInfo response", ""}
	atRefresh   = stage{gaveRefreshed, []step{usedRefreshed}, "the refreshed tokens", "it does not use the new access token"}
)

// refuses states that the app must not accept what it was given.
func (t *Trial) refuses(s *SignIn, at stage) { t.refused(s, at, t.Expect) }

// ought states the same as advice: a rule that a specification leaves to the app.
func (t *Trial) ought(s *SignIn, at stage) { t.refused(s, at, t.Should) }

func (t *Trial) refused(s *SignIn, at stage, state func(bool, string, string, any) bool) {
	if !s.has(at.given) {
		t.Review(t.module.Clause, "nothing was tried: the app never came to "+at.what, s.seen)
		return
	}
	went := slices.ContainsFunc(at.goes, s.has)
	sees := t.seesUse(at)
	if sees {
		state(!went, t.module.Clause, "the app refuses "+at.what+": "+at.refusal, s.deeds())
	}
	// A refresh that is refused need not end the session.
	if t.knows.shows && s.seen.shown != unknown && at.given != gaveRefreshed {
		state(s.seen.shown == out, t.module.Clause, "the app refuses "+at.what+": nobody is signed in", s.seen)
		sees = true
	}
	if !sees {
		t.Review(t.module.Clause, "it cannot be seen whether the app refuses "+at.what+": give a mark of its signed-in page", s.seen)
	}
}

// seesUse reports whether an app that accepts would be seen to.
func (t *Trial) seesUse(at stage) bool {
	switch at.given {
	case gaveTokens:
		return t.knows.info || t.knows.resource
	case gaveRefreshed:
		return t.knows.refreshes
	}
	return at.goes != nil
}

// accepts states that the app signs in as it did at the first sign-in.
func (t *Trial) accepts(s *SignIn) {
	t.Expect(s.has(gaveTokens), t.module.Clause, "the app comes for tokens, and gets them", s.seen)
	sees := t.knows.info || t.knows.resource
	if sees {
		t.Expect(s.has(calledInfo) || s.has(calledResource), t.module.Clause, "the app uses the access token", s.deeds())
	}
	if t.knows.shows && s.seen.shown != unknown {
		t.Expect(s.seen.shown == in, t.module.Clause, "somebody is signed in", s.seen)
		sees = true
	}
	if !sees {
		t.Review(t.module.Clause, "it cannot be seen whether somebody is signed in: give a mark of the app's signed-in page", s.seen)
	}
}

// deeds tells what the app did, for conditions.
func (s *SignIn) deeds() string {
	names := [...]string{
		"metadata given", "keys given", "request pushed", "browser came", "browser sent back", "code redeemed", "tokens given", "UserInfo called",
		"resource called", "refresh token used", "refreshed tokens given", "refreshed token used", "gave up waiting",
	}
	s.trial.provider.mu.Lock()
	defer s.trial.provider.mu.Unlock()
	text := ""
	for i, d := range s.did {
		if i > 0 {
			text += ", "
		}
		text += names[d]
	}
	return text
}

// endless is a document without an end: it stops when the app hangs up, or after 64
// MiB.
func endless(s *SignIn, w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if _, err := w.Write([]byte(`{"issuer": "` + s.trial.provider.issuer + `", "padding": "`)); err != nil {
		return
	}
	chunk := make([]byte, 1<<20)
	for i := range chunk {
		chunk[i] = 'x'
	}
	for range 64 {
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
	s.trial.provider.mu.Lock()
	defer s.trial.provider.mu.Unlock()
	s.whole = true
}

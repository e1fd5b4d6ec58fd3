package oidcc

import (
	"time"

	"hopnhat/conformance/suite"
)

const authTimeSpec = "OpenID Connect Core §2"

// refusals are what prompt=none may be answered with (OpenID Connect Core §3.1.2.6).
var refusals = []string{"login_required", "interaction_required", "account_selection_required", "consent_required"}

// prompts are the modules about when a person is asked.
var prompts = []suite.Module{
	{
		Name: "oidcc-prompt-login", Clause: requestSpec, Slow: true,
		Rule: "prompt=login makes the person sign in anew, though there is a session, and auth_time says so",
		Test: func(r *suite.Run) {
			first := r.Login(suite.With("max_age", "15000"))
			r.Wait(2*time.Second, "so that auth_time differs")
			second := r.Login(suite.In(first.Request.Browser), suite.With("prompt", "login"), suite.With("max_age", "15000"))
			again(r, first, second, "prompt=login")
		},
	},
	{
		Name: "oidcc-prompt-none-not-logged-in", Clause: "OpenID Connect Core §3.1.2.6",
		Rule: "prompt=none without a session is answered with an error and without a page",
		Test: func(r *suite.Run) {
			q := r.Request(suite.With("prompt", "none"))
			q.Refused(q.Send(), "OpenID Connect Core §3.1.2.6", refusals...)
		},
	},
	{
		Name: "oidcc-prompt-none-logged-in", Clause: requestSpec, Rule: "prompt=none with a session succeeds and asks nothing",
		Test: func(r *suite.Run) {
			first := r.Login(suite.With("max_age", "15000"))
			second := r.Login(suite.In(first.Request.Browser), suite.With("prompt", "none"), suite.With("max_age", "15000"))
			silent(r, first, second)
			r.Expect(first.Claims()["auth_time"] == second.Claims()["auth_time"], authTimeSpec, "auth_time is the same", []any{first.Claims()["auth_time"], second.Claims()["auth_time"]})
		},
	},
	{
		Name: "oidcc-max-age-1", Clause: requestSpec, Slow: true,
		Rule: "max_age=1 makes the person sign in anew after a second, and auth_time is there",
		Test: func(r *suite.Run) {
			first := r.Login()
			r.Wait(2*time.Second, "so that the session is older than max_age")
			second := r.Login(suite.In(first.Request.Browser), suite.With("max_age", "1"))
			again(r, first, second, "max_age=1")
			n, ok := second.Claims().Number("auth_time")
			r.Expect(ok, requestSpec, "auth_time is there, since max_age was sent", second.Claims()["auth_time"])
			r.Expect(time.Since(time.Unix(int64(n), 0)) < time.Minute, requestSpec, "auth_time is that of the second sign-in", second.Claims()["auth_time"])
		},
	},
	{
		Name: "oidcc-max-age-10000", Clause: requestSpec, Rule: "max_age=10000 asks nothing of one who has just signed in",
		Test: func(r *suite.Run) {
			first := r.Login(suite.With("max_age", "15000"))
			second := r.Login(suite.In(first.Request.Browser), suite.With("max_age", "10000"))
			silent(r, first, second)
			for _, l := range []suite.Login{first, second} {
				r.Expect(l.Claims()["auth_time"] != nil, requestSpec, "auth_time is there, since max_age was sent", l.Claims()["auth_time"])
			}
			r.Expect(first.Claims()["auth_time"] == second.Claims()["auth_time"], authTimeSpec, "auth_time is the same", []any{first.Claims()["auth_time"], second.Claims()["auth_time"]})
		},
	},
	{
		Name: "oidcc-id-token-hint", Clause: requestSpec, Rule: "prompt=none with the ID token of the session's person succeeds and asks nothing",
		Test: func(r *suite.Run) {
			first := r.Login()
			second := r.Login(suite.In(first.Request.Browser), suite.With("prompt", "none"), suite.With("id_token_hint", first.IDToken()))
			silent(r, first, second)
		},
	},
}

// again states that the second sign-in was a real one.
func again(r *suite.Run, first, second suite.Login, because string) {
	a, okA := first.Claims().Number("auth_time")
	b, okB := second.Claims().Number("auth_time")
	r.Expect(okB, authTimeSpec, "auth_time is there", second.Claims()["auth_time"])
	if okA && okB {
		r.Expect(b > a, requestSpec, because+": auth_time has moved on", []any{a, b})
	}
	if first.Landing.Logins > 0 { // the steps say which of them prove who it is
		r.Expect(second.Landing.Logins > 0, requestSpec, because+": the person had to prove who they are", second.Landing.Done)
	} else {
		r.Expect(len(second.Landing.Seen) > 0, requestSpec, because+": a page was shown", len(second.Landing.Seen))
	}
	r.Expect(first.Claims().Text("sub") == second.Claims().Text("sub"), "OpenID Connect Core §2", "sub is the same", second.Claims()["sub"])
}

// silent states that the second time nobody was asked anything, and that it is the
// same person.
func silent(r *suite.Run, first, second suite.Login) {
	r.Expect(second.Landing.Logins == 0 && len(second.Landing.Done) == 0, requestSpec, "the person is asked nothing", second.Landing.Done)
	r.Expect(first.Claims().Text("sub") == second.Claims().Text("sub"), "OpenID Connect Core §2", "sub is the same", []any{first.Claims()["sub"], second.Claims()["sub"]})
}

package rp

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

const backchannelEvent = "http://schemas.openid.net/event/backchannel-logout"

// logouts are logout tokens, Back-Channel Logout §2.4 and §2.6.
func logouts() []Module {
	const public = "oidcc-client-test-rp-backchannel-rpinitlogout"
	const clause = "Back-Channel Logout §2.6"
	make := func(name, rule string, test func(*Trial)) Module {
		return Module{
			Name: name, Clause: clause, Rule: rule, Needs: func(k traits) bool { return k.logout },
			Needed: "a registered backchannel_logout_uri", Test: test,
		}
	}
	claims := func(change func(*SignIn, suite.Claims)) func(*Trial) {
		return func(t *Trial) { t.refusesLogout(change, usual) }
	}
	signed := func(by signature) func(*Trial) {
		return func(t *Trial) { t.refusesLogout(func(*SignIn, suite.Claims) {}, by) }
	}
	return []Module{
		make(public, "A right logout token ends the session it names", func(t *Trial) { t.takesLogout(func(*SignIn, suite.Claims) {}) }),
		make("client-test-logout-by-sub", "A logout token without sid ends every session of the person", func(t *Trial) { t.takesLogout(without("sid")) }),
		make("client-test-logout-by-sid", "A logout token without sub ends the session of its sid", func(t *Trial) { t.takesLogout(without("sub")) }),
		make(public+"-alg-none", "An unsigned logout token is refused", signed(unsigned)),
		make("client-test-logout-invalid-sig", "A logout token whose signature is wrong is refused", signed(damaged)),
		make(public+"-wrong-alg", "A logout token with another algorithm than the registered one is refused", signed(func(s *SignIn, typ string, c suite.Claims) (string, error) {
			return s.trial.provider.keys.other.Sign(typ, c)
		})),
		make("client-test-logout-unknown-kid", "A logout token signed by a key that the provider does not publish is refused", signed(func(s *SignIn, typ string, c suite.Claims) (string, error) {
			return s.trial.provider.keys.stranger.Sign(typ, c)
		})),
		make(public+"-wrong-iss", "A logout token of another issuer is refused", claims(set("iss", otherIssuer))),
		make(public+"-wrong-aud", "A logout token for another app is refused", claims(set("aud", otherClient))),
		make(public+"-no-event", "A logout token without events is refused", claims(without("events"))),
		make(public+"-wrong-event", "A logout token about another event is refused", claims(set("events", map[string]any{"http://schemas.openid.net/event/another": map[string]any{}}))),
		make(public+"-with-nonce", "A logout token with a nonce is refused: it may be an ID token", claims(set("nonce", suite.Random()))),
		make("client-test-logout-expired", "An expired logout token is refused", claims(both(shifted("exp", -10*time.Minute), shifted("iat", -12*time.Minute)))),
		make("client-test-logout-missing-exp", "A logout token without an expiry is refused", claims(without("exp"))),
		make("client-test-logout-missing-iat", "A logout token that does not say when it was made is refused", claims(without("iat"))),
		make("client-test-logout-missing-jti", "A logout token without a name of its own is refused", claims(without("jti"))),
		make("client-test-logout-nobody", "A logout token with neither sub nor sid is refused", claims(both(without("sub"), without("sid")))),
		make("client-test-logout-id-token", "An ID token is no logout token", func(t *Trial) {
			s := t.began()
			t.provider.mu.Lock()
			token := s.signed
			t.provider.mu.Unlock()
			t.Expect(t.deliver(token) == http.StatusBadRequest, clause, "the app answers 400", nil)
			t.stays()
		}),
		make("client-test-logout-other-sid", "A logout token for another session leaves this one alone", func(t *Trial) {
			s := t.began()
			t.deliver(t.logoutToken(s, both(set("sid", suite.Random()), without("sub")), usual))
			t.stays()
		}),
		make("client-test-logout-other-sub", "A logout token for another person leaves this one alone", func(t *Trial) {
			s := t.began()
			t.deliver(t.logoutToken(s, both(set("sub", "somebody-else"), without("sid")), usual))
			t.stays()
		}),
		make("client-test-logout-replayed", "A logout token that was used should be refused when it comes again", func(t *Trial) {
			token := t.logoutToken(t.began(), without("sid"), usual)
			t.Expect(taken(t.deliver(token)), clause, "the app takes the token the first time", nil)
			t.began()
			status := t.deliver(token)
			t.Should(status == http.StatusBadRequest, clause, "the app answers 400 the second time", status)
			if t.knows.shows {
				seen := t.actor.look(t)
				t.Should(seen.shown != out, clause, "the session that began since goes on", seen)
			}
		}),
	}
}

// logoutToken makes one for a session.
func (t *Trial) logoutToken(s *SignIn, change func(*SignIn, suite.Claims), by signature) string {
	now := time.Now()
	token, err := by(s, "logout+jwt", s.apply(change, suite.Claims{
		"iss": t.provider.issuer, "aud": t.provider.c.Client.ID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
		"jti": suite.Random(),
		"sub": subject, "sid": s.sid, "events": map[string]any{backchannelEvent: map[string]any{}},
	}))
	t.Works(err, "making a logout token")
	return token
}

// began is a right sign-in.
func (t *Trial) began() *SignIn {
	s := t.SignIn(Fault{})
	t.Must(s.has(gaveTokens), t.module.Clause, "somebody signs in first", s.seen)
	return s
}

// deliver sends a logout token, and gives the status of the answer.
func (t *Trial) deliver(token string) int {
	body := url.Values{"logout_token": {token}}.Encode()
	request, err := http.NewRequestWithContext(t.ctx, http.MethodPost, t.provider.c.Client.BackchannelLogout, strings.NewReader(body))
	t.Works(err, "sending a logout token")
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	began := time.Now()
	answer, err := t.provider.out.Do(request)
	t.Works(err, "sending a logout token")
	answer.Body.Close()
	t.Record(suite.Exchange{
		By: "provider", Method: request.Method, URL: request.URL.String(), Header: request.Header, Body: body, Status: answer.StatusCode,
		Response: answer.Header, Took: time.Since(began),
	})
	return answer.StatusCode
}

// taken reports whether a status says that a logout was done (§2.8; 204 is what some
// frameworks make of 200).
func taken(status int) bool { return status == http.StatusOK || status == http.StatusNoContent }

func (t *Trial) refusesLogout(change func(*SignIn, suite.Claims), by signature) {
	status := t.deliver(t.logoutToken(t.began(), change, by))
	t.Expect(status == http.StatusBadRequest, "Back-Channel Logout §2.8", "the app answers 400", status)
	t.stays()
}

func (t *Trial) takesLogout(change func(*SignIn, suite.Claims)) {
	status := t.deliver(t.logoutToken(t.began(), change, usual))
	t.Expect(taken(status), "Back-Channel Logout §2.8", "the app answers 200", status)
	if seen := t.actor.look(t); t.knows.shows && seen.shown != unknown {
		t.Expect(seen.shown == out, t.module.Clause, "the session is over", seen)
	} else {
		t.Review(t.module.Clause, "it cannot be seen whether the session is over: give a page of the app to look at", seen)
	}
}

// stays states that the session goes on.
func (t *Trial) stays() {
	if seen := t.actor.look(t); t.knows.shows && seen.shown != unknown {
		t.Expect(seen.shown == in, t.module.Clause, "the session goes on", seen)
	} else {
		t.Review(t.module.Clause, "it cannot be seen whether the session goes on: give a page of the app to look at", seen)
	}
}

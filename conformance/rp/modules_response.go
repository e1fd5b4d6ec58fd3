package rp

import (
	"time"

	"hopnhat/conformance/suite"
)

// responses are authorization responses that must not be accepted.
func responses() []Module {
	plain := func(k traits) bool { return !k.signed }
	stated := func(k traits) bool { return k.state && !k.signed }
	driven := func(k traits) bool { return k.driven }
	return []Module{
		{
			Name: "client-test-invalid-authorization-response-iss", FAPI: fapi + "invalid-authorization-response-iss", Needs: plain, Needed: "unsigned responses",
			Clause: "RFC 9207 §2.4", Rule: "A response of another issuer is refused: the app may have been mixed up between two providers", Test: refusal(atResponse, Fault{Response: respond("iss", otherIssuer)}),
		},
		{
			Name: "client-test-remove-authorization-response-iss", FAPI: fapi + "remove-authorization-response-iss", Needs: plain, Needed: "unsigned responses",
			Clause: "RFC 9207 §2.4", Rule: "A response without an issuer is refused, since the provider's metadata say that there is one", Test: refusal(atResponse, Fault{Response: respond("iss", "")}),
		},
		{
			Name: "client-test-invalid-state", FAPI: fapi + "ensure-authorization-response-with-invalid-state-fails", Needs: stated, Needed: "a state, and unsigned responses",
			Clause: "RFC 6749 §10.12", Rule: "A response with the state of no sign-in is refused", Test: refusal(atResponse, Fault{Response: respond("state", suite.Random())}),
		},
		{
			Name: "client-test-missing-state", FAPI: fapi + "ensure-authorization-response-with-invalid-missing-state-fails", Needs: stated, Needed: "a state, and unsigned responses",
			Clause: "RFC 6749 §10.12", Rule: "A response without the state that was sent is refused", Test: refusal(atResponse, Fault{Response: respond("state", "")}),
		},
		{
			Name: "client-test-error-response", Clause: "RFC 6749 §4.1.2.1", Needs: plain, Needed: "unsigned responses",
			Rule: "When the provider answers with an error nobody is signed in, a code beside it or not", Test: refusal(atResponse, Fault{Response: respond("error", "access_denied")}),
		},
		{
			Name: "client-test-response-in-another-browser", Clause: "RFC 9700 §4.7.1", Needs: driven, Needed: "a browser that can be driven",
			Rule: "A response is refused in a browser that did not begin this sign-in: somebody may be made to sign in as somebody else", Test: elsewhere,
		},
		{
			Name: "client-test-replayed-response", Clause: "RFC 6749 §4.1.2", Needs: driven, Needed: "a browser that can be driven",
			Rule: "A response that was used is refused when it comes again, in the same browser or in another", Test: replayed,
		},
	}
}

// elsewhere keeps a browser from opening the app's callback, and opens it in another.
func elsewhere(t *Trial) {
	d, ok := t.actor.(*driver)
	t.Must(ok, "", "the app is driven", nil)
	s := t.provider.begin(t, Fault{})
	d.fresh(t)
	l := d.open(t, t.provider.c.Drive.Start, s.trial.provider.c.Client.RedirectURIs[0])
	if l.stopped == "" {
		t.Review(t.module.Clause, "nothing was tried: the browser was not sent back by a redirect", s.deeds())
		return
	}
	d.fresh(t)
	s.seen = d.judge(t, d.open(t, l.stopped, ""))
	t.refuses(s, atResponse)
}

// replayed opens a callback again.
func replayed(t *Trial) {
	d, ok := t.actor.(*driver)
	t.Must(ok, "", "the app is driven", nil)
	s := t.SignIn(Fault{})
	t.accepts(s)
	at := s.callback()
	if at == "" {
		t.Review(t.module.Clause, "nothing was tried: the browser was not sent back by a redirect", s.deeds())
		return
	}
	d.open(t, at, "")
	t.Expect(s.times(redeemed) == 1, t.module.Clause, "the code is redeemed once only", s.deeds())
	d.fresh(t)
	seen := d.judge(t, d.open(t, at, ""))
	t.Expect(s.times(redeemed) == 1, t.module.Clause, "the code is redeemed once only, in another browser too", s.deeds())
	if t.knows.shows {
		t.Expect(seen.shown == out, t.module.Clause, "nobody is signed in, in the other browser", seen)
	}
}

// signedResponses are those of JARM.
func signedResponses() []Module {
	signed := func(k traits) bool { return k.signed }
	make := func(name, clause, rule string, f Fault) Module {
		return Module{
			FAPI: fapi + name, Clause: clause, Rule: rule, Needs: signed, Needed: "signed responses (JARM)", Test: refusal(atResponse, f),
		}
	}
	return []Module{
		make("ensure-jarm-without-iss-fails", "JARM §2.4", "A signed response without an issuer is refused", Fault{JARM: without("iss")}),
		make("ensure-jarm-with-invalid-iss-fails", "JARM §2.4", "A signed response of another issuer is refused", Fault{JARM: set("iss", otherIssuer)}),
		make("ensure-jarm-without-aud-fails", "JARM §2.4", "A signed response for nobody is refused", Fault{JARM: without("aud")}),
		make("ensure-jarm-with-invalid-aud-fails", "JARM §2.4", "A signed response for another app is refused", Fault{JARM: set("aud", otherClient)}),
		make("ensure-jarm-without-exp-fails", "JARM §2.4", "A signed response without an expiry is refused", Fault{JARM: without("exp")}),
		make("ensure-jarm-with-expired-exp-fails", "JARM §2.4", "An expired response is refused", Fault{JARM: shifted("exp", -10*time.Minute)}),
		make("ensure-jarm-with-invalid-sig-fails", "JARM §2.4", "A response whose signature is wrong is refused", Fault{SignJARM: damaged}),
		make("ensure-jarm-signature-is-not-none", "JARM §2.4", "A response that claims to be signed and is not is refused", Fault{SignJARM: unsigned}),
		{
			Name: "client-test-jarm-invalid-state", Clause: "RFC 6749 §10.12", Rule: "A signed response with the state of no sign-in is refused",
			Needs:  func(k traits) bool { return k.signed && k.state },
			Needed: "signed responses (JARM) and a state", Test: refusal(atResponse, Fault{JARM: set("state", suite.Random())}),
		},
		{
			Name: "client-test-jarm-plain-response", Clause: "JARM §2.4", Rule: "An app that asked for a signed response refuses a plain one", Needs: signed, Needed: "signed responses (JARM)",
			Test: refusal(atResponse, Fault{Plain: true}),
		},
	}
}

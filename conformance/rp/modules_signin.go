package rp

import (
	"cmp"
	"strings"
	"time"

	"hopnhat/conformance/suite"
)

// Names of the public plans.
const (
	oidc = "oidcc-client-test-"
	fapi = "fapi2-security-profile-final-client-test-"
)

// discovery is what is tried before the app has the provider's metadata.
func discovery() []Module {
	return []Module{
		{
			Name: oidc + "discovery-issuer-mismatch", FAPI: fapi + "discovery-issuer-mismatch", first: true,
			Clause: "OpenID Connect Discovery §4.3", Rule: "Metadata whose issuer is not the one they were asked for are not used",
			Test: refusal(atDiscovery, Fault{Metadata: set("issuer", otherIssuer)}),
		},
		{
			Name: "client-test-discovery-endless", first: true,
			Clause: "", Rule: "A document that does not end is not read to its end: what the app reads from the network is bounded",
			Test: func(t *Trial) {
				s := t.SignIn(Fault{Discovery: endless})
				t.refuses(s, atDiscovery)
				t.provider.mu.Lock()
				whole := s.whole
				t.provider.mu.Unlock()
				t.Expect(!whole, t.module.Clause, "the app hangs up before it has read 64 MiB", nil)
			},
		},
	}
}

// firstSignIn finds out what the app makes use of, at a provider that does all right.
var firstSignIn = Module{
	Name: "oidcc-client-test", FAPI: fapi + "happy-path-no-dpop-nonce",
	Clause: "OpenID Connect Core §3.1", Rule: "At a provider that does all right somebody is signed in",
	Test: func(t *Trial) {
		s := t.SignIn(Fault{})
		t.Must(s.has(gaveTokens), t.module.Clause, "the app comes for tokens, and gets them", s.deeds()+"; "+s.seen.String())
		t.knows.pushes, t.knows.binds, t.knows.signed = s.has(pushed), s.key() != "", strings.HasSuffix(
			s.request.Get("response_mode"), "jwt",
		)
		t.knows.nonce, t.knows.state = s.request.Get("nonce") != "", s.request.Get("state") != ""
		t.knows.info, t.knows.resource = s.has(calledInfo), s.has(calledResource)
		t.knows.shows = s.seen.shown != unknown
		if t.knows.shows {
			t.Must(s.seen.shown == in, t.module.Clause, "somebody is signed in", s.seen)
		}
		t.Should(t.knows.nonce, "OpenID Connect Core §3.1.2.1", "the app sends a nonce", nil)
		t.Should(t.knows.state || t.knows.signed, "RFC 6749 §10.12", "the app sends a state", nil)
		if t.actor.refresh(t) && s.has(gaveRefreshed) {
			t.knows.refreshes = s.has(usedRefreshed)
		}
		if !t.knows.info && !t.knows.resource && !t.knows.shows {
			t.Review("", "the app uses its access token nowhere, and no mark of its signed-in page was given: nothing tells what it accepts", s.deeds())
		}
	},
}

// lastSignIn shows that what went before did not leave the app unable to work, which
// would make every refusal worthless.
var lastSignIn = Module{
	Name: "client-test-recovers", Clause: "OpenID Connect Core §3.1",
	Rule: "After all that went wrong somebody is signed in again at a provider that does all right",
	Test: welcome(Fault{}),
}

func needsNonce(k traits) bool { return k.nonce }

// idTokens are ID tokens that must not be accepted, and unusual ones that must.
func idTokens(algorithm string) []Module {
	validation := "OpenID Connect Core §3.1.3.7"
	alternate, err := suite.NewKey(cmp.Or(map[string]string{"ES256": "RS256"}[algorithm], "ES256"), "op-alternate")
	if err != nil {
		panic(err) // of two algorithms that keys can be made for
	}
	stranger, err := suite.NewKey(algorithm, "op-unpublished")
	if err != nil {
		panic(err)
	}
	return []Module{
		{Name: oidc + "invalid-sig-" + strings.ToLower(algorithm), Clause: validation, Rule: "An ID token whose signature is wrong is refused", Test: refusal(atTokens, Fault{SignID: damaged})},
		{Name: oidc + "idtoken-sig-none", FAPI: fapi + "invalid-null-alg", Clause: validation, Rule: "An unsigned ID token is refused by an app that registered an algorithm", Test: refusal(atTokens, Fault{SignID: unsigned})},
		{
			Name: "client-test-alternate-alg", FAPI: fapi + "invalid-alternate-alg", Clause: validation,
			Rule: "An ID token signed by a published key, but with another algorithm than the registered one, is refused",
			Test: refusal(atTokens, Fault{Keys: []suite.Key{alternate}, SignID: by(alternate)}),
		},
		{
			Name: "client-test-hs256-with-public-key", Clause: "RFC 8725 §3.1",
			Rule: "An ID token with HS256 is refused, whatever it was made with: the text of a public key is no secret", Test: refusal(atTokens, Fault{SignID: symmetric}),
		},
		{
			Name: "client-test-unknown-kid", Clause: "OpenID Connect Core §10.1", Rule: "An ID token signed by a key that the provider does not publish is refused",
			Test: refusal(atTokens, Fault{SignID: by(stranger)}),
		},
		{
			Name: "client-test-key-in-header", Clause: "RFC 8725 §3.10", Rule: "A key that an ID token brings along in its header is not trusted",
			Test: refusal(atTokens, Fault{SignID: embedded(stranger)}),
		},
		{Name: oidc + "invalid-iss", FAPI: fapi + "invalid-iss", Clause: validation, Rule: "An ID token of another issuer is refused", Test: refusal(atTokens, Fault{ID: set("iss", otherIssuer)})},
		{Name: "client-test-missing-iss", FAPI: fapi + "invalid-missing-iss", Clause: validation, Rule: "An ID token without an issuer is refused", Test: refusal(atTokens, Fault{ID: without("iss")})},
		{Name: oidc + "invalid-aud", FAPI: fapi + "invalid-aud", Clause: validation, Rule: "An ID token for another app is refused", Test: refusal(atTokens, Fault{ID: set("aud", otherClient)})},
		{Name: oidc + "missing-aud", FAPI: fapi + "invalid-missing-aud", Clause: validation, Rule: "An ID token for nobody is refused", Test: refusal(atTokens, Fault{ID: without("aud")})},
		{
			Name: "client-test-secondary-aud", FAPI: fapi + "invalid-secondary-aud", Clause: validation, Rule: "An ID token that is for another app as well, and says nothing of who asked for it, is refused",
			Test: refusal(atTokens, Fault{ID: func(s *SignIn, c suite.Claims) { c["aud"] = []string{s.trial.provider.c.Client.ID, otherClient} }}),
		},
		{
			Name: "client-test-aud-as-array", FAPI: fapi + "valid-aud-as-array", Clause: "OpenID Connect Core §2", Rule: "An audience of one may be an array",
			Test: welcome(Fault{ID: func(s *SignIn, c suite.Claims) { c["aud"] = []string{s.trial.provider.c.Client.ID} }}),
		},
		{Name: oidc + "missing-sub", Clause: "OpenID Connect Core §2", Rule: "An ID token without a subject is refused", Test: refusal(atTokens, Fault{ID: without("sub")})},
		{Name: oidc + "nonce-invalid", FAPI: fapi + "invalid-nonce", Clause: validation, Needs: needsNonce, Needed: "a nonce", Rule: "An ID token with the nonce of another sign-in is refused", Test: refusal(atTokens, Fault{ID: set("nonce", suite.Random())})},
		{Name: "client-test-missing-nonce", FAPI: fapi + "invalid-missing-nonce", Clause: validation, Needs: needsNonce, Needed: "a nonce", Rule: "An ID token without the nonce that was sent is refused", Test: refusal(atTokens, Fault{ID: without("nonce")})},
		{
			Name: "client-test-expired", FAPI: fapi + "invalid-expired-exp", Clause: validation, Rule: "An expired ID token is refused",
			Test: refusal(atTokens, Fault{ID: both(shifted("exp", -10*time.Minute), shifted("iat", -15*time.Minute))}),
		},
		{Name: "client-test-missing-exp", FAPI: fapi + "invalid-missing-exp", Clause: "OpenID Connect Core §2", Rule: "An ID token without an expiry is refused", Test: refusal(atTokens, Fault{ID: without("exp")})},
		{Name: oidc + "missing-iat", Clause: "OpenID Connect Core §2", Rule: "An ID token that does not say when it was made is refused", Test: refusal(atTokens, Fault{ID: without("iat")})},
		{Name: "client-test-iat-is-week-in-past", Clause: validation, Rule: "An ID token made a week ago should be refused", Test: advice(atTokens, Fault{ID: shifted("iat", -7*24*time.Hour)})},
		{Name: "client-test-iat-in-future", Clause: validation, Rule: "An ID token made tomorrow should be refused", Test: advice(atTokens, Fault{ID: both(shifted("iat", 24*time.Hour), shifted("exp", 25*time.Hour))})},
		{
			Name: "client-test-invalid-athash", Clause: "OpenID Connect Core §3.1.3.8", Rule: "An ID token that belongs to another access token should be refused",
			Test: advice(atTokens, Fault{ID: set("at_hash", suite.Half("ES256", "another token"))}),
		},
		{Name: "client-test-without-athash", Clause: "OpenID Connect Core §3.1.3.6", Rule: "In the code flow an ID token need not have an at_hash", Test: welcome(Fault{ID: without("at_hash")})},
		{
			Name: "client-test-without-typ", Clause: "RFC 7515 §4.1.9", Rule: "An ID token need not have a typ",
			Test: welcome(Fault{SignID: func(s *SignIn, _ string, c suite.Claims) (string, error) { return usual(s, "", c) }}),
		},
	}
}

// keySets change what keys the provider has; they come late, since an app may keep
// keys for a while.
func keySets() []Module {
	fresh := func(t *Trial, name string) suite.Key {
		key, err := suite.NewKey(t.provider.c.Client.IDTokenAlg, "op-"+name)
		t.Works(err, "making a key")
		return key
	}
	return []Module{
		{
			Name: oidc + "signing-key-rotation-just-before-signing", Clause: "OpenID Connect Core §10.1.1", Rule: "When a kid is new the app fetches the keys again, and accepts what they verify",
			Test: func(t *Trial) {
				key := fresh(t, "rotated")
				t.accepts(t.SignIn(Fault{Keys: []suite.Key{key}, SignID: by(key)}))
			},
		},
		{
			Name: oidc + "signing-key-rotation", Clause: "OpenID Connect Core §10.1.1", Rule: "Keys change between one sign-in and the next, and the app follows",
			Test: func(t *Trial) {
				for _, name := range []string{"second", "third"} {
					key := fresh(t, name)
					t.accepts(t.SignIn(Fault{Keys: []suite.Key{key}, SignID: by(key)}))
				}
			},
		},
		{
			Name: "client-test-keys-unreachable", Clause: "OpenID Connect Core §10.1.1", Rule: "While the keys cannot be fetched nothing is accepted unverified; once they can, the app works again",
			Test: func(t *Trial) {
				key := fresh(t, "unreachable")
				t.refuses(t.SignIn(Fault{Keys: []suite.Key{key}, SignID: by(key), Silent: 100}), atTokens)
				t.accepts(t.SignIn(Fault{Keys: []suite.Key{key}, SignID: by(key)}))
			},
		},
		{
			Name: oidc + "kid-absent-single-jwks", Clause: "OpenID Connect Core §10.1", Rule: "With one key published, without a kid, a token without one is verified by it",
			Test: func(t *Trial) {
				key := named(fresh(t, "single"), "")
				t.accepts(t.SignIn(Fault{Only: []suite.Key{key}, Key: &key}))
			},
		},
		{
			Name: oidc + "kid-absent-multiple-jwks", Clause: "OpenID Connect Core §10.1", Rule: "With several keys published a token without a kid may be refused or tried with each, and is never accepted when none verifies it",
			Test: func(t *Trial) {
				first, second := fresh(t, "one"), fresh(t, "two")
				s := t.SignIn(Fault{Only: []suite.Key{first, second}, Key: &first, SignID: by(named(second, ""))})
				t.Expect(s.has(gaveTokens), t.module.Clause, "the app comes for tokens; it may accept them or not", s.deeds())
				t.refuses(t.SignIn(Fault{Only: []suite.Key{first, second}, Key: &first, SignID: by(named(fresh(t, "none"), ""))}), atTokens)
			},
		},
		{
			Name: "client-test-withdrawn-key", Clause: "OpenID Connect Core §10.1.1", Rule: "A key that the provider no longer publishes verifies nothing once the app has fetched the keys again",
			Test: func(t *Trial) {
				gone, next := fresh(t, "gone"), fresh(t, "next")
				t.accepts(t.SignIn(Fault{Only: []suite.Key{gone}, Key: &gone}))
				t.accepts(t.SignIn(Fault{Only: []suite.Key{next}, Key: &next}))
				t.refuses(t.SignIn(Fault{Only: []suite.Key{next}, Key: &next, SignID: by(gone)}), atTokens)
			},
		},
	}
}

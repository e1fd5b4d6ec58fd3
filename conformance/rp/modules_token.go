package rp

import (
	"strings"

	"hopnhat/conformance/suite"
)

func needsBinding(k traits) bool { return k.binds }

// tokens are token responses, and demands for DPoP nonces.
func tokens() []Module {
	binding := "tokens bound by DPoP"
	nonce := func(name, public, rule string, where ...string) Module {
		return Module{
			Name: name, FAPI: public, Needs: needsBinding, Needed: binding, Clause: "RFC 9449 §8", Rule: rule,
			Test: func(t *Trial) {
				s := t.SignIn(Fault{Nonce: where})
				t.accepts(s)
				for _, at := range where {
					if at == "par" && !t.knows.pushes || at == "resource" && !t.knows.info && !t.knows.resource {
						continue
					}
					t.Expect(s.challenges(at) > 0, t.module.Clause, "a nonce was asked for at "+at, s.deeds())
				}
			},
		}
	}
	return []Module{
		nonce("", fapi+"happy-path", "A nonce is used wherever one is asked for", "par", "token", "resource"),
		nonce("client-test-dpop-nonce-par", "", "A nonce asked for at the pushed authorization request endpoint is used", "par"),
		nonce("client-test-dpop-nonce-token", "", "A nonce asked for at the token endpoint is used", "token"),
		nonce("client-test-dpop-nonce-resource", "", "A nonce asked for at a resource is used", "resource"),
		{
			FAPI: fapi + "rs-dpop-auth-scheme-case-insensitivity", Needs: needsBinding, Needed: binding, Clause: "RFC 9110 §11.1", Rule: "The name of an authentication scheme has no case",
			Test: welcome(Fault{Nonce: []string{"resource"}, Scheme: "dPoP"}),
		},
		{
			Name: "client-test-dpop-nonce-endless", Needs: needsBinding, Needed: binding, Clause: "RFC 9449 §8", Rule: "An app that is asked for one nonce after another stops trying",
			Test: func(t *Trial) {
				s := t.SignIn(Fault{Nonce: []string{"token"}, Endless: true})
				n := s.challenges("token")
				t.Expect(n > 0 && n <= 10, t.module.Clause, "the app tries no more than 10 times", n)
				t.Expect(!s.has(gaveTokens) && s.seen.shown != in, t.module.Clause, "nobody is signed in", s.seen)
			},
		},
		{
			Name: "client-test-token-type-bearer", Needs: needsBinding, Needed: binding, Clause: "RFC 9449 §5", Rule: "An app that sent a proof refuses a token that is not bound to its key",
			Test: refusal(atTokens, Fault{Token: set("token_type", "Bearer")}),
		},
		{
			Name: "client-test-token-type-unknown", Clause: "RFC 6749 §7.1", Rule: "A token of a type that the app does not know is not used", Test: refusal(atTokens, Fault{Token: set("token_type", "N_A")}),
		},
		{
			Name: "client-test-token-type-case", FAPI: fapi + "token-type-case-insensitivity", Clause: "RFC 6749 §5.1", Rule: "The type of a token has no case",
			Test: welcome(Fault{Token: func(_ *SignIn, c suite.Claims) {
				c["token_type"] = strings.Map(func(r rune) rune {
					if r >= 'a' && r <= 'z' {
						return r - 'a' + 'A'
					}
					return r - 'A' + 'a'
				}, c.Text("token_type"))
			}}),
		},
		{
			Name: "client-test-without-expires-in", FAPI: fapi + "token-endpoint-response-without-expires_in", Clause: "RFC 6749 §5.1", Rule: "A token response need not say how long the token lives",
			Test: welcome(Fault{Token: without("expires_in")}),
		},
		{
			Name: "client-test-without-id-token", Clause: "OpenID Connect Core §3.1.3.3", Rule: "A token response without an ID token signs nobody in", Test: refusal(atTokens, Fault{Token: without("id_token")}),
		},
		{
			Name: "client-test-silent-token-endpoint", Clause: "", Rule: "An app does not wait for an answer that never comes: what it waits for is bounded",
			Test: func(t *Trial) {
				s := t.SignIn(Fault{Hold: true})
				if !s.has(redeemed) {
					t.Review(t.module.Clause, "nothing was tried: the app never came to the token endpoint", s.deeds())
					return
				}
				t.Expect(s.has(gaveUp), t.module.Clause, "the app gives up within "+t.provider.c.Patience.String(), s.deeds())
				t.Expect(s.seen.shown != in, t.module.Clause, "nobody is signed in", s.seen)
			},
		},
	}
}

// userInfo is about OpenID Connect Core §5.3.
func userInfo() []Module {
	reads := func(k traits) bool { return k.info }
	signed := func(k traits) bool { return k.info && k.infoSigned }
	return []Module{
		{
			Name: oidc + "userinfo-invalid-sub", Clause: "OpenID Connect Core §5.3.2", Needs: reads, Needed: "UserInfo",
			Rule: "UserInfo of another person than the ID token's is not used", Test: refusal(atInfo, Fault{Info: set("sub", "somebody-else")}),
		},
		{
			Name: "client-test-userinfo-missing-sub", Clause: "OpenID Connect Core §5.3.2", Needs: reads, Needed: "UserInfo",
			Rule: "UserInfo that does not say whose it is is not used", Test: refusal(atInfo, Fault{Info: without("sub")}),
		},
		{Name: oidc + "userinfo-signed", Clause: "OpenID Connect Core §5.3.2", Needs: signed, Needed: "signed UserInfo", Rule: "UserInfo is taken as a signed JWT", Test: welcome(Fault{})},
		{
			Name: "client-test-userinfo-signed-invalid-sig", Clause: "OpenID Connect Core §5.3.4", Needs: signed, Needed: "signed UserInfo",
			Rule: "UserInfo whose signature is wrong is not used", Test: refusal(atInfo, Fault{SignInfo: damaged}),
		},
		{
			Name: "client-test-userinfo-signed-none", Clause: "OpenID Connect Core §5.3.4", Needs: signed, Needed: "signed UserInfo",
			Rule: "UserInfo that claims to be signed and is not is not used", Test: refusal(atInfo, Fault{SignInfo: unsigned}),
		},
		{
			Name: "client-test-userinfo-signed-invalid-aud", Clause: "OpenID Connect Core §5.3.2", Needs: signed, Needed: "signed UserInfo",
			Rule: "UserInfo signed for another app is not used", Test: refusal(atInfo, Fault{Info: set("aud", otherClient)}),
		},
		{
			Name: "client-test-userinfo-signed-invalid-iss", Clause: "OpenID Connect Core §5.3.2", Needs: signed, Needed: "signed UserInfo",
			Rule: "UserInfo signed by another issuer is not used", Test: refusal(atInfo, Fault{Info: set("iss", otherIssuer)}),
		},
		{
			Name: "client-test-userinfo-plain", Clause: "OpenID Connect Core §5.3.2", Needs: signed, Needed: "signed UserInfo",
			Rule: "An app that registered signed UserInfo does not use what comes unsigned", Test: refusal(atInfo, Fault{PlainInfo: true}),
		},
	}
}

// refreshes are about OpenID Connect Core §12.
func refreshes() []Module {
	clause := "OpenID Connect Core §12.2"
	make := func(name, rule string, f Fault, judge func(*Trial, *SignIn)) Module {
		return Module{
			Name: name, Clause: clause, Rule: rule, Needs: func(k traits) bool { return k.refreshes },
			Needed: "refresh tokens, in a way that can be driven",
			Test: func(t *Trial) {
				s := t.SignIn(f)
				t.accepts(s)
				t.actor.refresh(t)
				judge(t, s)
			},
		}
	}
	refuses := func(t *Trial, s *SignIn) { t.refuses(s, atRefresh) }
	return []Module{
		make("client-test-refresh-without-id-token", "A refresh need not give an ID token", Fault{NoRefreshID: true}, func(t *Trial, s *SignIn) {
			t.Expect(s.has(usedRefreshed), clause, "the app uses the refreshed access token", s.deeds())
		}),
		make("client-test-refresh-invalid-sub", "A refreshed ID token of another person is refused, and the tokens with it", Fault{Refresh: set("sub", "somebody-else")}, refuses),
		make("client-test-refresh-invalid-iss", "A refreshed ID token of another issuer is refused, and the tokens with it", Fault{Refresh: set("iss", otherIssuer)}, refuses),
		make("client-test-refresh-invalid-aud", "A refreshed ID token for another app is refused, and the tokens with it", Fault{Refresh: set("aud", otherClient)}, refuses),
	}
}

package fapi2

import (
	"slices"
	"testing"
	"time"

	"hopnhat/conformance/suite"
)

// against runs modules against a mini provider, whose clock goes on when the suite
// waits: for all modules, so that they run one after the other.
func against(t *testing.T, p *mini, plan suite.Plan, v suite.Variant, only ...string) []suite.Outcome {
	t.Helper()
	name := "plain"
	if plan.Name == "fapi2-message-signing-final" {
		name = "signing"
	}
	c := suite.Config{
		Issuer: p.URL, CA: p.ca, Variant: v, Listen: suite.Listen{Address: "127.0.0.1:0"},
		Client:  p.client(t, name+"-1", "PS256", "https://rp.example/callback"),
		Client2: p.client(t, name+"-2", "ES256", "https://rp.example/callback?dummy1=lorem"),
		Steps:   []suite.Step{{Name: "sign in", Field: "login", Login: true, Fill: map[string]string{"login": "a"}, Decline: "no=1"}},
		Extra: map[string]any{
			"plain_oauth":        map[string]any{"resource": map[string]any{"url": p.URL + "/userinfo"}},
			"client_credentials": map[string]any{"resource": map[string]any{"url": p.URL + "/userinfo"}},
		},
		People: []map[string]string{{}, {}, {}, {}},
	}
	s, err := suite.New(c)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Run(t.Context(), suite.Options{Parallel: 1, Only: only, Wait: func(d time.Duration) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ahead += d
	}}, plan)
}

// The part that the mini provider is for.
var miniVariant = suite.Variant{suite.Authentication: "private_key_jwt", constraint: "dpop"}

// own narrows a plan to one part, which is enough for a fault.
func own(plan suite.Plan, v suite.Variant) suite.Variant {
	v = v.With(layer, "openid_connect").With(profile, "plain_fapi")
	if plan.Name == "fapi2-message-signing-final" {
		v = v.With(mode, "jarm")
	}
	return v
}

// library is the module that also looks at TLS, which is the test library's own.
const library = prefix + "ensure-holder-of-key-required"

// TestSound: a provider that does everything right passes everything, with OpenID
// Connect, plain OAuth and client credentials, with signed requests and responses.
// What the test library's TLS bears is not its own doing.
func TestSound(t *testing.T) {
	for _, plan := range Plans() {
		for _, o := range against(t, newMini(t, ""), plan, miniVariant) {
			if o.Module.Name != library && o.Result != suite.Pass {
				t.Errorf("%s %s (%s): %s: %s", o.Result, o.Module.Name, o.Plan, o.Variant, o.Reason())
			}
		}
	}
}

// TestFaults: each fault makes the module that is about it fail, or warn.
func TestFaults(t *testing.T) {
	plans := Plans()
	for _, row := range []struct {
		plan          int
		module, fault string
		want          suite.Result
	}{
		{0, "discovery-end-point-verification", "plain offered", suite.Fail},
		{0, "discovery-end-point-verification", "iss not promised", suite.Fail},
		{0, "discovery-end-point-verification", "only RS256", suite.Fail},
		{0, "discovery-end-point-verification", "HS256 for proofs", suite.Fail},
		{0, "happy-flow", "no iss", suite.Fail},
		{0, "happy-flow", "iss of another", suite.Fail},
		{0, "happy-flow", "307", suite.Fail},
		{0, "happy-flow", "bound tokens as Bearer", suite.Fail},
		{0, "happy-flow", "any key at the resource", suite.Fail},
		{0, "happy-flow", "pushed requests live for an hour", suite.Fail},
		{0, "user-rejects-authentication", "no is taken for yes", suite.Fail},
		{0, "ensure-authorization-request-without-state-success", "state invented", suite.Fail},
		{0, "access-token-type-header-case-sensitivity", "scheme with its case", suite.Fail},
		{0, "ensure-dpopproof-with-iat-10seconds-after-succeeds", "no skew for proofs", suite.Fail},
		{0, "ensure-mismatched-dpop-jkt-fails", "dpop_jkt not compared", suite.Fail},
		{0, "ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt", "codes not bound", suite.Fail},
		{0, "ensure-token-endpoint-fails-with-mismatched-dpop-jkt", "codes not bound", suite.Fail},
		{0, "dpop-negative-tests", "any typ in proofs", suite.Fail},
		{0, "dpop-negative-tests", "old proofs", suite.Fail},
		{0, "dpop-negative-tests", "nonces", suite.Pass}, // no fault: they stand for the time
		{0, "dpop-negative-tests", "nonces, and the client's clock all the same", suite.Warning},
		{0, "dpop-negative-tests", "any htm", suite.Fail},
		{0, "dpop-negative-tests", "any htu", suite.Fail},
		{0, "dpop-negative-tests", "ath not compared", suite.Fail},
		{0, "dpop-negative-tests", "proofs optional at the resource", suite.Fail},
		{0, "dpop-negative-tests", "proofs replayed", suite.Warning},
		{0, "ensure-holder-of-key-required", "bearer tokens too", suite.Fail},
		{0, "ensure-different-state-inside-and-outside-request-object", "what is outside counts", suite.Fail},
		{0, "ensure-different-nonce-inside-and-outside-request-object", "what is outside counts", suite.Fail},
		{0, "state-only-outside-request-object-not-used", "what is outside counts", suite.Fail},
		{0, "ensure-request-object-without-redirect-uri-fails", "redirect URI optional", suite.Fail},
		{0, "ensure-redirect-uri-in-authorization-request", "redirect URI optional", suite.Fail},
		{0, "ensure-unsigned-authorization-request-without-using-par-fails", "requests not pushed", suite.Fail},
		{0, "ensure-response-type-code-idtoken-fails", "any response type", suite.Fail},
		{0, "ensure-response-type-token-fails", "any response type", suite.Fail},
		{0, "par-ensure-pkce-required", "PKCE optional", suite.Fail},
		{0, "par-plain-pkce-rejected", "PKCE optional", suite.Fail},
		{0, "ensure-pkce-code-verifier-required", "verifier optional", suite.Fail},
		{0, "ensure-pkce-code-verifier-required", "a missing verifier is a missing parameter", suite.Fail},
		{0, "user-rejects-authentication", "a section sign in descriptions", suite.Fail},
		{1, "user-rejects-authentication", "a section sign in descriptions", suite.Fail},
		{0, "happy-flow", "responses always signed", suite.Fail},
		{0, "incorrect-pkce-code-verifier-rejected", "any verifier", suite.Fail},
		{0, "ensure-client-id-in-token-endpoint", "client_id not compared", suite.Fail},
		{0, "ensure-authorization-code-is-bound-to-client", "code for any client", suite.Fail},
		{0, "attempt-reuse-authorization-code-after-one-second", "codes good for ever", suite.Fail},
		{0, "attempt-reuse-authorization-code-after-one-second", "tokens survive a reused code", suite.Warning},
		{0, "ensure-token-endpoint-fails-with-expired-auth-code", "codes good for an hour", suite.Fail},
		{0, "refresh-token", "refresh for any client", suite.Fail},
		{0, "refresh-token", "refresh tokens rotated", suite.Warning},
		{0, "ensure-signed-client-assertion-with-RS256-fails", "RS256 in assertions", suite.Fail},
		{0, "ensure-client-assertion-in-token-endpoint", "assertions optional", suite.Fail},
		{0, "ensure-client-assertion-with-exp-is-5-minutes-in-past-fails", "assertions never expire", suite.Fail},
		{0, "ensure-client-assertion-with-wrong-aud-fails", "any audience", suite.Fail},
		{0, "ensure-client-assertion-with-no-sub-fails", "sub optional", suite.Fail},
		{0, "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted", "assertions of a clock ahead refused", suite.Fail},
		{0, "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails", "assertions of a clock far ahead", suite.Fail},
		{0, "par-test-array-as-audience-fails", "audience in a list", suite.Fail},
		{0, "par-test-par-endpoint-url-as-audience-fails", "audience is an endpoint", suite.Fail},
		{0, "par-test-token-endpoint-url-as-audience-fails", "audience is an endpoint", suite.Fail},
		{0, "par-ensure-reused-request-uri-prior-to-auth-completion-succeeds", "a visit uses the request up", suite.Fail},
		{0, "par-attempt-reuse-request_uri", "request_uri again", suite.Warning},
		{0, "par-attempt-to-use-expired-request_uri", "request_uri for ever", suite.Fail},
		{0, "par-attempt-to-use-request_uri-for-different-client", "request_uri for any client", suite.Fail},
		{0, "par-authorization-request-containing-request_uri-form-param", "request_uri inside", suite.Fail},
		{0, "par-attempt-invalid-http-method", "PAR by GET", suite.Fail},
		{1, "happy-flow", "responses not signed", suite.Fail},
		{1, "happy-flow", "response for another", suite.Fail},
		{1, "happy-flow", "response expired", suite.Fail},
		{1, "happy-flow", "response signed by another", suite.Fail},
		{1, "happy-flow", "code beside the response", suite.Fail},
		{1, "ensure-request-object-without-nbf-fails", "nbf optional", suite.Fail},
		{1, "ensure-request-object-without-exp-fails", "objects never expire", suite.Fail},
		{1, "ensure-expired-request-object-fails", "objects never expire", suite.Fail},
		{1, "ensure-request-object-with-exp-over-60-fails", "objects never expire", suite.Fail},
		{1, "ensure-request-object-with-nbf-over-60-fails", "nbf optional", suite.Fail},
		{1, "ensure-request-object-with-bad-aud-fails", "any audience of objects", suite.Fail},
		{1, "ensure-signed-request-object-with-RS256-fails", "RS256 in objects", suite.Fail},
		{1, "ensure-request-object-signature-algorithm-is-not-none", "objects unsigned", suite.Fail},
		{1, "ensure-request-object-with-invalid-signature-fails", "objects unsigned", suite.Fail},
		{1, "ensure-matching-key-in-authorization-request", "objects unsigned", suite.Fail},
		{1, "ensure-unsigned-request-at-par-endpoint-fails", "unsigned requests", suite.Fail},
		{1, "par-authorization-request-containing-request_uri", "request_uri inside", suite.Fail},
	} {
		t.Run(row.module+"/"+row.fault, func(t *testing.T) {
			t.Parallel()
			plan := plans[row.plan]
			outcomes := against(t, newMini(t, row.fault), plan, own(plan, miniVariant), prefix+row.module)
			if len(outcomes) == 0 {
				t.Fatal("no such module")
			}
			worst := outcomes[slices.IndexFunc(outcomes, func(o suite.Outcome) bool {
				return !slices.ContainsFunc(outcomes, func(other suite.Outcome) bool { return other.Result > o.Result })
			})]
			if worst.Result != row.want {
				t.Errorf("got %s, want %s: %s", worst.Result, row.want, worst.Reason())
			}
		})
	}
}

package oidcc

import (
	"slices"
	"testing"
	"time"

	"hopnhat/conformance/suite"
)

// against runs modules of plans against a mini provider, whose clock goes on when the
// suite waits.
func against(t *testing.T, p *mini, plans []suite.Plan, only ...string) []suite.Outcome {
	t.Helper()
	s, err := suite.New(suite.Config{
		Issuer: p.URL, CA: p.ca, Registration: suite.Dynamic,
		Listen: suite.Listen{Address: "127.0.0.1:0", Redirects: "https://rp.example"},
		People: []map[string]string{{"login": "a"}, {"login": "b"}, {"login": "c"}, {"login": "d"}},
		Steps:  []suite.Step{{Name: "sign in", Field: "login", Login: true, Fill: map[string]string{"login": "{login}"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p.fetch.Transport = s.Trusting()
	return s.Run(t.Context(), suite.Options{Parallel: 4, Only: only, Wait: func(d time.Duration) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ahead += min(d, 2*time.Second) // it does not look further
	}}, plans...)
}

// TestSound: a provider that does everything right passes everything, save where a
// person has to look.
func TestSound(t *testing.T) {
	var reviews []string
	for _, plan := range Plans() {
		for _, o := range against(t, newMini(t, ""), []suite.Plan{plan}) {
			switch {
			case o.Result == suite.Review:
				reviews = append(reviews, o.Module.Name)
			case o.Result != suite.Pass:
				t.Errorf("%s %s (%s): %s: %s", o.Result, o.Module.Name, o.Plan, o.Variant, o.Reason())
			}
		}
	}
	if want := []string{"oidcc-server-rotate-keys"}; !slices.Equal(reviews, want) {
		t.Errorf("a person has to look at %q, want %q", reviews, want)
	}
}

// TestFaults: each fault makes the module that is about it fail, or warn.
func TestFaults(t *testing.T) {
	for _, row := range []struct {
		plan, module, fault string
		want                suite.Result
	}{
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "issuer with a slash", suite.Fail},
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "an empty list", suite.Fail},
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "a list that is a text", suite.Fail},
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "a flag that is a text", suite.Fail},
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "an endpoint without TLS", suite.Fail},
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "no RS256", suite.Fail},
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "null", suite.Fail},
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "a private key published", suite.Fail},
		{"oidcc-config", "oidcc-discovery-endpoint-verification", "names of its own in the metadata", suite.Warning},
		{"oidcc-basic", "oidcc-server", "names of its own in ID tokens", suite.Warning},
		{"oidcc-basic", "oidcc-server", "names of its own in UserInfo", suite.Warning},
		{"oidcc-basic", "oidcc-codereuse", "a section sign in descriptions", suite.Fail},
		{"oidcc-basic", "oidcc-response-type-missing", "quotes in descriptions", suite.Fail},
		{"oidcc-basic", "oidcc-prompt-none-not-logged-in", "quotes in descriptions", suite.Fail},
		{"oidcc-formpost-basic", "oidcc-prompt-none-not-logged-in", "quotes in descriptions", suite.Fail},
		{"oidcc-implicit", "oidcc-prompt-none-not-logged-in", "quotes in descriptions", suite.Fail},
		{"oidcc-basic", "oidcc-userinfo-get", "quotes in challenges", suite.Fail},
		{"oidcc-dynamic", "oidcc-redirect-uri-regfrag", "a section sign in descriptions", suite.Fail},
		{"oidcc-basic", "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", "unsigned objects of who registered so", suite.Fail},
		{"oidcc-basic", "oidcc-beyond-scopes-supported", "a scope of the metadata refused", suite.Warning},
		{"oidcc-basic", "oidcc-beyond-refresh-token-at-once", "busy when refreshed at once", suite.Fail},
		{"oidcc-dynamic", "oidcc-beyond-least-registration", "a name demanded", suite.Fail},
		{"oidcc-dynamic", "oidcc-beyond-least-registration", "defaults not told", suite.Fail},
		{"oidcc-dynamic", "oidcc-beyond-least-registration", "defaults of its own", suite.Fail},
		{"oidcc-basic", "oidcc-server", "state lost", suite.Fail},
		{"oidcc-basic", "oidcc-server", "iss of another", suite.Fail},
		{"oidcc-basic", "oidcc-server", "a key that is not published", suite.Fail},
		{"oidcc-basic", "oidcc-server", "another's signature under a known kid", suite.Fail},
		{"oidcc-basic", "oidcc-server", "alg none", suite.Fail},
		{"oidcc-basic", "oidcc-server", "ID token of another issuer", suite.Fail},
		{"oidcc-basic", "oidcc-server", "ID token for another client", suite.Fail},
		{"oidcc-basic", "oidcc-server", "ID token for others too", suite.Warning},
		{"oidcc-basic", "oidcc-server", "azp of another", suite.Fail},
		{"oidcc-basic", "oidcc-server", "another nonce", suite.Fail},
		{"oidcc-basic", "oidcc-server", "no nonce", suite.Fail},
		{"oidcc-basic", "oidcc-server", "expired", suite.Fail},
		{"oidcc-basic", "oidcc-server", "exp as text", suite.Fail},
		{"oidcc-basic", "oidcc-server", "no iat", suite.Fail},
		{"oidcc-basic", "oidcc-server", "no sub", suite.Fail},
		{"oidcc-basic", "oidcc-server", "wrong at_hash", suite.Fail},
		{"oidcc-basic", "oidcc-server", "acr as number", suite.Fail},
		{"oidcc-basic", "oidcc-server", "tokens in caches", suite.Fail},
		{"oidcc-basic", "oidcc-server", "no ID token", suite.Fail},
		{"oidcc-basic", "oidcc-server", "another token type", suite.Fail},
		{"oidcc-basic", "oidcc-server", "expires_in as text", suite.Fail},
		{"oidcc-basic", "oidcc-server", "no expiry of the secret", suite.Fail},
		{"oidcc-basic", "oidcc-server", "a claim that is null", suite.Fail},
		{"oidcc-basic", "oidcc-response-type-missing", "code taken for granted", suite.Fail},
		{"oidcc-basic", "oidcc-idtoken-signature", "no kid", suite.Fail},
		{"oidcc-basic", "oidcc-idtoken-unsigned", "none registered, RS256 given", suite.Fail},
		{"oidcc-basic", "oidcc-userinfo-get", "UserInfo of another person", suite.Fail},
		{"oidcc-basic", "oidcc-userinfo-get", "any token will do", suite.Fail},
		{"oidcc-basic", "oidcc-userinfo-post-header", "no POST to UserInfo", suite.Fail},
		{"oidcc-basic", "oidcc-userinfo-post-body", "no token in the body", suite.Warning},
		{"oidcc-basic", "oidcc-ensure-request-without-nonce-succeeds-for-code-flow", "nonce always required", suite.Fail},
		{"oidcc-basic", "oidcc-scope-profile", "scopes without claims", suite.Warning},
		{"oidcc-basic", "oidcc-scope-email", "all claims always", suite.Warning},
		{"oidcc-basic", "oidcc-scope-email", "email_verified as text", suite.Fail},
		{"oidcc-basic", "oidcc-ensure-request-with-unknown-parameter-succeeds", "unknown parameters refused", suite.Fail},
		{"oidcc-basic", "oidcc-ensure-request-with-acr-values-succeeds", "no acr", suite.Warning},
		{"oidcc-basic", "oidcc-prompt-login", "prompt=login ignored", suite.Fail},
		{"oidcc-basic", "oidcc-prompt-login", "no auth_time", suite.Fail},
		{"oidcc-basic", "oidcc-prompt-none-not-logged-in", "prompt=none shows a page", suite.Fail},
		{"oidcc-basic", "oidcc-prompt-none-logged-in", "prompt=none always fails", suite.Fail},
		{"oidcc-basic", "oidcc-prompt-none-logged-in", "auth_time is now", suite.Fail},
		{"oidcc-basic", "oidcc-prompt-none-logged-in", "another sub each time", suite.Fail},
		{"oidcc-basic", "oidcc-max-age-1", "max_age ignored", suite.Fail},
		{"oidcc-basic", "oidcc-max-age-1", "no auth_time", suite.Fail},
		{"oidcc-basic", "oidcc-max-age-10000", "no auth_time", suite.Fail},
		{"oidcc-basic", "oidcc-id-token-hint", "prompt=none always fails", suite.Fail},
		{"oidcc-basic", "oidcc-codereuse", "codes good for ever", suite.Warning},
		{"oidcc-basic", "oidcc-codereuse", "reuse answered with another error", suite.Warning},
		{"oidcc-basic", "oidcc-codereuse-30seconds", "codes good for ever", suite.Fail},
		{"oidcc-basic", "oidcc-codereuse-30seconds", "tokens survive a reused code", suite.Warning},
		{"oidcc-basic", "oidcc-ensure-registered-redirect-uri", "the beginning of a redirect URI is enough", suite.Fail},
		{"oidcc-basic", "oidcc-ensure-post-request-succeeds", "no POST", suite.Fail},
		{"oidcc-basic", "oidcc-server-client-secret-post", "no client_secret_post", suite.Fail},
		{"oidcc-basic", "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported", "request objects ignored", suite.Fail},
		{"oidcc-basic", "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", "request objects ignored", suite.Fail},
		{"oidcc-basic", "oidcc-ensure-request-object-with-redirect-uri", "the redirect URI outside counts", suite.Fail},
		{"oidcc-basic", "oidcc-claims-essential", "claims parameter ignored", suite.Warning},
		{"oidcc-basic", "oidcc-refresh-token", "refresh for any client", suite.Fail},
		{"oidcc-basic", "oidcc-refresh-token", "refresh never", suite.Fail},
		{"oidcc-basic", "oidcc-ensure-request-with-valid-pkce-succeeds", "no PKCE", suite.Fail},
		{"oidcc-formpost-basic", "oidcc-server", "form_post in the query", suite.Fail},
		{"oidcc-hybrid", "oidcc-server", "no c_hash", suite.Fail},
		{"oidcc-hybrid", "oidcc-server", "no at_hash", suite.Fail},
		{"oidcc-hybrid", "oidcc-server", "fragments in the query", suite.Fail},
		{"oidcc-hybrid", "oidcc-server", "another sub each time", suite.Fail},
		{"oidcc-hybrid", "oidcc-ensure-request-without-nonce-fails", "nonce optional everywhere", suite.Fail},
		{"oidcc-implicit", "oidcc-server", "no at_hash", suite.Fail},
		{"oidcc-dynamic", "oidcc-userinfo-rs256", "UserInfo never signed", suite.Fail},
		{"oidcc-dynamic", "oidcc-ensure-redirect-uri-in-authorization-request", "a redirect URI taken for granted", suite.Fail},
		{"oidcc-dynamic", "oidcc-redirect-uri-query-added", "the beginning of a redirect URI is enough", suite.Fail},
		{"oidcc-dynamic", "oidcc-redirect-uri-regfrag", "fragments registered", suite.Fail},
		{"oidcc-dynamic", "oidcc-registration-logo-uri", "logo and terms not shown", suite.Review},
		{"oidcc-dynamic", "oidcc-registration-policy-uri", "logo and terms not shown", suite.Review},
		{"oidcc-dynamic", "oidcc-registration-sector-bad", "sectors not fetched", suite.Fail},
		{"oidcc-dynamic", "oidcc-request-uri-signed-rs256", "request objects ignored", suite.Fail},
		{"oidcc-dynamic", "oidcc-ensure-client-assertion-with-iss-aud-succeeds", "audience of assertions is the endpoint", suite.Fail},
		{"oidcc-3rdparty-init", "oidcc-3rd_party-init-login", "initiate_login_uri forgotten", suite.Fail},
		{"oidcc-3rdparty-init", "oidcc-3rd_party-init-login-nohttps", "login begun without TLS", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-discovery-endpoint-verification", "no logout endpoint", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout", "sessions do not end", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout", "state lost at logout", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout", "logout leads nowhere", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-no-state", "state invented at logout", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", "logout leads anywhere", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-no-id-token-hint", "logout leads anywhere", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri", "logout leads to longer addresses", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-modified-id-token-hint", "hints not verified", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-bad-id-token-hint", "hints not verified", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-no-params", "sessions do not end", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-only-state", "an error at the end", suite.Fail},
		{"oidcc-rp-initiated-logout", "oidcc-rp-initiated-logout-no-post-logout-redirect-uri", "an error at the end", suite.Fail},
		{"oidcc-backchannel-logout", "oidcc-backchannel-rp-initiated-logout", "logout token with nonce", suite.Fail},
		{"oidcc-backchannel-logout", "oidcc-backchannel-rp-initiated-logout", "logout token without event", suite.Fail},
		{"oidcc-backchannel-logout", "oidcc-backchannel-rp-initiated-logout", "logout token of another session", suite.Fail},
		{"oidcc-backchannel-logout", "oidcc-backchannel-rp-initiated-logout", "logout token of another person", suite.Fail},
		{"oidcc-backchannel-logout", "oidcc-backchannel-rp-initiated-logout", "logout token for another", suite.Fail},
		{"oidcc-backchannel-logout", "oidcc-backchannel-rp-initiated-logout", "logout token without jti", suite.Fail},
		{"oidcc-backchannel-logout", "oidcc-backchannel-rp-initiated-logout", "logout token unsigned", suite.Fail},
		{"oidcc-frontchannel-logout", "oidcc-frontchannel-rp-initiated-logout", "no frames", suite.Fail},
		{"oidcc-frontchannel-logout", "oidcc-frontchannel-rp-initiated-logout", "frames without sid", suite.Fail},
		{"oidcc-frontchannel-logout", "oidcc-frontchannel-rp-initiated-logout", "frames of another issuer", suite.Fail},
		{"oidcc-session-management", "oidcc-session-management-rp-initiated-logout", "the cookie stays as it was", suite.Fail},
		{"oidcc-session-management", "oidcc-session-management-rp-initiated-logout", "a frame that may not be framed", suite.Fail},
		{"oidcc-session-management", "oidcc-session-management-rp-initiated-logout", "another session_state", suite.Review},
	} {
		t.Run(row.module+"/"+row.fault, func(t *testing.T) {
			i := slices.IndexFunc(Plans(), func(p suite.Plan) bool { return p.Name == row.plan })
			outcomes := against(t, newMini(t, row.fault), Plans()[i:i+1], row.module)
			worst := suite.Pass
			for _, o := range outcomes {
				worst = max(worst, o.Result)
			}
			if worst != row.want {
				t.Errorf("got %s, want %s: %s", worst, row.want, outcomes[0].Reason())
			}
		})
	}
}

package ciba

import (
	"testing"
	"time"

	"hopnhat/conformance/suite"
)

// against runs modules against a mini provider, whose clock goes on when the suite
// waits.
func against(t *testing.T, p *mini, mode string, only ...string) []suite.Outcome {
	t.Helper()
	config := suite.Config{
		Issuer: p.URL, CA: p.ca, Variant: suite.Variant{suite.Authentication: "private_key_jwt", delivery: mode},
		Listen: suite.Listen{Address: "127.0.0.1:0"},
		Extra:  map[string]any{"ciba": map[string]any{"login_hint": "a", "automated_approval_url": p.URL + "/answer?id={auth_req_id}&action={action}"}},
	}
	// The listener's port is known when it listens; the clients are told then.
	config.Client, config.Client2 = p.client(t, "one", "PS256", ""), p.client(t, "two", "ES256", "")
	s, err := suite.New(config)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, c := range map[string]*suite.StaticClient{"one": s.Config.Client, "two": s.Config.Client2} {
		at := s.Base() + "/notification-" + name
		c.Metadata["backchannel_client_notification_endpoint"], p.notify[name] = at, at
	}
	p.fetch.Transport = s.Trusting()
	return s.Run(t.Context(), suite.Options{Parallel: 1, Only: only, Wait: func(d time.Duration) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ahead += d
	}}, Plans()[0])
}

// TestSound: a provider that does everything right passes everything.
func TestSound(t *testing.T) {
	for _, mode := range []string{"poll", "ping"} {
		for _, o := range against(t, newMini(t, ""), mode) {
			if o.Result != suite.Pass {
				t.Errorf("%s %s (%s): %s", o.Result, o.Module.Name, mode, o.Reason())
			}
		}
	}
}

// TestFaults: each fault makes the module that is about it fail, or warn.
func TestFaults(t *testing.T) {
	for _, row := range []struct {
		mode, module, fault string
		want                suite.Result
	}{
		{"poll", "fapi-ciba-id1-discovery-end-point-verification", "unsigned requests offered", suite.Fail},
		{"poll", "fapi-ciba-id1", "short identifiers", suite.Fail},
		{"poll", "fapi-ciba-id1", "the token endpoint is no audience", suite.Fail},
		{"poll", "fapi-ciba-id1", "interactions not named", suite.Fail},
		{"poll", "fapi-ciba-id1", "interactions named only after the client", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-client-assertion-with-iss-aud-succeeds", "the issuer is no audience", suite.Fail},
		{"poll", "fapi-ciba-id1-beyond-client-assertion-for-backchannel-endpoint-succeeds", "the backchannel endpoint is no audience", suite.Fail},
		{"poll", "fapi-ciba-id1-beyond-client-assertion-for-another-fails", "any audience", suite.Fail},
		{"poll", "fapi-ciba-id1-beyond-further-requests-are-refused-or-shown", "further requests dropped", suite.Fail},
		{"poll", "fapi-ciba-id1", "tokens again and again", suite.Fail},
		{"poll", "fapi-ciba-id1", "tokens of any certificate", suite.Fail},
		{"poll", "fapi-ciba-id1-user-rejects-authentication", "denials not told", suite.Fail},
		{"poll", "fapi-ciba-id1-multiple-call-to-token-endpoint", "any pace", suite.Warning},
		{"poll", "fapi-ciba-id1-auth-req-id-expired", "requests pend for ever", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-authorization-request-with-potentially-bad-binding-message", "a message refused otherwise", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-requested-expiry-as-string-succeeds", "expiry as text refused", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-wrong-authentication-request-id-in-token-endpoint-request", "requests of any client", suite.Fail},
		{"poll", "fapi-ciba-id1-refresh-token", "refresh for any client", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-mtls-holder-of-key-required", "certificates optional", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-missing-aud-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-missing-iss-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-missing-exp-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-missing-iat-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-missing-nbf-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-missing-jti-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-bad-aud-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-bad-iss-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-expired-exp-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-exp-is-70-minutes-in-future-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-nbf-is-10-minutes-in-future-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-nbf-is-70-minutes-in-past-fails", "nothing in requests looked at", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-signature-algorithm-is-none-fails", "requests not verified", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-signature-algorithm-is-bad-fails", "requests not verified", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-signature-algorithm-is-RS256-fails", "RS256 in requests", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-request-object-signed-by-other-client-fails", "requests not verified", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-authorization-request-with-multiple-hints-fails", "any number of hints", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-backchannel-authorization-request-without-request-fails", "unsigned requests", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-without-client-assertion-in-backchannel-authorization-request-fails", "assertions optional", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-without-client-assertion-in-token-endpoint-fails", "assertions optional", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-backchannel-authorization-request-is-RS256-fails", "RS256 in assertions", suite.Fail},
		{"poll", "fapi-ciba-id1-ensure-client-assertion-signature-algorithm-in-token-endpoint-request-is-RS256-fails", "RS256 in assertions", suite.Fail},
		{"ping", "fapi-ciba-id1", "ping of another request", suite.Fail},
		{"ping", "fapi-ciba-id1", "tokens in the ping", suite.Fail},
		{"ping", "fapi-ciba-id1-ping-notification-endpoint-returns-401-and-require-server-does-not-retry", "pings repeated", suite.Fail},
		{"ping", "fapi-ciba-id1-ping-notification-endpoint-returns-redirect-request", "redirects followed", suite.Fail},
		{"ping", "fapi-ciba-id1", "no ping", suite.Fail},
		{"ping", "fapi-ciba-id1", "ping with another token", suite.Fail},
	} {
		t.Run(row.module+"/"+row.fault, func(t *testing.T) {
			t.Parallel()
			outcomes := against(t, newMini(t, row.fault), row.mode, row.module)
			if len(outcomes) != 1 {
				t.Fatalf("%d modules have that name", len(outcomes))
			}
			if outcomes[0].Result != row.want {
				t.Errorf("got %s, want %s: %s", outcomes[0].Result, row.want, outcomes[0].Reason())
			}
		})
	}
}

package ciba

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"hopnhat/conformance/suite"
)

const grantSpec = "CIBA Core §11"

// Plans are all of the package.
func Plans() []suite.Plan {
	plan := suite.Plan{Name: "fapi-ciba", Certificate: "FAPI-CIBA OP"}
	all := slices.Concat(flows, requests, authentications, pings)
	for _, how := range []string{"private_key_jwt", "mtls"} {
		for _, mode := range []string{"poll", "ping"} {
			v := suite.Variant{suite.Authentication: how, delivery: mode, suite.Registration: suite.Static}
			plan.Parts = append(
				plan.Parts, suite.Part{
					Variant: v,
					Modules: slices.DeleteFunc(slices.Clone(all), func(m suite.Module) bool { return m.For != nil && !m.For(v) }),
				},
			)
		}
	}
	return []suite.Plan{plan}
}

// flows are the modules about the flow and the token endpoint.
var flows = []suite.Module{
	{
		Name: "fapi-ciba-id1-discovery-end-point-verification", Clause: "CIBA Core §4", Rule: "the metadata say what the provider offers of CIBA",
		Test: discovery,
	},
	{
		Name: "fapi-ciba-id1", Clause: "CIBA Core §7, §10", Rule: "two clients get tokens for a person who agreed elsewhere, each bound to its certificate and given once",
		Test: func(r *suite.Run) {
			c := client(r)
			t, p := authenticate(r, c, asking{})
			a := c.AskUserInfo(t.Access, suite.ByGet)
			r.Expect(a.Status == http.StatusOK, "OpenID Connect Core §5.3", "the access token is good at UserInfo", a)
			traced(r, c, t.Access)
			r.TokenRefused(poll(r, c, p.id), grantSpec, "invalid_grant", "expired_token")
			other := second(r)
			authenticate(r, other, asking{})
			stolen(r, c, other, t.Access)
		},
	},
	{
		Name: "fapi-ciba-id1-user-rejects-authentication", Clause: grantSpec, Rule: "who does not agree gives the client access_denied",
		Test: func(r *suite.Run) {
			c := client(r)
			claims := object(r, c)
			pings := receive(r, c, claims, nil)
			p := taken(r, ask(r, c, claims, asking{}))
			approve(r, p, true)
			if pings != nil {
				pings.expect(r, p.id)
			} else {
				r.Wait(p.interval, "the interval between two polls")
			}
			refusedToken(r, poll(r, c, p.id), "access_denied")
		},
	},
	{
		Name: "fapi-ciba-id1-multiple-call-to-token-endpoint", Clause: grantSpec, Rule: "before the person answered a poll is told to wait, and one too fast to slow down",
		Test: func(r *suite.Run) {
			c := client(r)
			p := taken(r, ask(r, c, object(r, c), asking{}))
			var errors []string
			for range 6 {
				a := poll(r, c, p.id)
				refusedToken(r, a, "authorization_pending", "slow_down")
				errors = append(errors, a.ErrorCode())
			}
			r.Should(slices.Contains(errors, "slow_down"), grantSpec, "who polls without pause is told to slow down", errors)
		},
	},
	{
		Name: "fapi-ciba-id1-auth-req-id-expired", Clause: grantSpec, Slow: true, Rule: "an auth_req_id that nobody answered ends with expired_token",
		Test: func(r *suite.Run) {
			c := client(r)
			claims := object(r, c)
			claims["requested_expiry"] = 30
			p := taken(r, ask(r, c, claims, asking{}))
			r.Should(p.life <= time.Minute, "CIBA Core §7.1", "requested_expiry of 30 s is taken into account", p.life.String())
			r.Must(p.life <= 3*time.Minute, "CIBA Core §7.1", "the request expires soon enough to be waited for", p.life.String())
			r.Wait(p.life+2*time.Second, "the auth_req_id is to expire")
			refusedToken(r, poll(r, c, p.id), "expired_token")
		},
	},
	{
		Name: "fapi-ciba-id1-beyond-further-requests-are-refused-or-shown", Clause: "CIBA Core §7.3", Rule: "of several requests for one person each is refused, or she can answer it",
		Test: func(r *suite.Run) {
			c := client(r)
			type waiting struct {
				pending
				pings *receiver
			}
			var all []waiting
			for _, message := range []string{"counter A", "counter B", "counter C", "counter D"} { // clerk after clerk
				claims := object(r, c)
				claims["binding_message"] = message
				pings := receive(r, c, claims, nil)
				a := ask(r, c, claims, asking{})
				if a.Status != http.StatusOK {
					r.Expect(a.Status >= 400 && a.Status < 500 && a.ErrorCode() != "", "CIBA Core §13", "what is too much is refused with an error", a)
					break
				}
				p := taken(r, a)
				p.message = message
				all = append(all, waiting{p, pings})
			}
			r.Must(len(all) > 0, "CIBA Core §7.3", "the first request is taken", nil)
			for _, w := range []waiting{all[len(all)-1], all[0]} { // the newest, and the one that the others came before
				approve(r, w.pending, false)
				finish(r, c, w.pending, w.pings)
				if len(all) == 1 {
					break
				}
			}
		},
	},
	succeeds("fapi-ciba-id1-ensure-authorization-request-with-binding-message-succeeds", "CIBA Core §7.1", "a short binding_message works", func(_ *suite.Run, o suite.Claims) { o["binding_message"] = "1234" }),
	{
		Name: "fapi-ciba-id1-ensure-authorization-request-with-potentially-bad-binding-message", Clause: "CIBA Core §7.1, §13",
		Rule: "a message that a phone may not be able to show is refused with invalid_binding_message, or shown",
		Test: func(r *suite.Run) {
			c := client(r)
			claims := object(r, c)
			claims["binding_message"] = "1234 \U0001F44D\U0001F3FF 品川 " + strings.Repeat("a long text that goes on and on ", 12)
			a := ask(r, c, claims, asking{})
			if a.Status == http.StatusOK {
				r.Review("CIBA Core §7.1", "does the person's device show the whole message?", claims["binding_message"])
				return
			}
			r.TokenRefused(a, "CIBA Core §13", "invalid_binding_message")
		},
	},
	succeeds("fapi-ciba-id1-ensure-other-scope-order-succeeds", "RFC 6749 §3.3", "the order of scopes does not matter", func(_ *suite.Run, o suite.Claims) {
		scopes := strings.Fields(o.Text("scope"))
		slices.Reverse(scopes)
		o["scope"] = strings.Join(scopes, " ")
	}),
	succeeds("fapi-ciba-id1-ensure-requested-expiry-as-string-succeeds", "CIBA Core §7.1.1", "requested_expiry may be a string in a signed request", func(_ *suite.Run, o suite.Claims) { o["requested_expiry"] = "120" }),
	{
		Name: "fapi-ciba-id1-ensure-wrong-authentication-request-id-in-token-endpoint-request", Clause: grantSpec, Rule: "an auth_req_id that nobody was given is refused, and one of another client too",
		Test: func(r *suite.Run) {
			c := client(r)
			refusedToken(r, poll(r, c, suite.Random()), "invalid_grant")
			p := taken(r, ask(r, c, object(r, c), asking{}))
			refusedToken(r, poll(r, second(r), p.id), "invalid_grant")
		},
	},
	{
		Name: "fapi-ciba-id1-refresh-token", Clause: "RFC 6749 §6", Rule: "a refresh token gives new bound tokens, to its client only",
		Test: func(r *suite.Run) {
			c := client(r)
			t, _ := authenticate(r, c, asking{})
			if t.Refresh == "" {
				r.NotOffered("RFC 6749 §6", "refresh tokens, for this client", t.JSON)
			}
			r.TokenRefused(second(r).RefreshTokens(t.Refresh), "RFC 6749 §6", "invalid_grant")
			again := c.TokenResponse(c.RefreshTokens(t.Refresh))
			a := c.AskUserInfo(again.Access, suite.ByGet)
			r.Expect(a.Status == http.StatusOK, "RFC 6749 §6", "the new access token is good at UserInfo", a)
		},
	},
	{
		Name: "fapi-ciba-id1-ensure-mtls-holder-of-key-required", Clause: "RFC 8705 §3", Rule: "no token comes without the certificate that it is to be bound to",
		Test: func(r *suite.Run) {
			c := client(r)
			p := taken(r, ask(r, c, object(r, c), asking{}))
			approve(r, p, false)
			r.Wait(p.interval, "the interval between two polls")
			certificate := c.Certificate
			c.Show(nil)
			refusedToken(r, poll(r, c, p.id), "invalid_request", "invalid_client", "invalid_grant")
			c.Show(certificate)
			r.Wait(p.interval, "the interval between two polls")
			c.TokenResponse(poll(r, c, p.id))
		},
	},
}

// traced: a resource names the interaction as the client does, or else by a UUID.
func traced(r *suite.Run, c *suite.Client, token string) {
	const clause, name = "FAPI 1.0 Baseline §6.2.1", "X-Fapi-Interaction-Id"
	ours := uuid.NewString()
	at := c.Endpoint("userinfo_endpoint")
	a := c.Resource(http.MethodGet, at, token, http.Header{name: {ours}}, "")
	r.Expect(a.Header.Get(name) == ours, clause, "x-fapi-interaction-id is that of the request: "+ours, a.Header.Get(name))
	a = c.Resource(http.MethodGet, at, token, http.Header{}, "")
	r.Expect(uuid.Validate(a.Header.Get(name)) == nil, clause, "x-fapi-interaction-id is a UUID where the request has none", a.Header.Get(name))
}

func refusedToken(r *suite.Run, a suite.Answer, codes ...string) {
	r.TokenRefused(a, grantSpec, codes...)
}

func succeeds(name, clause, rule string, change func(*suite.Run, suite.Claims)) suite.Module {
	return suite.Module{Name: name, Clause: clause, Rule: rule, Test: func(r *suite.Run) {
		c := client(r)
		claims := object(r, c)
		change(r, claims)
		pings := receive(r, c, claims, nil)
		p := taken(r, ask(r, c, claims, asking{}))
		approve(r, p, false)
		finish(r, c, p, pings)
	}}
}

// stolen: a token is worth nothing with another certificate (RFC 8705 §3).
func stolen(r *suite.Run, c, other *suite.Client, token string) {
	certificate := c.Certificate
	c.Show(other.Certificate)
	a := c.AskUserInfo(token, suite.ByGet)
	r.Expect(a.Status == http.StatusUnauthorized, "RFC 8705 §3", "a token with another certificate is refused", a)
	c.Show(certificate)
}

func discovery(r *suite.Run) {
	m := r.Discover()
	r.KnownMetadata(m)
	const clause = "CIBA Core §4"
	u, err := url.Parse(m.Text("backchannel_authentication_endpoint"))
	r.Expect(err == nil && u.Scheme == "https", clause, "backchannel_authentication_endpoint is an https URL", m["backchannel_authentication_endpoint"])
	r.Expect(r.Supports("grant_types_supported", GrantType), clause, "grant_types_supported lists the grant of CIBA", m["grant_types_supported"])
	r.Expect(
		r.Supports("backchannel_token_delivery_modes_supported", r.Variant[delivery]), clause,
		"backchannel_token_delivery_modes_supported lists "+r.Variant[delivery], m["backchannel_token_delivery_modes_supported"],
	)
	algorithms, ok := m.List("backchannel_authentication_request_signing_alg_values_supported")
	r.Expect(
		ok && (slices.Contains(algorithms, "PS256") || slices.Contains(algorithms, "ES256")), "FAPI-CIBA §5.2.2, §7.10",
		"backchannel_authentication_request_signing_alg_values_supported holds PS256 or ES256", m["backchannel_authentication_request_signing_alg_values_supported"],
	)
	r.Expect(
		!slices.Contains(algorithms, "none") && !slices.ContainsFunc(
			algorithms, func(a string) bool { return strings.HasPrefix(a, "HS") },
		), clause, "only asymmetric signatures", algorithms,
	)
	r.Expect(
		m.True("tls_client_certificate_bound_access_tokens"), "RFC 8705 §3.3", "tls_client_certificate_bound_access_tokens is true",
		m["tls_client_certificate_bound_access_tokens"],
	)
	if value, there := m["backchannel_user_code_parameter_supported"]; there {
		_, ok := value.(bool)
		r.Expect(ok, clause, "backchannel_user_code_parameter_supported is true or false", value)
	}
}

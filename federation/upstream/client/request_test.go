package client

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/statement"
	"hopnhat/federation/trust"
	"hopnhat/federation/upstream"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

const self = "https://us.example"

// pushed is a provider at which this server registers automatically, which takes pushed requests.
type pushed struct {
	*there
	status int
	body   string
	posted []outbound.Message
	own    trust.Verdict
}

func (o *pushed) Post(_ context.Context, m outbound.Message) (outbound.Answer, error) {
	o.posted = append(o.posted, m)
	if o.status == 0 {
		return outbound.Answer{}, errors.New("no answer")
	}
	return outbound.Answer{Status: o.status, Body: []byte(o.body)}, nil
}

func (o *pushed) Resolved(id federation.EntityID, anchors ...federation.EntityID) (trust.Verdict, bool) {
	if id == self {
		return o.own, o.own.Chain != nil && slices.Contains(anchors, o.own.Anchor)
	}
	return o.verdict, true
}

// newPushed makes one of which the federation leaves metadata, with some changed.
func newPushed(t *testing.T, old, with string) *pushed {
	t.Helper()
	list, err := upstream.Parse([]byte(`{"providers": [{"alias": "op", "name": {"vi": "A", "en": "A"}, "issuer": "https://op.example",
		"registration": "automatic", "levels": {"2": 2}}]}`), false)
	if err == nil {
		err = upstream.As(self, list)
	}
	if err != nil {
		t.Fatal(err)
	}
	o := &pushed{
		there:  &there{t: t, own: newRing(t), op: newRing(t), now: time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC), p: list[0]},
		status: http.StatusCreated, body: `{"request_uri": "urn:ietf:params:oauth:request_uri:1", "expires_in": 60}`,
	}
	o.Client = New(Options{
		Out: func(*upstream.Provider) Outbound { return o }, Ring: o.there.own, Resolver: o, Now: func() time.Time { return o.now },
	})
	raw := strings.Replace(metadata, `"jwks_uri": "https://op.example/jwks"`, `"jwks": `+string(o.op.set(t))+`,
		"client_registration_types_supported": ["automatic"], "pushed_authorization_request_endpoint": "https://op.example/par"`, 1)
	if old != "" && !strings.Contains(raw, old) {
		t.Fatalf("the metadata have no %s", old)
	}
	var parameters federation.Parameters
	if err := json.Unmarshal([]byte(strings.Replace(raw, old, with, 1)), &parameters); err != nil {
		t.Fatal(err)
	}
	o.verdict = trust.Verdict{
		Anchor: "https://anchor.example", Expiry: o.now.Add(time.Hour),
		Metadata: federation.Metadata{federation.OpenIDProvider: parameters},
	}
	return o
}

func (o *pushed) request() (*url.URL, error) {
	o.t.Helper()
	a := upstream.NewAsk(o.now)
	a.Fresh = true
	location, err := o.Request(o.t.Context(), o.p, self+"/callback", a)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(location)
	if err != nil {
		o.t.Fatal(err)
	}
	return u, nil
}

// object are the claims of a request object, and the chain in its header.
func (o *pushed) object(token string) (claims map[string]any, chain []string) {
	o.t.Helper()
	set, err := jose.ParseSet(o.there.own.set(o.t))
	if err != nil {
		o.t.Fatal(err)
	}
	v, err := jose.Verify(token, set, jose.Rule{Type: ObjectType, Algorithms: []keys.Algorithm{keys.ES256}})
	if err == nil {
		err = json.Unmarshal(v.Claims, &claims)
	}
	if err == nil {
		chain, _, err = jose.PeekTrustChains(token)
	}
	if err != nil {
		o.t.Fatal(err)
	}
	return claims, chain
}

// TestAnAutomaticRequest: the request is an object that this server signed for that provider, by
// its entity identifier, with its trust chain where it knows one (OpenID Federation 1.0 §12.1.1.1).
func TestAnAutomaticRequest(t *testing.T) {
	o := newPushed(t, "", "")
	raw, err := statement.Unsigned(map[string]any{"iss": self, "sub": self, "iat": o.now.Unix(), "exp": o.now.Unix() + 60, "jwks": json.RawMessage(o.op.set(t))})
	if err != nil {
		t.Fatal(err)
	}
	s, err := statement.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		own  trust.Verdict
		want []string
	}{
		{"§4.3: with the chain that is known", trust.Verdict{Chain: []statement.Statement{s}, Anchor: o.verdict.Anchor, Expiry: o.now.Add(time.Hour)}, []string{raw}},
		{"§12.1.1.1: none under another anchor than the provider's", trust.Verdict{Chain: []statement.Statement{s}, Anchor: "https://other.example", Expiry: o.now.Add(time.Hour)}, nil},
		{"§10.4: none that has ended", trust.Verdict{Chain: []statement.Statement{s}, Anchor: o.verdict.Anchor, Expiry: o.now}, nil},
		{"none is known", trust.Verdict{}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			o.own, o.posted = row.own, nil
			u, err := o.request()
			if err != nil || len(o.posted) != 1 || o.posted[0].URL != "https://op.example/par" {
				t.Fatalf("got %v, %+v", err, o.posted)
			}
			q := u.Query()
			if len(q) != 2 || q.Get("client_id") != self || q.Get("request_uri") != "urn:ietf:params:oauth:request_uri:1" {
				t.Errorf("RFC 9126 §4: got %v", q)
			}
			form, err := url.ParseQuery(o.posted[0].Body)
			if err != nil || form.Get("client_id") != self || form.Get("client_assertion") == "" {
				t.Fatalf("got %v, %v", form, err)
			}
			claims, chain := o.object(form.Get("request"))
			for name, want := range map[string]any{
				"iss": self, "aud": "https://op.example", "client_id": self, "redirect_uri": self + "/callback", "response_type": "code",
				"scope": "openid", "prompt": "login", "max_age": 0.0, "code_challenge_method": "S256", "exp": float64(o.now.Unix() + 60),
			} {
				if claims[name] != want {
					t.Errorf("%s: got %v, want %v", name, claims[name], want)
				}
			}
			if claims["sub"] != nil || claims["jti"] == nil || !slices.Equal(chain, row.want) {
				t.Errorf("§12.1.1.1.1: no sub and a jti: got %v; chain %v, want %v", claims, chain, row.want)
			}
		})
	}
}

// TestAnAutomaticRequestThatIsNotPushed: the object stands in the address (OpenID Connect Core
// §6.1).
func TestAnAutomaticRequestThatIsNotPushed(t *testing.T) {
	o := newPushed(t, `"pushed_authorization_request_endpoint"`, `"other"`)
	u, err := o.request()
	if err != nil || len(o.posted) != 0 {
		t.Fatalf("got %v, %+v", err, o.posted)
	}
	q := u.Query()
	if len(q) != 4 || q.Get("client_id") != self || q.Get("response_type") != "code" || q.Get("scope") != "openid" {
		t.Errorf("got %v", q)
	}
	if claims, _ := o.object(q.Get("request")); claims["client_id"] != self || claims["nonce"] == nil {
		t.Errorf("got %v", claims)
	}
}

// TestAnAutomaticRequestIsRefused: what of a provider, or of its answer, keeps a person here.
func TestAnAutomaticRequestIsRefused(t *testing.T) {
	for _, row := range []struct {
		name, old, with string
		status          int
		body            string
		want            upstream.Reason
	}{
		{"OpenID Federation 1.0 §5.1.3: it registers explicitly only", `["automatic"]`, `["explicit"]`, 201, `{"request_uri": "u"}`, upstream.Silent},
		{"an endpoint for pushed requests without TLS", `https://op.example/par`, `http://op.example/par`, 201, `{"request_uri": "u"}`, upstream.Silent},
		{"it takes request objects by other algorithms only", `"client_registration_types_supported"`, `"request_object_signing_alg_values_supported": ["RS256"], "client_registration_types_supported"`, 201, `{"request_uri": "u"}`, upstream.Silent},
		{"it does not answer", "", "", 0, "", upstream.Silent},
		{"it answers that it is down", "", "", 503, "{}", upstream.Silent},
		{"§12.1.3: it does not trust this server", "", "", 400, `{"error": "invalid_trust_chain"}`, upstream.Untrue},
		{"RFC 9126 §2.2: 200", "", "", 200, `{"request_uri": "u"}`, upstream.Untrue},
		{"RFC 9126 §2.2: no request_uri", "", "", 201, `{}`, upstream.Untrue},
		{"RFC 9126 §2.2: one that is too long", "", "", 201, `{"request_uri": "` + strings.Repeat("u", 3000) + `"}`, upstream.Untrue},
		{"RFC 8259 §4: a member twice", "", "", 201, `{"request_uri": "u", "request_uri": "v"}`, upstream.Untrue},
		{"an answer without end", "", "", 201, `{"request_uri": "u", "more": "` + strings.Repeat("m", 20<<10) + `"}`, upstream.Untrue},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := newPushed(t, row.old, row.with)
			o.status, o.body = row.status, row.body
			u, err := o.request()
			var r *upstream.Refusal
			if !errors.As(err, &r) || r.Reason != row.want {
				t.Errorf("got %v, %v, want %q", u, err, row.want)
			}
		})
	}
}

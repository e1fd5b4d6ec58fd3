package client_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz/outbound"
	"hopnhat/federation"
	"hopnhat/federation/federationtest"
	"hopnhat/federation/fetch"
	"hopnhat/federation/resolver"
	"hopnhat/federation/trust"
	"hopnhat/federation/upstream"
	"hopnhat/federation/upstream/client"
	"hopnhat/keys"
	"hopnhat/keys/jose"
	"hopnhat/keys/single"
)

type claims = federationtest.Claims

// fault is what the provider of a module does wrong: in what it states of itself, in its metadata
// there, and in its ID token.
type fault struct{ configuration, provider, token claims }

// plan is a test federation over HTTPS: an anchor, a provider, and this server as a relying
// party that nobody registered there.
type plan struct {
	t               *testing.T
	fault           fault
	base            string
	anchor, op, own *federationtest.Entity
	ours, theirs    *single.Ring // of the protocol
	mu              sync.Mutex   // one is answered at a time
	calls           []string
	asked           map[string]any // by the request object
	wrong           []string       // of what this server sent
}

// newPlan starts a federation, and makes a relying party that has walked through it.
func newPlan(t *testing.T, f fault) (*plan, *client.Client) {
	t.Helper()
	p := &plan{t: t, fault: f}
	var err1, err2 error
	p.ours, err1 = single.New(keys.TokenSigning)
	p.theirs, err2 = single.New(keys.TokenSigning)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewTLSServer(http.HandlerFunc(p.serve))
	t.Cleanup(server.Close)
	p.base = server.URL
	p.anchor = federationtest.New(t, federation.EntityID(p.base+"/anchor"))
	p.op = federationtest.New(t, federation.EntityID(p.base+"/op"))
	p.own = federationtest.New(t, federation.EntityID(p.base+"/own"))
	bounds := outbound.Bounds{
		Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
		Roots:    server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
	}
	known := resolver.New(resolver.Options{
		Anchors: []trust.Anchor{{ID: p.anchor.ID, Keys: p.anchor.Set(t)}}, Fetcher: fetch.New(outbound.NewWithin(bounds), now), Now: now,
	})
	known.Refresh(t.Context())
	return p, client.New(client.Options{
		Out: func(*upstream.Provider) client.Outbound { return outbound.NewWithin(bounds) }, Ring: p.ours, Resolver: known, Now: now,
	})
}

func now() time.Time { return federationtest.Now }

// provider is what the operator of this server says of the provider.
func (p *plan) provider() *upstream.Provider {
	p.t.Helper()
	list, err := upstream.Parse([]byte(`{"providers": [{"alias": "op", "name": {"vi": "A", "en": "A"}, "issuer": "`+string(p.op.ID)+`",
		"registration": "automatic", "levels": {"2": 2}}]}`), false)
	if err == nil {
		err = upstream.As(string(p.own.ID), list)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return list[0]
}

func (p *plan) callback(upstream.Alias) string { return string(p.own.ID) + "/callback" }

func (p *plan) serve(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, r.URL.Path)
	states := func(statement string) {
		w.Header().Set("Content-Type", "application/entity-statement+jwt")
		fmt.Fprint(w, statement)
	}
	hints := claims{"authority_hints": []federation.EntityID{p.anchor.ID}}
	switch r.URL.Path {
	case "/anchor/.well-known/openid-federation":
		at := string(p.anchor.ID)
		states(p.anchor.Configuration(p.t, claims{"metadata": claims{"federation_entity": claims{
			"federation_fetch_endpoint": at + "/fetch", "federation_list_endpoint": at + "/list",
		}}}))
	case "/anchor/list":
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode([]federation.EntityID{p.op.ID, p.own.ID})
	case "/anchor/fetch":
		about := p.op
		if r.URL.Query().Get("sub") == string(p.own.ID) {
			about = p.own
		}
		states(p.anchor.About(p.t, about, nil))
	case "/op/.well-known/openid-federation":
		hints["metadata"] = claims{"openid_provider": p.metadata()}
		maps.Copy(hints, p.fault.configuration)
		states(p.op.Configuration(p.t, hints))
	case "/own/.well-known/openid-federation":
		set, err1 := p.ours.Set()
		party, err2 := upstream.Party([]*upstream.Provider{p.provider()}, "Trung tâm", p.callback, p.callback, string(p.own.ID), set)
		if err := errors.Join(err1, err2); err != nil {
			p.t.Error(err)
		}
		hints["metadata"] = claims{"openid_relying_party": party}
		states(p.own.Configuration(p.t, hints))
	case "/op/par":
		p.push(w, r)
	case "/op/token":
		p.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *plan) metadata() claims {
	at := string(p.op.ID)
	set, err := p.theirs.Set()
	if err != nil {
		p.t.Error(err)
	}
	all := claims{
		"issuer": at, "authorization_endpoint": at + "/authorize", "token_endpoint": at + "/token", "jwks": json.RawMessage(set),
		"pushed_authorization_request_endpoint": at + "/par", "response_types_supported": []string{"code"},
		"subject_types_supported": []string{"pairwise"}, "id_token_signing_alg_values_supported": []string{"ES256"},
		"code_challenge_methods_supported": []string{"S256"}, "token_endpoint_auth_methods_supported": []string{"private_key_jwt"},
		"client_registration_types_supported": []string{"automatic"}, "authorization_response_iss_parameter_supported": true,
	}
	maps.Copy(all, p.fault.provider)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
	return all
}

// expect notes what is not as a section has it.
func (p *plan) expect(so bool, section string) {
	if !so {
		p.wrong = append(p.wrong, section)
	}
}

// read verifies a JWT with the keys that a trust chain leaves of this server's metadata.
func (p *plan) read(token, kind string, v trust.Verdict) (all map[string]any) {
	party, _ := v.Metadata[federation.RelyingParty]["jwks"].(map[string]any)
	raw, err1 := json.Marshal(party)
	set, err2 := jose.ParseSet(raw)
	if err := errors.Join(err1, err2); err != nil {
		p.wrong = append(p.wrong, "§5.2.1: jwks: "+err.Error())
		return nil
	}
	seen, err := jose.Verify(token, set, jose.Rule{Type: kind, Algorithms: []keys.Algorithm{keys.ES256}, MaxBytes: 64 << 10})
	if err != nil || json.Unmarshal(seen.Claims, &all) != nil {
		p.wrong = append(p.wrong, fmt.Sprintf("§12.1.1.2: signature: %v", err))
	}
	return all
}

// push takes a request as a provider does that never heard of who asks (§12.1.1.1).
func (p *plan) push(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		p.t.Error(err)
	}
	object, own := r.PostForm.Get("request"), string(p.own.ID)
	chain, _, err := jose.PeekTrustChains(object)
	v := trust.Verify(chain, []trust.Anchor{{ID: p.anchor.ID, Keys: p.anchor.Set(p.t)}}, now())
	p.expect(err == nil && v.Valid() && v.Subject == p.own.ID, "§4.3: the trust chain leads from the relying party to the anchor")
	p.asked = p.read(object, "oauth-authz-req+jwt", v)
	named := r.PostForm.Get("client_id") == own && p.asked["client_id"] == own && p.asked["iss"] == own
	p.expect(named, "§12.1.1.1: client_id is the entity identifier")
	p.expect(p.asked["aud"] == string(p.op.ID), "§12.1.1.1: aud is the provider")
	p.expect(p.asked["sub"] == nil && p.asked["jti"] != nil && p.asked["exp"] != nil, "§12.1.1.1: jti and exp, and no sub")
	redirects, _ := v.Metadata[federation.RelyingParty]["redirect_uris"].([]any)
	p.expect(slices.Contains(redirects, p.asked["redirect_uri"]), "§12.1.1.1: a redirect URI of the metadata")
	p.authenticated(r.PostForm, v)
	w.WriteHeader(http.StatusCreated)
	fmt.Fprint(w, `{"request_uri": "urn:ietf:params:oauth:request_uri:1", "expires_in": 60}`)
}

func (p *plan) authenticated(form url.Values, v trust.Verdict) {
	proof, own := p.read(form.Get("client_assertion"), "", v), string(p.own.ID)
	so := proof["iss"] == own && proof["sub"] == own && proof["aud"] == string(p.op.ID)
	p.expect(so, "§12.1.1.2: a client assertion of the entity for the provider")
}

// token gives the ID token of the module.
func (p *plan) token(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		p.t.Error(err)
	}
	digest := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	p.expect(p.asked["code_challenge"] == base64.RawURLEncoding.EncodeToString(digest[:]), "RFC 7636 §4.6: the verifier of the request")
	all := claims{
		"iss": p.op.ID, "sub": "person-1", "aud": p.own.ID, "iat": now().Unix(), "exp": now().Unix() + 60, "auth_time": now().Unix(),
		"acr": "2", "nonce": p.asked["nonce"],
	}
	maps.Copy(all, p.fault.token)
	signed, err := jose.Sign(r.Context(), p.theirs, jose.Token{Use: keys.TokenSigning, Algorithm: keys.ES256, Type: "JWT", Claims: all})
	if err != nil {
		p.t.Error(err)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "a", "token_type": "Bearer", "id_token": signed[0]})
}

// signIn goes through a sign-in, and returns where it came to nothing: at the request, or at the
// token.
func (p *plan) signIn(c *client.Client) (at string, err error) {
	p.t.Helper()
	to, ask := p.provider(), upstream.NewAsk(now())
	location, err := c.Request(p.t.Context(), to, p.callback(to.Alias), ask)
	if err != nil {
		return "request", err
	}
	u, err := url.Parse(location)
	if err != nil || u.Query().Get("request_uri") == "" || !strings.HasPrefix(location, string(p.op.ID)+"/authorize?") {
		p.t.Fatalf("the browser is led to %q", location)
	}
	m, err := c.Metadata(p.t.Context(), to)
	if err != nil {
		return "response", err
	}
	code, err := to.Response(m, url.Values{"code": {"code"}, "state": {ask.State}, "iss": {string(p.op.ID)}})
	if err != nil {
		return "response", err
	}
	_, err = c.Redeem(p.t.Context(), to, p.callback(to.Alias), code, ask)
	return "token", err
}

// TestFederationRP runs this server as a relying party through the modules of the public plan
// openid-federation-entity-joined-to-test-federation-rp-test-plan, each by its name there: a
// provider whose configuration is wrong is not talked to at all, and by an ID token that is
// wrong nobody signs in. Those whose names begin with client-test are not of the plan.
func TestFederationRP(t *testing.T) {
	const prefix = "openid-federation-client-"
	for _, row := range []struct {
		name, section string
		fault         fault
		ends          string // where it comes to nothing; empty: she signs in
	}{
		{prefix + "invalid-iss-in-entity-configuration", "§3.1.1", fault{configuration: claims{"iss": "https://other.example"}}, "request"},
		{prefix + "invalid-sub-in-entity-configuration", "§3.1.1", fault{configuration: claims{"sub": "https://other.example"}}, "request"},
		{prefix + "invalid-missing-exp-in-entity-configuration", "§3.1.1", fault{configuration: claims{"exp": nil}}, "request"},
		{prefix + "invalid-missing-iat-in-entity-configuration", "§3.1.1", fault{configuration: claims{"iat": nil}}, "request"},
		{prefix + "invalid-missing-client-registration-types-supported", "§5.1.3", fault{provider: claims{"client_registration_types_supported": nil}}, "request"},
		{prefix + "invalid-empty-client-registration-types-supported", "§5.1.3", fault{provider: claims{"client_registration_types_supported": []string{}}}, "request"},
		{prefix + "test", "§12.1", fault{}, ""},
		{prefix + "valid-unknown-client-registration-types-supported", "§5.1.3", fault{provider: claims{"client_registration_types_supported": []string{"automatic", "unknown"}}}, ""},
		{prefix + "invalid-aud-in-id-token", "OpenID Connect Core §3.1.3.7 (3)", fault{token: claims{"aud": "https://other.example"}}, "token"},
		{prefix + "invalid-iss-in-id-token", "OpenID Connect Core §3.1.3.7 (2)", fault{token: claims{"iss": "https://other.example"}}, "token"},
		{"client-test-explicit-registration-alone", "§12", fault{provider: claims{"client_registration_types_supported": []string{"explicit"}}}, "request"},
		{"client-test-expired-entity-configuration", "§10.4", fault{configuration: claims{"exp": federationtest.Now.Unix() - 120}}, "request"},
		{"client-test-other-superior", "§10.2", fault{configuration: claims{"authority_hints": []string{"https://other.example"}}}, "request"},
		{"client-test-unknown-crit", "§3.1.1", fault{configuration: claims{"crit": []string{"x"}, "x": 1}}, "request"},
		{"client-test-issuer-of-another", "§5.1.3", fault{provider: claims{"issuer": "https://other.example"}}, "request"},
		{"client-test-without-pkce", "RFC 9700 §2.1.1", fault{provider: claims{"code_challenge_methods_supported": nil}}, "request"},
		{"client-test-invalid-nonce-in-id-token", "OpenID Connect Core §3.1.3.7 (11)", fault{token: claims{"nonce": "other"}}, "token"},
	} {
		t.Run(row.name, func(t *testing.T) {
			p, c := newPlan(t, row.fault)
			p.calls = nil
			at, err := p.signIn(c)
			switch {
			case row.ends == "" && err != nil:
				t.Fatalf("%s: came to nothing at the %s: %v", row.section, at, err)
			case row.ends != "" && (err == nil || at != row.ends):
				t.Fatalf("%s: went on to the %s, %v, want an end at the %s", row.section, at, err, row.ends)
			case row.ends == "request" && len(p.calls) != 0:
				t.Errorf("%s: the provider was talked to: %v", row.section, p.calls)
			}
			if len(p.wrong) != 0 {
				t.Errorf("what this server sent is wrong: %q", p.wrong)
			}
		})
	}
}

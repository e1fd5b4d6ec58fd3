package federation

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hopnhat/conformance/suite"
)

// mini is a trust anchor with one subordinate, and a provider that takes every request; any of it
// is wrong on demand: a checker that cannot fail checks nothing.
type mini struct {
	*httptest.Server
	fault      string
	key, other suite.Key
}

func (m *mini) is(fault string) bool { return m.fault == fault }

func (m *mini) state(subject string) string {
	now := time.Now().Unix()
	claims := suite.Claims{"iss": m.URL, "sub": subject, "iat": now, "exp": now + 60, "jwks": public(m.key)}
	header := suite.Claims{"alg": "ES256", "typ": "entity-statement+jwt", "kid": m.key.KeyID}
	signer := m.key
	if subject == m.URL {
		claims["metadata"] = suite.Claims{"federation_entity": suite.Claims{
			"federation_fetch_endpoint": m.URL + "/fetch", "federation_list_endpoint": m.URL + "/list",
			"federation_resolve_endpoint": m.URL + "/resolve",
		}}
	}
	switch m.fault {
	case "typ":
		header["typ"] = "JWT"
	case "kid":
		header["kid"] = nil
	case "trust_chain in the header":
		header["trust_chain"] = []string{}
	case "iss":
		claims["iss"] = "https://another.example"
	case "exp":
		claims["exp"] = now - 1
	case "iat":
		claims["iat"] = now + 600
	case "a private key":
		claims["jwks"] = map[string]any{"keys": []any{m.key.JSONWebKey}}
	case "no keys":
		claims["jwks"] = public()
	case "another key":
		signer = m.other
	case "a policy in a configuration":
		claims["metadata_policy"] = suite.Claims{}
	case "authority_hints that are no list":
		claims["authority_hints"] = "x"
	}
	if subject != m.URL && m.is("trust marks in a subordinate statement") {
		claims["trust_marks"] = []string{}
	}
	token, _ := signer.SignAs(header, claims)
	return token
}

func (m *mini) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer := func(media string, status int, body string) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
	media, sub := mediaType, r.FormValue("sub")
	if m.is("media type") {
		media = "application/jwt"
	}
	switch r.URL.Path {
	case "/.well-known/openid-federation":
		answer(media, http.StatusOK, m.state(m.URL))
	case "/.well-known/openid-configuration":
		raw, _ := json.Marshal(suite.Claims{
			"issuer": m.URL, "pushed_authorization_request_endpoint": m.URL + "/par", "authorization_endpoint": m.URL + "/authorize",
			"client_registration_types_supported": []string{"automatic"},
		})
		answer("application/json", http.StatusOK, string(raw))
	case "/par":
		answer("application/json", http.StatusCreated, `{"request_uri":"urn:x"}`)
	case "/authorize":
		if m.is("authorize") {
			answer("text/html", http.StatusBadRequest, "no")
			return
		}
		answer("text/html", http.StatusOK, "sign in")
	case "/list":
		list := []string{m.URL + "/app"}
		if r.FormValue("entity_type") != "" && !m.is("a filter that filters nothing") {
			list = []string{}
		}
		raw, _ := json.Marshal(list)
		answer("application/json", http.StatusOK, string(raw))
	case "/fetch":
		if sub == m.URL+"/app" || m.is("whoever is asked for") {
			answer(media, http.StatusOK, m.state(sub))
			return
		}
		code := map[bool]string{true: "server_error", false: "not_found"}[m.is("error code")]
		answer("application/json", http.StatusNotFound, `{"error":"`+code+`"}`)
	case "/resolve":
		chain := []string{m.state(m.URL)}
		if m.is("a chain of another") {
			chain = []string{m.state(m.URL + "/app")}
		}
		now := time.Now().Unix()
		token, _ := m.key.SignAs(suite.Claims{"alg": "ES256", "typ": "resolve-response+jwt", "kid": m.key.KeyID}, suite.Claims{
			"iss": m.URL, "sub": sub, "iat": now, "exp": now + 60, "trust_chain": chain, "metadata": suite.Claims{},
		})
		answer("application/resolve-response+jwt", http.StatusOK, token)
	default:
		answer("application/json", http.StatusNotFound, `{"error":"not_found"}`)
	}
}

// results are what came of the modules of a plan.
func results(t *testing.T, fault string, plan suite.Plan, pinned func(m *mini) suite.Key) map[string]suite.Outcome {
	t.Helper()
	m := &mini{fault: fault}
	for _, k := range []*suite.Key{&m.key, &m.other} {
		made, err := suite.NewKey("ES256", map[bool]string{true: "mini", false: "mini's other"}[k == &m.key])
		if err != nil {
			t.Fatal(err)
		}
		*k = made
	}
	m.Server = httptest.NewTLSServer(m)
	defer m.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: m.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := suite.New(suite.Config{Issuer: m.URL, CA: ca, Extra: map[string]any{"federation": map[string]any{
		"trust_anchor": m.URL, "trust_anchor_jwks": map[string]any{"keys": []any{pinned(m).JSONWebKey}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all := map[string]suite.Outcome{}
	for _, o := range s.Run(t.Context(), suite.Options{}, plan) {
		all[o.Module.Name] = o
	}
	return all
}

func ours(m *mini) suite.Key { return m.key }

// TestFaults: each fault fails the module that is about it, and without one all pass.
func TestFaults(t *testing.T) {
	for fault, module := range map[string]string{
		"typ": "entity-configuration", "kid": "entity-configuration", "trust_chain in the header": "entity-configuration",
		"iss": "entity-configuration", "exp": "entity-configuration", "iat": "entity-configuration", "a private key": "entity-configuration",
		"no keys": "entity-configuration", "another key": "entity-configuration", "media type": "entity-configuration",
		"a policy in a configuration": "entity-configuration", "authority_hints that are no list": "entity-configuration",
		"trust marks in a subordinate statement": "list-and-fetch", "a filter that filters nothing": "list-and-fetch",
		"whoever is asked for": "ensure-fetch-with-invalid-sub-fails", "error code": "ensure-fetch-with-iss-as-sub-fails",
		"a chain of another": "compare-trust-chain-to-resolve",
	} {
		t.Run(fault, func(t *testing.T) {
			if o := results(t, fault, Plans()[0], ours)["openid-federation-"+module]; o.Result != suite.Fail {
				t.Errorf("%s: %v", module, o.Result)
			}
		})
	}
	for name, o := range results(t, "", Plans()[0], ours) {
		if o.Result != suite.Pass {
			t.Errorf("%s: %v %+v", name, o.Result, o.Reasons)
		}
	}
	stranger := func(m *mini) suite.Key { return m.other }
	if o := results(t, "", Plans()[0], stranger)["openid-federation-preconfigured-keys-match-trust-anchors-keys"]; o.Result != suite.Fail {
		t.Errorf("other keys than those given: %v", o.Result)
	}
}

// TestTakesEverything: a provider that takes every request fails each module in which one thing is
// wrong, and one that sends nobody to a page the first.
func TestTakesEverything(t *testing.T) {
	const first = "openid-federation-automatic-client-registration-with-par-and-trust-chain"
	for name, o := range results(t, "", Plans()[1], ours) {
		if (o.Result == suite.Pass) != (name == first) {
			t.Errorf("%s: %v %+v", name, o.Result, o.Reasons)
		}
	}
	if o := results(t, "authorize", Plans()[1], ours)[first]; o.Result != suite.Fail {
		t.Errorf("no page: %v", o.Result)
	}
}

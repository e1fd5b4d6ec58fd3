package ekyc

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"hopnhat/conformance/suite"
)

// mini is a small provider of verified claims that does all that the plan asks for, and
// any of it wrong on demand: a checker that cannot fail checks nothing. Everybody is
// signed in.
type mini struct {
	*httptest.Server
	fault string
	key   suite.Key

	mu    sync.Mutex
	codes map[string]url.Values
}

var facts = suite.Claims{"name": "An", "birthdate": "1990-01-01"}

func (p *mini) is(fault string) bool { return p.fault == fault }

// told is what a place of the claims parameter gets.
func (p *mini) told(q url.Values, place string) any {
	var parameter map[string]map[string]struct {
		Verification map[string]any
		Claims       map[string]any
	}
	_ = json.Unmarshal([]byte(q.Get("claims")), &parameter)
	asked, ok := parameter[place]["verified_claims"]
	if !ok && p.is("told everywhere") {
		for _, other := range parameter {
			asked, ok = other["verified_claims"], true
		}
	}
	if !ok {
		return nil
	}
	framework := "eidas"
	switch want, _ := asked.Verification["trust_framework"].(map[string]any); {
	case want["value"] != nil && want["value"] != framework && p.is("the framework that was asked for"):
		framework, _ = want["value"].(string)
	case want["value"] != nil && want["value"] != framework:
		return nil
	}
	claims := suite.Claims{}
	for name, how := range asked.Claims {
		want, _ := how.(map[string]any)
		value, known := facts[name]
		switch {
		case !known && p.is("unknown claims invented"):
			claims[name] = "x"
		case !known && p.is("unknown claims as null"):
			claims[name] = nil
		case !known, how != nil && p.is("only null"), want["essential"] == false && p.is("only essential"):
		case want["value"] != nil && want["value"] != value && !p.is("values not compared"):
		default:
			claims[name] = value
		}
	}
	switch p.fault {
	case "more than was asked for":
		claims["birthdate"], claims["name"] = facts["birthdate"], facts["name"]
	case "an empty element":
		return suite.Claims{"verification": suite.Claims{"trust_framework": framework}, "claims": claims}
	case "no verification":
		return suite.Claims{"claims": claims}
	case "a framework of nobody":
		framework = "mine"
	}
	if len(claims) == 0 {
		return nil
	}
	return suite.Claims{"verification": suite.Claims{"trust_framework": framework}, "claims": claims}
}

func (p *mini) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_ = r.ParseForm()
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := suite.Claims{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token",
			"jwks_uri": p.URL + "/jwks", "userinfo_endpoint": p.URL + "/userinfo",
			"claims_parameter_supported": true, "verified_claims_supported": true, "trust_frameworks_supported": []string{"eidas"}, "evidence_supported": []string{"document"},
			"documents_supported": []string{"idcard"}, "claims_in_verified_claims_supported": []string{"name", "birthdate"},
		}
		if p.is("metadata without documents") {
			delete(m, "documents_supported")
		}
		if p.is("not in the metadata") {
			delete(m, "verified_claims_supported")
		}
		give(w, m)
	case "/jwks":
		give(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{p.key.Public()}})
	case "/authorize":
		code := suite.Random()
		p.codes[code] = r.Form
		back := url.Values{"code": {code}, "state": {r.Form.Get("state")}}
		http.Redirect(w, r, r.Form.Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
	case "/token":
		q := p.codes[r.PostForm.Get("code")]
		claims := suite.Claims{
			"iss": p.URL, "sub": "a", "aud": q.Get("client_id"), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
			"nonce": q.Get("nonce"),
		}
		if told := p.told(q, "id_token"); told != nil {
			claims["verified_claims"] = told
		}
		text, err := p.key.Sign("", claims)
		if err != nil {
			panic(err)
		}
		give(w, suite.Claims{"access_token": r.PostForm.Get("code"), "token_type": "Bearer", "expires_in": 60, "id_token": text})
	case "/userinfo":
		claims := suite.Claims{"sub": "a"}
		if told := p.told(p.codes[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")], "userinfo"); told != nil {
			claims["verified_claims"] = told
		}
		give(w, claims)
	}
}

func give(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_ = json.NewEncoder(w).Encode(value)
}

func against(t *testing.T, fault string, only ...string) []suite.Outcome {
	t.Helper()
	key, err := suite.NewKey("ES256", "mini")
	if err != nil {
		t.Fatal(err)
	}
	p := &mini{fault: fault, key: key, codes: map[string]url.Values{}}
	p.Server = httptest.NewTLSServer(p)
	defer p.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := suite.New(suite.Config{
		Issuer: p.URL, CA: ca, Listen: suite.Listen{Address: "127.0.0.1:0"},
		Client: &suite.StaticClient{ID: "a", Secret: "s", RedirectURIs: []string{"https://rp.example/callback"}, Metadata: map[string]any{"id_token_signed_response_alg": "ES256"}},
		Extra:  map[string]any{"verified_claims_request": map[string]any{"verification": map[string]any{"trust_framework": nil}, "claims": map[string]any{"name": nil}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	return s.Run(t.Context(), suite.Options{Only: only}, Plans()...)
}

// TestSound: a provider that does everything right passes everything.
func TestSound(t *testing.T) {
	for _, o := range against(t, "") {
		if o.Result != suite.Pass {
			t.Errorf("%s %s: %s", o.Result, o.Module.Name, o.Reason())
		}
	}
}

// TestFaults: each fault makes the module that is about it fail.
func TestFaults(t *testing.T) {
	for _, row := range []struct{ module, fault string }{
		{"ekyc-server-happypath", "not in the metadata"},
		{"ekyc-server-happypath", "metadata without documents"},
		{"ekyc-server-happypath", "no verification"},
		{"ekyc-server-happypath", "a framework of nobody"},
		{"ekyc-server-happypath", "more than was asked for"},
		{"ekyc-server-happypath-emptyobject", "only null"},
		{"ekyc-server-happypath-essentialfalse", "only essential"},
		{"ekyc-server-unknown-claim-omitted", "unknown claims invented"},
		{"ekyc-server-unknown-essential-claim-omitted", "unknown claims invented"},
		{"ekyc-server-unknown-claim-specialchars-omitted", "unknown claims as null"},
		{"ekyc-server-one-claim-with-random-value-omitted", "values not compared"},
		{"ekyc-server-one-claim-with-random-value-omitted", "an empty element"},
		{"ekyc-server-request-only-in-idtoken", "told everywhere"},
		{"ekyc-server-request-only-in-userinfo", "told everywhere"},
		{"ekyc-server-testuserprovidedrequest", "more than was asked for"},
		{"ekyc-server-testbasedonuserinfo-defaults", "a framework of nobody"},
		{"ekyc-server-test-userinfo-notfoundinop", "the framework that was asked for"},
	} {
		t.Run(row.module+"/"+row.fault, func(t *testing.T) {
			outcomes := against(t, row.fault, row.module)
			if len(outcomes) != 1 || outcomes[0].Result != suite.Fail {
				t.Errorf("got %v, want one fail", outcomes)
			}
		})
	}
}

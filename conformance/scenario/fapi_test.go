package scenario_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// fapiRules: the clauses of FAPI 2.0 Security Profile Final that no other table has.
func fapiRules(t *testing.T, n *nation) {
	p := n.app
	t.Run("clocks", func(t *testing.T) { fapiClocks(t, n) })
	t.Run("§5.3.2.2: a request is pushed by POST", func(t *testing.T) {
		for _, method := range []string{http.MethodGet, http.MethodPut} {
			r, err := http.NewRequestWithContext(ctx(t), method, n.base+"/par", nil)
			if err != nil {
				t.Fatal(err)
			}
			want(t, send(t, r), 400, "invalid_request")
		}
	})
	t.Run("§5.3.2.2: a request is pushed by an authenticated client", func(t *testing.T) {
		want(t, p.post(t, "/par", p.request(random()+random(), "")), 401, "invalid_client")
	})
	t.Run("§5.3.2.2: request_uri lives less than 600 s", func(t *testing.T) {
		a := p.call(t, "/par", p.request(random()+random(), ""))
		if life, ok := a.body["expires_in"].(float64); a.status != http.StatusCreated || !ok || life <= 0 || life >= 600 {
			t.Errorf("%d %s", a.status, a.raw)
		}
	})
	t.Run("§5.3.2.2: a nonce of 64 characters works", func(t *testing.T) {
		f := p.request(random()+random(), "")
		f.Set("nonce", strings.Repeat("n", 64))
		if a := p.call(t, "/par", f); a.status != http.StatusCreated {
			t.Errorf("%d %s", a.status, a.raw)
		}
	})
	t.Run("§5.3.2.1: the refresh token stays, and is good again", func(t *testing.T) {
		first := p.tokens(t, browser(t), n.someone(t), "")
		for range 3 {
			again := p.refresh(t, first.text("refresh_token"))
			if again.status != http.StatusOK || again.text("refresh_token") != first.text("refresh_token") ||
				again.text("access_token") == "" {
				t.Fatalf("%d %s", again.status, again.raw)
			}
		}
		if a := p.call(t, "/revoke", url.Values{"token": {first.text("refresh_token")}}); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.raw)
		}
		want(t, p.refresh(t, first.text("refresh_token")), 400, "invalid_grant")
	})
	t.Run("§5.3.2.1: dpop_jkt binds the code", func(t *testing.T) {
		verifier := random() + random()
		other := *p
		other.proof = newKey(t)
		code := p.code(t, browser(t), n.someone(t), verifier, "")
		want(t, other.exchange(t, code, verifier), 400, "invalid_grant")
	})
	t.Run("§5.3.2.2: every redirect of a sign-in is 303, none is 307", func(t *testing.T) {
		b := browser(t)
		b.Transport = only303{t, http.DefaultTransport}
		verifier := random() + random()
		p.code(t, b, n.someone(t), verifier, civilDetail)
	})
	t.Run("§5.3.3: the scheme's case does not matter", func(t *testing.T) {
		token := p.tokens(t, browser(t), n.someone(t), "").text("access_token")
		for _, scheme := range []string{"dpop", "DPOP"} {
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/userinfo", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", scheme+" "+token)
			r.Header.Set("DPoP", p.dpop(t, http.MethodGet, n.base+"/userinfo", token, nil))
			if a := send(t, r); a.status != http.StatusOK {
				t.Errorf("%s: %d %s", scheme, a.status, a.raw)
			}
		}
	})
	t.Run("§5.2.2: the authorization endpoint is not for scripts of others", func(t *testing.T) {
		r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/authorize?client_id="+p.id, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://other.example")
		if a := send(t, r); a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("it allows %s", a.header.Get("Access-Control-Allow-Origin"))
		}
	})
}

// fapiClocks: §5.3.2.1, a clock up to 10 s ahead is borne, more than 60 s is not.
func fapiClocks(t *testing.T, n *nation) {
	p := n.app
	ahead := func(s int) int64 { return time.Now().Add(time.Duration(s) * time.Second).Unix() }
	for _, row := range []struct {
		name   string
		with   map[string]any
		status int
	}{
		{"iat 8 s ahead", map[string]any{"iat": ahead(8)}, 200},
		{"nbf 8 s ahead", map[string]any{"nbf": ahead(8)}, 200},
		{"iat more than 60 s ahead", map[string]any{"iat": ahead(70)}, 401},
		{"nbf more than 60 s ahead", map[string]any{"nbf": ahead(70)}, 401},
		{"exp 5 min past", map[string]any{"exp": ahead(-300)}, 401},
	} {
		t.Run("an assertion's "+row.name, func(t *testing.T) {
			a := p.call(t, "/token", url.Values{
				"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
				"client_assertion": {p.assertion(t, row.with)},
			})
			if a.text("error") == "use_dpop_nonce" {
				t.Fatal("no nonce was known")
			}
			if a.status != row.status {
				t.Errorf("got %d %s, want %d", a.status, a.raw, row.status)
			}
		})
	}
	for _, row := range []struct {
		name   string
		with   map[string]any
		status int
	}{
		{"iat 10 s ago", map[string]any{"iat": ahead(-10)}, 200},
		{"iat 10 s ahead", map[string]any{"iat": ahead(10)}, 200},
		{"nbf and exp", map[string]any{"nbf": ahead(0), "exp": ahead(60)}, 200},
		// RFC 9449 §4.3 (11): the nonce is the time of the server.
		{"iat an hour ahead", map[string]any{"iat": ahead(3600)}, 200},
		{"iat of 1970, with a nonce of ours", map[string]any{"iat": 1000}, 200},
	} {
		t.Run("a proof's "+row.name, func(t *testing.T) {
			a := p.post(t, "/token", url.Values{
				"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
				"client_assertion": {p.assertion(t, nil)},
			}, p.dpop(t, http.MethodPost, n.base+"/token", "", row.with))
			if a.status != row.status {
				t.Errorf("got %d %s, want %d", a.status, a.raw, row.status)
			}
		})
	}
}

// only303 complains of any other redirect.
type only303 struct {
	t    *testing.T
	next http.RoundTripper
}

func (o only303) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := o.next.RoundTrip(r)
	if err == nil && answer.StatusCode >= 300 && answer.StatusCode < 400 && answer.StatusCode != http.StatusSeeOther {
		o.t.Errorf("%s %s answered %d, want 303", r.Method, r.URL.Path, answer.StatusCode)
	}
	return answer, err
}

package scenario_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// TestIntegrateRefusals provokes what the table of docs/integrate.md says are the
// commonest refusals, and reads there the code and the text that came.
func TestIntegrateRefusals(t *testing.T) {
	n := begin(t, usual())
	text, err := os.ReadFile(filepath.Join(harness.Root(t), "docs", "integrate.md"))
	if err != nil {
		t.Fatal(err)
	}
	p, who, b := n.app, n.someone(t), browser(t)
	verifier := random() + random()
	asked := func(change url.Values) answer { // a pushed request with changes
		form := p.request(verifier, taxDetail)
		for name, values := range change {
			form[name] = values
		}
		return p.call(t, "/par", form)
	}
	came := func(a answer) (code, why string) { return a.text("error"), a.text("error_description") }
	returned := func(person clients.Person, b *http.Client, details string, change url.Values) (code, why string) {
		form := p.request(verifier, details)
		for name, values := range change {
			form[name] = values
		}
		pushed := p.call(t, "/par", form)
		start := n.base + "/authorize?" + url.Values{"client_id": {p.id}, "request_uri": {pushed.text("request_uri")}}.Encode()
		callback, err := clients.SignIn(ctx(t), b, start, p.redirect, person)
		if err != nil {
			t.Fatal(err)
		}
		return callback.Query().Get("error"), callback.Query().Get("error_description")
	}
	declining := who.atTheBrowser()
	declining.Decline = true
	var tokens answer
	for _, row := range []struct {
		name    string
		provoke func() (code, why string)
	}{
		{"RFC 7523 §3: an assertion for the token endpoint", func() (string, string) {
			return came(p.call(t, "/par", url.Values{
				"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {p.assertion(t, map[string]any{"aud": n.base + "/token"})},
			}))
		}},
		{"RFC 9449 §8: no nonce yet", func() (string, string) {
			fresh := *p
			fresh.nonce = ""
			form := p.request(verifier, "")
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", p.assertion(t, nil))
			return came(fresh.post(t, "/par", form, fresh.dpop(t, http.MethodPost, n.base+"/par", "", nil)))
		}},
		{"RFC 9700 §2.1: another redirect URI", func() (string, string) {
			return came(asked(url.Values{"redirect_uri": {p.redirect + "/"}}))
		}},
		{"RFC 7636 §4.4.1: no code_challenge", func() (string, string) {
			return came(asked(url.Values{"code_challenge": nil, "code_challenge_method": nil}))
		}},
		{"RFC 6749 §3.3: a scope that was not registered", func() (string, string) { return came(asked(url.Values{"scope": {"openid email"}})) }},
		{"RFC 9396 §5: an attribute that was not declared", func() (string, string) {
			return came(asked(url.Values{"authorization_details": {`[` + strings.Replace(taxDetail, "tax.arrears", "tax.income", 1) + `]`}}))
		}},
		{"FAPI 2.0 SP §5.3.2.2: a request that was not pushed", func() (string, string) {
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/authorize?"+p.request(verifier, "").Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := browser(t).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			to, err := response.Location()
			if err != nil {
				t.Fatal(err)
			}
			return to.Query().Get("error"), to.Query().Get("error_description")
		}},
		{"RFC 6749 §4.1.2.1: she does not agree", func() (string, string) { return returned(declining, b, civilDetail, nil) }},
		{"OpenID Connect Core §3.1.2.6: prompt=none in a browser without a session", func() (string, string) {
			return returned(who.atTheBrowser(), browser(t), "", url.Values{"prompt": {"none"}})
		}},
		{"RFC 6749 §5.2: a code for the second time", func() (string, string) {
			code := p.code(t, b, who, verifier, taxDetail)
			tokens = p.exchange(t, code, verifier)
			return came(p.exchange(t, code, verifier))
		}},
		{"RFC 9449 §7.1: a bound token without its proof", func() (string, string) {
			tokens = p.tokens(t, b, who, taxDetail) // the second use ended the ones before
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/userinfo", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+tokens.text("access_token"))
			return came(send(t, r))
		}},
		{"the broker: what she was not asked for", func() (string, string) {
			a := p.release(t, tokens.text("access_token"), `{"registry":"civil","purpose":"land.mortgage","attributes":["civil.marital_status"]}`)
			return a.text("code"), a.text("title")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, why := row.provoke()
			if line := fmt.Sprintf("\n| `%s` | %s |", code, why); code == "" || !strings.Contains(string(text), line) {
				t.Errorf("docs/integrate.md has no row that begins with%s", line)
			}
		})
	}
}

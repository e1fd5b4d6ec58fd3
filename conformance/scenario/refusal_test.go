// Package scenario_test runs the product as a process and drives it from
// outside: whole journeys, and everything that must be refused.
package scenario_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"hopnhat/conformance/harness"
	"hopnhat/conformance/scenario/clients"
)

// TestProtocol shares one nation: each row is a rule.
func TestProtocol(t *testing.T) { onBoth(t, protocol) }

func protocol(t *testing.T, n *nation) {
	t.Run("PAR refuses", func(t *testing.T) { parRefusals(t, n) })
	t.Run("client authentication refuses", func(t *testing.T) { clientRefusals(t, n) })
	t.Run("DPoP refuses", func(t *testing.T) { proofRefusals(t, n) })
	t.Run("the authorization endpoint keeps strangers on our page", func(t *testing.T) { authorizeRefusals(t, n) })
	t.Run("codes", func(t *testing.T) { codeRules(t, n) })
	t.Run("refresh tokens", func(t *testing.T) { refreshRules(t, n) })
	t.Run("FAPI 2.0", func(t *testing.T) { fapiRules(t, n) })
	t.Run("tokens at resources", func(t *testing.T) { resourceRules(t, n) })
	t.Run("releases", func(t *testing.T) { releaseRules(t, n) })
	t.Run("accounts", func(t *testing.T) { accountRules(t, n) })
	t.Run("operators leave evidence", func(t *testing.T) { operatorEvidence(t, n) })
	t.Run("introspection and revocation", func(t *testing.T) { introspectionRules(t, n) })
	t.Run("go-oidc signs in with profile oidc", func(t *testing.T) { legacyLogin(t, n) })
}

func want(t *testing.T, a answer, status int, code string) {
	t.Helper()
	got := a.text("error")
	if got == "" {
		got = a.text("code")
	}
	if a.status != status || got != code {
		t.Errorf("got %d %q, want %d %q: %s", a.status, got, status, code, a.raw)
	}
}

func parRefusals(t *testing.T, n *nation) {
	p := n.app
	verifier := random() + random()
	set := func(name, value string) func(url.Values) { return func(f url.Values) { f.Set(name, value) } }
	del := func(name string) func(url.Values) { return func(f url.Values) { f.Del(name) } }
	for _, row := range []struct {
		name   string
		change func(url.Values)
		code   string
	}{
		{"RFC 6749 §3.1.1: response_type missing", del("response_type"), "invalid_request"},
		{"FAPI 2.0 SP §5.3.2.2: response_type token", set("response_type", "token"), "unsupported_response_type"},
		{"RFC 6749 §3.1.2: redirect_uri missing", del("redirect_uri"), "invalid_request"},
		{"RFC 9700 §2.1: redirect_uri not registered", set("redirect_uri", "https://evil.example/cb"), "invalid_request"},
		{"RFC 9700 §2.1: redirect_uri with one more slash", set("redirect_uri", p.redirect+"/"), "invalid_request"},
		{"RFC 7636 §4.3: code_challenge missing", del("code_challenge"), "invalid_request"},
		{"RFC 7636 §4.3: plain", set("code_challenge_method", "plain"), "invalid_request"},
		{"RFC 7636 §4.3: code_challenge too short", set("code_challenge", "abc"), "invalid_request"},
		{"RFC 6749 §3.3: a scope that is not registered", set("scope", "openid email"), "invalid_scope"},
		{"RFC 6749 §3.3: nothing asked for", func(f url.Values) { f.Del("scope"); f.Del("authorization_details") }, "invalid_scope"},
		{"OpenID Connect Core §3.1.2.1: unknown prompt", set("prompt", "shout"), "invalid_request"},
		{"OpenID Connect Core §3.1.2.1: prompt none with another", set("prompt", "none login"), "invalid_request"},
		{"OpenID Connect Core §3.1.2.1: max_age of a wrong type", set("max_age", "abc"), "invalid_request"},
		{"OpenID Connect Core §3.1.2.1: negative max_age", set("max_age", "-1"), "invalid_request"},
		{"RFC 9126 §2.1: request_uri pushed", set("request_uri", "urn:x"), "invalid_request"},
		{"RFC 9101: request object", set("request", "eyJhbGciOiJub25lIn0.e30."), "invalid_request_object"},
		{"state over-long", set("state", strings.Repeat("s", 8<<10+1)), "invalid_request"},
		{"nonce over-long", set("nonce", strings.Repeat("n", 257)), "invalid_request"},
		{"a parameter over-long", set("ui_locales", strings.Repeat("v", 5000)), "invalid_request"},
		{"RFC 9449 §10: malformed dpop_jkt", set("dpop_jkt", "x"), "invalid_request"},
		{"RFC 8707 §2: unknown resource", set("resource", "https://elsewhere.example"), "invalid_target"},
		{"RFC 9126 §2.1: another client's id", set("client_id", n.other.id), "invalid_request"},
		{"RFC 9396 §5: not JSON", set("authorization_details", "{"), "invalid_authorization_details"},
		{"RFC 9396 §5: unknown type", set("authorization_details", `[{"type":"payment"}]`), "invalid_authorization_details"},
		{"RFC 9396 §5: unknown member", set("authorization_details", `[{"type":"vn_data_release","registry":"civil","attributes":["civil.marital_status"],"purpose":"land.mortgage","colour":"red"}]`), "invalid_authorization_details"},
		{"RFC 9396 §5: member twice", set("authorization_details", `[{"type":"vn_data_release","type":"vn_data_release","registry":"civil","attributes":["civil.marital_status"],"purpose":"land.mortgage"}]`), "invalid_authorization_details"},
		{"RFC 9396 §5: wrong type of a member", set("authorization_details", `[{"type":"vn_data_release","registry":"civil","attributes":"civil.marital_status","purpose":"land.mortgage"}]`), "invalid_authorization_details"},
		{"attribute not declared", set("authorization_details", `[{"type":"vn_data_release","registry":"civil","attributes":["civil.spouse"],"purpose":"land.mortgage"}]`), "invalid_authorization_details"},
		{"purpose not declared", set("authorization_details", `[{"type":"vn_data_release","registry":"civil","attributes":["civil.marital_status"],"purpose":"notary.deed"}]`), "invalid_authorization_details"},
		{"marketing by name", set("authorization_details", `[{"type":"vn_data_release","registry":"civil","attributes":["civil.marital_status"],"purpose":"marketing.any"}]`), "invalid_authorization_details"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := p.request(verifier, civilDetail)
			row.change(f)
			want(t, p.call(t, "/par", f), http.StatusBadRequest, row.code)
		})
	}
	for _, name := range []string{"response_type", "redirect_uri", "scope", "code_challenge", "state"} {
		t.Run("RFC 6749 §3.1: doubled "+name, func(t *testing.T) {
			f := p.request(verifier, "")
			f.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			f.Set("client_assertion", p.assertion(t, nil))
			want(t, p.postRaw(t, "/par", f.Encode()+"&"+name+"=x"), http.StatusBadRequest, "invalid_request")
		})
	}
}

func clientRefusals(t *testing.T, n *nation) {
	p := n.app
	try := func(t *testing.T, change func(url.Values)) answer {
		f := url.Values{"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}}
		change(f)
		return p.call(t, "/token", f)
	}
	for _, row := range []struct {
		name   string
		status int
		code   string
		change func(t *testing.T, f url.Values)
	}{
		{"RFC 7523 §3: unknown client", 401, "invalid_client", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", p.assertion(t, map[string]any{"iss": "nobody", "sub": "nobody"}))
		}},
		{"RFC 7523 §3: sub is another client", 401, "invalid_client", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", p.assertion(t, map[string]any{"sub": n.other.id}))
		}},
		{"FAPI 2.0 SP §5.3.2.1: audience is the token endpoint", 401, "invalid_client", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", p.assertion(t, map[string]any{"aud": n.base + "/token"}))
		}},
		{"FAPI 2.0 SP §5.3.2.1: audience is a list", 401, "invalid_client", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", p.assertion(t, map[string]any{"aud": []string{n.base}}))
		}},
		{"RFC 7523 §3: expired", 401, "invalid_client", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", p.assertion(t, map[string]any{"exp": 1}))
		}},
		{"RFC 7523 §3: no jti", 401, "invalid_client", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", p.assertion(t, map[string]any{"jti": ""}))
		}},
		{"another client's key", 401, "invalid_client", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", n.other.assertion(t, map[string]any{"iss": p.id, "sub": p.id}))
		}},
		{"not a JWT", 401, "invalid_client", func(_ *testing.T, f url.Values) { f.Set("client_assertion", "a.b.c") }},
		{"RFC 7521 §4.2, RFC 7523 §2.2: wrong assertion type", 400, "invalid_request", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", p.assertion(t, nil))
			f.Set("client_assertion_type", "urn:other")
		}},
		{"RFC 6749 §2.3: two methods at once", 400, "invalid_request", func(t *testing.T, f url.Values) {
			f.Set("client_assertion", p.assertion(t, nil))
			f.Set("client_secret", "x")
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			want(t, try(t, func(f url.Values) { row.change(t, f) }), row.status, row.code)
		})
	}
	t.Run("RFC 7523 §3: an assertion is good once", func(t *testing.T) {
		assertion := p.assertion(t, nil)
		if a := try(t, func(f url.Values) { f.Set("client_assertion", assertion) }); a.status != http.StatusOK {
			t.Fatalf("the first use: %d %s", a.status, a.raw)
		}
		want(t, try(t, func(f url.Values) { f.Set("client_assertion", assertion) }), 401, "invalid_client")
	})
	t.Run("RFC 6749 §5.2: unknown grant_type", func(t *testing.T) {
		want(t, p.call(t, "/token", url.Values{"grant_type": {"password"}}), 400, "unsupported_grant_type")
	})
	t.Run("RFC 6749 §5.2: grant_type missing", func(t *testing.T) {
		want(t, p.call(t, "/token", url.Values{"scope": {"x"}}), 400, "invalid_request")
	})
	t.Run("no authentication at all", func(t *testing.T) {
		want(t, p.post(t, "/token", url.Values{"grant_type": {"client_credentials"}}), 401, "invalid_client")
	})
}

func proofRefusals(t *testing.T, n *nation) {
	p := n.app
	if a := p.call(t, "/token", url.Values{"grant_type": {"client_credentials"}}); a.status != http.StatusOK {
		t.Fatalf("a right request: %d %s", a.status, a.raw)
	}
	try := func(t *testing.T, proofs ...string) answer {
		return p.post(t, "/token", url.Values{
			"grant_type": {"client_credentials"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
			"client_assertion": {p.assertion(t, nil)},
		}, proofs...)
	}
	address := n.base + "/token"
	for _, row := range []struct {
		name string
		with map[string]any
		code string
	}{
		{"RFC 9449 §4.3 (8): wrong htm", map[string]any{"htm": "GET"}, "invalid_dpop_proof"},
		{"RFC 9449 §4.3 (9): wrong htu", map[string]any{"htu": n.base + "/par"}, "invalid_dpop_proof"},
		{"RFC 9449 §4.3 (9): htu of another host", map[string]any{"htu": "https://other.example/token"}, "invalid_dpop_proof"},
		{"RFC 9449 §4.2: no jti", map[string]any{"jti": ""}, "invalid_dpop_proof"},
		{"RFC 9449 §4.2: an iat that is no time", map[string]any{"iat": "now"}, "invalid_dpop_proof"},
		{"RFC 9449 §8: no nonce", map[string]any{"nonce": ""}, "use_dpop_nonce"},
		{"RFC 9449 §8: a nonce that is not ours", map[string]any{"nonce": strings.Repeat("A", 32)}, "use_dpop_nonce"},
	} {
		t.Run(row.name, func(t *testing.T) {
			want(t, try(t, p.dpop(t, http.MethodPost, address, "", row.with)), 400, row.code)
		})
	}
	t.Run("RFC 9449 §4.3 (1): two proofs", func(t *testing.T) {
		want(t, try(t, p.dpop(t, "POST", address, "", nil), p.dpop(t, "POST", address, "", nil)), 400, "invalid_dpop_proof")
	})
	t.Run("RFC 9449 §5: none where the profile wants one", func(t *testing.T) { want(t, try(t), 400, "invalid_dpop_proof") })
	t.Run("RFC 9449 §11.1: a proof is good once", func(t *testing.T) {
		proof := p.dpop(t, http.MethodPost, address, "", nil)
		if a := try(t, proof); a.status != http.StatusOK {
			t.Fatalf("the first use: %d %s", a.status, a.raw)
		}
		want(t, try(t, proof), 400, "invalid_dpop_proof")
	})
}

// authorizeRefusals: as long as client or redirect URI are in doubt, the browser
// stays with us (RFC 6749 §4.1.2.1).
func authorizeRefusals(t *testing.T, n *nation) {
	good := n.app.pushed(t, random()+random(), "")
	for _, row := range []struct{ name, query string }{
		{"unknown client", "client_id=nobody&response_type=code&redirect_uri=https://evil.example/"},
		{"client_id missing", "response_type=code"},
		{"unregistered redirect_uri", "client_id=legacy&response_type=code&redirect_uri=https://evil.example/&scope=openid"},
		{"unknown request_uri", "client_id=app-a&request_uri=urn:ietf:params:oauth:request_uri:" + strings.Repeat("x", 43)},
		{"another client's request_uri", "client_id=app-b&" + good[strings.Index(good, "request_uri="):]},
		{"doubled parameter", "client_id=legacy&client_id=legacy"},
		{"over-long parameter", "client_id=legacy&state=" + strings.Repeat("s", 5000)},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/authorize?"+row.query, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := browser(t).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode < 400 || response.Header.Get("Location") != "" {
				t.Fatalf("got %d to %q, want a page of ours", response.StatusCode, response.Header.Get("Location"))
			}
		})
	}
	t.Run("RFC 9126 §4: the id in a request_uri opens no page by itself", func(t *testing.T) {
		id := good[strings.LastIndex(good, "%3A")+3:]
		for _, path := range []string{"/authorize/resume?a=", "/signin?a=", "/consent?a="} {
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+path+id, nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := browser(t).Do(r)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode < 400 {
				t.Errorf("%s answered %d", path, response.StatusCode)
			}
		}
	})
	t.Run("RFC 9126 §4: a fapi2 app that does not push", func(t *testing.T) {
		r, err := http.NewRequestWithContext(
			ctx(t), http.MethodGet, n.base+"/authorize?"+n.app.request(random()+random(), "").Encode(), nil,
		)
		if err != nil {
			t.Fatal(err)
		}
		response, err := browser(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		location, err := url.Parse(response.Header.Get("Location"))
		if err != nil || location.Query().Get("error") != "invalid_request" || location.Query().Get("iss") != n.base {
			t.Fatalf("answered %s", response.Header.Get("Location"))
		}
	})
	t.Run("OpenID Connect Core §3.1.2.6: prompt=none with nobody signed in", func(t *testing.T) {
		f := n.app.request(random()+random(), "")
		f.Set("prompt", "none")
		a := n.app.call(t, "/par", f)
		open := n.base + "/authorize?" + url.Values{"client_id": {n.app.id}, "request_uri": {a.text("request_uri")}}.Encode()
		callback, err := clients.SignIn(ctx(t), browser(t), open, n.app.redirect, clients.Person{})
		if err != nil || callback.Query().Get("error") != "login_required" {
			t.Fatalf("got %v, %v", callback, err)
		}
	})
}

func codeRules(t *testing.T, n *nation) {
	p, who, b := n.app, n.someone(t), browser(t)
	fresh := func(t *testing.T) (code, verifier string) {
		verifier = random() + random()
		return p.code(t, b, who, verifier, taxDetail), verifier
	}
	exchange := func(t *testing.T, change func(url.Values), code, verifier string) answer {
		f := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}, "code_verifier": {verifier}}
		change(f)
		return p.call(t, "/token", f)
	}
	for _, row := range []struct {
		name   string
		change func(url.Values)
		status int
		code   string
		spends bool
	}{
		{"RFC 7636 §4.6: wrong verifier", func(f url.Values) { f.Set("code_verifier", random()+random()) }, 400, "invalid_grant", true},
		{"RFC 6749 §4.1.3: another redirect_uri", func(f url.Values) { f.Set("redirect_uri", "http://localhost/x") }, 400, "invalid_grant", true},
		{"RFC 7636 §4.6: verifier missing", func(f url.Values) { f.Del("code_verifier") }, 400, "invalid_grant", true},
		{"RFC 6749 §4.1.3: code missing", func(f url.Values) { f.Del("code") }, 400, "invalid_request", false},
		{"an unknown code", func(f url.Values) { f.Set("code", random()) }, 400, "invalid_grant", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			code, verifier := fresh(t)
			want(t, exchange(t, row.change, code, verifier), row.status, row.code)
			again := p.exchange(t, code, verifier)
			if row.spends && again.status == http.StatusOK {
				t.Fatal("a code that was presented wrongly was still good")
			}
			if !row.spends && again.status != http.StatusOK {
				t.Fatalf("a code that was not presented was spent: %s", again.raw)
			}
		})
	}
	t.Run("another client's code", func(t *testing.T) {
		code, verifier := fresh(t)
		a := n.other.call(
			t, "/token", url.Values{
				"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {p.redirect}, "code_verifier": {verifier},
			},
		)
		want(t, a, 400, "invalid_grant")
	})
	t.Run("RFC 6749 §4.1.2: a code is good once, and its reuse revokes its tokens", func(t *testing.T) {
		code, verifier := fresh(t)
		first := p.exchange(t, code, verifier)
		if first.status != http.StatusOK {
			t.Fatalf("%d %s", first.status, first.raw)
		}
		want(t, p.exchange(t, code, verifier), 400, "invalid_grant")
		want(t, p.resource(t, "GET", "/userinfo", first.text("access_token"), "", nil), 401, "invalid_token")
		want(t, p.refresh(t, first.text("refresh_token")), 400, "invalid_grant")
	})
	t.Run("of many redemptions at once one wins at most", func(t *testing.T) {
		code, verifier := fresh(t)
		var group sync.WaitGroup
		won := make(chan string, 12)
		for range 12 {
			one := *p // a nonce of its own
			group.Go(func() {
				if a := one.exchange(t, code, verifier); a.status == http.StatusOK {
					won <- a.text("access_token")
				}
			})
		}
		group.Wait()
		if len(won) > 1 {
			t.Fatalf("%d redemptions succeeded", len(won))
		}
	})
}

func refreshRules(t *testing.T, n *nation) {
	p, who, b := n.rotating, n.someone(t), browser(t)
	first := p.tokens(t, b, who, taxDetail)
	second := p.refresh(t, first.text("refresh_token"))
	if second.status != http.StatusOK || second.text("refresh_token") == first.text("refresh_token") {
		t.Fatalf("rotation: %d %s", second.status, second.raw)
	}
	t.Run("a lost answer can be asked for again", func(t *testing.T) {
		again := p.refresh(t, first.text("refresh_token"))
		if again.status != http.StatusOK || again.text("refresh_token") != second.text("refresh_token") {
			t.Fatalf("%d %s", again.status, again.raw)
		}
	})
	t.Run("ten tabs that ask at once get the same successor", func(t *testing.T) {
		// Round after round, so that some of them read before one of them has written.
		token := p.tokens(t, b, who, taxDetail).text("refresh_token")
		for range 5 {
			var group sync.WaitGroup
			next := make(chan string, 10)
			for range 10 {
				one := *p // a nonce of its own
				group.Go(func() {
					a := one.refresh(t, token)
					if a.status != http.StatusOK {
						t.Errorf("%d %s", a.status, a.raw)
					}
					next <- a.text("refresh_token")
				})
			}
			group.Wait()
			token = <-next
			for range 9 {
				if other := <-next; other != token {
					t.Fatalf("two successors: %s and %s", token, other)
				}
			}
		}
	})
	t.Run("RFC 6749 §6: scope cannot grow", func(t *testing.T) {
		a := p.call(
			t, "/token",
			url.Values{"grant_type": {"refresh_token"}, "refresh_token": {second.text("refresh_token")}, "scope": {"openid admin"}},
		)
		want(t, a, 400, "invalid_scope")
	})
	t.Run("another client's refresh token", func(t *testing.T) {
		want(t, n.other.refresh(t, second.text("refresh_token")), 400, "invalid_grant")
	})
	t.Run("a made-up token with the id of a live grant revokes nothing", func(t *testing.T) {
		real := second.text("refresh_token")
		want(t, p.refresh(t, real[:len(real)-8]+"AAAAAAAA"), 400, "invalid_grant")
		if a := p.refresh(t, real); a.status != http.StatusOK {
			t.Fatalf("the live grant was hurt: %s", a.raw)
		}
	})
	t.Run("RFC 9700 §4.14.2: an old token revokes the family", func(t *testing.T) {
		tokens := []string{p.tokens(t, b, who, taxDetail).text("refresh_token")}
		for range 2 {
			a := p.refresh(t, tokens[len(tokens)-1])
			if a.status != http.StatusOK {
				t.Fatal(a.raw)
			}
			tokens = append(tokens, a.text("refresh_token"))
		}
		want(t, p.refresh(t, tokens[0]), 400, "invalid_grant")
		want(t, p.refresh(t, tokens[2]), 400, "invalid_grant")
	})
}

func resourceRules(t *testing.T, n *nation) {
	p, who, b := n.app, n.someone(t), browser(t)
	token := p.tokens(t, b, who, taxDetail).text("access_token")
	if a := p.resource(t, "GET", "/userinfo", token, "", nil); a.status != http.StatusOK || a.text("sub") == "" {
		t.Fatalf("UserInfo: %d %s", a.status, a.raw)
	}
	if a := p.resource(t, "POST", "/userinfo", token, "", nil); a.status != http.StatusOK {
		t.Fatalf("UserInfo by POST: %d %s", a.status, a.raw)
	}
	t.Run("RFC 9449 §7.1: a stolen token without its key", func(t *testing.T) {
		thief := *p
		thief.proof = newKey(t)
		want(t, thief.resource(t, "GET", "/userinfo", token, "", nil), 401, "invalid_token")
	})
	t.Run("RFC 9449 §7.1: a bound token as Bearer", func(t *testing.T) {
		r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/userinfo", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		a := send(t, r)
		want(t, a, 401, "invalid_token")
		if !strings.Contains(a.header.Get("WWW-Authenticate"), "DPoP") {
			t.Error("no WWW-Authenticate that names DPoP")
		}
	})
	t.Run("RFC 9449 §4.3 (12): ath of another token", func(t *testing.T) {
		want(t, p.resource(t, "GET", "/userinfo", token, "", map[string]any{"ath": "x"}), 401, "invalid_dpop_proof")
	})
	t.Run("RFC 8725 §3.11: an ID token is no access token", func(t *testing.T) {
		id := p.tokens(t, b, who, taxDetail).text("id_token")
		want(t, p.resource(t, "GET", "/userinfo", id, "", nil), 401, "invalid_token")
	})
	t.Run("RFC 9700 §4.3.2: a token in the URL", func(t *testing.T) {
		r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+"/userinfo?access_token="+token, nil)
		if err != nil {
			t.Fatal(err)
		}
		want(t, send(t, r), 400, "invalid_request")
	})
}

const (
	civilRead = `{"registry":"civil","purpose":"land.mortgage","attributes":["civil.marital_status"]}`
	taxRead   = `{"registry":"tax","purpose":"tax.declare","attributes":["tax.arrears"]}`
)

func releaseRules(t *testing.T, n *nation) {
	p, who, b := n.app, n.someone(t), browser(t)
	both := p.tokens(t, b, who, civilDetail+","+taxDetail)
	token := both.text("access_token")
	got := p.release(t, token, civilRead)
	if got.status != http.StatusOK || got.text("consent_reference") == "" {
		t.Fatalf("a release by consent: %d %s", got.status, got.raw)
	}
	if a := p.release(t, token, taxRead); a.status != http.StatusOK || a.text("legal_basis") != "LB-STATE" {
		t.Fatalf("a release by duty: %d %s", a.status, a.raw)
	}
	for _, row := range []struct {
		name, body string
		status     int
		code       string
	}{
		{"attribute not granted", `{"registry":"tax","purpose":"tax.declare","attributes":["tax.dependents"]}`, 403, "not-declared"},
		{"purpose not granted", `{"registry":"civil","purpose":"notary.deed","attributes":["civil.marital_status"]}`, 403, "not-granted"},
		{"marketing", `{"registry":"civil","purpose":"marketing.any","attributes":["civil.marital_status"]}`, 403, "purpose-forbidden"},
		{"unknown member", `{"registry":"tax","purpose":"tax.declare","attributes":["tax.arrears"],"all":true}`, 400, "malformed-request"},
		{"member twice", `{"registry":"tax","registry":"tax","purpose":"tax.declare","attributes":["tax.arrears"]}`, 400, "malformed-request"},
		{"not JSON", `{`, 400, "malformed-request"},
		{"attribute of another register", `{"registry":"tax","purpose":"tax.declare","attributes":["civil.spouse"]}`, 400, "malformed-request"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := p.release(t, token, row.body)
			if a.status != row.status || a.text("code") != row.code && !strings.Contains(a.raw, `"`+row.code+`"`) {
				t.Errorf("got %d %s, want %d %s", a.status, a.raw, row.status, row.code)
			}
		})
	}
	t.Run("another app's consent", func(t *testing.T) {
		other := n.other.tokens(t, b, who, taxDetail).text("access_token")
		want(t, n.other.release(t, other, civilRead), 403, "not-granted")
	})
	t.Run("another person's token reads her own record only", func(t *testing.T) {
		second := p.tokens(t, browser(t), n.someone(t), taxDetail)
		a, b := p.release(
			t, second.text("access_token"), `{"registry":"tax","purpose":"tax.declare","attributes":["tax.tax_code"]}`,
		), p.release(t, token, `{"registry":"tax","purpose":"tax.declare","attributes":["tax.tax_code"]}`)
		if a.status != 200 || b.status != 200 || a.text("sub") == b.text("sub") {
			t.Fatalf("%s\n%s", a.raw, b.raw)
		}
	})
	t.Run("a client credentials token releases nothing", func(t *testing.T) {
		cc := p.call(t, "/token", url.Values{"grant_type": {"client_credentials"}})
		want(t, p.release(t, cc.text("access_token"), taxRead), 401, "token-refused")
	})
	t.Run("a revoked grant", func(t *testing.T) {
		tokens := p.tokens(t, b, who, taxDetail)
		if a := p.call(t, "/revoke", url.Values{"token": {tokens.text("refresh_token")}}); a.status != http.StatusOK {
			t.Fatal(a.raw)
		}
		want(t, p.release(t, tokens.text("access_token"), taxRead), 401, "grant-ended")
	})
	t.Run("declining shares nothing", func(t *testing.T) {
		person := who.atTheBrowser()
		person.Decline = true
		callback, err := clients.SignIn(ctx(t), b, p.pushed(t, random()+random(), civilDetail), p.redirect, person)
		if err != nil || callback.Query().Get("error") != "access_denied" {
			t.Fatalf("got %v, %v", callback, err)
		}
	})
}

// operatorEvidence: what an operator does with the tools is one event each.
func operatorEvidence(t *testing.T, n *nation) {
	looker, who := n.someone(t), n.someone(t)
	n.run(t, "account", "role", "grant", looker.Number, "auditor")
	b := signedIn(t, n, looker)
	found := func(kind string) int {
		page := searched(t, n, b, url.Values{"type": {kind}})
		return len(slices.Compact(regexp.MustCompile(`<td [^>]*><a href="/console/events/[0-9a-f-]{36}`).FindAllString(page, -1)))
	}
	tool := func(words ...string) func() string {
		return func() string { return n.run(t, words...) }
	}
	apis := filepath.Join(t.TempDir(), "apis.yaml")
	if err := os.WriteFile(apis, []byte("- {resource: https://api.evidence.example, name: {vi: Giao diện thử, en: Test API}, owner: {vi: Cơ quan thử, en: Test agency}, scopes: [evidence.read]}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	initial := func(verb string, more ...string) string {
		return harness.Run(t, nil, append(append([]string{"client", "iat", verb}, n.tool...), more...)...)
	}
	var token string
	for _, row := range []struct {
		name, kind string
		do         func() string
	}{
		{"account sign-out", "session.signed-out", tool("account", "sign-out", who.Number)},
		{"account lock", "account.locked", tool("account", "lock", who.Number)},
		{"account unlock", "account.unlocked", tool("account", "unlock", who.Number)},
		{"account role grant, operator", "admin.action", tool("account", "role", "grant", who.Number, "operator")},
		{"account role grant, auditor", "admin.action", tool("account", "role", "grant", who.Number, "auditor")},
		{"client add", "admin.action", func() string {
			return registerLegacy(t, n, "evidence", "http://localhost/evidence/callback", "")
		}},
		{"client rotate-secret", "admin.action", tool("client", "rotate-secret", "evidence")},
		{"client disable", "admin.action", tool("client", "disable", "evidence")},
		{"client enable", "admin.action", tool("client", "enable", "evidence")},
		{"client delete", "admin.action", tool("client", "delete", "--yes", "evidence")},
		{"client iat create", "admin.action", func() string {
			token, _, _ = strings.Cut(initial("create", "--profile", "oidc", "--owner", "Cơ quan thử"), "\n")
			return token
		}},
		{"client iat revoke", "admin.action", func() string { return initial("revoke", token) }},
		{"resource add", "admin.action", tool("resource", "add", apis)},
		{"resource disable", "admin.action", tool("resource", "disable", "https://api.evidence.example")},
	} {
		before := found(row.kind)
		row.do()
		if after := found(row.kind); after != before+1 {
			t.Errorf("%s: %d events %s, were %d", row.name, after, row.kind, before)
		}
	}

	t.Run("RFC 7009 §2.1: a revoked token is evidence, once", func(t *testing.T) {
		tokens := n.app.tokens(t, browser(t), who, taxDetail)
		before := found("grant.ended")
		for _, token := range []string{"made-up", tokens.text("refresh_token"), tokens.text("refresh_token"), tokens.text("access_token")} {
			if a := n.app.call(t, "/revoke", url.Values{"token": {token}}); a.status != http.StatusOK {
				t.Fatal(a.raw)
			}
		}
		if after := found("grant.ended"); after != before+1 {
			t.Errorf("%d events, were %d", after, before)
		}
	})
	t.Run("the person sees what was done to her account, with proof", func(t *testing.T) {
		hers := signedIn(t, n, who)
		page := fetch(t, hers, n.base+"/portal/sessions?lang=en")
		for _, text := range []string{"Signed out", "Account locked", "Account unlocked", "You were made an operator", "You were made an auditor", "A service gave its access back"} {
			if strings.Count(page, "<b>"+text+"</b>") != 1 {
				t.Errorf("%q does not stand there once", text)
			}
		}
		link := first(t, `(?s)A service gave its access back</b>.*?href="(/portal/sessions/acts/[0-9a-f-]{36}/proof)"`, page)
		for range 2 { // of two nodes, which a balancer asks in turn, each has it
			if text := proofAt(t, hers, n.base+link); !strings.Contains(text, "grant.ended") {
				t.Errorf("the proof: %.200s", text)
			}
		}
		if a := open(t, b, http.MethodGet, n.base+link, nil); a.status != http.StatusNotFound {
			t.Errorf("the proof, asked for by another: %d", a.status)
		}
		if page := fetch(t, b, n.base+"/portal/sessions?lang=en"); strings.Contains(page, "Account locked") {
			t.Error("another person sees it too")
		}
	})
}

func accountRules(t *testing.T, n *nation) {
	p, who := n.app, n.someone(t)
	tokens := p.tokens(t, browser(t), who, taxDetail)
	n.run(t, "account", "lock", who.Number)
	want(t, p.release(t, tokens.text("access_token"), taxRead), 403, "account-locked")
	want(t, p.refresh(t, tokens.text("refresh_token")), 400, "invalid_grant")
	if _, err := clients.SignIn(ctx(t), browser(t), p.pushed(t, random()+random(), taxDetail), p.redirect, who.atTheBrowser()); err == nil {
		t.Fatal("a locked account signed in")
	}
	t.Run("RFC 9470: a level that the account cannot reach", func(t *testing.T) {
		open := n.base + "/authorize?" + url.Values{
			"client_id": {"strict"}, "redirect_uri": {"http://localhost/strict/callback"}, "response_type": {"code"}, "scope": {"openid"},
			"code_challenge": {strings.Repeat("c", 43)}, "code_challenge_method": {"S256"},
		}.Encode()
		callback, err := clients.SignIn(ctx(t), browser(t), open, "http://localhost/strict/callback", n.someone(t).atTheBrowser())
		if err != nil || callback.Query().Get("error") != "unmet_authentication_requirements" {
			t.Fatalf("got %v, %v", callback, err)
		}
	})
	t.Run("a wrong password and an unknown number read the same", func(t *testing.T) {
		errorOf := func(number string) string {
			_, err := clients.SignIn(ctx(t), browser(t), p.pushed(t, random()+random(), taxDetail), p.redirect,
				clients.Person{Number: number, Password: "wrong-password", OTP: func() string { return "000000" }})
			if err == nil {
				t.Fatal("signed in with a wrong password")
			}
			return err.Error()
		}
		if known, unknown := errorOf(n.someone(t).Number), errorOf("099999999999"); known != unknown {
			t.Fatalf("known: %s\nunknown: %s", known, unknown)
		}
	})
}

func introspectionRules(t *testing.T, n *nation) {
	p, who := n.app, n.someone(t)
	tokens := p.tokens(t, browser(t), who, taxDetail)
	ask := func(by *party, token string) answer { return by.call(t, "/introspect", url.Values{"token": {token}}) }
	if a := ask(p, tokens.text("access_token")); a.body["active"] != true {
		t.Fatalf("own token: %s", a.raw)
	}
	if a := ask(n.other, tokens.text("access_token")); a.body["active"] != false || len(a.body) != 1 {
		t.Fatalf("another's token: %s", a.raw)
	}
	if a := ask(p, "made-up"); a.status != 200 || a.body["active"] != false {
		t.Fatalf("a made-up token: %s", a.raw)
	}
	if a := n.other.call(t, "/revoke", url.Values{"token": {tokens.text("refresh_token")}}); a.status != 200 {
		t.Fatalf("RFC 7009 §2.2: %s", a.raw)
	}
	if a := ask(p, tokens.text("access_token")); a.body["active"] != true {
		t.Fatal("another client's revocation ended the grant")
	}
	if a := p.call(t, "/revoke", url.Values{"token": {tokens.text("access_token")}}); a.status != 200 {
		t.Fatal(a.raw)
	}
	if a := ask(p, tokens.text("access_token")); a.body["active"] != false {
		t.Fatal("a revoked token is active")
	}
	cc := p.call(t, "/token", url.Values{"grant_type": {"client_credentials"}})
	if a := p.call(t, "/revoke", url.Values{"token": {cc.text("access_token")}}); a.status != 200 {
		t.Fatal(a.raw)
	}
	if a := ask(p, cc.text("access_token")); a.body["active"] != false {
		t.Fatal("a revoked token without a grant is active")
	}
}

func legacyLogin(t *testing.T, n *nation) {
	app := clients.LegacyApp{Issuer: n.base, ClientID: "legacy", ClientSecret: n.legacy, RedirectURI: "http://localhost/legacy/callback"}
	login, err := app.Login(ctx(t), browser(t), n.someone(t).atTheBrowser())
	if err != nil {
		t.Fatal(err)
	}
	if login.IDToken.Subject == "" || login.UserInfo["sub"] != login.IDToken.Subject ||
		login.Claims["acr"] != "urn:vn:gov:eid:auth-level:2" {
		t.Fatalf("%+v %v", login.IDToken, login.Claims)
	}
	app.ClientSecret = "wrong"
	if _, err := app.Login(ctx(t), browser(t), n.someone(t).atTheBrowser()); err == nil {
		t.Fatal("a wrong client secret was accepted")
	}
}

package scenario_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// noTexts: whatever a stranger or an app puts into any field of any endpoint, it is
// refused and never a failure of ours: PostgreSQL takes no NUL, and evidence no
// marks of direction.
func noTexts(t *testing.T, n *nation, v *victim) {
	p := n.app
	bad := map[string]string{
		"NUL": "a\x00b", "no UTF-8": "\xff\xfe", "a half surrogate pair": "\xed\xa0\x80", "a control character": "\x1b[2J", "a line break": "a\r\nb", "a mark of direction": "a\u202eb",
		"a separator of lines": "\u2028", "the replacement character": "\ufffd", "what is not composed": "e\u0302\u0301", "a letter beyond the first plane": "\U0001d7d8",
	}
	auth := func() url.Values {
		return url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {p.assertion(t, nil)}}
	}
	fair := func(t *testing.T, a answer, what string) {
		t.Helper()
		if a.status >= 500 || a.status < 300 {
			t.Errorf("%s answered %d %.200s", what, a.status, a.raw)
		}
	}
	request := func() url.Values { return p.request(random()+random(), taxDetail) }
	forms := map[string]func() url.Values{
		"/par":       request,
		"/authorize": request,
		"/token": func() url.Values {
			return url.Values{"grant_type": {"authorization_code"}, "code": {random()}, "redirect_uri": {p.redirect}, "code_verifier": {random() + random()}, "refresh_token": {"x"}, "scope": {"openid"}, "resource": {"https://x.example"}, "audience": {"x"}, "subject_token": {"x"}, "device_code": {"x"}, "auth_req_id": {"x"}, "client_id": {p.id}, "assertion": {"x"}}
		},
		"/introspect": func() url.Values {
			return url.Values{"token": {"x"}, "token_type_hint": {"access_token"}, "client_id": {p.id}}
		},
		"/revoke": func() url.Values {
			return url.Values{"token": {"x"}, "token_type_hint": {"refresh_token"}, "client_id": {p.id}}
		},
		"/device_authorization": func() url.Values {
			return url.Values{"client_id": {p.id}, "scope": {"openid"}, "nonce": {"x"}, "ui_locales": {"vi"}, "claims": {"{}"}}
		},
		"/bc-authorize": func() url.Values {
			return url.Values{"scope": {"openid"}, "login_hint": {"x"}, "binding_message": {"x"}, "client_notification_token": {"x"}, "user_code": {"x"}, "requested_expiry": {"60"}, "request": {"x"}}
		},
		"/userinfo": func() url.Values { return url.Values{"access_token": {"x"}} },
		"/logout": func() url.Values {
			return url.Values{"id_token_hint": {"x"}, "client_id": {p.id}, "post_logout_redirect_uri": {p.redirect}, "state": {"x"}, "ui_locales": {"vi"}, "logout_hint": {"x"}}
		},
	}
	nobody := browser(t)
	for path, form := range forms {
		names := append(
			slices.Sorted(maps.Keys(form())), "state", "nonce", "ui_locales", "claims", "acr_values", "display", "login_hint", "made_up",
			"client_assertion", "client_id", "client_secret",
		)
		for what, text := range bad {
			for _, name := range names {
				f := form()
				if path != "/authorize" && path != "/userinfo" && path != "/logout" {
					maps.Copy(f, auth())
				}
				f.Set(name, text)
				var a answer
				if path == "/authorize" || path == "/logout" {
					a = open(t, nobody, http.MethodPost, n.base+path, f)
				} else {
					a = p.postRaw(t, path, f.Encode(), p.dpop(t, http.MethodPost, n.base+path, "", nil))
				}
				if refused := what != "what is not composed" && what != "a letter beyond the first plane" && (what != "a line break" ||
					name != "claims" && name != "authorization_details"); refused && path != "/authorize" && path != "/logout" {
					fair(t, a, fmt.Sprintf("%s, %s in %s,", path, what, name))
				} else if a.status >= 500 {
					t.Errorf("%s, %s in %s, answered %d %.200s", path, what, name, a.status, a.raw)
				}
			}
			f := form()
			f.Set("x"+text, "1")
			if a := open(t, nobody, http.MethodPost, n.base+path, f); a.status >= 500 {
				t.Errorf("%s, %s in a name, answered %d", path, what, a.status)
			}
		}
	}
	// What is signed, or JSON.
	for what, text := range bad {
		for _, claim := range []string{"iss", "sub", "jti", "aud"} {
			f := request()
			f.Set("client_assertion", p.assertion(t, map[string]any{claim: text}))
			f.Set("client_assertion_type", auth().Get("client_assertion_type"))
			if a := p.postRaw(t, "/par", f.Encode()); a.status >= 500 {
				t.Errorf("an assertion with %s in %s answered %d %.200s", what, claim, a.status, a.raw)
			}
		}
		for _, claim := range []string{"jti", "htu", "htm", "nonce"} {
			f := request()
			maps.Copy(f, auth())
			if a := p.postRaw(t, "/par", f.Encode(), p.dpop(t, http.MethodPost, n.base+"/par", "", map[string]any{claim: text})); a.status >= 500 {
				t.Errorf("a proof with %s in %s answered %d %.200s", what, claim, a.status, a.raw)
			}
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for name, in := range map[string]string{"escaped": string(quoted), "as it is": `"` + text + `"`} {
			for _, body := range []string{
				`{"registry":"civil","purpose":%s,"attributes":["civil.full_name"]}`, `{"registry":%s}`, `{%s:1}`,
				strings.TrimSuffix(civilRead, "}") + `,"case_reference":%s}`, strings.TrimSuffix(civilRead, "}") + `,"subject":%s}`,
			} {
				if a := p.release(t, v.token, fmt.Sprintf(body, in)); a.status >= 500 {
					t.Errorf("a release with %s, %s, in %s answered %d %.200s", what, name, body, a.status, a.raw)
				}
			}
			for _, member := range []string{"client_name", "client_name#vi", "redirect_uris", "client_id", "scope", "policy_uri", "contacts", "jwks", "software_statement", "software_id", "response_types"} {
				for _, body := range []string{`{"redirect_uris":["https://x.example/cb"],%q:%s}`, `{"redirect_uris":["https://x.example/cb"],%q:[%s]}`} {
					r, err := http.NewRequestWithContext(
						ctx(t), http.MethodPost, n.base+"/register", strings.NewReader(fmt.Sprintf(body, member, in)),
					)
					if err != nil {
						t.Fatal(err)
					}
					r.Header.Set("Content-Type", "application/json")
					if a := p.send(t, r); a.status >= 500 {
						t.Errorf("a registration with %s, %s, in %s answered %d %.200s", what, name, member, a.status, a.raw)
					}
				}
			}
		}
		// Basic credentials, and paths.
		r, err := http.NewRequestWithContext(ctx(t), http.MethodPost, n.base+"/token", strings.NewReader("grant_type=client_credentials"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.SetBasicAuth(url.QueryEscape(text), url.QueryEscape(text))
		if a := p.send(t, r); a.status >= 500 {
			t.Errorf("Basic credentials with %s answered %d", what, a.status)
		}
		for _, path := range []string{"/grants/", "/register/", "/portal/releases/", "/portal/consents/", "/console/events/", "/static/"} {
			r, err := http.NewRequestWithContext(ctx(t), http.MethodGet, n.base+path+url.PathEscape(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+v.token)
			if a := p.send(t, r); a.status >= 500 {
				t.Errorf("%s and %s answered %d", path, what, a.status)
			}
		}
	}
	token := csrf(t, n, v.browser)
	for path, names := range map[string][]string{
		"/signin": {"number", "password", "a", "next", "cancel"}, "/signin/code": {"code", "ticket", "a", "next"}, "/consent": {"a", "shown", "decision", "item"},
		"/device": {"user_code"}, "/approve": {"a", "symbol", "decision"}, "/logout/confirm": {"logout", "all"}, "/portal/consents/" + v.consent + "/withdraw": {"reason"}, "/portal/sessions/end": {"session"},
		"/console": {"pseudonym", "client", "purpose", "type", "decision", "from", "to"}, "/console/exports": {"search", "reason"}, "/console/logouts/retry": {"id", "app"},
	} {
		for what, text := range bad {
			for _, name := range append(names, "csrf") {
				f := url.Values{"csrf": {token}, "number": {v.who.Number}, "password": {"wrong-password"}}
				f.Set(name, text)
				if strings.HasSuffix(path, "/withdraw") {
					f.Del("csrf") // it stays
				}
				if a := open(t, v.browser, http.MethodPost, n.base+path, f); a.status >= 500 {
					t.Errorf("%s, %s in %s, answered %d", path, what, name, a.status)
				}
				if a := open(t, v.browser, http.MethodGet, n.base+path+"?"+f.Encode(), nil); a.status >= 500 {
					t.Errorf("GET %s, %s in %s, answered %d", path, what, name, a.status)
				}
			}
		}
	}
}

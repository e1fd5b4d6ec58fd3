package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

// TestAnAssertionIsGoodOnceAtAllEndpoints: RFC 7523 §3 (7). What an app authenticated with at one
// endpoint authenticates nobody at the same or another, whatever the first was for; introspection
// and revocation, which need write nothing, are no exception.
func TestAnAssertionIsGoodOnceAtAllEndpoints(t *testing.T) {
	a := authztest.NewApart(t)
	k := authztest.NewKey(t)
	a.App.Method, a.App.SecretHash, a.App.JWKS = authz.PrivateKeyJWT, nil, []byte(`{"keys":[`+authztest.PublicJWK(t, k)+`]}`)
	a.App.GrantTypes = append(a.App.GrantTypes, "client_credentials")
	asserted := func() string {
		return authztest.Handmade(t, k, `{"alg":"ES256"}`, map[string]any{
			"iss": "app", "sub": "app", "aud": "https://id.example", "jti": authz.NewSecret(), "iat": a.Now.Unix(), "exp": a.Now.Add(time.Minute).Unix(),
		})
	}
	endpoints := []struct {
		path   string
		handle http.HandlerFunc
		form   url.Values
	}{
		{"/introspect", a.Introspect, url.Values{"token": {"none"}}},
		{"/revoke", a.Revoke, url.Values{"token": {"none"}}},
		{"/par", a.PAR, authztest.Authorization()},
		{"/device_authorization", a.Device, url.Values{"scope": {"openid"}}},
		{"/bc-authorize", a.Backchannel, url.Values{"scope": {"openid"}, "login_hint": {"099000000001"}}},
		{"/token", a.Token, url.Values{"grant_type": {"client_credentials"}}},
	}
	ask := func(i int, assertion string) *httptest.ResponseRecorder {
		e := endpoints[i]
		f := url.Values{"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, "client_assertion": {assertion}}
		for name, values := range e.form {
			f[name] = values
		}
		r := httptest.NewRequest(http.MethodPost, e.path, strings.NewReader(f.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		out := httptest.NewRecorder()
		e.handle(out, r)
		return out
	}
	for first := range endpoints {
		for second := range endpoints {
			t.Run(endpoints[first].path[1:]+" and "+endpoints[second].path[1:], func(t *testing.T) {
				assertion := asserted()
				if out := ask(first, assertion); out.Code >= 300 {
					t.Fatalf("the first time: %d %s", out.Code, out.Body)
				}
				out := ask(second, assertion)
				if code, _ := authztest.BodyOf(out)["error"].(string); out.Code != http.StatusUnauthorized || code != "invalid_client" {
					t.Errorf("the second time: %d %s", out.Code, out.Body)
				}
			})
		}
	}
}

// TestTheTypeOfAnAssertion: RFC 7523 knows none, draft-ietf-oauth-rfc7523bis one of its own; a
// token that says it is another authenticates nobody (RFC 8725 §3.11).
func TestTheTypeOfAnAssertion(t *testing.T) {
	a := authztest.NewApart(t)
	k := authztest.NewKey(t)
	a.App.Method, a.App.SecretHash, a.App.JWKS = authz.PrivateKeyJWT, nil, []byte(`{"keys":[`+authztest.PublicJWK(t, k)+`]}`)
	for _, row := range []struct {
		name, head string
		want       int
	}{
		{"none", `{"alg":"ES256"}`, http.StatusOK},
		{"JWT", `{"alg":"ES256","typ":"JWT"}`, http.StatusOK},
		{"its own", `{"alg":"ES256","typ":"client-authentication+jwt"}`, http.StatusOK},
		{"a request object", `{"alg":"ES256","typ":"oauth-authz-req+jwt"}`, http.StatusUnauthorized},
		{"a proof", `{"alg":"ES256","typ":"dpop+jwt"}`, http.StatusUnauthorized},
	} {
		t.Run(row.name, func(t *testing.T) {
			form := url.Values{
				"token": {"none"}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
				"client_assertion": {authztest.Handmade(t, k, row.head, map[string]any{
					"iss": "app", "sub": "app", "aud": "https://id.example", "jti": authz.NewSecret(),
					"iat": a.Now.Unix(), "exp": a.Now.Add(time.Minute).Unix(),
				})},
			}
			r := httptest.NewRequest(http.MethodPost, "/introspect", strings.NewReader(form.Encode()))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			out := httptest.NewRecorder()
			if a.Introspect(out, r); out.Code != row.want {
				t.Errorf("got %d %s, want %d", out.Code, out.Body, row.want)
			}
		})
	}
}

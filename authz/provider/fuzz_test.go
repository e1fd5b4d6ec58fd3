package provider_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/grant"
)

// answered checks an answer of an endpoint that clients call: never a failure of
// ours, and every refusal is JSON with a code, but that of a request to a resource
// without a token, which is a challenge alone (RFC 6750 §3.1).
func answered(t *testing.T, endpoint string, out *httptest.ResponseRecorder) {
	t.Helper()
	if out.Code >= 500 {
		t.Fatalf("%s: %d %s", endpoint, out.Code, out.Body)
	}
	if out.Code < 400 {
		return
	}
	if challenges := strings.Join(out.Header().Values("WWW-Authenticate"), ", "); endpoint == "userinfo" &&
		out.Code == http.StatusUnauthorized && out.Body.Len() == 0 &&
		strings.Contains(challenges, "Bearer") && !strings.Contains(challenges, "error") {
		return
	}
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if err := json.Unmarshal(out.Body.Bytes(), &body); err != nil || body.Error == "" {
		t.Fatalf("%s: a refusal that is no JSON with a code: %d %s", endpoint, out.Code, out.Body)
	}
	for _, headers := range out.Header() {
		if slices.ContainsFunc(headers, func(h string) bool { return strings.ContainsAny(h, "\r\n") }) {
			t.Fatalf("%s: a header with a line break: %q", endpoint, headers)
		}
	}
}

// FuzzClientRequest sends any body, Authorization and DPoP header to all endpoints
// that clients call. Nobody knows the secret, so nobody gets a token.
func FuzzClientRequest(f *testing.F) {
	w := newApart(f)
	w.app.SecretHash = authz.HashSecret(authz.NewSecret())
	f.Add("grant_type=client_credentials&client_id=app", "Basic YXBwOnNlY3JldA==", "")
	f.Add("grant_type=refresh_token&refresh_token=hnr.x&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=e30.eyJpc3MiOiJhcHAifQ.AA", "", "e30.e30.AA")
	f.Add(authorization().Encode(), "Basic %", "a, b")
	f.Fuzz(func(t *testing.T, body, authorization, proof string) {
		for name, h := range map[string]http.HandlerFunc{
			"token": w.Token, "par": w.PAR, "introspect": w.Introspect, "revoke": w.Revoke, "device": w.Device, "backchannel": w.Backchannel, "userinfo": w.UserInfo,
		} {
			r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
			r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
			if authorization != "" {
				r.Header["Authorization"] = []string{authorization}
			}
			if proof != "" {
				r.Header["Dpop"] = []string{proof}
			}
			out := httptest.NewRecorder()
			h(out, r)
			answered(t, name, out)
			if out.Code < 400 {
				t.Fatalf("%s let a stranger in: %d %s", name, out.Code, out.Body)
			}
		}
	})
}

// FuzzClientForm is what an app that is known may send: tokens, codes, handles,
// hints and resources in any form.
func FuzzClientForm(f *testing.F) {
	w := newApart(f)
	w.app.GrantTypes = append(w.app.GrantTypes, authz.GrantTokenExchange, authz.GrantJWTBearer)
	w.signedIn = false
	f.Add("grant_type=authorization_code&code=a.b&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&code_verifier=" + verifier)
	f.Add("grant_type=refresh_token&refresh_token=hnr.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&token=hna.e30.x")
	f.Add("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=x.y&login_hint=099000000001&scope=openid&token=e30.e30.AA")
	f.Add("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=e30.e30.AA&resource=https%3A%2F%2Fx.example&subject_token=x&subject_token_type=y")
	f.Add("request=e30.e30.&scope=openid&binding_message=%22&requested_expiry=9&user_code=1&id_token_hint=x")
	f.Fuzz(func(t *testing.T, body string) {
		for name, h := range map[string]http.HandlerFunc{
			"token": w.Token, "par": w.PAR, "introspect": w.Introspect, "revoke": w.Revoke, "device": w.Device, "backchannel": w.Backchannel,
		} {
			r := httptest.NewRequest(http.MethodPost, "/x", strings.NewReader(body))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.SetBasicAuth("app", "secret")
			out := httptest.NewRecorder()
			h(out, r)
			answered(t, name, out)
			if name == "introspect" && out.Code < 400 && strings.Contains(out.Body.String(), `"active":true`) {
				t.Fatalf("active: %s", body)
			}
			if name == "token" && out.Code < 400 && !strings.Contains(body, "client_credentials") {
				t.Fatalf("tokens for nothing: %s", body)
			}
		}
		clear(w.memory.pending)
	})
}

// FuzzAuthorizationEndpoint: whatever a browser brings, it is sent to our own pages
// or to the redirect URI that is registered (RFC 9700 §4.11).
func FuzzAuthorizationEndpoint(f *testing.F) {
	w := newWorld(f)
	w.opt()
	f.Add(authorization().Encode(), "a.b")
	f.Add(
		authorization(
			"response_type", "code id_token", "nonce", "n", "response_mode", "form_post", "claims", `{"id_token":{"acr":{"essential":true}}}`,
		).Encode(), "",
	)
	f.Add(authorization("request", "eyJhbGciOiJub25lIn0.e30.").Encode(), "")
	f.Add(authorization("request_uri", "urn:ietf:params:oauth:request_uri:x", "prompt", "none login", "max_age", "-1").Encode(), "")
	f.Fuzz(func(t *testing.T, query, handle string) {
		r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: "/authorize", RawQuery: query}, Header: http.Header{}}
		next, err := w.Authorize(r.WithContext(t.Context()))
		to := next.Location
		if next.Form != nil {
			to = next.Form.Action
		}
		if err == nil && !strings.HasPrefix(to, "https://app.example/cb") && !strings.HasPrefix(to, "https://id.example/") {
			t.Fatalf("sent to %q", to)
		}
		if strings.ContainsAny(to, "\r\n") {
			t.Fatalf("a line break in %q", to)
		}
		if u, err := url.Parse(to); err != nil || u.User != nil {
			t.Fatalf("not a URL: %q", to)
		}
		if _, err := w.Resume(r.WithContext(t.Context()), grant.Handle(handle)); err == nil {
			t.Fatalf("a handle that was never given out: %q", handle)
		}
		clear(w.memory.pending)
		clear(w.memory.grants)
	})
}

// FuzzEndSession: after a logout the browser goes to a registered URI or nowhere
// (RP-Initiated Logout §3), and nobody's word but an ID token of
// ours spares the question.
func FuzzEndSession(f *testing.F) {
	w := newWorld(f)
	w.app.PostLogoutRedirectURIs = []string{"https://app.example/bye?x=1"}
	f.Add("client_id=app&post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fbye%3Fx%3D1&state=%22%0a")
	f.Add("id_token_hint=e30.e30.AA")
	f.Fuzz(func(t *testing.T, raw string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequest(method, "/logout", strings.NewReader(raw))
			if method == http.MethodGet {
				r.URL.RawQuery = raw
			}
			out, err := w.EndSession(r, nil)
			if err != nil {
				continue
			}
			if out.Confirmed || out.Return != "" && !strings.HasPrefix(out.Return, "https://app.example/bye?x=1") ||
				strings.ContainsAny(out.Return, "\r\n\"") {
				t.Fatalf("%+v", out)
			}
		}
	})
}

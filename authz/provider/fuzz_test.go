package provider_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
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
	w := authztest.NewApart(f)
	w.App.SecretHash = authz.HashSecret(authz.NewSecret())
	f.Add("grant_type=client_credentials&client_id=app", "Basic YXBwOnNlY3JldA==", "")
	f.Add("grant_type=refresh_token&refresh_token=hnr.x&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&client_assertion=e30.eyJpc3MiOiJhcHAifQ.AA", "", "e30.e30.AA")
	f.Add(authztest.Authorization().Encode(), "Basic %", "a, b")
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
	w := authztest.NewApart(f)
	w.App.GrantTypes = append(w.App.GrantTypes, authz.GrantTokenExchange, authz.GrantJWTBearer)
	w.SignedIn = false
	f.Add("grant_type=authorization_code&code=a.b&redirect_uri=https%3A%2F%2Fapp.example%2Fcb&code_verifier=" + authztest.Verifier)
	f.Add("grant_type=refresh_token&refresh_token=hnr.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&token=hna.e30.x")
	f.Add("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=x.y&login_hint=099000000001&scope=openid&token=e30.e30.AA")
	f.Add("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=e30.e30.AA&resource=https%3A%2F%2Fx.example&subject_token=x&subject_token_type=y")
	f.Add("grant_type=urn%3Aopenid%3Aparams%3Agrant-type%3Aciba&auth_req_id=x.y&client_notification_token=z")
	f.Add("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&subject_token=e30.e30.AA&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&actor_token=x&audience=y")
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
		clear(w.Memory.Requests)
	})
}

package redeem_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
)

// TestJWTBearer: RFC 7523 §2.1, for services of an app and nobody else.
func TestJWTBearer(t *testing.T) {
	w := authztest.WithBackend(t)
	mine, ministry, stranger := authztest.NewKey(t), authztest.NewKey(t), authztest.NewKey(t)
	w.Clients["backend"].TrustedIssuers = []authz.TrustedIssuer{{
		Issuer: "https://ci.example", JWKS: json.RawMessage(`{"keys":[` + authztest.PublicJWK(t, ministry) + `]}`),
		Subjects: []string{"nightly"},
		Audience: []string{authztest.AtTax}, Scope: []string{"land.read"},
	}}
	fresh := func(change ...string) map[string]any {
		claims := map[string]any{
			"iss": "https://ci.example", "sub": "nightly", "aud": "https://id.example", "jti": authz.NewSecret(),
			"exp": w.Now.Add(time.Minute).Unix(),
		}
		for i := 0; i+1 < len(change); i += 2 {
			claims[change[i]] = change[i+1]
		}
		return claims
	}
	const head = `{"alg":"ES256","typ":"JWT"}`
	form := func(assertion string, change ...string) url.Values {
		f := url.Values{"grant_type": {authz.GrantJWTBearer}, "assertion": {assertion}}
		for i := 0; i+1 < len(change); i += 2 {
			f.Set(change[i], change[i+1])
		}
		return f
	}
	good := authztest.Handmade(t, ministry, head, fresh())
	got := authztest.TokensOf(t, w.AskToken(t, "backend", mine, form(good)))
	claims := authztest.ClaimsOf(t, got.Access)
	if claims["sub"] != "https://ci.example#nightly" || claims["client_id"] != "backend" || claims["gid"] != nil ||
		claims["auth_time"] != nil || got.Scope != "land.read" || got.Type != "DPoP" {
		t.Errorf("the token says %v, the answer %+v", claims, got)
	}
	for _, row := range []struct {
		name   string
		client string
		form   url.Values
		code   string
	}{
		{"RFC 7523 §3(7): used before", "backend", form(good), "invalid_grant"},
		{"RFC 7523 §3.1: by another key", "backend", form(authztest.Handmade(t, stranger, head, fresh())), "invalid_grant"},
		{"RFC 7523 §3.1: an issuer nobody registered", "backend", form(authztest.Handmade(t, ministry, head, fresh("iss", "https://evil.example"))), "invalid_grant"},
		{"RFC 7523 §3.1: an issuer another app registered", "third", form(authztest.Handmade(t, ministry, head, fresh())), "invalid_grant"},
		{"RFC 7523 §3(2): a service that is not named", "backend", form(authztest.Handmade(t, ministry, head, fresh("sub", "root"))), "invalid_grant"},
		{"RFC 7523 §3(3): for another server", "backend", form(authztest.Handmade(t, ministry, head, fresh("aud", "https://other.example"))), "invalid_grant"},
		{"RFC 8725 §3.1: alg none", "backend", form(authztest.Handmade(t, ministry, `{"alg":"none"}`, fresh())), "invalid_grant"},
		{"RFC 8725 §3.11: an access token in its place", "backend", form(got.Access), "invalid_grant"},
		{"RFC 7523 §2.1: no assertion", "backend", form(""), "invalid_request"},
		{"RFC 8707 §2: a resource it is not trusted for", "backend", form(authztest.Handmade(t, ministry, head, fresh()), "resource", authztest.AtLand), "invalid_target"},
		{"RFC 6749 §5.2: a scope it is not trusted with", "backend", form(authztest.Handmade(t, ministry, head, fresh()), "scope", "openid"), "invalid_scope"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a := w.AskToken(t, row.client, mine, row.form)
			if got := authztest.ErrorOf(t, a); got != row.code || a.Code != http.StatusBadRequest {
				t.Errorf("got %d %s, want %s", a.Code, got, row.code)
			}
		})
	}
	t.Run("RFC 8693 §3: as a subject token of type jwt", func(t *testing.T) {
		f := authztest.ExchangeForm(authztest.Handmade(t, ministry, head, fresh()), "subject_token_type", authz.TokenTypeJWT)
		got := authztest.TokensOf(t, w.AskToken(t, "backend", mine, f))
		if got.Issued != authz.TokenTypeAccess || authztest.ClaimsOf(t, got.Access)["sub"] != "https://ci.example#nightly" ||
			authztest.ClaimsOf(t, got.Access)["act"] != nil {
			t.Errorf("got %+v", got)
		}
		if code := authztest.ErrorOf(t, w.AskToken(t, "backend", mine, f)); code != "invalid_request" {
			t.Errorf("RFC 8693 §2.2.2: a second time: %s", code)
		}
	})
	t.Run("the service acts", func(t *testing.T) {
		service := authztest.TokensOf(t, w.AskToken(t, "backend", mine, form(authztest.Handmade(t, ministry, head, fresh()))))
		given := w.ViaCode(t, authztest.NewKey(t), "resource", authztest.AtLand, "scope", "openid land.read")
		got := authztest.TokensOf(
			t, w.AskToken(
				t, "backend", mine, authztest.ExchangeForm(given.Access, "actor_token", service.Access, "actor_token_type",
					authz.TokenTypeAccess),
			),
		)
		if act := authztest.ClaimsOf(t, got.Access)["act"].(map[string]any); act["sub"] != "https://ci.example#nightly" ||
			act["client_id"] != "backend" {
			t.Errorf("act %v", act)
		}
		e := w.Staged[len(w.Staged)-1]
		if _, err := e.Canonical(); err != nil || !slices.Contains(e.Decision.Determining, "service:https://ci.example#nightly") {
			t.Errorf("the evidence names %q as acting, %v", e.Decision.Determining, err)
		}
	})
	t.Run("RFC 7009: revoked", func(t *testing.T) {
		if r := authztest.PostAs("backend", w.Revoke, url.Values{"token": {got.Access}}); r.Code != http.StatusOK {
			t.Fatal(r.Body)
		}
		if authztest.Active(w, got.Access) {
			t.Error("it is still active")
		}
	})
}

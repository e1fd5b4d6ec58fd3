package token_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authztest"
	"hopnhat/keys"
	"hopnhat/keys/jose"
)

// TestLogoutToken: Back-Channel Logout §2.4, each member; sid is the one of its ID tokens
// (Back-Channel Logout §2.1).
func TestLogoutToken(t *testing.T) {
	w := authztest.New(t)
	token, err := w.LogoutToken(t.Context(), "app", "p", "s")
	if err != nil {
		t.Fatal(err)
	}
	published, err := authztest.Ring().Published(keys.TokenSigning)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := jose.VerifyPublished(token, published, jose.Rule{Type: "logout+jwt", Algorithms: []keys.Algorithm{keys.ES256}, MaxBytes: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(verified.Claims, &claims); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]any{
		"iss": "https://id.example", "aud": "app", "sub": "app/p", "sid": "s/app", "iat": float64(w.Now.Unix()), "exp": float64(w.Now.Add(2 * time.Minute).Unix()),
	} {
		if claims[name] != want {
			t.Errorf("%s is %v, want %v", name, claims[name], want)
		}
	}
	events, _ := claims["events"].(map[string]any)
	event, ok := events["http://schemas.openid.net/event/backchannel-logout"].(map[string]any)
	if len(events) != 1 || !ok || len(event) != 0 {
		t.Errorf("events is %v, want one member with an empty object", claims["events"])
	}
	if _, has := claims["nonce"]; has || claims["jti"] == "" {
		t.Errorf("nonce must not be there and jti must: %v", claims)
	}
	again, err := w.LogoutToken(t.Context(), "app", "p", "s")
	if err != nil {
		t.Fatal(err)
	}
	if second := authztest.ClaimsOf(t, again); second["jti"] == claims["jti"] || second["jti"] == nil {
		t.Errorf("RFC 7519 §4.1.7: a second token has the jti %v, the first %v", second["jti"], claims["jti"])
	}
	if _, err := w.LogoutToken(t.Context(), "nobody", "p", "s"); !errors.Is(err, authz.ErrNotFound) {
		t.Errorf("for an app that is gone: %v", err)
	}
}

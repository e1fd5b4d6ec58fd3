package token_test

import (
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"hopnhat/authz/authztest"
)

// TestTokensAreWhatTheySay: the type of an access token (RFC 9068 §2.1), its claims (RFC 9068
// §2.2) and what they say of the sign-in (RFC 9068 §2.2.1); those of an ID token beside it.
func TestTokensAreWhatTheySay(t *testing.T) {
	w := authztest.New(t)
	q, _, err := w.Open(t, authztest.Authorization("nonce", "n1"))
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		Access string `json:"access_token"`
		ID     string `json:"id_token"`
		Type   string `json:"token_type"`
	}
	if err := json.Unmarshal(w.RedeemAsApp(q.Get("code")).Body.Bytes(), &body); err != nil || body.Type != "Bearer" {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name  string
		token string
		typ   string
		names []string
	}{
		{"access token", body.Access, "at+jwt", []string{"acr", "amr", "aud", "auth_time", "client_id", "exp", "gid", "iat", "iss", "jti", "scope", "sub"}},
		{"ID token", body.ID, "JWT", []string{"acr", "amr", "aud", "auth_time", "exp", "iat", "iss", "jti", "nonce", "sid", "sub"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if head := authztest.PartOf(t, row.token, 0); head["typ"] != row.typ || head["alg"] != "ES256" || head["kid"] == nil {
				t.Errorf("header %v", head)
			}
			claims := authztest.PartOf(t, row.token, 1)
			if got := slices.Sorted(maps.Keys(claims)); !slices.Equal(got, row.names) {
				t.Errorf("claims %v, want %v", got, row.names)
			}
			if claims["sub"] != "app/p" {
				t.Errorf("sub %v is not the pairwise one", claims["sub"])
			}
		})
	}
}

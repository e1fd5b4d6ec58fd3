package authorize_test

import (
	"strings"
	"testing"

	"hopnhat/authz/authztest"
)

func TestARequestForAnotherSub(t *testing.T) {
	for _, row := range []struct{ name, claims, prompt, code string }{
		{"OpenID Connect Core §5.5.1: for the person who is signed in", `{"id_token":{"sub":{"value":"app/p"}}}`, "none", ""},
		{"OpenID Connect Core §3.1.2.2: for another", `{"id_token":{"sub":{"value":"app/q"}}}`, "none", "login_required"},
		{"for one of several", `{"userinfo":{"sub":{"values":["app/q","app/p"]}}}`, "none", ""},
		{"without a value", `{"id_token":{"sub":{"essential":true}}}`, "none", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			q, _, err := authztest.New(t).Open(t, authztest.Authorization("claims", row.claims, "prompt", row.prompt))
			if err != nil || q.Get("error") != row.code || (row.code == "") != (q.Get("code") != "") {
				t.Fatalf("got %v, %v", q, err)
			}
		})
	}
	if _, path, err := authztest.New(t).Open(t, authztest.Authorization("claims", `{"id_token":{"sub":{"value":"app/q"}}}`)); err != nil ||
		path != "/signin" {
		t.Fatalf("another may sign in: got %s, %v", path, err)
	}
}

// OpenID Connect Core §5.4: without an access token, scopes ask of the ID token.
// Beside a code the front channel tells nothing of the person (§3.3.3.6).
func TestClaimsThroughTheBrowser(t *testing.T) {
	for _, row := range []struct {
		responseType string
		tells        bool
	}{{"id_token", true}, {"id_token token", false}, {"code id_token", false}} {
		t.Run(row.responseType, func(t *testing.T) {
			w := authztest.New(t)
			w.OptIn()
			w.Declare()
			f := authztest.Authorization(
				"response_type", row.responseType, "scope", "openid profile", "nonce", "n", "claims", `{"id_token":{"email":null}}`,
			)
			_, answer := w.Sent(t, f)
			id := authztest.ClaimsText(t, answer.Get("id_token"))
			if strings.Contains(id, `"name":"Trần Thị Mẫu An"`) != row.tells {
				t.Fatalf("the ID token of %s is %s", row.responseType, id)
			}
			if wantEmail := row.responseType != "code id_token"; strings.Contains(id, "an@example.vn") != wantEmail {
				t.Fatalf("claims.id_token of %s: %s", row.responseType, id)
			}
			for trace, attribute := range authztest.Traces {
				if strings.Contains(id, trace) && !w.WasReleased(attribute) {
					t.Fatalf("%s left without an event", attribute)
				}
			}
		})
	}
}

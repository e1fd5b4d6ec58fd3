package redeem_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"hopnhat/authz/authztest"
)

// TestPKCEByRegistration: RFC 9700 §2.1.1 and §4.8, a code with a challenge and a
// verifier belong together, and one without goes to who registered so.
func TestPKCEByRegistration(t *testing.T) {
	for _, row := range []struct {
		name      string
		opted     bool
		challenge bool
		verifier  string
		status    int
		code      string
	}{
		{"both", false, true, authztest.Verifier, 200, ""},
		{"without, registered so", true, false, "", 200, ""},
		{"registered so and sent all the same", true, true, authztest.Verifier, 200, ""},
		{"RFC 9700 §4.8: downgrade, the verifier left out", true, true, "", 400, "invalid_grant"},
		{"RFC 9700 §2.1.1: a verifier and no challenge", true, false, authztest.Verifier, 400, "invalid_grant"},
		{"RFC 7636 §4.6: another verifier", true, true, strings.Repeat("x", 43), 400, "invalid_grant"},
		{"RFC 7636 §4.1: a verifier too short", true, false, "x", 400, "invalid_grant"},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := authztest.New(t)
			if row.opted {
				w.OptIn()
			}
			f := authztest.Authorization()
			if !row.challenge {
				f.Del("code_challenge")
				f.Del("code_challenge_method")
			}
			_, answer := w.Sent(t, f)
			ask := url.Values{
				"grant_type": {"authorization_code"}, "code": {answer.Get("code")}, "redirect_uri": {"https://app.example/cb"},
			}
			if row.verifier != "" {
				ask.Set("code_verifier", row.verifier)
			}
			got := w.Post(w.Token, ask)
			if got.Code != row.status || row.code != "" && authztest.ErrorOf(t, got) != row.code {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
			if row.code == "invalid_grant" { // docs/decisions.md F1
				ask.Del("code_verifier")
				if got := w.Post(w.Token, ask); got.Code == http.StatusOK {
					t.Fatal("the code lives on after a wrong verifier")
				}
			}
		})
	}
}

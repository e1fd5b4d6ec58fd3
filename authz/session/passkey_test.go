package session

import (
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/authn"
)

// TestTheEventNamesThePasskey: of a sign-in with a passkey the event says with which, so that after
// a theft one can tell what it opened; of another it names none.
func TestTheEventNamesThePasskey(t *testing.T) {
	for _, row := range []struct {
		use  authn.Use
		want string
	}{
		{authn.Use{Factor: "key-1", Kind: authn.PasskeyFactor, Counter: 1}, "key-1"},
		{authn.Use{Factor: "totp-1", Kind: authn.TOTPFactor, Counter: 1}, ""},
	} {
		k := &kept{rows: map[string]*Session{}}
		s := New(k, k, Limits{}, true, func() time.Time { return morning })
		in := SignIn{
			Subject: "an", Methods: []string{"pop", "user", "mfa"}, At: morning, Secret: authz.NewSecret(),
			By: &authn.Acceptance{Subject: "an", At: morning, Uses: []authn.Use{row.use}},
		}
		if _, err := s.Begin(t.Context(), nil, in, nil); err != nil {
			t.Fatal(err)
		}
		if len(k.acts) != 1 || k.acts[0].Detail.Object != row.want {
			t.Errorf("%s: got %+v", row.use.Kind, k.acts)
		}
	}
}

package authn

import (
	"encoding/hex"
	"testing"
	"time"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestFormats: tickets, device cookies and the names of budgets of the release before are
// good: a sign-in goes on at another node, and a known browser stays one.
func TestFormats(t *testing.T) {
	now := time.Unix(1796000000, 0)
	hasher := NewHasher(Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1})
	a := New(nil, nil, hasher, nil, keytest.GoldenKey(seal.Tickets), func() time.Time { return now })
	got, err := a.good("G2SZfoV8AbBvPpuJcjd2YZFw4fhLw44wQZPtrBKSJPwr5R_knno2xPuLaAPFjgJqV__b1YXX2gouY5kqD3P9j8LYAQkoaMc", "b")
	if err != nil || got.Subject != "s" || string(got.Account) != "n" || got.next() != TOTPFactor {
		t.Errorf("ticket: got %+v, %v", got, err)
	}
	if got := hex.EncodeToString(a.mac("number", []byte("099304000017"))); got != "3b95bb16e64442633ed2e97554f213c1b30d3a4ad4f2d060901e4b4aa1652626" {
		t.Errorf("budget: got %s", got)
	}
	d, ok := a.device("aAz8XHCMcmbppqOlK1enbAAAAABrDMkAV9zlYcN4uT7t2IKiK_97zpWjJ2fzYYez", []byte("account"))
	if !ok || !d.issued.Equal(now) || !a.knows(Credentials{Subject: "s", Factors: []Held{{Kind: PasswordFactor, Secret: []byte("hash")}}}, d) {
		t.Errorf("device: got %+v, %v", d, ok)
	}
}

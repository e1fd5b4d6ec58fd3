package passkey

import (
	"encoding/json"
	"testing"

	"hopnhat/authz/authn/passkey/passkeytest"
	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// FuzzAnswer: what a browser sends is read or refused, whatever it is; what is read is one JSON
// object, within its bounds, and is checked to the end.
func FuzzAnswer(f *testing.F) {
	party, _ := PartyOf("https://id.example")
	a := passkeytest.New(f, "https://id.example")
	p := New(Options{Key: keytest.GoldenKey(seal.Passkeys)})
	const challenge = "Y2hhbGxlbmdl"
	f.Add(a.Create(f, party.offered(challenge, "x", user{ID: base64url.EncodeToString(p.handle("an"))}, nil)))
	a.Format = "packed"
	f.Add(a.Create(f, party.offered(challenge, "x", user{ID: "eA"}, nil)))
	f.Add(a.Get(f, party.asked(challenge)))
	f.Add(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`)
	f.Add("")
	f.Fuzz(func(t *testing.T, answer string) {
		var object map[string]json.RawMessage
		if c, err := readCreated(answer); err == nil {
			if len(answer) > maxAnswer || json.Unmarshal([]byte(answer), &object) != nil {
				t.Errorf("read: %q", answer)
			}
			m, err := party.verifyCreated(c)
			if err == nil && (len(m.id) == 0 || len(m.id) > maxCredential || len(m.key) == 0 || len(m.key) > maxKey) {
				t.Errorf("kept: %+v", m)
			}
		}
		if a, err := readAsserted(answer); err == nil {
			if len(answer) > maxAnswer || json.Unmarshal([]byte(answer), &object) != nil ||
				len(a.RawID) == 0 || len(a.RawID) > maxCredential {
				t.Errorf("read: %q", answer)
			}
			if _, err := party.verifyAsserted(a, Held{Key: []byte{0xa0}}, a.Response.UserHandle); err == nil {
				t.Errorf("signed in with a key that is none: %q", answer)
			}
		}
	})
}

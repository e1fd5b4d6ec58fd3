package passkey

import (
	"encoding/hex"
	"testing"
	"time"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestFormats: challenges and user handles of the release before are good. An authenticator
// keeps a user handle for ever.
func TestFormats(t *testing.T) {
	p := New(Options{Key: keytest.GoldenKey(seal.Passkeys), Now: func() time.Time { return time.Unix(1796000000, 0) }})
	const challenge = "Qt_3INZDFSjeM8-RUuPCTwAAAABrDMkAmqxYeJn0jMypdsUdPImiIXnsHc5LhoQjAsu8ommXP9c"
	if got, err := p.fresh.check(challenge, adding("s"), "b"); err != nil || !got.expires.Equal(time.Unix(1796000600, 0)) {
		t.Errorf("challenge: got %+v, %v", got, err)
	}
	if got := hex.EncodeToString(p.handle("s")); got != "158df21b9a9cb399eb15e8d65b611e83932e19a9458757450d1a0f444a4366cc" {
		t.Errorf("user handle: got %s", got)
	}
}

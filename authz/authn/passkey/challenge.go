package passkey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"

	"hopnhat/authz"
	"hopnhat/keys/seal"
)

// Life is how long a challenge is good: the time that browsers give a person, and a slow
// reader, before they ask for her passkey (WebAuthn Level 3 §15.1 recommends 5 to 10 minutes).
const Life = 10 * time.Minute

// A challenge is 16 random bytes, the time in seconds, and a MAC over both, the purpose and
// the browser (WebAuthn Level 3 §13.4.3 wants 16 random bytes at least).
const (
	nonceBytes = 16
	headBytes  = nonceBytes + 8
	macBytes   = sha256.Size
)

// signingIn and adding are the purposes of challenges; that of adding a passkey is bound to
// the session of the person.
const signingIn = "sign-in"

func adding(session authz.SessionID) string { return "adding " + string(session) }

// challenges makes and checks challenges.
type challenges struct {
	key seal.Key // of [seal.Passkeys]
	now func() time.Time
}

// fresh is a new challenge, base64url as options and client data have it.
func (c challenges) fresh(purpose, binding string) string {
	head := make([]byte, nonceBytes, headBytes+macBytes)
	_, _ = rand.Read(head) // never fails
	head = binary.BigEndian.AppendUint64(head, uint64(c.now().Unix()))
	return base64.RawURLEncoding.EncodeToString(append(head, c.mac(head, purpose, binding)...))
}

func (c challenges) mac(head []byte, purpose, binding string) []byte {
	return c.key.MAC(head, []byte(purpose), []byte{0}, []byte(binding))
}

// once is what a challenge that was answered rightly is spent by.
type once struct {
	digest  []byte
	expires time.Time
}

// check returns what spends a challenge; the error is a [Refusal], Foreign or Late.
func (c challenges) check(text, purpose, binding string) (once, error) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != headBytes+macBytes || binding == "" || !c.key.Genuine(raw[headBytes:], raw[:headBytes], []byte(purpose), []byte{0}, []byte(binding)) {
		return once{}, refuse(Foreign)
	}
	expires := time.Unix(int64(binary.BigEndian.Uint64(raw[nonceBytes:headBytes])), 0).Add(Life)
	if !c.now().Before(expires) {
		return once{}, refuse(Late)
	}
	digest := sha256.Sum256(append([]byte("challenge of a passkey "), raw...))
	return once{digest[:], expires}, nil
}

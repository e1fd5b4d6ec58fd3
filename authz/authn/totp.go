package authn

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"

	"hopnhat/authz"
)

// totp is the factor of one-time codes. Its secret is a seed of 20 bytes, sealed by the
// keyring.
type totp struct{ opener Opener }

// Opener opens sealed seeds, and wraps stale ones anew (keys.Secrecy).
type Opener interface {
	Open(ctx context.Context, sealed, aad []byte) (plaintext []byte, stale bool, err error)
	Rewrap(ctx context.Context, sealed []byte) ([]byte, error)
}

// SeedAAD binds a sealed TOTP seed to its subject.
func SeedAAD(subject authz.Subject) []byte { return []byte("totp " + string(subject)) }

// Methods: a one-time code is otp, RFC 8176 §2.
func (totp) Methods() []string { return []string{"otp"} }

// Check compares a code with those of the seed that is held.
func (f totp) Check(ctx context.Context, subject authz.Subject, held Held, answer Answer) (Verdict, error) {
	if len(held.Secret) == 0 {
		return Verdict{}, nil
	}
	seed, stale, err := f.opener.Open(ctx, held.Secret, SeedAAD(subject))
	if err != nil {
		return Verdict{}, fmt.Errorf("opening a one-time code seed: %w", err)
	}
	counter, ok := MatchCode(seed, answer.Text, answer.At, held.Counter)
	v := Verdict{Right: ok, Counter: counter}
	if stale {
		v.Renew = func(ctx context.Context) ([]byte, error) { return f.opener.Rewrap(ctx, held.Secret) }
	}
	return v, nil
}

// step is the time step of RFC 6238 §4.2.
const step = 30 * time.Second

// codeAt is HOTP of RFC 4226 §5.3 with six digits.
func codeAt(seed []byte, counter int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(counter))
	m := hmac.New(sha1.New, seed)
	m.Write(b[:])
	sum := m.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	value := binary.BigEndian.Uint32(sum[offset:offset+4]) & 0x7fffffff
	return fmt.Sprintf("%06d", value%1_000_000)
}

// CurrentCode is what an authenticator app shows now; the demonstration prints it.
func CurrentCode(seed []byte, now time.Time) string {
	return codeAt(seed, now.Unix()/int64(step.Seconds()))
}

// MatchCode finds the time step of a code: now, one earlier or one later (RFC
// 6238 §5.2), but later than the last one accepted, since a code is good once.
func MatchCode(seed []byte, code string, now time.Time, last int64) (counter int64, ok bool) {
	current := now.Unix() / int64(step.Seconds())
	found := int64(0)
	for c := current - 1; c <= current+1; c++ {
		// All three are compared, so that time tells nothing.
		if subtle.ConstantTimeCompare([]byte(codeAt(seed, c)), []byte(code)) == 1 && c > last {
			found, ok = c, true
		}
	}
	return found, ok
}

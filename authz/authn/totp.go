package authn

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"time"
)

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

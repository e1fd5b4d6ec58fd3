package bench

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"sync"
	"time"
)

// person is an enrolled synthetic login.
type person struct {
	number, password string
	seed             []byte
	step             int64 // of the last code given
}

// credentials are good for one sign-in.
type credentials struct {
	person *person
	code   string
}

// people hands out credentials. A code is good once and a person has one new
// code each 30 s, so measuring sign-ins uses up people.
type people struct {
	now func() time.Time

	mu   sync.Mutex
	list []*person
	at   int
}

func newPeople(list []*person) *people { return &people{now: time.Now, list: list} }

// next is the next person in turn who has a code left: the server takes the step
// before the present one, the present one and the next. ok is false when nobody
// has.
func (p *people) next() (credentials, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now().Unix()
	step, oldest := now/30, now/30
	if now%30 < 20 { // else it could be too old when it arrives
		oldest--
	}
	for range p.list {
		who := p.list[p.at]
		p.at = (p.at + 1) % len(p.list)
		if next := max(who.step+1, oldest); next <= step+1 {
			who.step = next
			return credentials{who, oneTimeCode(who.seed, next)}, true
		}
	}
	return credentials{}, false
}

// oneTimeCode is TOTP of RFC 6238 with SHA-1 and six digits.
func oneTimeCode(seed []byte, step int64) string {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(step))
	m := hmac.New(sha1.New, seed)
	m.Write(b[:])
	sum := m.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[offset:])&0x7fffffff)%1_000_000)
}

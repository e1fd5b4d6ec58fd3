package suite

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Person is one who signs in. The value "totp" is the seed of one-time codes
// (RFC 6238, 30 s, six digits), in hexadecimal or base32.
type Person struct {
	values map[string]string

	mu   sync.Mutex
	last int64 // time step of the last code
}

const (
	step     = 30
	onTheWay = 3 // seconds that a code may need from here to the provider's check
)

// Code is the next one-time code. A code is good once, so each is of a later step;
// the step before the present one, the present one and the next are used, which
// providers accept for the sake of clocks that differ. In the last seconds of a step
// the one before is left out: the code would be read when two steps have passed.
// wait is how long the next step is still away.
func (p *Person) Code(now time.Time) (code string, wait time.Duration, err error) {
	seed, err := p.seed()
	if err != nil {
		return "", 0, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	present := now.Unix() / step
	next := max(p.last+1, (now.Unix()+onTheWay)/step-1)
	if next > present+1 {
		return "", time.Unix((next-1)*step, 0).Sub(now), nil
	}
	p.last = next
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(next))
	m := hmac.New(sha1.New, seed)
	m.Write(b[:])
	sum := m.Sum(nil)
	offset := sum[len(sum)-1] & 0xf
	return fmt.Sprintf("%06d", (binary.BigEndian.Uint32(sum[offset:])&0x7fffffff)%1_000_000), 0, nil
}

func (p *Person) seed() ([]byte, error) {
	text := p.values["totp"]
	if seed, err := hex.DecodeString(text); err == nil && text != "" {
		return seed, nil
	}
	seed, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(strings.TrimRight(text, "=")))
	if err != nil || len(seed) == 0 {
		return nil, fmt.Errorf("people: totp is neither hexadecimal nor base32")
	}
	return seed, nil
}

// people hands out persons, the one who rested longest first.
type people struct{ free chan *Person }

func newPeople(values []map[string]string) people {
	p := people{make(chan *Person, len(values))}
	for _, v := range values {
		p.free <- &Person{values: v}
	}
	return p
}

func (p people) take(ctx context.Context) (*Person, error) {
	select {
	case person := <-p.free:
		return person, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("waiting for a person who is free: %w", ctx.Err())
	}
}

func (p people) giveBack(person *Person) { p.free <- person }

// Person is the run's own, who signs in at all its browsers.
func (r *Run) Person() *Person {
	if r.person == nil {
		r.suite.leave()
		person, err := r.suite.people.take(r.ctx)
		r.suite.enter()
		r.works(err, "finding a person")
		r.person = person
	}
	return r.person
}

// Say gives the run's person a value that steps may name, until the run ends.
func (r *Run) Say(name, value string) {
	p := r.Person()
	before, there := p.values[name]
	p.values[name] = value
	r.Finally(func() {
		if there {
			p.values[name] = before
		} else {
			delete(p.values, name)
		}
	})
}

// Fill puts the person's values in place of {name} in a text of the configuration.
func (r *Run) Fill(text string) string {
	for name, value := range r.Person().values {
		text = strings.ReplaceAll(text, "{"+name+"}", value)
	}
	if !strings.Contains(text, "{code}") {
		return text
	}
	for {
		code, wait, err := r.Person().Code(time.Now())
		r.works(err, "making a one-time code")
		if wait == 0 {
			return strings.ReplaceAll(text, "{code}", code)
		}
		r.Wait(wait, "the person's next one-time code")
		r.works(r.ctx.Err(), "waiting for a one-time code")
	}
}

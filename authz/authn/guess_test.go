package authn

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
)

// people keeps credentials in memory, and notes how many failures it counted.
type people struct {
	mu       sync.Mutex
	rows     map[authz.Subject]Credentials
	numbers  map[string]authz.Subject
	attempts map[string]Credentials
	failures int
}

func (p *people) Credentials(_ context.Context, number authz.PersonalNumber, key []byte) (Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if subject, ok := p.numbers[number.Reveal()]; ok {
		return p.rows[subject], nil
	}
	return p.attempts[string(key)], nil
}

func (p *people) CredentialsOf(_ context.Context, subject authz.Subject) (Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.rows[subject]
	if !ok {
		return c, authz.ErrNotFound
	}
	return c, nil
}

func (p *people) CountFailure(_ context.Context, key []byte, subject authz.Subject, at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failures++
	row, name := p.attempts[string(key)], string(key)
	if subject != "" {
		row = p.rows[subject]
	}
	row.Failures, row.FailedAt = row.Failures+1, at
	if subject != "" {
		p.rows[subject] = row
	} else {
		p.attempts[name] = row
	}
	return nil
}

func (p *people) AcceptCode(_ context.Context, subject authz.Subject, step int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	row := p.rows[subject]
	if step <= row.LastStep || row.Locked {
		return authz.ErrConflict
	}
	row.LastStep, row.Failures, row.FailedAt = step, 0, time.Time{}
	p.rows[subject] = row
	return nil
}

func (p *people) SetPasswordHash(_ context.Context, subject authz.Subject, hash string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	row := p.rows[subject]
	row.PasswordHash = hash
	p.rows[subject] = row
	return nil
}

func (p *people) ReplaceSeed(context.Context, authz.Subject, []byte, []byte) error { return nil }
func (p *people) Tx(ctx context.Context, fn func(ctx context.Context) error) error { return fn(ctx) }

func (p *people) Open(_ context.Context, sealed, _ []byte) ([]byte, bool, error) {
	return sealed, false, nil
}

func (p *people) Rewrap(_ context.Context, sealed []byte) ([]byte, error) { return sealed, nil }

func (p *people) seen() int { p.mu.Lock(); defer p.mu.Unlock(); return p.failures }

const (
	known   = authz.PersonalNumber("099000000017")
	unknown = authz.PersonalNumber("099000000025")
)

func guessed(t *testing.T) (*Authenticator, *people) {
	t.Helper()
	h := NewHasher(Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1})
	hash, err := h.Hash(t.Context(), "right-password")
	if err != nil {
		t.Fatal(err)
	}
	p := &people{
		rows:     map[authz.Subject]Credentials{"s": {Subject: "s", PasswordHash: hash, SealedSeed: []byte("12345678901234567890")}},
		numbers:  map[string]authz.Subject{known.Reveal(): "s"},
		attempts: map[string]Credentials{},
	}
	now := time.Unix(1_800_000_000, 0)
	a, err := New(p, p, h, NewAddresses(1<<20, time.Second, func() time.Time { return now }), make([]byte, 32), func() time.Time { return now })
	if err != nil {
		t.Fatal(err)
	}
	return a, p
}

// together makes many attempts at once, each from an address of its own.
func together(t *testing.T, try func(address netip.Addr) error) (wrong, throttled int) {
	t.Helper()
	var group sync.WaitGroup
	var w, h atomic.Int32
	for i := range 200 {
		group.Go(func() {
			err := try(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}))
			var wait Throttled
			switch {
			case errors.Is(err, ErrWrong):
				w.Add(1)
			case errors.As(err, &wait):
				h.Add(1)
			default:
				t.Errorf("an attempt ended with %v", err)
			}
		})
	}
	group.Wait()
	return int(w.Load()), int(h.Load())
}

// TestGuessesThatComeTogether: however many attempts at one account come at once,
// and from wherever, five are looked at before the account waits.
func TestGuessesThatComeTogether(t *testing.T) {
	for name, number := range map[string]authz.PersonalNumber{"passwords": known, "passwords of nobody": unknown} {
		t.Run(name, func(t *testing.T) {
			a, p := guessed(t)
			wrong, throttled := together(t, func(address netip.Addr) error {
				_, err := a.Password(t.Context(), Attempt{Number: number, Password: "wrong-password", Address: address, Binding: "b"})
				return err
			})
			if wrong != 5 || p.seen() != 5 || throttled != 195 {
				t.Fatalf("%d guesses were looked at, %d counted, %d told to wait", wrong, p.seen(), throttled)
			}
		})
	}
	t.Run("codes", func(t *testing.T) {
		a, p := guessed(t)
		ticket, err := a.Password(t.Context(), Attempt{Number: known, Password: "right-password", Binding: "b"})
		if err != nil {
			t.Fatal(err)
		}
		wrong, throttled := together(t, func(address netip.Addr) error {
			return a.Code(t.Context(), ticket, "000000", "b", address, func(context.Context, Result) error { return nil })
		})
		if wrong != 5 || p.seen() != 5 || throttled != 195 {
			t.Fatalf("%d guesses were looked at, %d counted, %d told to wait", wrong, p.seen(), throttled)
		}
	})
}

// TestTicketIsOfItsBrowser: the first step in one browser does not open the
// second in another.
func TestTicketIsOfItsBrowser(t *testing.T) {
	a, p := guessed(t)
	ticket, err := a.Password(t.Context(), Attempt{Number: known, Password: "right-password", Binding: "hers"})
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	start := func(context.Context, Result) error { begun++; return nil }
	code := CurrentCode(p.rows["s"].SealedSeed, time.Unix(1_800_000_000, 0))
	if err := a.Code(t.Context(), ticket, code, "another", netip.Addr{}, start); !errors.Is(err, ErrTicket) || begun != 0 {
		t.Fatalf("another browser: %v", err)
	}
	if err := a.Code(t.Context(), ticket, code, "hers", netip.Addr{}, start); err != nil || begun != 1 {
		t.Fatalf("hers: %v", err)
	}
	if err := a.Code(t.Context(), ticket, code, "hers", netip.Addr{}, start); !errors.Is(err, ErrWrong) || begun != 1 {
		t.Fatalf("RFC 6238 §5.2: the same code again: %v", err)
	}
}

// TestHashFollowsItsParameters: who signs in after the cost was raised has a hash
// of the new cost from then on; who gives a wrong password has not.
func TestHashFollowsItsParameters(t *testing.T) {
	a, p := guessed(t)
	raised := Argon2{MemoryKiB: 128, Passes: 1, Lanes: 1}
	a.hasher = NewHasher(raised)
	for _, row := range []struct {
		password string
		cost     string
	}{{"wrong-password", "m=64"}, {"right-password", "m=128"}, {"right-password", "m=128"}} {
		_, err := a.Password(t.Context(), Attempt{Number: known, Password: row.password, Binding: "b"})
		if (err == nil) != (row.password == "right-password") {
			t.Fatalf("%s: %v", row.password, err)
		}
		if hash := p.rows["s"].PasswordHash; !strings.Contains(hash, row.cost+",") {
			t.Fatalf("after %s the hash is %s, want %s", row.password, hash, row.cost)
		}
	}
}

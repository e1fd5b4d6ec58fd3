package authn

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/keys/seal"
)

// nation is a number of people with a password each, that lets every guess through, so
// that what bounds the evidence is not what bounds guessing.
type nation struct {
	Accounts
	held map[string]Credentials

	mu     sync.Mutex
	counts map[Failed]int
	acts   []audit.Act
	down   error
}

func (n *nation) BeginSignIn(_ context.Context, number authz.PersonalNumber, _ []Budget, _ time.Time) (Credentials, time.Duration, error) {
	return n.held[number.Reveal()], 0, nil
}

func (n *nation) CountAttempt(context.Context, []Budget, time.Time) (time.Duration, error) {
	return 0, nil
}

func (n *nation) Tx(ctx context.Context, fn func(context.Context) error) error { return fn(ctx) }

func (n *nation) CountFailed(_ context.Context, all []Failed) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.down != nil {
		return n.down
	}
	for _, one := range all {
		n.counts[Failed{one.Subject, one.Began, 0}] += one.Count
	}
	return nil
}

func (n *nation) TakeFailed(_ context.Context, before time.Time) (all []Failed, err error) {
	for key, count := range n.counts {
		if key.Began.Before(before) {
			all = append(all, Failed{key.Subject, key.Began, count})
			delete(n.counts, key)
		}
	}
	return all, nil
}

func (n *nation) Write(_ context.Context, acts ...audit.Act) ([]audit.Written, error) {
	n.acts = append(n.acts, acts...)
	return nil, nil
}

// TestAStrangerCannotFillTheLog: 100,000 guesses, at people that there are and at numbers
// that nobody holds, are one event an account and window.
func TestAStrangerCannotFillTheLog(t *testing.T) {
	const guesses, people = 100_000, 40
	h := NewHasher(Argon2{MemoryKiB: 8, Passes: 1, Lanes: 1})
	hash, err := h.Hash(t.Context(), "right-password")
	if err != nil {
		t.Fatal(err)
	}
	number := func(i int) authz.PersonalNumber { return authz.PersonalNumber(fmt.Sprintf("0990%08d", i)) }
	n := &nation{held: map[string]Credentials{}, counts: map[Failed]int{}}
	for i := range people {
		n.held[number(i).Reveal()] = Credentials{Subject: authz.Subject(fmt.Sprint("s-", i)), Factors: []Held{{ID: "p", Kind: PasswordFactor, Secret: []byte(hash)}}}
	}
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	a := New(n, nil, h, NewAddresses(1<<20, time.Second, clock), seal.New(seal.Tickets, make([]byte, 32)), clock)
	f := &FailedSignIns{Of: a, Store: n, Evidence: n, Now: clock}

	atPeople := 0
	for i := range guesses {
		guess := number(1_000_000 + i) // nobody's
		if i%10 == 0 {
			guess, atPeople = number(i/10%people), atPeople+1
		}
		_, err := a.Password(t.Context(), Attempt{Number: guess, Password: "guess", Origin: Origin{
			Address: netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)}), Binding: "b",
		}})
		if !errors.Is(err, ErrWrong) {
			t.Fatalf("guess %d: %v", i, err)
		}
		if i%20_000 == 0 {
			if err := f.Note(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(f.Note(t.Context()), f.Record(t.Context())); err != nil {
		t.Fatal(err)
	}
	if len(n.acts) != 0 {
		t.Fatalf("%d events before the window is over", len(n.acts))
	}
	now = now.Add(FailedWindow + settle + time.Minute)
	if err := f.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for _, act := range n.acts {
		if act.Action != audit.SignInFailed || act.Subject == "" || act.Detail.Text != "2026-11-30T09:00:00Z/2026-11-30T10:00:00Z" {
			t.Errorf("got %q of %q: %q", act.Action, act.Subject, act.Detail.Text)
		}
		sum += int(act.Detail.Count)
	}
	if len(n.acts) != people || sum != atPeople {
		t.Errorf("%d events of %d wrong answers, want %d of %d", len(n.acts), sum, people, atPeople)
	}
	if err := f.Record(t.Context()); err != nil || len(n.acts) != people {
		t.Errorf("recorded again: %d events, %v", len(n.acts), err)
	}
}

// TestGuessesAtEverybody: where a stranger guesses at more accounts than have an event
// each, those with the most wrong answers have one, and the others one together.
func TestGuessesAtEverybody(t *testing.T) {
	now := time.Date(2026, 11, 30, 9, 30, 0, 0, time.UTC)
	n := &nation{counts: map[Failed]int{}}
	a := &Authenticator{}
	f := &FailedSignIns{Of: a, Store: n, Evidence: n, Named: 99, Now: func() time.Time { return now }}
	for i := range 100_000 {
		a.failed.wrong(authz.Subject(fmt.Sprint("s-", i)), now)
	}
	a.failed.wrong("s-77", now)
	a.failed.wrong("one more than gather", now)
	n.down = authz.ErrUnavailable
	if err := f.Note(t.Context()); !errors.Is(err, authz.ErrUnavailable) {
		t.Fatalf("got %v", err)
	}
	n.down = nil // nothing of it was lost
	if err := f.Note(t.Context()); err != nil {
		t.Fatal(err)
	}
	now = now.Add(2 * FailedWindow)
	if err := f.Record(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(n.acts) != 100 || n.acts[0].Subject != "s-77" || n.acts[0].Detail.Count != 2 {
		t.Fatalf("%d events, the first of %q", len(n.acts), n.acts[0].Subject)
	}
	if last := n.acts[99]; last.Action != audit.SignInFailedElsewhere || last.Detail.Count != 100_000-99 ||
		last.Detail.Text != "accounts: 99901" {
		t.Errorf("the others: %q, %d, %q", last.Action, last.Detail.Count, last.Detail.Text)
	}
}

package authn

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/keys/seal"
)

// people keeps credentials in memory, and counts attempts as the store does.
type people struct {
	mu      sync.Mutex
	rows    map[authz.Subject]Credentials
	numbers map[string]authz.Subject
	spent   map[string]int
	counted int       // attempts that were let through
	next    time.Time // of the budgets that are asked of when credentials are read
	// failing is what the next commits end with; lost says that they are made all the same.
	failing error
	// contexts sees the context of each count.
	contexts func(ctx context.Context)
}

func (p *people) CredentialsOf(_ context.Context, subject authz.Subject, budgets ...Budget) (Credentials, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.rows[subject]
	if !ok {
		return c, authz.ErrNotFound
	}
	if len(budgets) > 0 {
		c.NextAt = p.next
	}
	return c, nil
}

// CountAttempt is called within Tx, which holds the lock.
func (p *people) CountAttempt(ctx context.Context, budgets []Budget, _ time.Time) (time.Duration, error) {
	if p.contexts != nil {
		p.contexts(ctx)
	}
	for _, b := range budgets {
		if p.spent[string(b.Key)] >= b.Free && b.Effect != RestoreAnyway {
			return time.Minute, nil
		}
	}
	for _, b := range budgets {
		if b.Effect == Spend {
			p.spent[string(b.Key)]++
		} else {
			delete(p.spent, string(b.Key))
		}
	}
	p.counted++
	return 0, nil
}

func (p *people) BeginSignIn(
	ctx context.Context, number authz.PersonalNumber, budgets []Budget, at time.Time,
) (c Credentials, wait time.Duration, err error) {
	err = p.Tx(ctx, func(ctx context.Context) error {
		if wait, err = p.CountAttempt(ctx, budgets, at); wait > 0 {
			return Throttled{wait}
		}
		return err
	})
	if err == nil || wait > 0 {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.rows[p.numbers[number.Reveal()]], wait, nil
	}
	return c, 0, err
}

// Accept is called within Tx too.
func (p *people) Accept(ctx context.Context, a *Acceptance) error {
	a.Recorded = true
	if wait, err := p.CountAttempt(ctx, a.Budgets, a.At); err != nil || wait > 0 {
		return Throttled{wait}
	}
	row := p.rows[a.Subject]
	row.Factors = slices.Clone(row.Factors)
	for _, use := range a.Uses {
		i := slices.IndexFunc(row.Factors, func(h Held) bool { return h.ID == use.Factor })
		if i < 0 || row.Locked || use.Counter != 0 && use.Counter <= row.Factors[i].Counter {
			return ErrUsed
		}
		row.Factors[i].Counter = max(row.Factors[i].Counter, use.Counter)
	}
	p.rows[a.Subject] = row
	return nil
}

// begins is the start of a session that records the answer and does nothing else.
func (p *people) begins(ctx context.Context, r Result) error { return p.Accept(ctx, r.By) }

// Tx runs one transaction at a time; one that fails leaves nothing.
func (p *people) Tx(ctx context.Context, fn func(ctx context.Context) error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	spent, rows, counted := maps.Clone(p.spent), maps.Clone(p.rows), p.counted
	err := fn(ctx)
	if err == nil {
		err = p.failing
	}
	if err != nil {
		p.spent, p.rows, p.counted = spent, rows, counted
	}
	return err
}

func (p *people) ReplaceSecret(_ context.Context, _ authz.Subject, factor FactorID, old, fresh []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, row := range p.rows {
		for i, h := range row.Factors {
			if h.ID == factor && bytes.Equal(h.Secret, old) {
				row.Factors[i].Secret = fresh
			}
		}
	}
	return nil
}

// secret is that of a factor of the person who signs in in these tests.
func (p *people) secret(kind FactorKind) []byte { return p.rows["s"].of(kind).Secret }

// change changes a factor of hers.
func (p *people) change(kind FactorKind, do func(h *Held)) {
	row := p.rows["s"]
	row.Factors = slices.Clone(row.Factors)
	for i := range row.Factors {
		if row.Factors[i].Kind == kind {
			do(&row.Factors[i])
		}
	}
	p.rows["s"] = row
}

func (p *people) Open(_ context.Context, sealed, _ []byte) ([]byte, bool, error) {
	return sealed, false, nil
}

func (p *people) Rewrap(_ context.Context, sealed []byte) ([]byte, error) { return sealed, nil }

func (p *people) seen() int { p.mu.Lock(); defer p.mu.Unlock(); return p.counted }

const (
	held   = authz.PersonalNumber("099000000017")
	nobody = authz.PersonalNumber("099000000025")
)

func guessed(t *testing.T) (*Authenticator, *people) {
	t.Helper()
	h := NewHasher(Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1})
	hash, err := h.Hash(t.Context(), "right-password")
	if err != nil {
		t.Fatal(err)
	}
	p := &people{
		rows: map[authz.Subject]Credentials{"s": {Subject: "s", Factors: []Held{
			{ID: "p", Kind: PasswordFactor, Secret: []byte(hash)},
			{ID: "o", Kind: TOTPFactor, Secret: []byte("12345678901234567890")},
		}}},
		numbers: map[string]authz.Subject{held.Reveal(): "s"},
		spent:   map[string]int{},
	}
	now := time.Unix(1_800_000_000, 0)
	a := New(
		p, p, h, NewAddresses(1<<20, time.Second, func() time.Time { return now }), seal.New(seal.Tickets, make([]byte, 32)),
		func() time.Time { return now },
	)
	return a, p
}

// from is an origin; each i is a network of its own.
func from(i int) Origin {
	return Origin{Address: netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), Binding: "b"}
}

// together makes many attempts at once.
func together(t *testing.T, try func(i int) error) (wrong, throttled int) {
	t.Helper()
	var group sync.WaitGroup
	var w, h atomic.Int32
	for i := range 200 {
		group.Go(func() {
			err := try(i)
			for errors.As(err, new(Busy)) {
				runtime.Gosched()
				err = try(i)
			}
			switch {
			case errors.Is(err, ErrWrong):
				w.Add(1)
			case errors.As(err, new(Throttled)):
				h.Add(1)
			default:
				t.Errorf("an attempt ended with %v", err)
			}
		})
	}
	group.Wait()
	return int(w.Load()), int(h.Load())
}

// TestGuessesThatComeTogether: however many attempts at one account come at once, five
// of one network are looked at, and of all networks fifty, before they wait (NIST SP 800-63B
// §3.2.2 bounds them by a hundred); at numbers that nobody holds too.
func TestGuessesThatComeTogether(t *testing.T) {
	for name, network := range map[string]func(i int) int{"one network": func(int) int { return 0 }, "many": func(i int) int { return i }} {
		want := map[string]int{"one network": freeOwn, "many": freeAccount}[name]
		for whose, number := range map[string]authz.PersonalNumber{"somebody": held, "nobody": nobody} {
			t.Run("passwords of "+whose+" from "+name, func(t *testing.T) {
				a, p := guessed(t)
				wrong, throttled := together(t, func(i int) error {
					_, err := a.Password(t.Context(), Attempt{Number: number, Password: "wrong-password", Origin: from(network(i))})
					return err
				})
				if wrong != want || p.seen() != want || throttled != 200-want {
					t.Fatalf("%d guesses were looked at, %d counted, %d told to wait", wrong, p.seen(), throttled)
				}
			})
		}
		t.Run("codes from "+name, func(t *testing.T) {
			a, p := guessed(t)
			first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: from(1)})
			if err != nil {
				t.Fatal(err)
			}
			wrong, throttled := together(t, func(i int) error {
				_, err := a.Answer(
					t.Context(), first.Ticket, "000000", from(network(i)), p.begins,
				)
				return err
			})
			if wrong != want || p.seen() != want+1 || throttled != 200-want {
				t.Fatalf("%d guesses were looked at, %d counted, %d told to wait", wrong, p.seen(), throttled)
			}
		})
	}
}

// signIn does both steps.
func signIn(t *testing.T, a *Authenticator, p *people, o Origin) (device string, err error) {
	t.Helper()
	first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: o})
	if err != nil {
		return "", err
	}
	p.change(TOTPFactor, func(h *Held) { h.Counter = 0 }) // another code each time
	done, err := a.Answer(
		t.Context(), first.Ticket, CurrentCode(p.secret(TOTPFactor), a.now()), o, p.begins,
	)
	return done.Device, err
}

// TestNobodyShutsAnotherOut: whatever strangers guess, at the account and from her own
// network, the browser that she signed in with signs in again.
func TestNobodyShutsAnotherOut(t *testing.T) {
	a, p := guessed(t)
	a.addresses = NewAddresses(10, time.Hour, a.now)
	device, err := signIn(t, a, p, from(1))
	if err != nil || device == "" {
		t.Fatalf("%q, %v", device, err)
	}
	guess := func(o Origin) error {
		_, err := a.Password(t.Context(), Attempt{Number: held, Password: "wrong-password", Origin: o})
		return err
	}
	for range 20 {
		_ = guess(from(2))
	}
	if _, err := signIn(t, a, p, from(3)); err != nil {
		t.Fatalf("from another network, after one was used up: %v", err)
	}
	for i := range 200 {
		_ = guess(from(i))
	}
	if _, err := signIn(t, a, p, from(4)); !errors.As(err, new(Throttled)) {
		t.Fatalf("a stranger after many networks guessed: %v", err)
	}
	hers := from(1)
	hers.Device = device
	for range 3 * freeOwn { // and she is not counted out by her own sign-ins
		if hers.Device, err = signIn(t, a, p, hers); err != nil {
			t.Fatalf("the known browser: %v", err)
		}
	}
	for i := range 2 * freeOwn {
		if err := guess(hers); (i < freeOwn) != errors.Is(err, ErrWrong) {
			t.Fatalf("guess %d in the known browser: %v", i, err)
		}
	}
}

// TestDeviceCookie: whose entry it is, and until when.
func TestDeviceCookie(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(p *people, a *Authenticator, o *Origin)
		known  bool
	}{
		{"as it was given", func(*people, *Authenticator, *Origin) {}, true},
		{"from another network", func(_ *people, _ *Authenticator, o *Origin) { o.Address = from(9).Address }, true},
		{"behind entries of others", func(_ *people, _ *Authenticator, o *Origin) { o.Device = "x.y." + o.Device }, true},
		{"behind more entries than there may be", func(_ *people, _ *Authenticator, o *Origin) { o.Device = "x.y.z.u." + o.Device }, false},
		{"a byte changed", func(_ *people, _ *Authenticator, o *Origin) {
			o.Device = strings.Map(func(r rune) rune {
				if r == rune(o.Device[0]) {
					return 'A' + (r+1)%26
				}
				return r
			}, o.Device)
		}, false},
		{"cut", func(_ *people, _ *Authenticator, o *Origin) { o.Device = o.Device[:20] }, false},
		{"another person's", func(p *people, _ *Authenticator, _ *Origin) {
			p.numbers[held.Reveal()], p.numbers[nobody.Reveal()] = "t", "s"
		}, false},
		{"made under another key", func(_ *people, a *Authenticator, _ *Origin) {
			a.key = seal.New(seal.DevicesAndBudgets, make([]byte, 32))
		}, false},
		{"after signing out everywhere", func(p *people, a *Authenticator, _ *Origin) {
			c := p.rows["s"]
			c.DevicesSince = a.now()
			p.rows["s"] = c
		}, false},
		{"after another password", func(p *people, a *Authenticator, _ *Origin) {
			hash, _ := a.hasher.Hash(context.Background(), "another-password")
			p.change(PasswordFactor, func(h *Held) { h.Secret = []byte(hash) })
		}, false},
		{"after half a year", func(_ *people, a *Authenticator, _ *Origin) {
			then := a.now().Add(DeviceLife)
			a.now = func() time.Time { return then }
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, p := guessed(t)
			o := from(1)
			var err error
			if o.Device, err = signIn(t, a, p, o); err != nil {
				t.Fatal(err)
			}
			if strings.Contains(o.Device, held.Reveal()) || len(o.Device) > 80 {
				t.Fatalf("the cookie says %s", o.Device)
			}
			p.rows["t"] = Credentials{Subject: "t"}
			row.change(p, a, &o)
			_, _ = a.Password(t.Context(), Attempt{Number: held, Password: "wrong-password", Origin: o})
			got := a.Outcomes.All()[Outcome{passwordStep, "wrong", true}] == 1
			if got != row.known || a.Outcomes.All()[Outcome{passwordStep, "wrong", false}] == 1 == row.known {
				t.Fatalf("%v", a.Outcomes.All())
			}
		})
	}
	t.Run("of several people in one browser", func(t *testing.T) {
		a, _ := guessed(t)
		var cookie string
		for i := range 2 * maxDevices {
			var err error
			if cookie, err = a.remember(cookie, []byte{byte(i)}, Credentials{}); err != nil {
				t.Fatal(err)
			}
			for j := range i + 1 {
				if _, ok := a.device(cookie, []byte{byte(j)}); ok != (j > i-maxDevices) {
					t.Fatalf("after %d accounts the entry of %d: %v", i+1, j, ok)
				}
			}
		}
		again, err := a.remember(cookie, []byte{2*maxDevices - 1}, Credentials{})
		if err != nil || len(again) != len(cookie) {
			t.Fatalf("an account that is known already made %s of %s, %v", again, cookie, err)
		}
	})
}

// TestCountedWhateverHappens: an attempt is counted before anything is checked, though
// nobody waits for the answer any more; and where it cannot be counted, nothing is
// checked or told.
func TestCountedWhateverHappens(t *testing.T) {
	gone, leave := context.WithCancel(t.Context())
	leave()
	t.Run("who left is counted", func(t *testing.T) {
		a, p := guessed(t)
		first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: from(1)})
		if err != nil {
			t.Fatal(err)
		}
		p.contexts = func(ctx context.Context) {
			if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
				t.Errorf("counted under %v", ctx)
			}
		}
		_, _ = a.Password(gone, Attempt{Number: held, Password: "wrong-password", Origin: from(1)})
		_, _ = a.Answer(gone, first.Ticket, "000000", from(1), p.begins)
		if p.seen() != 3 {
			t.Fatalf("%d attempts were counted, want 3", p.seen())
		}
	})
	t.Run("what is not counted is not told", func(t *testing.T) {
		a, p := guessed(t)
		first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: from(1)})
		if err != nil {
			t.Fatal(err)
		}
		p.failing = authz.ErrUnavailable
		for _, password := range []string{"right-password", "wrong-password"} {
			if _, err := a.Password(
				t.Context(), Attempt{Number: held, Password: password, Origin: from(1)},
			); !errors.Is(err, authz.ErrUnavailable) {
				t.Errorf("%s: %v", password, err)
			}
		}
		for _, code := range []string{CurrentCode(p.secret(TOTPFactor), a.now()), "000000"} {
			if _, err := a.Answer(
				t.Context(), first.Ticket, code, from(1), p.begins,
			); !errors.Is(err, authz.ErrUnavailable) {
				t.Errorf("%s: %v", code, err)
			}
		}
	})
}

// TestTicketIsOfItsBrowser: the first step in one browser does not open the
// second in another.
func TestTicketIsOfItsBrowser(t *testing.T) {
	a, p := guessed(t)
	hers, another := from(1), from(1)
	hers.Binding, another.Binding = "hers", "another"
	first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: hers})
	if err != nil {
		t.Fatal(err)
	}
	begun := 0
	start := func(ctx context.Context, r Result) error { begun++; return p.Accept(ctx, r.By) }
	code := CurrentCode(p.secret(TOTPFactor), time.Unix(1_800_000_000, 0))
	if _, err := a.Answer(t.Context(), first.Ticket, code, another, start); !errors.Is(err, ErrTicket) || begun != 0 {
		t.Fatalf("another browser: %v", err)
	}
	if _, err := a.Answer(t.Context(), first.Ticket, code, hers, start); err != nil || begun != 1 {
		t.Fatalf("hers: %v", err)
	}
	if _, err := a.Answer(t.Context(), first.Ticket, code, hers, start); !errors.Is(err, ErrWrong) || begun != 1 {
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
		_, err := a.Password(t.Context(), Attempt{Number: held, Password: row.password, Origin: from(1)})
		if (err == nil) != (row.password == "right-password") {
			t.Fatalf("%s: %v", row.password, err)
		}
		if hash := string(p.secret(PasswordFactor)); !strings.Contains(hash, row.cost+",") {
			t.Fatalf("after %s the hash is %s, want %s", row.password, hash, row.cost)
		}
	}
}

// TestAlarm: guesses in numbers raise it, and nobody is refused for it.
func TestAlarm(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	a := newAlarm(func() time.Time { return now })
	step := func(when string, nation, app bool) {
		t.Helper()
		if n, p := a.up(); n != nation || p != app {
			t.Fatalf("%s: %v, %v", when, n, p)
		}
	}
	for range alarmApp - 1 {
		a.wrong("app")
	}
	step("below both", false, false)
	a.wrong("app")
	step("of one app", false, true)
	for i := range alarmNation {
		a.wrong(authz.ClientID(strings.Repeat("x", i%50)))
	}
	step("of all", true, true)
	now = now.Add(time.Minute)
	step("a minute later", true, true)
	now = now.Add(time.Minute)
	step("two minutes later", false, false)
	a.wrong("app")
	step("begun again", false, false)
}

// FuzzDeviceCookie: nobody makes an entry but we, and what is remembered is read again
// beside whatever else a browser sends.
func FuzzDeviceCookie(f *testing.F) {
	now := time.Unix(1_800_000_000, 0)
	a := &Authenticator{key: seal.New(seal.DevicesAndBudgets, []byte("key")), now: func() time.Time { return now }}
	good, err := a.remember("", []byte("account"), Credentials{Subject: "s"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(strings.Repeat("A", len(good)) + "." + good[:20])
	f.Add("....")
	f.Fuzz(func(t *testing.T, cookie string) {
		if _, ok := a.device(cookie, []byte("another")); ok {
			t.Fatalf("%q is known", cookie)
		}
		cookie, err := a.remember(cookie, []byte("another"), Credentials{})
		if err != nil || len(cookie) > maxDevices*(len(good)+1) {
			t.Fatalf("%q, %v", cookie, err)
		}
		if _, ok := a.device(cookie, []byte("another")); !ok {
			t.Fatalf("%q is not known", cookie)
		}
	})
}

// TestKnownBrowsersAreNotFree: of a known browser whose budget is used up, a node looks
// at so many attempts and no more: the others cost neither the database nor the key store
// anything. Another browser of the same person is not held back by it.
func TestKnownBrowsersAreNotFree(t *testing.T) {
	a, p := guessed(t)
	hers, other := from(1), from(2)
	for _, o := range []*Origin{&hers, &other} {
		var err error
		if o.Device, err = signIn(t, a, p, *o); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	p.contexts = func(context.Context) { asked++ }
	first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: hers})
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name string
		try  func() error
	}{
		{"password", func() error {
			_, err := a.Password(t.Context(), Attempt{Number: held, Password: "wrong-password", Origin: hers})
			return err
		}},
		{"code", func() error {
			_, err := a.Answer(t.Context(), first.Ticket, "000000", hers, p.begins)
			return err
		}},
	} {
		for i := range 3 * maxTries {
			if err := step.try(); i >= freeOwn && !errors.As(err, new(Throttled)) {
				t.Fatalf("%s %d: %v", step.name, i, err)
			}
		}
	}
	if asked > maxTries {
		t.Errorf("the database was asked %d times", asked)
	}
	if _, err := signIn(t, a, p, other); err != nil {
		t.Errorf("her other browser: %v", err)
	}
	a.now = func() time.Time { return time.Unix(1_800_000_000, 0).Add(triesFor) }
	asked = 0
	if _, err := a.Password(
		t.Context(), Attempt{Number: held, Password: "right-password", Origin: hers},
	); !errors.As(err, new(Throttled)) || asked != 1 {
		t.Errorf("a while later the database was asked %d times: %v", asked, err)
	}
}

// TestFactorsChangeMeanwhile: what was passed counts only while it is held, and a ticket
// of the release before, which names no factor, is good for the code.
func TestFactorsChangeMeanwhile(t *testing.T) {
	disable := func(kind FactorKind) func(p *people) {
		return func(p *people) {
			row := p.rows["s"]
			row.Factors = slices.DeleteFunc(slices.Clone(row.Factors), func(h Held) bool { return h.Kind == kind })
			p.rows["s"] = row
		}
	}
	for _, row := range []struct {
		name   string
		change func(p *people)
		ticket func(t *ticket)
		want   error
	}{
		{"nothing changed", func(*people) {}, func(*ticket) {}, nil},
		{"a ticket of the release before", func(*people) {}, func(t *ticket) { t.Passed, t.Next = nil, "" }, nil},
		{"of the release before, and the password is gone", disable(PasswordFactor), func(t *ticket) { t.Passed, t.Next = nil, "" }, ErrTicket},
		{"the password was disabled", disable(PasswordFactor), func(*ticket) {}, ErrTicket},
		{"another password replaced it", func(p *people) { p.change(PasswordFactor, func(h *Held) { h.ID = "another" }) }, func(*ticket) {}, ErrTicket},
		{"the seed was disabled", disable(TOTPFactor), func(*ticket) {}, ErrWrong},
		{"a factor comes next that is not offered here", func(*people) {}, func(t *ticket) { t.Next = "card" }, ErrTicket},
	} {
		a, p := guessed(t)
		first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: from(1)})
		if err != nil || first.Next != TOTPFactor {
			t.Fatalf("%+v, %v", first, err)
		}
		code := CurrentCode(p.secret(TOTPFactor), a.now())
		opened, err := a.open(first.Ticket)
		if err != nil {
			t.Fatal(err)
		}
		row.ticket(&opened)
		sealed, err := a.seal(opened)
		if err != nil {
			t.Fatal(err)
		}
		row.change(p)
		var got Result
		_, err = a.Answer(t.Context(), sealed, code, from(1), func(ctx context.Context, r Result) error {
			got = r
			return p.Accept(ctx, r.By)
		})
		if !errors.Is(err, row.want) || (err == nil) != slices.Equal(got.Methods, []string{"pwd", "otp", "mfa"}) {
			t.Errorf("%s: got %+v, %v, want %v", row.name, got, err, row.want)
		}
	}
}

// TestARightCodeRestores: a completed sign-in gives back what was spent of her own
// attempts, at the password too, though another of her network used those up meanwhile.
func TestARightCodeRestores(t *testing.T) {
	a, p := guessed(t)
	first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: from(1)})
	if err != nil {
		t.Fatal(err)
	}
	for range freeOwn {
		_, _ = a.Password(t.Context(), Attempt{Number: held, Password: "wrong-password", Origin: from(1)})
	}
	none := p.begins
	if _, err := a.Answer(t.Context(), first.Ticket, "000000", from(1), none); !errors.Is(err, ErrWrong) {
		t.Fatal(err)
	}
	if _, err := a.Answer(t.Context(), first.Ticket, CurrentCode(p.secret(TOTPFactor), a.now()), from(1), none); err != nil {
		t.Fatal(err)
	}
	for i := range freeOwn {
		if _, err := a.Password(
			t.Context(), Attempt{Number: held, Password: "wrong-password", Origin: from(1)},
		); !errors.Is(err, ErrWrong) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	// Once the attempts at the code are used up, a right one is told to wait as well.
	first, err = a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: from(2)})
	if err != nil {
		t.Fatal(err)
	}
	for range freeOwn {
		_, _ = a.Answer(t.Context(), first.Ticket, "000000", from(2), none)
	}
	p.change(TOTPFactor, func(h *Held) { h.Counter = 0 })
	if _, err := a.Answer(
		t.Context(), first.Ticket, CurrentCode(p.secret(TOTPFactor), a.now()), from(2), none,
	); !errors.As(err, new(Throttled)) {
		t.Fatalf("after the attempts were used up: %v", err)
	}
}

// TestNoAttemptLeftIsToldBeforeTheAnswer: while the attempts at a code are used up, right and wrong
// ones are told the same by the same steps: nothing is counted, and no session is begun.
func TestNoAttemptLeftIsToldBeforeTheAnswer(t *testing.T) {
	a, p := guessed(t)
	first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: from(1)})
	if err != nil {
		t.Fatal(err)
	}
	p.contexts = func(context.Context) { t.Error("an attempt was counted") }
	for _, row := range []struct{ next, want time.Duration }{{20 * time.Second, 20 * time.Second}, {time.Millisecond, time.Second}} {
		p.next = a.now().Add(row.next)
		for _, code := range []string{CurrentCode(p.secret(TOTPFactor), a.now()), "000000"} {
			_, err := a.Answer(t.Context(), first.Ticket, code, from(1), func(context.Context, Result) error {
				t.Error("a session was begun")
				return nil
			})
			if wait := (Throttled{}); !errors.As(err, &wait) || wait.Wait != row.want {
				t.Errorf("%s: %v, want to wait %s", code, err, row.want)
			}
		}
	}
	p.contexts, p.next = nil, a.now()
	if _, err := a.Answer(t.Context(), first.Ticket, CurrentCode(p.secret(TOTPFactor), a.now()), from(1), p.begins); err != nil {
		t.Errorf("when the next may be: %v", err)
	}
}

// TestASignInThatNobodyRecordsFails: whoever begins the session has to record the answer.
func TestASignInThatNobodyRecordsFails(t *testing.T) {
	a, p := guessed(t)
	first, err := a.Password(t.Context(), Attempt{Number: held, Password: "right-password", Origin: from(1)})
	if err != nil {
		t.Fatal(err)
	}
	code := CurrentCode(p.secret(TOTPFactor), a.now())
	none := func(context.Context, Result) error { return nil }
	if done, err := a.Answer(t.Context(), first.Ticket, code, from(1), none); !errors.Is(err, errUnrecorded) || done.Device != "" {
		t.Fatalf("%+v, %v", done, err)
	}
	if _, err := a.Answer(t.Context(), first.Ticket, code, from(1), p.begins); err != nil {
		t.Fatalf("the code was spent: %v", err)
	}
}

package authn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/tally"
	"hopnhat/keys/seal"
)

// Refusals of a sign-in.
var (
	// ErrWrong is one answer for a wrong number, password or code.
	ErrWrong = errors.New("number, password or code is wrong")
	// ErrTicket means that the first step was too long ago or in another browser.
	ErrTicket = errors.New("the sign-in took too long")
	// ErrLocked is told only to somebody who gave the right password.
	ErrLocked = errors.New("the account is locked")
	// ErrShort means that the person does not hold the factors for the level that every
	// sign-in here reaches. It is told only to somebody who gave the right password.
	ErrShort = errors.New("the account does not hold the factors that a sign-in needs")
)

// Throttled means that it is too early for another attempt.
type Throttled struct{ Wait time.Duration }

// Error says how long to wait.
func (t Throttled) Error() string {
	return fmt.Sprintf("too many attempts; try again in %s", t.Wait.Round(time.Second))
}

// Credentials are what the database keeps of a person's factors.
type Credentials struct {
	Subject authz.Subject
	Locked  bool
	Factors []Held
	// DevicesSince: devices that are older are no longer known.
	DevicesSince time.Time
	// NextAt is when the next attempt by the budgets that were asked of may be; zero is any time.
	NextAt time.Time
}

// Accounts keeps credentials, and counts attempts.
type Accounts interface {
	// CredentialsOf finds those of a subject, and when the next attempt by some budgets may be,
	// by one statement.
	CredentialsOf(ctx context.Context, subject authz.Subject, budgets ...Budget) (Credentials, error)
	// BeginSignIn counts an attempt as CountAttempt does, in a commit of its own, and finds the
	// credentials of a number's current holder, or says how long to wait. A number that
	// nobody holds has an empty subject; finding that out costs what finding a holder costs.
	BeginSignIn(
		ctx context.Context, number authz.PersonalNumber, budgets []Budget, at time.Time,
	) (c Credentials, wait time.Duration, err error)
	// CountAttempt counts one attempt by every budget, or says how long to wait because
	// one is used up; then the caller leaves its transaction undone. However many call it
	// at once, on however many nodes, no budget counts more than it has, and of a budget
	// that is used up nothing is restored (save by [RestoreAnyway]).
	CountAttempt(ctx context.Context, budgets []Budget, at time.Time) (wait time.Duration, err error)
	// Accept records a right answer: it counts the attempt as CountAttempt does, and
	// advances the counters of the factors. Of any number of calls with one counter exactly
	// one returns nil, the others ErrUsed; so do calls for a locked account, and for a factor
	// that was disabled; Throttled where a budget is used up. The caller leaves its
	// transaction undone on an error.
	Accept(ctx context.Context, a *Acceptance) error
	// ReplaceSecret puts a secret that was made anew in the place of the one that was
	// read; when that has changed meanwhile it does nothing.
	ReplaceSecret(ctx context.Context, subject authz.Subject, factor FactorID, old, fresh []byte) error
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Attempt is one try at a sign-in.
type Attempt struct {
	Number   authz.PersonalNumber
	Password string
	Origin
}

// Origin is where an attempt comes from.
type Origin struct {
	Address netip.Addr
	// Binding ties the steps to one browser.
	Binding string
	// Device is the browser's device cookie, as it sent it.
	Device string
	// App tells the app that the sign-in is for, if it is for one; it is asked after a
	// wrong guess only. It may be nil.
	App func() authz.ClientID
}

// Result is a proven sign-in.
type Result struct {
	Subject authz.Subject
	Methods []string // RFC 8176
	At      time.Time
	// By is the answer that proved it, which is recorded with what begins.
	By *Acceptance
}

// Acceptance is a right answer that is to be recorded, once: by [Accounts], or by the store
// of what begins with it, in the same transaction.
type Acceptance struct {
	Subject authz.Subject
	Budgets []Budget
	Uses    []Use
	At      time.Time
	// Before is the session of the same browser that goes on or ends with it, if any, and Ends
	// whether it ends, with its grants. A store that locks rows locks those before the account.
	Before authz.SessionID
	Ends   bool
	// Recorded is set by the store that records it.
	Recorded bool
}

// Outcome is what became of an attempt, for /metrics.
type Outcome struct {
	Step   string // password, code or passkey
	Result string // right, wrong, throttled, busy, locked, expired or failed
	Known  bool   // whether the browser signed in to the account before
}

// Authenticator checks factors.
type Authenticator struct {
	accounts  Accounts
	hasher    *Hasher
	offers    []offer
	addresses *Addresses
	tickets   seal.Key
	key       seal.Key
	alarm     *alarm
	tries     tries
	failed    failures
	now       func() time.Time

	// Outcomes are the attempts so far.
	Outcomes tally.Counter[Outcome]
}

// New makes an authenticator with the key of [seal.Tickets].
func New(accounts Accounts, opener Opener, hasher *Hasher, addresses *Addresses, tickets seal.Key, now func() time.Time) *Authenticator {
	a := &Authenticator{
		accounts: accounts, hasher: hasher, offers: offers(hasher, opener), addresses: addresses,
		tickets: tickets, key: tickets.Under(seal.DevicesAndBudgets), alarm: newAlarm(now), now: now,
	}
	hasher.queue.alarmed = a.alarm.any
	return a
}

// Alarms reports whether strangers are guessing in numbers: of all sign-ins, and of
// those for one app.
func (a *Authenticator) Alarms() (nation, app bool) { return a.alarm.up() }

var numberForm = regexp.MustCompile(`^[0-9]{12}$`)

// Reachable is the highest level that the factors offered here reach together.
func (a *Authenticator) Reachable() authz.AuthenticationLevel { return Reachable(a.offered()) }

// offered are the kinds of factor offered, with their methods.
func (a *Authenticator) offered() []Offered {
	out := make([]Offered, len(a.offers))
	for i, o := range a.offers {
		out[i] = Offered{o.kind, o.factor.Methods()}
	}
	return out
}

// Only offers some kinds of factor and no others, before anybody signs in: what a person holds
// beyond them she is not asked for.
func (a *Authenticator) Only(kinds ...FactorKind) {
	a.offers = slices.DeleteFunc(a.offers, func(o offer) bool { return !slices.Contains(kinds, o.kind) })
}

// offer finds what is offered of a kind.
func (a *Authenticator) offer(kind FactorKind) (offer, bool) {
	i := slices.IndexFunc(a.offers, func(o offer) bool { return o.kind == kind })
	if i < 0 {
		return offer{}, false
	}
	return a.offers[i], true
}

// flow is the sign-in of a ticket, and what of it is passed; ErrTicket if one of the
// factors passed is held no more.
func (a *Authenticator) flow(t ticket, c Credentials) (f Flow, passed []Held, err error) {
	ids := t.Passed
	if len(ids) == 0 {
		ids = []FactorID{c.of(PasswordFactor).ID}
	}
	f = Flow{Wanted: usual, Offered: a.offered(), Held: c.kinds()}
	for _, id := range ids {
		i := slices.IndexFunc(c.Factors, func(h Held) bool { return h.ID == id })
		if i < 0 {
			return f, nil, ErrTicket
		}
		passed, f.Passed = append(passed, c.Factors[i]), append(f.Passed, c.Factors[i].Kind)
	}
	return f, passed, nil
}

// Step is where a sign-in stands after a right answer.
type Step struct {
	// Ticket leads to the next factor, whose kind is Next; empty when the sign-in is done.
	Ticket string
	Next   FactorKind
	// Device is the browser's device cookie after the last factor.
	Device string
}

// Password is the first step. The attempt is counted, in a commit of its own, before the
// password is looked at. Errors: ErrWrong, Throttled, Busy, ErrLocked, ErrShort.
func (a *Authenticator) Password(ctx context.Context, try Attempt) (Step, error) {
	t, err := a.password(ctx, try)
	a.note(passwordStep, len(t.Device) > 0, try.Origin, err)
	if err != nil {
		return Step{}, err
	}
	return a.step(t, try.Origin)
}

// step seals the ticket for the next factor.
func (a *Authenticator) step(t ticket, from Origin) (Step, error) {
	t.At, t.Binding = a.now().Unix(), from.Binding
	sealed, err := a.seal(t)
	return Step{Ticket: sealed, Next: t.next()}, err
}

// password fills in what the ticket says of account and browser, as far as it came.
func (a *Authenticator) password(ctx context.Context, try Attempt) (t ticket, err error) {
	t.Account = a.mac("number", []byte(try.Number.Reveal()))
	d, said := a.device(try.Device, t.Account)
	lane := strangers
	if said {
		t.Device, lane = []byte(d.id), known
		if wait := a.tries.take(t.Account, t.Device, a.now()); wait > 0 {
			return t, Throttled{wait}
		}
	} else if wait := a.addresses.Take(try.Address); wait > 0 {
		return t, Throttled{wait}
	}
	if !numberForm.MatchString(try.Number.Reveal()) {
		return t, ErrWrong // nobody's, as everybody can see
	}
	leave, err := a.hasher.queue.admit(lane, string(t.Account))
	if err != nil {
		return t, err
	}
	defer leave()
	c, err := a.begin(ctx, try.Number, a.budgets(passwordStep, t.Account, string(t.Device), try.Address))
	if err != nil {
		return t, err
	}
	if said && !a.knows(c, d) {
		// Signed out everywhere, or another password since: a stranger after all.
		t.Device, lane = nil, strangers
		if wait := a.addresses.Take(try.Address); wait > 0 {
			return t, Throttled{wait}
		}
		if err := a.spend(ctx, a.budgets(passwordStep, t.Account, "", try.Address)); err != nil {
			return t, err
		}
	}
	held := c.of(PasswordFactor)
	verdict, err := a.hasher.Check(ctx, c.Subject, held, Answer{Text: try.Password, At: a.now(), lane: lane})
	switch {
	case err != nil:
		return t, err
	case !verdict.Right || c.Subject == "":
		a.failed.wrong(c.Subject, a.now())
		return t, ErrWrong
	case c.Locked:
		return t, ErrLocked
	}
	a.renew(ctx, c.Subject, held, verdict)
	t.Subject, t.Passed = c.Subject, []FactorID{held.ID}
	return t, a.ask(&t, c)
}

// ask puts into a ticket the kind of factor that comes next, none if the sign-in is done.
func (a *Authenticator) ask(t *ticket, c Credentials) error {
	f, _, err := a.flow(*t, c)
	if err != nil {
		return err
	}
	state := Done
	if t.Next, state = f.Next(); state == Short {
		return ErrShort
	}
	return nil
}

// renew stores a secret that was made anew. The answer was right, and the sign-in does
// not fail for it.
func (a *Authenticator) renew(ctx context.Context, subject authz.Subject, held Held, v Verdict) {
	if v.Renew == nil {
		return
	}
	fresh, err := v.Renew(ctx)
	if err == nil {
		err = a.accounts.ReplaceSecret(ctx, subject, held.ID, held.Secret, fresh)
	}
	if err != nil {
		slog.InfoContext(ctx, "a factor stays under an older key or cost until its next use", "kind", held.Kind, "error", err)
	}
}

// note counts what became of an attempt.
func (a *Authenticator) note(step string, known bool, from Origin, err error) {
	o := Outcome{Step: step, Result: "right", Known: known}
	switch {
	case err == nil:
	case errors.Is(err, ErrWrong):
		o.Result = "wrong"
		var app authz.ClientID
		if from.App != nil {
			app = from.App()
		}
		a.alarm.wrong(app)
	case errors.As(err, new(Throttled)):
		o.Result = "throttled"
	case errors.As(err, new(Busy)):
		o.Result = "busy"
	case errors.Is(err, ErrLocked):
		o.Result = "locked"
	case errors.Is(err, ErrTicket):
		o.Result = "expired"
	default: // ErrShort too, which an operator has to mend
		o.Result = "failed"
	}
	a.Outcomes.Add(o)
}

// Answer is a step after the first: it checks the answer to the factor that the ticket
// asks for. If that was the last, it runs start in the same transaction, which begins the
// session and records the answer with it ([Result.By]), and returns the browser's device
// cookie, in which this account is now known.
//
// The attempt is counted in that transaction, and nothing is told before the commit: a
// guess whose commit fails is not counted and not answered either. The count does not end
// with the request. Errors: ErrTicket, ErrWrong, Throttled, ErrLocked, ErrShort.
func (a *Authenticator) Answer(
	ctx context.Context, sealedTicket, answer string, from Origin, start func(ctx context.Context, r Result) error,
) (done Step, err error) {
	t, err := a.good(sealedTicket, from.Binding)
	o, offered := a.offer(t.next())
	if err == nil && !offered {
		err = ErrTicket // of a node that offers another factor
	}
	if err == nil {
		done, err = a.answer(ctx, t, o, answer, from, start)
	}
	a.note(cmp.Or(o.step, codeStep), len(t.Device) > 0, from, err)
	return done, err
}

func (a *Authenticator) answer(
	ctx context.Context, t ticket, o offer, answer string, from Origin, start func(ctx context.Context, r Result) error,
) (Step, error) {
	wait := time.Duration(0)
	if len(t.Device) > 0 {
		wait = a.tries.take(t.Account, t.Device, a.now())
	} else {
		wait = a.addresses.Take(from.Address)
	}
	if wait > 0 {
		return Step{}, Throttled{wait}
	}
	guess, now := a.budgets(o.step, []byte(t.Subject), string(t.Device), from.Address), a.now()
	c, err := a.accounts.CredentialsOf(ctx, t.Subject, guess...)
	switch {
	case err != nil:
		return Step{}, err
	case c.Locked:
		return Step{}, ErrLocked
	}
	_, before, err := a.flow(t, c)
	if err != nil {
		return Step{}, err
	}
	if wait := c.NextAt.Sub(now); wait > 0 {
		// Before the answer is looked at: how long it takes tells nothing of it.
		return Step{}, Throttled{max(wait, time.Second)}
	}
	held := c.of(o.kind)
	verdict, err := o.factor.Check(ctx, c.Subject, held, Answer{Text: answer, At: now})
	if err != nil {
		return Step{}, err
	}
	if !verdict.Right {
		if err := a.spend(ctx, guess); err != nil {
			return Step{}, err
		}
		a.failed.wrong(c.Subject, now)
		return Step{}, ErrWrong
	}

	uses := []Use{{Factor: held.ID, Kind: held.Kind, Counter: verdict.Counter}}
	t.Passed = nil
	for _, h := range before {
		t.Passed = append(t.Passed, h.ID)
	}
	t.Passed = append(t.Passed, held.ID)
	if err := a.ask(&t, c); err != nil {
		return Step{}, err
	}
	right := slices.Clone(guess)
	if t.Next == "" {
		right[0].Effect = Restore
		for _, h := range before {
			uses = append(uses, Use{Factor: h.ID, Kind: h.Kind})
			right = append(right, a.restored(t, h.Kind, from))
		}
	}
	counting, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	err = a.accounts.Tx(counting, func(ctx context.Context) error {
		// Whoever used the last attempt up meanwhile hears the same after a right answer as
		// after a wrong one.
		by := &Acceptance{Subject: c.Subject, Budgets: right, Uses: uses, At: now}
		if t.Next != "" {
			return a.accounts.Accept(ctx, by)
		}
		f, _, err := a.flow(t, c)
		if err != nil {
			return err
		}
		err = start(ctx, Result{c.Subject, f.Methods(), now.UTC(), by})
		if err == nil && !by.Recorded {
			err = errUnrecorded
		}
		return err
	})
	switch {
	case errors.Is(err, ErrUsed): // a wrong answer, of which nothing was counted yet
		if err := a.spend(ctx, guess); err != nil {
			return Step{}, err
		}
		a.failed.wrong(c.Subject, now)
		return Step{}, ErrWrong
	case err != nil:
		return Step{}, err
	}
	a.renew(ctx, c.Subject, held, verdict)
	if t.Next != "" {
		return a.step(t, from)
	}
	device, err := a.remember(from.Device, t.Account, c)
	return Step{Device: device}, err
}

// ErrUsed means that another request used the answer first (RFC 6238 §5.2), or that the
// account was locked or the factor disabled meanwhile.
var ErrUsed = errors.New("the answer was used by another request")

// errUnrecorded leaves a sign-in undone whose attempt and factors nobody recorded.
var errUnrecorded = errors.New("a sign-in was begun, and the answer that proves it was not recorded")

// restored is the budget of a kind that was passed before, which a completed sign-in
// gives back.
func (a *Authenticator) restored(t ticket, kind FactorKind, from Origin) Budget {
	account, o := []byte(t.Subject), offer{step: passwordStep}
	if kind == PasswordFactor {
		account = t.Account
	} else if found, ok := a.offer(kind); ok {
		o = found
	}
	b := a.budgets(o.step, account, string(t.Device), from.Address)[0]
	b.Effect = RestoreAnyway
	return b
}

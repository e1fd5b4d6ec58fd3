package authn

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"regexp"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/tally"
)

// Refusals of a sign-in.
var (
	// ErrWrong is one answer for a wrong number, password or code.
	ErrWrong = errors.New("number, password or code is wrong")
	// ErrTicket means that the first step was too long ago or in another browser.
	ErrTicket = errors.New("the sign-in took too long")
	// ErrLocked is told only to who gave the right password.
	ErrLocked = errors.New("the account is locked")
)

// Throttled means that it is too early for another attempt.
type Throttled struct{ Wait time.Duration }

// Error says how long to wait.
func (t Throttled) Error() string {
	return fmt.Sprintf("too many attempts; try again in %s", t.Wait.Round(time.Second))
}

// Credentials are what the database keeps of a person's factors.
type Credentials struct {
	Subject      authz.Subject
	PasswordHash string
	SealedSeed   []byte
	LastStep     int64
	Locked       bool
	// DevicesSince: devices that are older are no longer known.
	DevicesSince time.Time
}

// Accounts keeps credentials, and counts attempts.
type Accounts interface {
	// Credentials finds those of a number's current holder. A number that nobody
	// holds has an empty subject; finding that out costs what finding a holder costs.
	Credentials(ctx context.Context, number authz.PersonalNumber) (Credentials, error)
	CredentialsOf(ctx context.Context, subject authz.Subject) (Credentials, error)
	// CountAttempt counts one attempt by every budget, or tells how long to wait
	// because one is used up; then the caller leaves its transaction undone. However
	// many call it at once, on however many nodes, no budget counts more than it has.
	CountAttempt(ctx context.Context, budgets []Budget, at time.Time) (wait time.Duration, err error)
	// ForgetAttempts gives budgets back in full.
	ForgetAttempts(ctx context.Context, keys [][]byte) error
	// AcceptCode advances the last step. Of any number of calls with one step exactly
	// one returns nil, the others authz.ErrConflict.
	AcceptCode(ctx context.Context, subject authz.Subject, step int64) error
	SetPasswordHash(ctx context.Context, subject authz.Subject, hash string) error
	// ReplaceSeed puts a seed that was wrapped anew in the place of the one that
	// was read; when that has changed meanwhile it does nothing.
	ReplaceSeed(ctx context.Context, subject authz.Subject, old, fresh []byte) error
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
}

// Opener opens sealed seeds, and wraps stale ones anew (keys.Secrecy).
type Opener interface {
	Open(ctx context.Context, sealed, aad []byte) (plaintext []byte, stale bool, err error)
	Rewrap(ctx context.Context, sealed []byte) ([]byte, error)
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
}

// Outcome is what became of an attempt, for /metrics.
type Outcome struct {
	Step   string // password or code
	Result string // right, wrong, throttled, busy, locked, expired or failed
	Known  bool   // whether the browser signed in to the account before
}

// Authenticator checks factors.
type Authenticator struct {
	accounts  Accounts
	opener    Opener
	hasher    *Hasher
	addresses *Addresses
	tickets   cipher.AEAD
	key       []byte
	alarm     *alarm
	tries     tries
	now       func() time.Time

	// Outcomes are the attempts so far.
	Outcomes tally.Counter[Outcome]
}

// ticketLife is the time between the password and the code.
const ticketLife = 5 * time.Minute

// New makes an authenticator; ticketKey is 32 bytes, the same on all nodes.
func New(accounts Accounts, opener Opener, hasher *Hasher, addresses *Addresses, ticketKey []byte, now func() time.Time) (*Authenticator, error) {
	block, err := aes.NewCipher(ticketKey)
	if err != nil {
		return nil, fmt.Errorf("preparing sign-in tickets: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("preparing sign-in tickets: %w", err)
	}
	key := hmac.New(sha256.New, ticketKey)
	key.Write([]byte("devices and budgets"))
	a := &Authenticator{accounts: accounts, opener: opener, hasher: hasher, addresses: addresses, tickets: aead, key: key.Sum(nil), alarm: newAlarm(now), now: now}
	hasher.queue.alarmed = a.alarm.any
	return a, nil
}

// Alarms reports whether strangers are guessing in numbers: of all sign-ins, and of
// those for one app.
func (a *Authenticator) Alarms() (nation, app bool) { return a.alarm.up() }

var numberForm = regexp.MustCompile(`^[0-9]{12}$`)

// SeedAAD binds a sealed TOTP seed to its subject.
func SeedAAD(subject authz.Subject) []byte { return []byte("totp " + string(subject)) }

type ticket struct {
	Subject authz.Subject `json:"s"`
	At      int64         `json:"t"`
	Binding string        `json:"b"`
	// Account tells the number apart; Device is the id of the browser's entry, if it
	// was a known one.
	Account []byte `json:"n"`
	Device  []byte `json:"d,omitempty"`
}

// Password is the first step. It returns a sealed ticket for the second. The attempt
// is counted, in a commit of its own, before the password is looked at. Errors:
// ErrWrong, Throttled, Busy, ErrLocked.
func (a *Authenticator) Password(ctx context.Context, try Attempt) (string, error) {
	t, err := a.password(ctx, try)
	a.note(passwordStep, len(t.Device) > 0, try.Origin, err)
	if err != nil {
		return "", err
	}
	t.At, t.Binding = a.now().Unix(), try.Binding
	return a.seal(t)
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
	if err := a.spend(ctx, a.budgets(passwordStep, t.Account, string(t.Device), try.Address)); err != nil {
		return t, err
	}
	c, err := a.accounts.Credentials(ctx, try.Number)
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
	match, stale, err := a.hasher.check(ctx, lane, try.Password, c.PasswordHash)
	switch {
	case err != nil:
		return t, err
	case !match || c.Subject == "":
		return t, ErrWrong
	case c.Locked:
		return t, ErrLocked
	}
	if stale {
		if hash, err := a.hasher.Hash(ctx, try.Password); err == nil {
			if err := a.accounts.SetPasswordHash(ctx, c.Subject, hash); err != nil {
				return t, err
			}
		}
	}
	t.Subject = c.Subject
	return t, nil
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
	default:
		o.Result = "failed"
	}
	a.Outcomes.Add(o)
}

// Code is the second step: it accepts a one-time code and, in the same transaction,
// runs start, which begins the session. It returns the browser's device cookie, in
// which this account is now known.
//
// The attempt is counted in that transaction before the code is compared, and nothing
// is told before the commit: a guess whose commit fails is not counted and not
// answered either. It does not end with the request. Errors: ErrTicket, ErrWrong,
// Throttled, ErrLocked.
func (a *Authenticator) Code(ctx context.Context, sealedTicket, code string, from Origin, start func(ctx context.Context, r Result) error) (device string, err error) {
	t, err := a.good(sealedTicket, from.Binding)
	if err == nil {
		device, err = a.code(ctx, t, code, from, start)
	}
	a.note(codeStep, len(t.Device) > 0, from, err)
	return device, err
}

func (a *Authenticator) code(ctx context.Context, t ticket, code string, from Origin, start func(ctx context.Context, r Result) error) (string, error) {
	wait := time.Duration(0)
	if len(t.Device) > 0 {
		wait = a.tries.take(t.Account, t.Device, a.now())
	} else {
		wait = a.addresses.Take(from.Address)
	}
	if wait > 0 {
		return "", Throttled{wait}
	}
	c, err := a.accounts.CredentialsOf(ctx, t.Subject)
	switch {
	case err != nil:
		return "", err
	case c.Locked:
		return "", ErrLocked
	}
	seed, stale, err := a.opener.Open(ctx, c.SealedSeed, SeedAAD(c.Subject))
	if err != nil {
		return "", fmt.Errorf("opening a one-time code seed: %w", err)
	}
	now := a.now()
	budgets := a.budgets(codeStep, []byte(t.Subject), string(t.Device), from.Address)
	right := false
	counting, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	err = a.accounts.Tx(counting, func(ctx context.Context) error {
		if err := a.count(ctx, budgets); err != nil {
			return err
		}
		counter, ok := MatchCode(seed, code, now, c.LastStep)
		if !ok {
			return nil // counted, and that is all
		}
		switch err := a.accounts.AcceptCode(ctx, c.Subject, counter); {
		case errors.Is(err, authz.ErrConflict):
			return nil // the code was used by another request: wrong, and counted
		case err != nil:
			return err
		}
		used := [][]byte{budgets[0].Key, a.budgets(passwordStep, t.Account, string(t.Device), from.Address)[0].Key}
		if err := a.accounts.ForgetAttempts(ctx, used); err != nil {
			return err
		}
		right = true
		return start(ctx, Result{c.Subject, []string{"pwd", "otp", "mfa"}, now.UTC()})
	})
	switch {
	case err != nil:
		return "", err
	case !right:
		return "", ErrWrong
	}
	if stale {
		a.rewrap(ctx, c)
	}
	return a.remember(from.Device, t.Account, c)
}

// rewrap brings a seed under the newest key, a sign-in at a time after a
// rotation. The sign-in is done by then, and does not fail for it.
func (a *Authenticator) rewrap(ctx context.Context, c Credentials) {
	fresh, err := a.opener.Rewrap(ctx, c.SealedSeed)
	if err == nil {
		err = a.accounts.ReplaceSeed(ctx, c.Subject, c.SealedSeed, fresh)
	}
	if err != nil {
		slog.InfoContext(ctx, "a seed stays under an older key until its next use", "error", err)
	}
}

// Begun tells when the first step was done whose ticket this is; ErrTicket when it is
// of no use any more, or of another browser.
func (a *Authenticator) Begun(sealedTicket, binding string) (time.Time, error) {
	t, err := a.good(sealedTicket, binding)
	return time.Unix(t.At, 0), err
}

// good opens a ticket that can still be used.
func (a *Authenticator) good(sealed, binding string) (ticket, error) {
	t, err := a.open(sealed)
	if err != nil || t.Binding != binding || a.now().Sub(time.Unix(t.At, 0)) > ticketLife {
		return ticket{}, ErrTicket
	}
	return t, nil
}

func (a *Authenticator) seal(t ticket) (string, error) {
	plain, err := json.Marshal(t)
	if err != nil {
		return "", err
	}
	nonce := make([]byte, a.tickets.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(a.tickets.Seal(nonce, nonce, plain, nil)), nil
}

func (a *Authenticator) open(sealed string) (ticket, error) {
	raw, err := base64.RawURLEncoding.DecodeString(sealed)
	if err != nil || len(raw) < a.tickets.NonceSize() || len(raw) > 1024 {
		return ticket{}, ErrTicket
	}
	plain, err := a.tickets.Open(nil, raw[:a.tickets.NonceSize()], raw[a.tickets.NonceSize():], nil)
	if err != nil {
		return ticket{}, ErrTicket
	}
	var t ticket
	return t, json.Unmarshal(plain, &t)
}

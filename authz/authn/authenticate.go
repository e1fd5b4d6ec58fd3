package authn

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
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
	Failures     int
	FailedAt     time.Time
	Locked       bool
}

// Accounts keeps credentials. NumberKey is a digest, so that tries at numbers
// that do not exist can be counted too.
type Accounts interface {
	// Credentials finds those of a number's current holder. A number that nobody
	// holds has an empty subject and the failures counted under its key; finding
	// that out costs what finding a holder costs.
	Credentials(ctx context.Context, number authz.PersonalNumber, numberKey []byte) (Credentials, error)
	CredentialsOf(ctx context.Context, subject authz.Subject) (Credentials, error)
	CountFailure(ctx context.Context, numberKey []byte, subject authz.Subject, at time.Time) error
	// AcceptCode advances the last step and clears the failures. Of any number
	// of calls with one step exactly one returns nil, the others
	// authz.ErrConflict.
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
	Address  netip.Addr
	// Binding ties the steps to one browser.
	Binding string
}

// Result is a proven sign-in.
type Result struct {
	Subject authz.Subject
	Methods []string // RFC 8176
	At      time.Time
}

// Authenticator checks factors.
type Authenticator struct {
	accounts  Accounts
	opener    Opener
	hasher    *Hasher
	addresses *Addresses
	turns     *turns
	tickets   cipher.AEAD
	now       func() time.Time
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
	return &Authenticator{accounts, opener, hasher, addresses, newTurns(), aead, now}, nil
}

var numberForm = regexp.MustCompile(`^[0-9]{12}$`)

// SeedAAD binds a sealed TOTP seed to its subject.
func SeedAAD(subject authz.Subject) []byte { return []byte("totp " + string(subject)) }

type ticket struct {
	Subject authz.Subject `json:"s"`
	At      int64         `json:"t"`
	Binding string        `json:"b"`
}

// Password is the first step. It returns a sealed ticket for the second; no row
// is written. Errors: ErrWrong, Throttled, ErrLocked.
func (a *Authenticator) Password(ctx context.Context, try Attempt) (string, error) {
	subject, err := a.password(ctx, try)
	if err != nil {
		return "", err
	}
	return a.seal(ticket{subject, a.now().Unix(), try.Binding})
}

func (a *Authenticator) password(ctx context.Context, try Attempt) (authz.Subject, error) {
	if wait := a.addresses.Take(try.Address); wait > 0 {
		return "", Throttled{wait}
	}
	key := sha256.Sum256([]byte("number " + try.Number.Reveal()))
	if !numberForm.MatchString(try.Number.Reveal()) {
		return "", ErrWrong // nobody's, as everybody can see
	}
	done, err := a.turns.take(ctx, key)
	if err != nil {
		return "", err
	}
	defer done()
	c, err := a.accounts.Credentials(ctx, try.Number, key[:])
	if err != nil {
		return "", err
	}
	if wait := c.FailedAt.Add(penalty(c.Failures)).Sub(a.now()); wait > 0 {
		return "", Throttled{wait}
	}
	match, stale, err := a.hasher.Check(ctx, try.Password, c.PasswordHash)
	if err != nil {
		return "", err
	}
	if !match || c.Subject == "" {
		if err := a.accounts.CountFailure(ctx, key[:], c.Subject, a.now()); err != nil {
			return "", err
		}
		return "", ErrWrong
	}
	if c.Locked {
		return "", ErrLocked
	}
	if stale {
		if hash, err := a.hasher.Hash(ctx, try.Password); err == nil {
			if err := a.accounts.SetPasswordHash(ctx, c.Subject, hash); err != nil {
				return "", err
			}
		}
	}
	return c.Subject, nil
}

// Code is the second step: it accepts a one-time code and, in the same
// transaction, runs start, which begins the session. Errors: ErrTicket,
// ErrWrong, Throttled, ErrLocked.
func (a *Authenticator) Code(ctx context.Context, sealedTicket, code, binding string, address netip.Addr, start func(ctx context.Context, r Result) error) error {
	t, err := a.good(sealedTicket, binding)
	if err != nil {
		return err
	}
	if wait := a.addresses.Take(address); wait > 0 {
		return Throttled{wait}
	}
	done, err := a.turns.take(ctx, sha256.Sum256([]byte("subject "+string(t.Subject))))
	if err != nil {
		return err
	}
	defer done()
	c, err := a.accounts.CredentialsOf(ctx, t.Subject)
	if err != nil {
		return err
	}
	if wait := c.FailedAt.Add(penalty(c.Failures)).Sub(a.now()); wait > 0 {
		return Throttled{wait}
	}
	if c.Locked {
		return ErrLocked
	}
	seed, stale, err := a.opener.Open(ctx, c.SealedSeed, SeedAAD(c.Subject))
	if err != nil {
		return fmt.Errorf("opening a one-time code seed: %w", err)
	}
	now := a.now()
	counter, ok := MatchCode(seed, code, now, c.LastStep)
	if !ok {
		if err := a.accounts.CountFailure(ctx, nil, c.Subject, now); err != nil {
			return err
		}
		return ErrWrong
	}
	err = a.accounts.Tx(ctx, func(ctx context.Context) error {
		if err := a.accounts.AcceptCode(ctx, c.Subject, counter); err != nil {
			return err
		}
		return start(ctx, Result{c.Subject, []string{"pwd", "otp", "mfa"}, now.UTC()})
	})
	if errors.Is(err, authz.ErrConflict) {
		return ErrWrong // the code was used by another request
	}
	if err == nil && stale {
		a.rewrap(ctx, c)
	}
	return err
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

package passkey

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/authn"
)

// methods are those of a sign-in with a passkey (RFC 8176 §2): a key was proved, whether it
// stands in hardware is not known (pop), the person was there (user), and her authenticator
// verified her, so there were two factors (mfa).
var methods = []string{"pop", "user", "mfa"}

// Ask is what a browser needs to ask for a passkey, as JSON for the script of a page
// (WebAuthn Level 3 §5.5). It is the same for everybody, but for the challenge.
func (p *Passkeys) Ask(binding string) string {
	return p.o.Party.asked(p.fresh.fresh(signingIn, binding))
}

// Begun is the challenge that an answer to [Passkeys.Ask] is to, empty for no answer: the same
// answer, sent twice, has the same.
func (p *Passkeys) Begun(answer string) string {
	a, err := readAsserted(answer)
	if err != nil {
		return ""
	}
	return a.challenge()
}

// SignIn takes the answer to [Passkeys.Ask]. If it is right, it runs start in the transaction
// that spends the challenge: start begins the session and records the answer with it
// ([authn.Result.By]). A ticket is that of a sign-in in which somebody gave her number before;
// then the passkey has to be hers. One that is empty asks for nobody.
//
// Errors: a [Refusal], authn.Throttled, authn.ErrTicket, authn.ErrLocked.
func (p *Passkeys) SignIn(
	ctx context.Context, answer, ticket string, from authn.Origin, start func(ctx context.Context, r authn.Result) error,
) error {
	err := p.signIn(ctx, answer, ticket, from, start)
	p.count(err)
	return err
}

func (p *Passkeys) signIn(
	ctx context.Context, answer, ticket string, from authn.Origin, start func(ctx context.Context, r authn.Result) error,
) error {
	if wait := p.o.Limit.Take(from.Address); wait > 0 {
		return authn.Throttled{Wait: wait}
	}
	a, err := readAsserted(answer)
	if err != nil {
		return err
	}
	spends, err := p.fresh.check(a.challenge(), signingIn, from.Binding)
	if err != nil {
		return err
	}
	held, err := p.o.Store.Passkey(ctx, a.RawID)
	switch {
	case errors.Is(err, authz.ErrNotFound):
		return refuse(Unknown)
	case err != nil:
		return err
	case !p.genuine(held):
		slog.ErrorContext(ctx, "a passkey is not as this server wrote it; nobody signs in by it", "passkey", held.ID)
		return refuse(Forged)
	}
	counter, err := p.o.Party.verifyAsserted(a, held, p.handle(held.Subject))
	now := p.o.Now().UTC()
	if errors.Is(err, refuse(Counter)) {
		return p.copied(ctx, held, spends, now)
	}
	if err != nil {
		return err
	}
	if ticket != "" {
		switch holder, err := p.o.Tickets.Holder(ticket, from.Binding); {
		case err != nil:
			return err
		case holder != held.Subject:
			return refuse(Owner)
		}
	}
	if held.Locked { // told to her alone: the passkey was right
		return authn.ErrLocked
	}
	by := &authn.Acceptance{Subject: held.Subject, At: now, Uses: []authn.Use{{
		Factor: held.ID, Kind: authn.PasskeyFactor, Counter: counter, CounterMAC: p.rows.MAC(counted(held.ID, counter)),
	}}}
	err = p.o.Store.Tx(ctx, func(ctx context.Context) error {
		if err := p.o.Store.SpendChallenge(ctx, spends.digest, spends.expires); err != nil {
			return err
		}
		if err := start(ctx, authn.Result{Subject: held.Subject, Methods: methods, At: now, By: by}); err != nil {
			return err
		}
		if !by.Recorded {
			return errUnrecorded
		}
		return nil
	})
	if errors.Is(err, authn.ErrUsed) {
		return refuse(Spent)
	}
	return err
}

// errUnrecorded leaves a sign-in undone whose passkey nobody recorded.
var errUnrecorded = errors.New("a sign-in was begun, and the passkey that proves it was not recorded")

// copied refuses an answer whose signature is right and whose counter went back: somebody may
// have a copy of the key (WebAuthn Level 3 §6.1.1). The person sees it among what was done to her
// account. The passkey goes on: who holds the newer counter signs in.
func (p *Passkeys) copied(ctx context.Context, held Held, spends once, at time.Time) error {
	err := p.o.Store.Tx(ctx, func(ctx context.Context) error {
		if err := p.o.Store.SpendChallenge(ctx, spends.digest, spends.expires); err != nil {
			return err
		}
		return p.note(ctx, audit.PasskeyRefused, held.Subject, held.ID, at)
	})
	if errors.Is(err, authn.ErrUsed) { // told of before
		return refuse(Spent)
	}
	if err != nil {
		return err
	}
	return refuse(Counter)
}

// count counts what became of a sign-in.
func (p *Passkeys) count(err error) {
	o := authn.Outcome{Step: authn.PasskeyStep, Result: "right"}
	var refused Refusal
	switch {
	case err == nil:
	case errors.As(err, &refused) && refused.Reason == Late, errors.Is(err, authn.ErrTicket):
		o.Result = "expired"
	case errors.As(err, &refused):
		o.Result = "wrong"
	case errors.As(err, new(authn.Throttled)):
		o.Result = "throttled"
	case errors.Is(err, authn.ErrLocked):
		o.Result = "locked"
	default:
		o.Result = "failed"
	}
	p.o.Outcomes.Add(o)
}

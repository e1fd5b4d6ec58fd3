package authn

import (
	"context"
	"net/netip"
	"time"

	"hopnhat/authz"
)

// Budget is what an attempt is counted by. Key is a MAC: the database learns neither
// a number nor an address from it. Free attempts cost nothing; then each next one
// waits, 30 s at first and twice as long each time, up to 15 minutes.
type Budget struct {
	Key    []byte
	Free   int
	Effect Effect
}

// Effect is what an attempt does to a budget.
type Effect int

// The effects. One attempt is spent; who was right has a budget back in full, either if
// an attempt was left in it, or in any case.
const (
	Spend Effect = iota
	Restore
	RestoreAnyway
)

// Attempts that are free. A browser that signed in to the account before has its own;
// all others share one by account and network, so that a guesser in one place shuts
// nobody out elsewhere, and one by account, which bounds those in many places: NIST
// SP 800-63B §3.2.2 allows 100 in a row.
const (
	freeOwn     = 5
	freeAccount = 50
)

// countTime is how long the database may take to count an attempt, whatever becomes
// of the request.
const countTime = 10 * time.Second

// steps are the two guesses of a sign-in, counted apart: who gets the password right
// has not used up her tries at the code. A passkey is no guess, so no budget counts it; its
// step names it in metrics.
const (
	passwordStep = "password"
	codeStep     = "code"
	PasskeyStep  = "passkey"
)

// budgets are those of an attempt at an account. The account is what tells it apart
// before it is known whether there is one.
func (a *Authenticator) budgets(step string, account []byte, device string, address netip.Addr) []Budget {
	if device != "" {
		return []Budget{{Key: a.mac(step+" by device", account, []byte(device)), Free: freeOwn}}
	}
	network, _ := Network(address).MarshalText()
	return []Budget{{Key: a.mac(step+" by network", account, network), Free: freeOwn}, {Key: a.mac(step+" by account", account), Free: freeAccount}}
}

// spend counts an attempt in a commit of its own, before anything is checked. It does
// not end with the request: a guess that nobody waits for any more is one all the same.
func (a *Authenticator) spend(ctx context.Context, budgets []Budget) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	return a.accounts.Tx(ctx, func(ctx context.Context) error { return a.count(ctx, budgets) })
}

// begin is [Authenticator.spend] that finds the credentials of a number's holder.
func (a *Authenticator) begin(ctx context.Context, number authz.PersonalNumber, budgets []Budget) (Credentials, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
	defer cancel()
	c, wait, err := a.accounts.BeginSignIn(ctx, number, budgets, a.now())
	if err == nil && wait > 0 {
		err = Throttled{Wait: wait}
	}
	return c, err
}

// count counts an attempt in the transaction of its caller. Throttled means that one
// of the budgets is used up; the transaction must then be left undone.
func (a *Authenticator) count(ctx context.Context, budgets []Budget) error {
	wait, err := a.accounts.CountAttempt(ctx, budgets, a.now())
	if err == nil && wait > 0 {
		err = Throttled{Wait: wait}
	}
	return err
}

// mac names something under the key of this authenticator.
func (a *Authenticator) mac(what string, parts ...[]byte) []byte {
	text := []byte(what)
	for _, part := range parts {
		text = append(append(text, 0, byte(len(part)>>8), byte(len(part))), part...)
	}
	return a.key.MAC(text)
}

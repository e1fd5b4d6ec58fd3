package authn

import (
	"context"
	"slices"
	"time"

	"hopnhat/authz"
)

// FactorID names one factor of one person: a UUID.
type FactorID string

// FactorKind is a kind of factor, as rows and tickets name it.
type FactorKind string

// The kinds of factor.
const (
	PasswordFactor FactorKind = "password"
	TOTPFactor     FactorKind = "totp"
	// PasskeyFactor is no kind of [Flow], and stands beside the factors: see package passkey.
	PasskeyFactor FactorKind = "passkey"
)

// Held is a factor that a person holds and has not disabled.
type Held struct {
	ID   FactorID
	Kind FactorKind
	// Secret is what the kind keeps to check an answer by: a hash, a sealed seed, a
	// public key.
	Secret []byte
	// Counter only grows: the time step of the last one-time code (RFC 6238 §5.2), the
	// signature counter of an authenticator (WebAuthn §6.1.1).
	Counter int64
}

// Answer is what a person gave for a factor, and when.
type Answer struct {
	Text string
	At   time.Time
	lane lane
}

// Verdict is what a factor says of an answer.
type Verdict struct {
	Right bool
	// Counter is the counter that a right answer used. It must be higher than the one
	// that is stored when it is recorded; zero is a kind without a counter.
	Counter int64
	// Renew makes the secret anew, under today's parameters or key; nil if the one that
	// is stored will do.
	Renew func(ctx context.Context) ([]byte, error)
}

// Factor is one kind of proof that a person gives. An implementation keeps nothing of
// persons: what it needs of one stands in [Held].
type Factor interface {
	// Methods are the RFC 8176 methods that a sign-in with this factor used.
	Methods() []string
	// Check compares an answer with what is held. It has no effect: the caller counts the
	// attempt, and records a right one. A factor with an empty Secret is held by nobody;
	// checking it costs what any other costs.
	Check(ctx context.Context, subject authz.Subject, held Held, answer Answer) (Verdict, error)
}

// offer is a kind of factor that is offered here. A new kind is one more of them, and
// the file of its [Factor].
type offer struct {
	kind FactorKind
	// step names its attempts in budgets and metrics.
	step   string
	factor Factor
}

// offers are the factors offered, in the order in which they are asked for.
func offers(hasher *Hasher, opener Opener) []offer {
	return []offer{
		{PasswordFactor, passwordStep, hasher},
		{TOTPFactor, codeStep, totp{opener}},
	}
}

// Use is a factor that was answered rightly in a sign-in.
type Use struct {
	Factor FactorID
	Kind   FactorKind
	// Counter is the counter that the answer used, zero if the kind has none.
	Counter int64
	// CounterMAC is our MAC over the counter of a passkey.
	CounterMAC []byte
}

// Passkey is the id of the passkey that an acceptance is of, empty where it is of none.
func (a *Acceptance) Passkey() string {
	if len(a.Uses) == 1 && a.Uses[0].Kind == PasskeyFactor {
		return string(a.Uses[0].Factor)
	}
	return ""
}

// of finds the factor of a kind; without one it has an empty Secret.
func (c Credentials) of(kind FactorKind) Held {
	if i := slices.IndexFunc(c.Factors, func(h Held) bool { return h.Kind == kind }); i >= 0 {
		return c.Factors[i]
	}
	return Held{Kind: kind}
}

// kinds are the kinds of factor held.
func (c Credentials) kinds() []FactorKind {
	out := make([]FactorKind, len(c.Factors))
	for i, h := range c.Factors {
		out[i] = h.Kind
	}
	return out
}

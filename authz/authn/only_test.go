package authn

import (
	"testing"

	"hopnhat/keys/keytest"
	"hopnhat/keys/seal"
)

// TestOnly: WebAuthn §5.1.4.1: a key that is bound to another host is neither asked for nor
// promised where it does not work, and who holds one signs in by what is left.
func TestOnly(t *testing.T) {
	a := New(nil, nil, NewHasher(Argon2{MemoryKiB: 64, Passes: 1, Lanes: 1}), nil, keytest.GoldenKey(seal.Tickets), nil)
	held := []FactorKind{PasswordFactor, TOTPFactor, "passkey"}
	a.offers = append([]offer{{kind: "passkey", step: "passkey", factor: bound{}}}, a.offers...)
	next := func() FactorKind {
		kind, _ := Flow{Wanted: usual, Offered: a.offered(), Held: held, Passed: []FactorKind{PasswordFactor}}.Next()
		return kind
	}
	if next() != "passkey" || a.Reachable() <= 2 {
		t.Fatalf("before: asks for %q, reaches %d", next(), a.Reachable())
	}
	a.Only(PasswordFactor, TOTPFactor)
	if _, offered := a.offer("passkey"); offered || next() != TOTPFactor || a.Reachable() != 2 {
		t.Errorf("asks for %q, reaches %d", next(), a.Reachable())
	}
}

// bound is a factor that is bound to a host.
type bound struct{ Factor }

func (bound) Methods() []string { return []string{"hwk", "fpt"} }

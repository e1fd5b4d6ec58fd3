package authn

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

// kinds are the factors of today and some of tomorrow, by their RFC 8176 methods.
var kinds = []Offered{
	{PasswordFactor, []string{"pwd"}},
	{TOTPFactor, []string{"otp"}},
	{"passkey", []string{"hwk", "fpt"}},
	{"face", []string{"face"}},
	{"key", []string{"hwk"}},
}

func TestFlow(t *testing.T) {
	for _, row := range []struct {
		name         string
		wanted       authz.AuthenticationLevel
		held, passed []FactorKind
		next         FactorKind
		state        State
	}{
		{"nothing is held", 1, nil, nil, "", Short},
		{"the password first", 2, []FactorKind{TOTPFactor, PasswordFactor}, nil, PasswordFactor, More},
		{"after the password the code", 2, []FactorKind{PasswordFactor, TOTPFactor}, []FactorKind{PasswordFactor}, TOTPFactor, More},
		{"two different factors are level 2", 2, []FactorKind{PasswordFactor, TOTPFactor}, []FactorKind{PasswordFactor, TOTPFactor}, "", Done},
		{"one factor is level 1", 1, []FactorKind{PasswordFactor, TOTPFactor}, []FactorKind{PasswordFactor}, "", Done},
		{"level 3 wants a biometric factor", 3, []FactorKind{PasswordFactor, TOTPFactor}, []FactorKind{PasswordFactor, TOTPFactor}, "", Short},
		{"the code was disabled", 2, []FactorKind{PasswordFactor}, []FactorKind{PasswordFactor}, "", Short},
		{"two of one category are one factor", 2, []FactorKind{TOTPFactor, "key"}, nil, "", Short},
		{"a code proves no more after a key", 4, []FactorKind{PasswordFactor, TOTPFactor, "key", "face"}, []FactorKind{PasswordFactor, "key"}, "face", More},
		{"one that is enough is asked for alone", 3, []FactorKind{PasswordFactor, TOTPFactor, "passkey"}, nil, "passkey", More},
		{"a kind that is not offered is not asked for", 2, []FactorKind{PasswordFactor, "card"}, []FactorKind{PasswordFactor}, "", Short},
	} {
		f := Flow{Wanted: row.wanted, Offered: kinds, Held: row.held, Passed: row.passed}
		if next, state := f.Next(); next != row.next || state != row.state {
			t.Errorf("%s: got %q, %d, want %q, %d", row.name, next, state, row.next, row.state)
		}
	}
}

// TestFlowEnds: whatever is held, each factor asked for is one of them that was not
// passed and proves more; the sign-in ends with the level wanted, exactly when what is
// held can reach it; and the order in which rows are read changes nothing.
func TestFlowEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := make([]FactorKind, len(kinds))
		for i, o := range kinds {
			all[i] = o.Kind
		}
		f := Flow{
			Wanted: authz.AuthenticationLevel(rapid.IntRange(1, 4).Draw(t, "wanted")), Offered: kinds,
			Held: rapid.SliceOfDistinct(rapid.SampledFrom(append(all, "unknown")), rapid.ID).Draw(t, "held"),
		}
		can := f.level(f.Held) >= f.Wanted
		shuffled := f
		shuffled.Held = rapid.Permutation(f.Held).Draw(t, "another order")
		for range len(f.Held) + 1 {
			next, state := f.Next()
			if other, same := shuffled.Next(); other != next || same != state {
				t.Fatalf("in another order %q, %d; got %q, %d", other, same, next, state)
			}
			switch state {
			case Done:
				if f.level(f.Passed) < f.Wanted || next != "" {
					t.Fatalf("done at level %d of %d", f.level(f.Passed), f.Wanted)
				}
				if methods := f.Methods(); slices.Contains(methods, "mfa") != (authz.LevelOf(methods) >= 2) {
					t.Fatalf("RFC 8176 §2: %v", methods)
				}
				return
			case Short:
				if can || len(f.Passed) > 0 {
					t.Fatalf("short after %v of %v", f.Passed, f.Held)
				}
				return
			case More:
				if !can || !slices.Contains(f.Held, next) || slices.Contains(f.Passed, next) ||
					f.level(append(slices.Clone(f.Passed), next)) <= f.level(f.Passed) {
					t.Fatalf("%q after %v of %v", next, f.Passed, f.Held)
				}
				f.Passed = append(f.Passed, next)
				shuffled.Passed = f.Passed
			}
		}
		t.Fatalf("no end after %v", f.Passed)
	})
}

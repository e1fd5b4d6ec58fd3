package authn

import (
	"slices"

	"hopnhat/authz"
)

// usual is the level that every sign-in here reaches, whatever an app asks for: two
// different factors (Decree 69/2024/NĐ-CP Art. 20).
const usual authz.AuthenticationLevel = 2

// Flow are the facts of a sign-in that is under way, from which follows the factor that
// comes next.
type Flow struct {
	// Wanted is the level that the sign-in is to reach.
	Wanted authz.AuthenticationLevel
	// Offered are the kinds of factor offered here with their methods, in the order in
	// which they are asked for.
	Offered []Offered
	// Held are the kinds of factor that the person holds, and Passed those that she
	// answered rightly in this sign-in.
	Held, Passed []FactorKind
}

// Offered is a kind of factor with the RFC 8176 methods that it is.
type Offered struct {
	Kind    FactorKind
	Methods []string
}

// State is where a sign-in stands.
type State int

// The states.
const (
	// More: the person is asked for one factor more.
	More State = iota
	// Done: the level wanted is reached.
	Done
	// Short: the factors that she holds cannot reach the level wanted.
	Short
)

// Next decides which factor is asked for now; kind is empty unless the state is [More].
// A factor is asked for only if she holds it and it raises the level of what she passed:
// the first that reaches the level wanted at once, else the first.
func (f Flow) Next() (kind FactorKind, state State) {
	passed := f.level(f.Passed)
	if passed >= f.Wanted {
		return "", Done
	}
	if f.level(append(slices.Clone(f.Passed), f.Held...)) < f.Wanted {
		return "", Short
	}
	for _, o := range f.Offered {
		if !slices.Contains(f.Held, o.Kind) {
			continue
		}
		switch level := f.level(append(slices.Clone(f.Passed), o.Kind)); {
		case level >= f.Wanted:
			return o.Kind, More
		case level > passed && kind == "":
			kind = o.Kind
		}
	}
	return kind, More
}

// Methods are the methods of what was passed, RFC 8176 §2: with more than one factor
// also mfa.
func (f Flow) Methods() []string {
	methods := f.methods(f.Passed)
	if authz.LevelOf(methods) >= usual {
		methods = append(methods, "mfa")
	}
	return methods
}

// methods are those of kinds, in the order of what is offered; of a kind that is not
// offered there are none.
func (f Flow) methods(kinds []FactorKind) []string {
	var out []string
	for _, o := range f.Offered {
		if slices.Contains(kinds, o.Kind) {
			out = append(out, o.Methods...)
		}
	}
	return out
}

func (f Flow) level(kinds []FactorKind) authz.AuthenticationLevel {
	return authz.LevelOf(f.methods(kinds))
}

// Reachable is the highest level that factors of these kinds reach together.
func Reachable(offered []Offered) authz.AuthenticationLevel {
	var methods []string
	for _, o := range offered {
		methods = append(methods, o.Methods...)
	}
	return authz.LevelOf(methods)
}

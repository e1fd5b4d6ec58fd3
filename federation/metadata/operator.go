package metadata

import (
	"errors"
	"fmt"
	"slices"

	"hopnhat/federation"
)

// The operators of OpenID Federation 1.0 §6.1.3.1.
const (
	opValue     = "value"
	opAdd       = "add"
	opDefault   = "default"
	opOneOf     = "one_of"
	opSubsetOf  = "subset_of"
	opSuperset  = "superset_of"
	opEssential = "essential"
)

// order is the order in which they are applied.
var order = []string{opValue, opAdd, opDefault, opOneOf, opSubsetOf, opSuperset, opEssential}

// Kinds of failure.
var (
	// ErrPolicy: a policy is not allowed, or two of a chain do not go together.
	ErrPolicy = errors.New("the metadata policy is not valid")
	// ErrMetadata: an entity's metadata do not comply with the policy.
	ErrMetadata = errors.New("the metadata do not comply with the policy")
)

// Error is a failure with its place. It wraps [ErrPolicy] or [ErrMetadata].
type Error struct {
	Kind      error
	Section   string
	Type      federation.EntityType
	Parameter string
	Text      string
}

// Error says what failed, and where.
func (e *Error) Error() string {
	return fmt.Sprintf("%v: OpenID Federation 1.0 §%s: %s of %s: %s", e.Kind, e.Section, e.Parameter, e.Type, e.Text)
}

// Unwrap is the kind.
func (e *Error) Unwrap() error { return e.Kind }

// section is where an operator is specified.
func section(operator string) string {
	return fmt.Sprintf("6.1.3.1.%d", slices.Index(order, operator)+1)
}

// failure is an Error that does not know its place yet.
func failure(kind error, where, format string, args ...any) *Error {
	return &Error{Kind: kind, Section: where, Text: fmt.Sprintf(format, args...)}
}

// kinds are the types of value that an operator is configured with. Objects, and lists of
// objects or numbers, are optional in §6.1.3.1, and taken.
func checkValue(operator string, v any) *Error {
	k := kindOf(v)
	switch operator {
	case opValue:
		return nil
	case opDefault:
		if k == isNull {
			return failure(ErrPolicy, section(operator), "default is null")
		}
	case opEssential:
		if k != isBoolean {
			return failure(ErrPolicy, section(operator), "essential is %s, not true or false", k)
		}
	default:
		if _, ok := list(v); !ok {
			return failure(ErrPolicy, section(operator), "%s is not a list of texts, of numbers or of objects", operator)
		}
	}
	return nil
}

// checkTogether refuses operators of one parameter that may not be combined.
func checkTogether(o federation.Operators) *Error {
	for i, a := range order {
		for _, b := range order[i+1:] {
			x, there := o[a]
			y, too := o[b]
			if !there || !too {
				continue
			}
			if why := together(a, b, x, y); why != "" {
				return failure(ErrPolicy, section(b), "%s %s with %s %s: %s", a, text(x), b, text(y), why)
			}
		}
	}
	return nil
}

// together says why two operators may not be combined, empty if they may. The first is
// applied before the second.
func together(a, b string, x, y any) string {
	switch {
	case a == opValue && b == opDefault && x == nil:
		return "a parameter that is removed has no default"
	case a == opValue && b == opEssential && x == nil && y == true:
		return "a parameter that is removed cannot be essential"
	case a == opValue && b == opOneOf && !setOf(y.([]any)).has(x):
		return "the value is not among those of one_of"
	case a == opValue && b == opAdd && x == nil:
		return "nothing is added to a parameter that is removed" // not even an empty list
	case a == opValue && b == opAdd && !setOf(y.([]any)).in(valuesOf(x)):
		return "the value lacks what is added"
	case a == opValue && b == opSubsetOf && !valuesOf(x).in(setOf(y.([]any))):
		return "the value is no subset"
	case a == opValue && b == opSubsetOf && x != nil && kindOf(x) != isArray:
		return "the value is no list"
	case a == opValue && b == opSuperset && !setOf(y.([]any)).in(valuesOf(x)):
		return "the value is no superset"
	case a == opValue && b == opSuperset && x != nil && kindOf(x) != isArray:
		return "the value is no list"
	case a == opAdd && b == opOneOf, a == opOneOf && b == opSubsetOf, a == opOneOf && b == opSuperset:
		return "the one is for lists and the other is not"
	case a == opAdd && b == opSubsetOf && !setOf(x.([]any)).in(setOf(y.([]any))):
		return "what is added is outside the subset"
	case a == opSubsetOf && b == opSuperset && !setOf(y.([]any)).in(setOf(x.([]any))):
		return "no list can be both"
	}
	return ""
}

// valuesOf are the values of a list; none of anything else.
func valuesOf(v any) *set {
	values, _ := list(v)
	return setOf(values)
}

// mergeOperator merges an operator of a superior with that of a subordinate.
func mergeOperator(operator string, superior, subordinate any) (any, *Error) {
	switch operator {
	case opValue, opDefault:
		if !equal(superior, subordinate) {
			return nil, failure(ErrPolicy, section(operator), "%s is %s above and %s below",
				operator, text(superior), text(subordinate))
		}
		return superior, nil
	case opAdd, opSuperset:
		return setOf(slices.Concat(superior.([]any), subordinate.([]any))).values, nil
	case opOneOf, opSubsetOf:
		both := setOf(superior.([]any)).both(setOf(subordinate.([]any)))
		if operator == opOneOf && len(both) == 0 {
			return nil, failure(ErrPolicy, section(operator), "one_of %s above and %s below leave nothing",
				text(superior), text(subordinate))
		}
		return both, nil
	}
	return superior == true || subordinate == true, nil
}

// applyOperator applies an operator to a parameter, nil if that is absent.
func applyOperator(operator string, v, parameter any) (any, *Error) {
	switch operator {
	case opValue:
		return v, nil
	case opDefault:
		if parameter == nil {
			return v, nil
		}
		return parameter, nil
	case opEssential:
		if v == true && parameter == nil {
			return nil, failure(ErrMetadata, section(operator), "it is essential, and missing")
		}
		return parameter, nil
	case opOneOf:
		return parameter, applyOneOf(v.([]any), parameter)
	}
	if parameter == nil {
		if operator == opAdd {
			return setOf(v.([]any)).values, nil
		}
		return nil, nil
	}
	values, ok := list(parameter)
	if !ok {
		// §6.1.3: the metadata parameter has a type that the operator does not support.
		return nil, failure(ErrPolicy, section(operator), "%s is for lists, and it is %s", operator, text(parameter))
	}
	return applyList(operator, v.([]any), values)
}

func applyOneOf(allowed []any, parameter any) *Error {
	switch k := kindOf(parameter); {
	case parameter == nil:
		return nil
	case k != isString && k != isNumber && k != isObject:
		return failure(ErrPolicy, section(opOneOf), "one_of is for single values, and it is %s", text(parameter))
	case !setOf(allowed).has(parameter):
		return failure(ErrMetadata, section(opOneOf), "it is %s, and has to be one of %s", text(parameter), text(allowed))
	}
	return nil
}

func applyList(operator string, v, values []any) (any, *Error) {
	switch operator {
	case opAdd:
		return setOf(slices.Concat(values, v)).values, nil
	case opSubsetOf:
		return setOf(values).both(setOf(v)), nil
	}
	if !setOf(v).in(setOf(values)) {
		return nil, failure(ErrMetadata, section(operator), "it is %s, and has to hold %s", text(values), text(v))
	}
	return values, nil
}

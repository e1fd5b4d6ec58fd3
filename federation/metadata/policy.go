package metadata

import (
	"maps"
	"slices"
	"strings"

	"hopnhat/federation"
)

// scopeParameter is a text of words that policies see as a list (§6.1.3.1.8).
const scopeParameter = "scope"

// Check returns the policy with the operators that are understood, if each of them has a
// value of its form and those of one parameter may be combined (§6.1.4.1). Others are left
// out (§6.1.3.2), unless they are critical.
func Check(p federation.Policy, critical []string) (federation.Policy, error) {
	if len(critical) > 0 {
		known := slices.IndexFunc(critical, func(name string) bool { return slices.Contains(order, name) })
		if known >= 0 {
			return nil, &Error{
				ErrPolicy, "3.1.3", "all types", critical[known],
				"metadata_policy_crit lists an operator that every reader understands",
			}
		}
		return nil, &Error{
			ErrPolicy, "6.1.3.2", "all types", critical[0], "metadata_policy_crit lists an operator that is not understood here",
		}
	}
	checked := federation.Policy{}
	for kind, parameters := range p {
		checked[kind] = map[string]federation.Operators{}
		for name, operators := range parameters {
			good, err := checkParameter(name, operators)
			if err != nil {
				return nil, err.at(kind, name)
			}
			checked[kind][name] = good
		}
	}
	return checked, nil
}

func (e *Error) at(kind federation.EntityType, parameter string) *Error {
	e.Type, e.Parameter = kind, parameter
	return e
}

func checkParameter(name string, o federation.Operators) (federation.Operators, *Error) {
	good := federation.Operators{}
	for _, operator := range order {
		v, ok := o[operator]
		if !ok {
			continue
		}
		if word, ok := v.(string); ok && name == scopeParameter {
			v = words(word)
		}
		if err := checkValue(operator, v); err != nil {
			return nil, err
		}
		good[operator] = v
	}
	return good, checkTogether(good)
}

// words is a text of words as a list.
func words(text string) []any {
	list := []any{}
	for _, word := range strings.Fields(text) {
		list = append(list, word)
	}
	return list
}

// Merge merges the policy of a subordinate into that of its superior, both checked. The
// result allows nothing that the superior's does not (§6.1.4.1).
func Merge(superior, subordinate federation.Policy) (federation.Policy, error) {
	merged := federation.Policy{}
	for kind, parameters := range superior {
		merged[kind] = maps.Clone(parameters)
	}
	for kind, parameters := range subordinate {
		if merged[kind] == nil {
			merged[kind] = map[string]federation.Operators{}
		}
		for name, operators := range parameters {
			one, err := mergeParameter(merged[kind][name], operators)
			if err != nil {
				return nil, err.at(kind, name)
			}
			merged[kind][name] = one
		}
	}
	return merged, nil
}

func mergeParameter(superior, subordinate federation.Operators) (federation.Operators, *Error) {
	merged := federation.Operators{}
	maps.Copy(merged, superior)
	for _, operator := range order {
		v, ok := subordinate[operator]
		if !ok {
			continue
		}
		if above, ok := superior[operator]; ok {
			var err *Error
			if v, err = mergeOperator(operator, above, v); err != nil {
				return nil, err
			}
		}
		merged[operator] = v
	}
	return merged, checkTogether(merged)
}

// Layer is what one subordinate statement says of metadata.
type Layer struct {
	Policy   federation.Policy
	Critical []string
}

// MergeAll merges the policies of a chain, the most superior first (§6.1.4.1).
func MergeAll(layers []Layer) (federation.Policy, error) {
	// Every statement is asked first what it holds for critical.
	var critical []string
	for _, l := range layers {
		critical = append(critical, l.Critical...)
	}
	merged := federation.Policy{}
	for _, l := range layers {
		checked, err := Check(l.Policy, critical)
		if err != nil {
			return nil, err
		}
		if merged, err = Merge(merged, checked); err != nil {
			return nil, err
		}
	}
	return merged, nil
}

package metadata

import (
	"maps"
	"slices"
	"strings"

	"hopnhat/federation"
)

// Step is one change or check of a parameter.
type Step struct {
	Type      federation.EntityType
	Parameter string
	// Operator is that of the policy; "metadata" where a superior supplied the value, and
	// "allowed_entity_types" where the entity type was taken out.
	Operator string
	// Configured is the value of the operator.
	Configured any
	// Before and After are the parameter; nil while it is absent.
	Before, After any
}

// Changed reports whether the step changed the parameter.
func (s Step) Changed() bool {
	if s.Before == nil || s.After == nil {
		return s.Before != nil || s.After != nil
	}
	return !equal(s.Before, s.After)
}

// Supply applies the metadata that the immediate superior states: its parameters go before
// those of the subject, for the entity types that the subject declares (§3.1.1).
func Supply(subject, superior federation.Metadata) (federation.Metadata, []Step) {
	out, steps := clone(subject), []Step(nil)
	for _, kind := range slices.Sorted(maps.Keys(superior)) {
		if out[kind] == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(superior[kind])) {
			value := superior[kind][name]
			steps = append(steps, Step{kind, name, "metadata", value, out[kind][name], value})
			out[kind][name] = value
		}
	}
	return out, steps
}

// Limit takes out the entity types that the constraints do not allow (§6.2.3). The type
// federation_entity stays.
func Limit(subject federation.Metadata, c federation.Constraints) (federation.Metadata, []Step) {
	if !c.LimitsTypes {
		return subject, nil
	}
	out, steps := clone(subject), []Step(nil)
	for _, kind := range slices.Sorted(maps.Keys(subject)) {
		if kind == federation.FederationEntity || slices.Contains(c.AllowedTypes, kind) {
			continue
		}
		delete(out, kind)
		steps = append(steps, Step{
			Type: kind, Operator: "allowed_entity_types", Configured: names(c.AllowedTypes),
			Before: map[string]any(subject[kind]),
		})
	}
	return out, steps
}

func names(types []federation.EntityType) []any {
	list := make([]any, len(types))
	for i, t := range types {
		list[i] = string(t)
	}
	return list
}

// clone copies as deep as parameters are replaced.
func clone(m federation.Metadata) federation.Metadata {
	out := federation.Metadata{}
	for kind, p := range m {
		out[kind] = maps.Clone(p)
	}
	return out
}

// Apply applies a merged policy to the entity types that are declared (§6.1.4.2). With an
// error it returns the steps up to it.
func Apply(subject federation.Metadata, p federation.Policy) (federation.Metadata, []Step, error) {
	out, steps := clone(subject), []Step(nil)
	for _, kind := range slices.Sorted(maps.Keys(p)) {
		if out[kind] == nil {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(p[kind])) {
			value, taken, err := applyParameter(name, out[kind][name], p[kind][name])
			for i := range taken {
				taken[i].Type = kind
			}
			steps = append(steps, taken...)
			if err != nil {
				return nil, steps, err.at(kind, name)
			}
			if value == nil {
				delete(out[kind], name)
			} else {
				out[kind][name] = value
			}
		}
	}
	return out, steps, nil
}

func applyParameter(name string, value any, o federation.Operators) (any, []Step, *Error) {
	wasText := false
	if text, ok := value.(string); ok && name == scopeParameter {
		value, wasText = words(text), true
	}
	var steps []Step
	for _, operator := range order {
		v, ok := o[operator]
		if !ok {
			continue
		}
		after, err := applyOperator(operator, v, value)
		if err != nil {
			return nil, append(steps, Step{"", name, operator, v, value, nil}), err
		}
		steps = append(steps, Step{"", name, operator, v, value, after})
		value = after
	}
	if values, ok := value.([]any); ok && name == scopeParameter && (wasText || !slices.ContainsFunc(values, noText)) {
		value = join(values)
	}
	return value, steps, nil
}

func noText(v any) bool {
	_, ok := v.(string)
	return !ok
}

// join is a list of words as a text.
func join(values []any) string {
	list := make([]string, len(values))
	for i, v := range values {
		list[i], _ = v.(string)
	}
	return strings.Join(list, " ")
}

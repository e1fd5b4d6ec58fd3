package metadata

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// kind is the type of a JSON value.
type kind string

const (
	isNull    kind = "null"
	isBoolean kind = "boolean"
	isNumber  kind = "number"
	isString  kind = "string"
	isArray   kind = "array"
	isObject  kind = "object"
)

func kindOf(v any) kind {
	switch v.(type) {
	case bool:
		return isBoolean
	case json.Number:
		return isNumber
	case string:
		return isString
	case []any:
		return isArray
	case map[string]any:
		return isObject
	}
	return isNull
}

// text is a value as JSON in one form: members sorted, and numbers equal if their values
// are (RFC 8259 §6).
func text(v any) string {
	var b strings.Builder
	write(&b, v)
	return b.String()
}

func write(b *strings.Builder, v any) {
	switch v := v.(type) {
	case json.Number:
		b.WriteString(number(v))
	case []any:
		b.WriteByte('[')
		for i, one := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			write(b, one)
		}
		b.WriteByte(']')
	case map[string]any:
		b.WriteByte('{')
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		for i, name := range names {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(b, "%q:", name)
			write(b, v[name])
		}
		b.WriteByte('}')
	default:
		raw, err := json.Marshal(v)
		if err != nil {
			raw = []byte("null") // no JSON value has this form
		}
		b.Write(raw)
	}
}

// number is one form of all texts of a number. One with an exponent beyond three digits is
// kept as it is written: to multiply it out would take a stranger's billion digits.
func number(n json.Number) string {
	written := strings.ToLower(n.String())
	if _, exponent, ok := strings.Cut(written, "e"); ok && len(strings.TrimLeft(exponent, "+-0")) > 3 {
		return written
	}
	if r, ok := new(big.Rat).SetString(written); ok {
		return r.RatString()
	}
	return written
}

func equal(a, b any) bool { return text(a) == text(b) }

// set is a list without order, each value once.
type set struct {
	values []any
	texts  map[string]bool
}

func setOf(values []any) *set {
	s := &set{values: []any{}, texts: map[string]bool{}}
	for _, v := range values {
		s.add(v)
	}
	return s
}

func (s *set) add(v any) {
	if t := text(v); !s.texts[t] {
		s.texts[t] = true
		s.values = append(s.values, v)
	}
}

func (s *set) has(v any) bool { return s.texts[text(v)] }

// in reports whether each value of the set is in another.
func (s *set) in(other *set) bool {
	return !slices.ContainsFunc(s.values, func(v any) bool { return !other.has(v) })
}

// both are the values that are in another set too, in the order of s.
func (s *set) both(other *set) []any {
	out := []any{}
	for _, v := range s.values {
		if other.has(v) {
			out = append(out, v)
		}
	}
	return out
}

// list is a value as a list of texts, of numbers or of objects, which set operators work
// on; false for anything else.
func list(v any) ([]any, bool) {
	values, ok := v.([]any)
	if !ok {
		return nil, false
	}
	for _, one := range values {
		if k := kindOf(one); k != kindOf(values[0]) || (k != isString && k != isNumber && k != isObject) {
			return nil, false
		}
	}
	return values, true
}

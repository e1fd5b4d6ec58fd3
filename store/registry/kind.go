package registry

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Kind is how the values of an attribute are kept and shown as JSON.
type Kind int

// The kinds of values.
const (
	Text        Kind = iota // string
	Boolean                 // true, false
	Integer                 // number
	Decimal                 // string, so that no digit is lost
	Date                    // string, 2006-01-02
	PartialDate             // string, a date or a year alone
	Link                    // string, how the reader may know another person
	JSON                    // list or object
)

// kindOf reads a declared type of the catalogue.
func kindOf(declared string) (Kind, bool) {
	for _, k := range []struct {
		prefix string
		kind   Kind
	}{
		{"boolean", Boolean},
		{"integer", Integer},
		{"decimal", Decimal},
		{"date or partial date", PartialDate},
		{"date", Date},
		{"link", Link},
		{"list", JSON},
		{"object", JSON},
		{"address", JSON},
		{"period", JSON},
		{"string", Text},
		{"enum", Text},
		{"code", Text},
		{"ISO", Text},
		{"image reference", Text},
	} {
		if strings.HasPrefix(declared, k.prefix) {
			return k.kind, true
		}
	}
	return 0, false
}

// sqlType is the type of a column. SQLite has no dates, decimals or documents of
// its own, so there they are text.
func (k Kind) sqlType(postgres bool) string {
	switch k {
	case Boolean:
		return "boolean"
	case Integer:
		return "integer"
	}
	if !postgres {
		return "text"
	}
	switch k {
	case Decimal:
		return "numeric"
	case Date:
		return "date"
	case JSON:
		return "jsonb"
	}
	return "text"
}

// encode makes what a column of the kind takes, the same for both databases:
// nil, a string, a bool or an int.
func (k Kind) encode(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		if k != JSON {
			return v
		}
	case bool:
		if k == Boolean {
			return v
		}
	case int:
		if k == Integer {
			return v
		}
	}
	if k != JSON {
		panic(fmt.Sprintf("registry: a value of type %T was generated for a column of another kind", v))
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic("registry: a generated value cannot be encoded: " + err.Error())
	}
	return string(raw)
}

// Decode makes the JSON value of what a driver gave for a column of the kind.
func (k Kind) Decode(v any) (any, error) {
	if raw, ok := v.([]byte); ok {
		v = string(raw)
	}
	switch v := v.(type) {
	case nil:
		return nil, nil
	case bool:
		if k == Boolean {
			return v, nil
		}
	case int64:
		switch k {
		case Boolean:
			return v != 0, nil
		case Integer:
			return v, nil
		}
	case time.Time:
		if k == Date {
			return v.Format(time.DateOnly), nil
		}
	case string:
		switch k {
		case Text, Decimal, Date, PartialDate, Link:
			return v, nil
		case JSON:
			var out any
			d := json.NewDecoder(strings.NewReader(v))
			d.UseNumber()
			if err := d.Decode(&out); err != nil {
				return nil, fmt.Errorf("reading a document: %w", err)
			}
			return out, nil
		}
	}
	return nil, fmt.Errorf("a column holds a %T, which is not of its declared type", v)
}

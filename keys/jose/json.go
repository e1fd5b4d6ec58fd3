package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// maxDepth bounds nesting in JSON from outside.
const maxDepth = 16

// CheckJSON refuses what two parsers might read differently: a member name given
// twice at one level, data after the value, deep nesting, invalid UTF-8 (RFC
// 8725 §2.4, RFC 7515 §4).
func CheckJSON(raw []byte) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON value")
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return errors.New("not valid JSON")
	}
	if number, ok := token.(json.Number); ok {
		if _, err := number.Float64(); err != nil {
			return errors.New("a number that not every parser can read")
		}
	}
	delim, compound := token.(json.Delim)
	if !compound {
		return nil
	}
	names := map[string]bool{}
	for d.More() {
		if delim == '{' {
			name, err := d.Token()
			if err != nil {
				return errors.New("not valid JSON")
			}
			text, _ := name.(string)
			// encoding/json matches names without regard to case, so two names
			// that differ only there are one for it.
			folded := strings.Map(smallest, text)
			if names[folded] {
				return errors.New("a member name stands twice")
			}
			names[folded] = true
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("not valid JSON")
	}
	return nil
}

// DecodeStrict reads JSON into a struct: CheckJSON, and no member that the
// struct does not have.
func DecodeStrict(raw []byte, into any) error {
	if err := CheckJSON(raw); err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// smallest is the first rune of all that Unicode holds for one letter: K for k
// and for the Kelvin sign.
func smallest(r rune) rune {
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}

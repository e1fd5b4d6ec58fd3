package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxDepth bounds nesting in JSON from outside.
const maxDepth = 16

// CheckJSON refuses what two parsers might read differently: a member name given
// twice at one level, data after the value, deep nesting, invalid UTF-8 (RFC
// 8725 §2.4, RFC 7515 §4).
func CheckJSON(raw []byte) error {
	if !utf8.Valid(raw) {
		return errors.New("not valid UTF-8")
	}
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
	if text, ok := token.(string); ok && damaged(text) {
		return errDamaged
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
			if damaged(text) {
				return errDamaged
			}
			// encoding/json matches names without regard to case, so two names
			// that differ only there are one for it.
			once := strings.Map(smallest, text)
			if names[once] {
				return errors.New("a member name stands twice")
			}
			names[once] = true
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

var errDamaged = errors.New("a half surrogate pair, or the sign that stands for one")

// damaged finds what the decoder puts for half a surrogate pair, which another
// parser may keep, refuse or drop.
func damaged(text string) bool { return strings.ContainsRune(text, utf8.RuneError) }

// exactNames refuses members at the top of an object whose name differs from a
// known one in letter case only: encoding/json would take them for it, and
// another parser would not see them (RFC 7515 §4: names are case-sensitive).
func exactNames(raw []byte, known map[string]string) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return errors.New("not a JSON object")
	}
	for name := range members {
		if meant, ok := known[strings.Map(smallest, name)]; ok && meant != name {
			return fmt.Errorf("a member is written otherwise than %q", meant)
		}
	}
	return nil
}

// folded indexes names by their folded form.
func folded(names ...string) map[string]string {
	out := make(map[string]string, len(names))
	for _, name := range names {
		out[strings.Map(smallest, name)] = name
	}
	return out
}

var (
	headerNames = folded("alg", "typ", "kid", "jwk", "crit", "jku", "x5u", "x5c", "b64")
	claimNames  = folded("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "htm", "htu", "ath", "nonce", "sid", "cnf", "gid", "scope", "client_id")
)

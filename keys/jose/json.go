package jose

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Limits of JSON from outside: how deep it is nested, and how many members an
// object or elements a list may have, since a reader makes something of each.
const (
	maxDepth = 16
	maxParts = 1024
)

// TextError is the refusal of JSON for a character that no text of somebody else may
// hold.
type TextError rune

// Error names the character.
func (e TextError) Error() string { return fmt.Sprintf("a text holds the character %U", rune(e)) }

// CheckJSON refuses what two parsers might read differently: a member name given
// twice at one level, data after the value, deep nesting, more parts than anybody
// writes, invalid UTF-8 (RFC 8725 §2.4, RFC 7515 §4). It runs before the caller is
// authenticated, so it keeps eight bytes a member and nothing else.
func CheckJSON(raw []byte) error { return checkJSON(raw, nil) }

// checkJSON also refuses members at the top of an object whose name differs from a
// known one in letter case only: encoding/json would take them for it, and another
// parser would not see them (RFC 7515 §4: names are case-sensitive).
func checkJSON(raw []byte, known map[string]string) error {
	if !utf8.Valid(raw) {
		return errors.New("not valid UTF-8")
	}
	if !json.Valid(raw) {
		return errors.New("not valid JSON, or data after the value")
	}
	w := walker{rest: raw, known: known}
	return w.value(0)
}

// walker goes once through JSON that is known to be valid.
type walker struct {
	rest  []byte
	known map[string]string
	// names are the hashes of the member names of the objects that are open.
	names []uint64
	// text and fold are used again for each string.
	text, fold []byte
}

// seed makes the hashes of names differ in every process, so that nobody can look
// for two names with one hash. Two that have one by chance are refused.
var seed = maphash.MakeSeed()

// next skips white space and gives the byte that follows.
func (w *walker) next() byte {
	w.rest = bytes.TrimLeft(w.rest, " \t\r\n")
	return w.rest[0]
}

func (w *walker) value(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch c := w.next(); c {
	case '{', '[':
		return w.compound(c, depth)
	case '"':
		_, err := w.string()
		return err
	default:
		return w.scalar()
	}
}

func (w *walker) compound(open byte, depth int) error {
	first, parts := len(w.names), 0
	for w.rest = w.rest[1:]; ; w.rest = w.rest[1:] { // past the bracket, then past commas
		if c := w.next(); c == '}' || c == ']' { // of an empty one
			break
		}
		if parts++; parts > maxParts {
			return fmt.Errorf("an object or a list of more than %d parts", maxParts)
		}
		if open == '{' {
			if err := w.name(depth); err != nil {
				return err
			}
			w.next()
			w.rest = w.rest[1:] // the colon
		}
		if err := w.value(depth + 1); err != nil {
			return err
		}
		if w.next() != ',' {
			break
		}
	}
	w.rest = w.rest[1:]
	names := w.names[first:]
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return errors.New("a member name stands twice")
		}
	}
	w.names = w.names[:first]
	return nil
}

// name reads a member name. encoding/json matches names without regard to case, so
// two names that differ only there are one for it.
func (w *walker) name(depth int) error {
	text, err := w.string()
	if err != nil {
		return err
	}
	w.fold = w.fold[:0]
	for _, r := range string(text) {
		w.fold = utf8.AppendRune(w.fold, smallest(r))
	}
	w.names = append(w.names, maphash.Bytes(seed, w.fold))
	if depth == 0 {
		if meant, ok := w.known[string(w.fold)]; ok && meant != string(text) {
			return fmt.Errorf("a member is written otherwise than %q", meant)
		}
	}
	return nil
}

// string reads a string; what it gives is good until the next.
func (w *walker) string() ([]byte, error) {
	raw := w.rest[1:]
	end := bytes.IndexAny(raw, `"\\`)
	if raw[end] == '"' { // nothing is escaped
		w.rest = raw[end+1:]
		return raw[:end], damaged(raw[:end])
	}
	w.text = w.text[:0]
	for raw[0] != '"' {
		if raw[0] != '\\' {
			w.text, raw = append(w.text, raw[0]), raw[1:]
			continue
		}
		if raw[1] != 'u' {
			w.text, raw = append(w.text, unescaped[raw[1]]), raw[2:]
			continue
		}
		r := hex4(raw)
		raw = raw[6:]
		if utf16.IsSurrogate(r) { // half a pair: the other half must follow
			if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
				return nil, errDamaged
			}
			r = utf16.DecodeRune(r, hex4(raw))
			raw = raw[6:]
		}
		w.text = utf8.AppendRune(w.text, r)
	}
	w.rest = raw[1:]
	return w.text, damaged(w.text)
}

// unescaped are the short escapes of RFC 8259 §7.
var unescaped = [256]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// hex4 reads a \u escape.
func hex4(escape []byte) rune {
	n, _ := strconv.ParseUint(string(escape[2:6]), 16, 32) // valid JSON has four digits there
	return rune(n)
}

// scalar reads a number, true, false or null.
func (w *walker) scalar() error {
	end := bytes.IndexAny(w.rest, ",]} \t\r\n")
	if end < 0 {
		end = len(w.rest)
	}
	text := w.rest[:end]
	w.rest = w.rest[end:]
	// Without an exponent and this short, a float64 holds it, be it rounded.
	if c := text[0]; c != '-' && (c < '0' || c > '9') || len(text) < 300 && !bytes.ContainsAny(text, "eE") {
		return nil
	}
	if _, err := strconv.ParseFloat(string(text), 64); err != nil {
		return errors.New("a number that not every parser can read")
	}
	return nil
}

// smallest is the first rune of all that Unicode holds for one letter: K for k
// and for the Kelvin sign.
func smallest(r rune) rune {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}

var errDamaged = errors.New("a half surrogate pair, or the sign that stands for one")

// damaged finds what a decoder puts for half a surrogate pair, which another
// parser may keep, refuse or drop; and what no text of ours may hold: controls,
// separators of lines, marks of direction. It is the rule of authz.CheckText.
func damaged(text []byte) error {
	for i := 0; i < len(text); {
		if c := text[i]; c >= ' ' && c < 0x7f {
			i++
			continue
		}
		r, size := utf8.DecodeRune(text[i:])
		i += size
		switch {
		case r == utf8.RuneError:
			return errDamaged
		case unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control):
			return TextError(r)
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
	headerNames = folded("alg", "typ", "kid", "jwk", "crit", "jku", "x5u", "x5c", "b64", "trust_chain", "peer_trust_chain")
	claimNames  = folded(
		"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "htm", "htu", "ath", "nonce", "sid", "cnf", "gid", "scope", "client_id",
	)
)

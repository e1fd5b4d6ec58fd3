package commitment

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Limits of the canonical form. They bound a row and a line of a proof file.
const (
	MaxCanonical = 32 << 10
	MaxText      = 1024
	maxDepth     = 4
)

// ErrNotCanonical is returned for bytes that are not the one canonical form of
// what they say.
var ErrNotCanonical = errors.New("not in canonical form")

// Canonical gives the canonical form of a value: JSON by RFC 8785 with names
// sorted, whole numbers only, and texts that pass [CheckText]. The fields of a
// struct must stand in the order of their JSON names.
func Canonical(value any) ([]byte, error) {
	canonical, err := compact(value)
	if err != nil {
		return nil, err
	}
	if _, err := ParseObject(canonical); err != nil {
		return nil, err
	}
	return canonical, nil
}

// Version is the version of the form of an event, its member "v".
const Version = 1

// Split takes the canonical bytes of an event apart into id, type and groups.
func Split(canonical []byte) (id, eventType string, groups map[Group][]byte, err error) {
	if _, err := ParseObject(canonical); err != nil {
		return "", "", nil, err
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(canonical, &members); err != nil {
		return "", "", nil, fmt.Errorf("reading an event: %w", err)
	}
	var version int
	for _, head := range []struct {
		name string
		into any
	}{{"id", &id}, {"type", &eventType}, {"v", &version}} {
		if err := json.Unmarshal(members[head.name], head.into); err != nil {
			return "", "", nil, fmt.Errorf("reading an event: its member %q: %w", head.name, ErrNotCanonical)
		}
		delete(members, head.name)
	}
	if version != Version {
		return "", "", nil, fmt.Errorf("reading an event: version %d, want %d", version, Version)
	}
	if err := CheckID(id); err != nil {
		return "", "", nil, err
	}
	if !validType(eventType) {
		return "", "", nil, fmt.Errorf("event %q has a type that none of ours can have", id)
	}
	groups = make(map[Group][]byte, len(members))
	for _, g := range Groups() {
		raw, ok := members[string(g)]
		if !ok {
			continue
		}
		if raw[0] != '{' || string(raw) == absent { // an absent group has no member
			return "", "", nil, fmt.Errorf("reading event %q: group %q: %w", id, g, ErrNotCanonical)
		}
		groups[g] = raw
		delete(members, string(g))
	}
	for name := range members {
		return "", "", nil, fmt.Errorf("reading event %q: no group %q is known", id, name)
	}
	return id, eventType, groups, nil
}

// compact writes maps with sorted names (encoding/json does), and escapes only
// what must be (RFC 8785 §3.2.2.2): the characters that encoding/json would
// escape besides are refused by CheckText.
func compact(value any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return nil, fmt.Errorf("writing canonical JSON: %w", err)
	}
	out := bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	if len(out) > MaxCanonical {
		return nil, fmt.Errorf("writing canonical JSON: %d bytes, more than %d", len(out), MaxCanonical)
	}
	return out, nil
}

// ParseObject reads a JSON object and refuses every other form of it than the
// canonical: names doubled or out of order, white space, escapes that need not
// be, numbers with a fraction. Numbers come as json.Number.
func ParseObject(canonical []byte) (map[string]any, error) {
	value, err := parse(canonical)
	if err != nil {
		return nil, err
	}
	object, ok := value.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("reading canonical JSON: not an object: %w", ErrNotCanonical)
	}
	again, err := compact(object)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, canonical) {
		return nil, fmt.Errorf("reading canonical JSON: %w", ErrNotCanonical)
	}
	return object, nil
}

func parse(data []byte) (any, error) {
	if len(data) > MaxCanonical {
		return nil, fmt.Errorf("reading canonical JSON: %d bytes, more than %d", len(data), MaxCanonical)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil, fmt.Errorf("reading canonical JSON: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading canonical JSON: something follows: %w", ErrNotCanonical)
	}
	if err := check(value, 0); err != nil {
		return nil, fmt.Errorf("reading canonical JSON: %w", err)
	}
	return value, nil
}

// whole numbers of at most 15 digits are exact as IEEE 754 doubles, which is
// what RFC 8785 §3.2.2.3 writes.
var whole = regexp.MustCompile(`^(0|-?[1-9][0-9]{0,14})$`)

func check(value any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("more than %d levels deep", maxDepth)
	}
	switch v := value.(type) {
	case bool:
		return nil
	case string:
		return CheckText(v)
	case json.Number:
		if !whole.MatchString(v.String()) {
			return fmt.Errorf("number %q is not whole or not small enough", v)
		}
		return nil
	case []any:
		for _, item := range v {
			if err := check(item, depth+1); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		for name, item := range v {
			if err := checkName(name); err != nil {
				return err
			}
			if err := check(item, depth+1); err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
		}
		return nil
	default: // null
		return errors.New("a null, where an absent name would say it")
	}
}

// checkName admits the names of our own fields, for which the order of bytes is
// the order of UTF-16 units that RFC 8785 §3.2.3 asks for.
func checkName(name string) error {
	if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return fmt.Errorf("the name %q is none of ours", name)
	}
	return nil
}

// CheckText says whether a text may stand in evidence: UTF-8 in form NFC, not
// longer than MaxText bytes, no control characters, no line or paragraph
// separators and none of the marks that turn the direction of writing, which
// make a line read differently from what it says.
func CheckText(s string) error {
	if len(s) > MaxText {
		return fmt.Errorf("a text has %d bytes, more than %d", len(s), MaxText)
	}
	if !utf8.ValidString(s) {
		return errors.New("a text is not UTF-8")
	}
	for _, r := range s {
		if banned(r) {
			return fmt.Errorf("a text holds the character %U", r)
		}
	}
	if !norm.NFC.IsNormalString(s) {
		return errors.New("a text is not in Unicode form NFC")
	}
	return nil
}

func banned(r rune) bool {
	return r == unicode.ReplacementChar || unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Bidi_Control)
}

// CheckWritten is what [ParseObject] says of texts, for canonical JSON that was
// just written by encoding/json from a struct whose fields stand in order: one
// look at each byte instead of reading it all again.
func CheckWritten(canonical []byte) error {
	if len(canonical) > MaxCanonical {
		return fmt.Errorf("%d bytes, more than %d", len(canonical), MaxCanonical)
	}
	inText, start := false, 0
	for i := 0; i < len(canonical); {
		c := canonical[i]
		switch {
		case c >= utf8.RuneSelf:
			r, size := utf8.DecodeRune(canonical[i:])
			if banned(r) {
				return fmt.Errorf("a text holds the character %U", r)
			}
			i += size
			continue
		case c == 0x7f:
			return fmt.Errorf("a text holds the character %U", c)
		case c == '"':
			if inText && i-start > MaxText { // perhaps only because of escapes
				if err := CheckText(unescape(canonical[start:i])); err != nil {
					return err
				}
			}
			inText, start = !inText, i+1
		case c == '\\':
			i++ // the escaped character
			if canonical[i] != '"' && canonical[i] != '\\' {
				return errEscape(canonical[i-1:])
			}
		}
		i++
	}
	if !norm.NFC.IsNormal(canonical) {
		return errors.New("a text is not in Unicode form NFC")
	}
	return nil
}

// unescape reads the inside of a JSON text.
func unescape(inside []byte) string {
	var s string
	if json.Unmarshal([]byte(`"`+string(inside)+`"`), &s) != nil {
		return "\xff" // no text
	}
	return s
}

// errEscape is the error for a character that encoding/json escaped: all such
// characters are banned but the quotation mark and the backslash.
func errEscape(at []byte) error {
	n := 2
	if len(at) >= 6 && at[1] == 'u' {
		n = 6
	}
	r, _ := utf8.DecodeRuneInString(unescape(at[:n]))
	return fmt.Errorf("a text holds the character %U", r)
}

// CheckID accepts a UUIDv7 in its one written form (RFC 9562 §4, §5.7).
func CheckID(id string) error {
	const shape = "xxxxxxxx-xxxx-7xxx-yxxx-xxxxxxxxxxxx"
	ok := len(id) == len(shape)
	for i := 0; ok && i < len(shape); i++ {
		switch shape[i] {
		case 'x':
			ok = strings.IndexByte("0123456789abcdef", id[i]) >= 0
		case 'y':
			ok = strings.IndexByte("89ab", id[i]) >= 0
		default:
			ok = id[i] == shape[i]
		}
	}
	if !ok {
		return errors.New("an event id is not a UUIDv7")
	}
	return nil
}

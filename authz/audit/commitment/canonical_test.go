package commitment

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestBothChecksOfATextAgree: what is written is checked in one look, what is
// read is checked text by text. A text that passes one must pass the other, or an
// event could be recorded that nobody can read again.
func TestBothChecksOfATextAgree(t *testing.T) {
	odd := []rune("a\"\\<&/=\t\n\x00\x1f\x7f\u0080\u00a0\u0301\u0338\u1eadằ\u200d\u202e\u2028\u2066\ufeff\ufffd\U0001f600")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringOfN(rapid.RuneFrom(odd), 0, 12, -1),
			rapid.Map(rapid.SliceOfN(rapid.Byte(), 0, 8), func(b []byte) string { return string(b) }),
			rapid.Map(rapid.IntRange(MaxText-2, MaxText+2), func(n int) string { return strings.Repeat("\"", n) }),
		).Draw(t, "text")
		written, err := compact(map[string]any{"a": text, "b": []string{text}})
		if err != nil {
			t.Fatal(err)
		}
		_, readErr := ParseObject(written)
		if wroteErr := CheckWritten(written); (wroteErr == nil) != (readErr == nil) {
			t.Fatalf("%q: written %v, read %v", text, wroteErr, readErr)
		}
		if err := CheckText(text); (err == nil) != (readErr == nil) {
			t.Fatalf("%q: by itself %v, read %v", text, err, readErr)
		}
	})
}

func TestParseObjectRefuses(t *testing.T) {
	for _, row := range []struct{ name, raw string }{
		{"names out of order", `{"b":1,"a":1}`},
		{"a doubled name", `{"a":1,"a":1}`},
		{"a doubled name inside", `{"a":{"b":1,"b":1}}`},
		{"white space", `{"a": 1}`},
		{"RFC 8785 §3.2.2.2: a needless escape", `{"a":"\u0062"}`},
		{"a slash escaped", `{"a":"\/"}`},
		{"capitals in an escape", `{"a":"\u001F"}`},
		{"RFC 8785 §3.2.2.3: a fraction", `{"a":1.0}`},
		{"an exponent", `{"a":1e3}`},
		{"minus zero", `{"a":-0}`},
		{"a number no double holds", `{"a":9007199254740993}`},
		{"a null", `{"a":null}`},
		{"a name of another kind", `{"A":1}`},
		{"five levels", `{"a":{"a":{"a":{"a":{"a":1}}}}}`},
		{"a byte order mark", "\ufeff{}"},
		{"no object", `[1]`},
		{"a text", `"a"`},
		{"nothing", ``},
		{"half", `{"a":`},
		{"two", `{}{}`},
		{"too long", `{"a":["` + strings.Repeat(`x","`, MaxCanonical) + `"]}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if object, err := ParseObject([]byte(row.raw)); err == nil {
				t.Fatalf("accepted as %v", object)
			}
		})
	}
}

func TestSplitRefuses(t *testing.T) {
	const good = `{"decision":{"permit":false},"id":"0197a1b2-c3d4-7e5f-8a6b-0123456789ab","type":"session.signed-out","v":1}`
	if _, _, groups, err := Split([]byte(good)); err != nil || string(groups[Decision]) != `{"permit":false}` {
		t.Fatalf("got %q, %v", groups, err)
	}
	for _, row := range []struct{ name, old, new string }{
		{"no id", `"id":"0197a1b2-c3d4-7e5f-8a6b-0123456789ab",`, ``},
		{"RFC 9562 §4: another variant", `-8a6b-`, `-ca6b-`},
		{"RFC 9562 §5.7: an id of version 4", `-7e5f-`, `-4e5f-`},
		{"RFC 9562 §4: an id in capitals", `7e5f-8a6b-0123456789ab`, `7E5F-8A6B-0123456789AB`},
		{"no version", `,"v":1`, ``},
		{"another version", `"v":1`, `"v":2`},
		{"a version that is text", `"v":1`, `"v":"1"`},
		{"a type with spaces", `session.signed-out`, `session signed out`},
		{"an unknown group", `"decision"`, `"devil"`},
		{"an absent group that is there", `"decision":{"permit":false}`, `"decision":{}`},
		{"a group that is no object", `{"permit":false}`, `"no"`},
	} {
		t.Run(row.name, func(t *testing.T) {
			changed := strings.Replace(good, row.old, row.new, 1)
			if changed == good {
				t.Fatal("the row changes nothing")
			}
			if _, _, _, err := Split([]byte(changed)); err == nil {
				t.Fatalf("accepted %s", changed)
			}
		})
	}
}

// FuzzParseObject: what is accepted is read the same by another parser, and is
// what would be written.
func FuzzParseObject(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1}`, `{"a":"ằ","b":[true,"x"],"c":{"d":-5}}`, `{"a":"\"\\"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		object, err := ParseObject(raw)
		if err != nil {
			return
		}
		var loose map[string]any
		if err := json.Unmarshal(raw, &loose); err != nil || len(loose) != len(object) {
			t.Fatalf("another parser reads %v (%v), this one %v", loose, err, object)
		}
		again, err := compact(object)
		if err != nil || !bytes.Equal(again, raw) {
			t.Fatalf("written again: %s (%v)", again, err)
		}
		if err := CheckWritten(raw); err != nil {
			t.Fatalf("what is read cannot be written: %v", err)
		}
	})
}

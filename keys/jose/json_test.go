package jose_test

import (
	"bytes"
	"encoding/json"
	"io"
	"runtime"
	"strings"
	"testing"
	"unicode/utf8"

	"hopnhat/keys/jose"
)

// tokenwise is CheckJSON the plain way, token by token, at whatever it costs.
func tokenwise(d *json.Decoder, depth int) bool {
	token, err := d.Token()
	if err != nil || depth > 16 {
		return false
	}
	switch token := token.(type) {
	case string:
		return !strings.ContainsRune(token, utf8.RuneError)
	case json.Number:
		_, err := token.Float64()
		return err == nil
	case json.Delim:
		var names []string
		for d.More() {
			if token == '{' {
				name, err := d.Token()
				text, _ := name.(string)
				if err != nil || strings.ContainsRune(text, utf8.RuneError) {
					return false
				}
				for _, earlier := range names {
					if strings.EqualFold(earlier, text) {
						return false
					}
				}
				names = append(names, text)
			}
			if !tokenwise(d, depth+1) {
				return false
			}
		}
		_, err := d.Token()
		return err == nil
	}
	return true
}

func plainly(raw []byte) bool {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if !utf8.Valid(raw) || !tokenwise(d, 0) {
		return false
	}
	_, err := d.Token()
	return err == io.EOF
}

// odd are texts in which one reader of JSON may see another thing than the next.
var odd = []string{
	`{"a":1}`, `{"a":{"b":[1,2]}}`, `{"a":1,"A":2}`, `{"k":1,"\u212a":2}`, `{"s":1,"ſ":2}`, `{"a":1,"\u0061":2}`, `{"":1,"":2}`, `{"a":{"a":1},"b":{"a":1}}`,
	`[]`, `[[],{}]`, ` { } `, `{}{}`, `{"a":1}x`, `"a"`, `null`, `1e400`, `-1e999`, `1e308`, `[1e-400]`, `[0.1,-0,1E5]`, strings.Repeat("9", 400),
	`{"a":"\ud800"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d\u0041"}`, `{"a":"\udc00"}`, `{"a":"\ufffd"}`, "{\"a\":\"\ufffd\"}", `{"\ud800":1}`, `"\"\\\/\b\f\n\r\t"`,
	`{"a":"\u00e9\\"}`, "\"\xff\"", `{"a" : [ true , false , null ] }`, `[1,]`, `{"a"}`, `{,}`, "", " ", "[1\n]", "{\"a\"\t:\r1}",
	strings.Repeat("[", 16) + strings.Repeat("]", 16), strings.Repeat("[", 17) + strings.Repeat("]", 17), strings.Repeat("[", 18) + strings.Repeat("]", 18), strings.Repeat("[", 20000),
}

func TestCheckJSONSeesWhatADecoderSees(t *testing.T) {
	for _, text := range odd {
		if got, want := jose.CheckJSON([]byte(text)) == nil, plainly([]byte(text)); got != want {
			t.Errorf("%.60q: passes %v, and read token by token %v", text, got, want)
		}
	}
}

// FuzzCheckJSON: it decides as the plain way does, and what passes has one
// reading: decoding, encoding and decoding again changes nothing.
func FuzzCheckJSON(f *testing.F) {
	for _, seed := range odd {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		passes := jose.CheckJSON(raw) == nil
		if want := plainly(raw); passes != want {
			t.Fatalf("passes %v, and read token by token %v", passes, want)
		}
		if !passes {
			return
		}
		var first, second any
		if err := json.Unmarshal(raw, &first); err != nil {
			t.Fatalf("passed but does not decode: %v", err)
		}
		again, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := jose.CheckJSON(again); err != nil {
			t.Fatalf("its own encoding does not pass: %v", err)
		}
		if err := json.Unmarshal(again, &second); err != nil {
			t.Fatal(err)
		}
	})
}

// flooding are the texts of a size that make a reader of JSON work most.
var flooding = map[string]string{
	"members":   "{" + strings.Join(manyMembers(8<<10), ",") + "}",
	"objects":   "[" + strings.Repeat(`{"a":1},`, 12<<10) + "1]",
	"numbers":   "[" + strings.Repeat("1,", 48<<10) + "1]",
	"escapes":   `["` + strings.Repeat(`\ud83d\ude00`, 8<<10) + `"]`,
	"short":     "[" + strings.Repeat(`"\u0041",`, 10<<10) + "1]",
	"exponents": "[" + strings.Repeat("1e9,", 24<<10) + "1]",
	"open":      strings.Repeat("[", 96<<10),
}

// TestCheckJSONIsThrifty: whoever sends it is not known yet.
func TestCheckJSONIsThrifty(t *testing.T) {
	for name, text := range flooding {
		raw := []byte(text)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 8 {
			_ = jose.CheckJSON(raw)
		}
		runtime.ReadMemStats(&after)
		if got := (after.TotalAlloc - before.TotalAlloc) / 8; got > 512<<10 {
			t.Errorf("%s: %d bytes allocated for %d, want at most 512 KiB", name, got, len(raw))
		}
	}
}

func BenchmarkCheckJSON(b *testing.B) {
	for name, text := range flooding {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_ = jose.CheckJSON([]byte(text))
			}
		})
	}
}

func manyMembers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = `"` + string(rune('a'+i%26)) + string(rune('a'+i/26%26)) + string(rune('a'+i/676%26)) + `":1`
	}
	return out
}

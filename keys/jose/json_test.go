package jose_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"hopnhat/authz"
	"hopnhat/keys/costtest"
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
		return authz.CheckText(token) == nil
	case json.Number:
		_, err := token.Float64()
		return err == nil
	case json.Delim:
		var names []string
		for parts := 0; d.More(); parts++ {
			if parts == 1024 {
				return false
			}
			if token == '{' {
				name, err := d.Token()
				text, _ := name.(string)
				if err != nil || authz.CheckText(text) != nil {
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
	`{"a":"\ud800"}`, `{"a":"\ud83d\ude00"}`, `{"a":"\ud83d\u0041"}`, `{"a":"\udc00"}`, `{"a":"\ufffd"}`, "{\"a\":\"\ufffd\"}", `{"\ud800":1}`, `"\"\\\/"`, `"\b"`, `"\f"`, `"\n"`, `"\u0000"`, `{"\u0000":1}`, `"\u202e"`, "\"\u202e\"", "\"\x7f\"", `"\u0085"`, `"\u2028"`, `"e\u0301"`,
	`{"a":"\u00e9\\"}`, "\"\xff\"", `{"a" : [ true , false , null ] }`, `[1,]`, `{"a"}`, `{,}`, "", " ", "[1\n]", "{\"a\"\t:\r1}",
	strings.Repeat("[", 16) + strings.Repeat("]", 16), strings.Repeat("[", 17) + strings.Repeat("]", 17), strings.Repeat("[", 18) + strings.Repeat("]", 18), strings.Repeat("[", 20000),
	"[" + strings.Repeat("1,", 1023) + "1]", "[" + strings.Repeat("1,", 1024) + "1]", "{" + strings.Join(manyMembers(1024), ",") + "}", "{" + strings.Join(manyMembers(1025), ",") + "}",
}

// TestCheckJSONSeesWhatADecoderSees: also in the escapes of RFC 8259 §7.
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
	"members":   "[" + strings.Repeat("{"+strings.Join(manyMembers(1000), ",")+"},", 11) + "1]",
	"too many":  "{" + strings.Join(manyMembers(8<<10), ",") + "}",
	"objects":   "[" + strings.Repeat("["+strings.Repeat(`{"a":1},`, 900)+"1],", 13) + "1]",
	"numbers":   "[" + strings.Repeat("["+strings.Repeat("1,", 1000)+"1],", 48) + "1]",
	"escapes":   `["` + strings.Repeat(`\ud83d\ude00`, 8<<10) + `"]`,
	"short":     "[" + strings.Repeat("["+strings.Repeat(`"\u0041",`, 1000)+"1],", 10) + "1]",
	"exponents": "[" + strings.Repeat("["+strings.Repeat("1e9,", 1000)+"1],", 24) + "1]",
	"open":      strings.Repeat("[", 96<<10),
}

// TestStrangersTextsCostLittle: whoever sends them is not known yet.
func TestStrangersTextsCostLittle(t *testing.T) {
	for name, text := range flooding {
		t.Run(name, func(t *testing.T) {
			costtest.Bounded(t, len(text), func() { _ = jose.CheckJSON([]byte(text)) })
		})
	}
	one := jwk(t, ecKey(t).Public())
	for name, set := range map[string]string{
		"numbers for keys":   `{"keys":[` + strings.Repeat("1,", 32<<10-20) + `1]}`,
		"1,000 keys":         `{"keys":[` + strings.Repeat(`{"kty":"EC"},`, 1000) + `{}]}`,
		"32 keys":            `{"keys":[` + strings.Repeat(one+",", 31) + one + `]}`,
		"a long modulus":     `{"keys":[{"kty":"RSA","e":"AQAB","n":"` + strings.Repeat("f", 60<<10) + `"}]}`,
		"a long exponent":    `{"keys":[{"kty":"RSA","n":"` + modulus + `","e":"` + strings.Repeat("f", 60<<10) + `"}]}`,
		"many certificates":  `{"keys":[` + strings.TrimSuffix(one, "}") + `,"x5c":[` + strings.Repeat(`"AAAA",`, 1000) + `"AAAA"]}]}`,
		"a long certificate": `{"keys":[` + strings.TrimSuffix(one, "}") + `,"x5c":["` + strings.Repeat(`A`, 60<<10) + `"]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			costtest.Bounded(t, len(set), func() { _, _ = jose.ParseSet([]byte(set)) })
		})
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

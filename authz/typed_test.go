package authz_test

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

func TestTyped(t *testing.T) {
	for _, row := range []struct{ name, typed, want string }{
		{"as it is", "099304000017", "099304000017"},
		{"in groups", " 099 304\t000 017\r\n", "099304000017"},
		{"with dots, dashes, commas and low lines", "099.304-000,0_17", "099304000017"},
		{"with dashes of every length", "0‐9‑9‒3–0—4―0−00017", "099304000017"},
		{"with a space that does not break, and narrow ones", "099\u00a0304\u202f000\u2009017", "099304000017"},
		{"with marks that nobody sees", "\ufeff099\u200b304\u200d000\u2060017\u00ad", "099304000017"},
		{"with marks of direction", "\u202a099304\u202c\u200e000017\u2066\u2069\u061c", "099304000017"},
		{"of full width", "０９９３０４０００－０１７", "099304000017"},
		{"of another script", "٠٩٩٣٠٤٠٠٠٠١٧", "099304000017"},
		{"of a keyboard of mathematicians", "𝟎𝟡𝟫𝟹", "0993"},
		{"keycaps", "1\ufe0f2\ufe0f", "12"},
		{"letters of full width", "ＢＣＤＦ‐ｇｈｊｋ", "BCDFghjk"},
		{"letters stay", "09930400001O", "09930400001O"},
		{"so do signs", "099304000017;--", "099304000017;"},
		{"and what only looks like a digit", "①²", "①²"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := authz.Typed(row.typed); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
	for r := rune(0); r <= unicode.MaxRune; r++ {
		if got := authz.Typed(string(r)); unicode.IsDigit(r) && (len(got) != 1 || got[0] < '0' || got[0] > '9') {
			t.Fatalf("the digit %U became %q", r, got)
		}
	}
}

// TestTypedIsOneThing: what was read once is read the same again, and digits keep
// their number and order whatever stands between them.
func TestTypedIsOneThing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.String().Draw(t, "text")
		once := authz.Typed(text)
		if twice := authz.Typed(once); twice != once {
			t.Fatalf("%q became %q and then %q", text, once, twice)
		}
		number := rapid.StringMatching("[0-9]{1,12}").Draw(t, "number")
		var b strings.Builder
		for _, d := range number {
			b.WriteString(rapid.SampledFrom([]string{"", " ", "-", ".", "\u200b", "\u202e", "–"}).Draw(t, "between"))
			b.WriteRune(rapid.SampledFrom([]rune{d, d - '0' + '０', d - '0' + '٠'}).Draw(t, "digit"))
		}
		if got := authz.Typed(b.String()); got != number {
			t.Fatalf("%q became %q, want %q", b.String(), got, number)
		}
	})
}

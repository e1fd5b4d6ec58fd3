package authz

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckText(t *testing.T) {
	for _, row := range []struct {
		name, text string
		ok         bool
	}{
		{"nothing", "", true},
		{"Vietnamese", "Hồ sơ đất đai số 12/HS-ĐN", true},
		{"Vietnamese that is not composed", "Hồ sơ", true},
		{"NUL", "a\x00b", false},
		{"a line break", "a\nb", false},
		{"DEL", "a\x7f", false},
		{"a C1 control", "a\u0085", false},
		{"right-to-left override", "a\u202eb", false},
		{"isolate", "a\u2066b", false},
		{"line separator", "a\u2028b", false},
		{"a replacement character", "a\ufffdb", false},
		{"not UTF-8", "a\xff", false},
	} {
		if err := CheckText(row.text); (err == nil) != row.ok {
			t.Errorf("%s: got %v", row.name, err)
		}
	}
}

func TestCarriesNumber(t *testing.T) {
	for _, row := range []struct {
		name, text string
		carries    bool
	}{
		{"nothing", "", false},
		{"the number alone", "099304000017", true},
		{"in a sentence", "hồ sơ của 099304000017, bổ sung", true},
		{"glued to letters", "HS099304000017X", true},
		{"with spaces", "099 304 000 017", true},
		{"with spaces that do not break", "099\u00a0304\u202f000\u2009017", true},
		{"with dots", "099.304.000.017", true},
		{"digit by digit", "0 9 9 3 0 4 0 0 0 0 1 7", true},
		{"with dashes in groups", "099-304-000-017", true},
		{"with slashes in two groups", "099304/000017", true},
		{"with dashes in groups of four", "0993–0400–0017", true},
		{"with dashes as it is made up", "099-3-04-000017", true},
		{"province, year and the rest", "099-304-000017", true},
		{"with a dash after the province", "HS 099–304000017", true},
		{"in two halves over a slash and a blank", "099304 / 000017", true},
		{"after a year", "2026/099-304-000-017", true},
		{"of full width", "０９９３０４００００１７", true},
		{"Arabic-Indic", "٠٩٩٣٠٤٠٠٠٠١٧", true},
		{"of mathematics", "𝟎𝟗𝟗𝟑𝟎𝟒𝟎𝟎𝟎𝟎𝟏𝟕", true},
		{"raised", "⁰⁹⁹³⁰⁴⁰⁰⁰⁰¹⁷", true},
		{"with signs that cannot be seen", "0993\u200b0400\u00ad0017", true},
		{"in groups over signs that cannot be seen", "09\u200b9-304-000-017", true},
		{"with letters that cannot be seen", "0993\u31640400\u115f0017", true},
		{"in groups over letters that cannot be seen", "09\uffa09-304-000-017", true},
		{"longer than a number", "1099304000017", true},
		{"eleven digits", "09930400001", false},
		{"a file of the one-door system", "000.00.16.H20-230510-0012", false},
		{"a file of a department", "G22.99-250701-0001", false},
		{"a file of H05", "H05-230510-0012", false},
		{"a date and a number", "số 15/2026/QĐ-UBND ngày 30/11/2026", false},
		{"a telephone number", "0912 345 678", false},
		{"a time to the minute", "2026-11-30 12:34", false},
		{"a year and a long number", "HS-2026-00012345", false},
		{"a day and a number", "20261130-0012", false},
		{"a day and a short number", "230510-00123", false},
	} {
		if got := CarriesNumber(row.text); got != row.carries {
			t.Errorf("%s: %q: got %v", row.name, row.text, got)
		}
	}
}

// However a number is written, with whatever of these between its digits, it is seen.
func TestANumberIsSeenHoweverItIsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		b.WriteString(rapid.SampledFrom([]string{"", "Hồ sơ ", "A/B-", "12/"}).Draw(t, "before"))
		zero := rapid.SampledFrom([]rune{'0', '０', '٠', '𝟎', '०'}).Draw(t, "script")
		for range numberDigits {
			fmt.Fprintf(&b, "%c%s", zero+rapid.Int32Range(0, 9).Draw(t, "digit"), rapid.SampledFrom([]string{"", " ", ".", "\u200b", "\u00a0", "\u200d", "\u0301"}).Draw(t, "between"))
		}
		b.WriteString(rapid.SampledFrom([]string{"", " bổ sung", "-x"}).Draw(t, "after"))
		if !CarriesNumber(b.String()) {
			t.Fatalf("%q is taken for one without a number", b.String())
		}
	})
}

package nation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTheFormOfAnEnterpriseCode(t *testing.T) {
	for _, row := range []struct {
		name, text   string
		good, unsure bool
	}{
		{"a published code", "0100109106", true, false},
		{"a synthetic code", "9900000016", true, false},
		{"a wrong check digit", "0100109107", false, false},
		{"a dependent unit", "9900000016-001", true, false},
		{"unit 000 is never given", "9900000016-000", false, false},
		{"a unit of two digits", "9900000016-01", false, false},
		{"a hyphen and no unit", "9900000016-", false, false},
		{"two hyphens", "9900000016-001-1", false, false},
		{"the sum is 0 modulo 11, digit 0", "0000000000", true, true},
		{"the sum is 0 modulo 11, another digit", "0000000005", false, false},
		{"too short", "990000001", false, false},
		{"too long", "99000000160", false, false},
		{"letters", "99000000a6", false, false},
		{"digits of another script", "٠١٠٠١٠٩١٠٦", false, false},
		{"a blank before", " 9900000016", false, false},
		{"nothing", "", false, false},
	} {
		code, err := ParseEnterpriseCode(row.text)
		if (err == nil) != row.good || code.Unsure != row.unsure || err != nil && !errors.Is(err, ErrNumber) {
			t.Errorf("%s: %q gave %+v, %v", row.name, row.text, code, err)
		}
	}
}

func TestTheFormOfAPersonalNumber(t *testing.T) {
	for _, row := range []struct {
		name, text string
		female     bool
		birth      string
		good       bool
		doubts     []Doubt
	}{
		{"it fits", "099304000017", true, "2004-02-29", true, nil},
		{"a year alone", "099078000112", false, "1978", true, nil},
		{"an unknown birth", "099078000112", false, "", true, nil},
		{"the other sex", "099304000017", false, "2004-02-29", true, []Doubt{DoubtSex}},
		{"another year", "099304000017", true, "2005-02-28", true, []Doubt{DoubtYear}},
		{"another century", "099304000017", true, "1904-02-28", true, []Doubt{DoubtYear}},
		{"a province of before the merger", "002304000017", true, "2004", true, nil},
		{"a place that never was", "003304000017", true, "2004", true, []Doubt{DoubtPlace}},
		{"registered abroad", "101304000017", true, "2004", true, nil},
		{"everything is off", "003078000112", true, "1999-01-01", true, []Doubt{DoubtSex, DoubtYear, DoubtPlace}},
		{"too short", "09930400001", true, "", false, nil},
		{"too long", "0993040000170", true, "", false, nil},
		{"a letter", "09930400001x", true, "", false, nil},
		{"digits of another script", "٠٩٩٣٠٤", true, "", false, nil},
		{"nothing", "", true, "", false, nil},
	} {
		n, err := ParsePersonalNumber(row.text)
		if (err == nil) != row.good || err != nil && !errors.Is(err, ErrNumber) {
			t.Errorf("%s: got %v", row.name, err)
			continue
		}
		if got := n.Doubts(row.female, row.birth); err == nil && !slices.Equal(got, row.doubts) {
			t.Errorf("%s: got %q, want %q", row.name, got, row.doubts)
		}
	}
}

func TestAPersonalNumberPrintsAsAMask(t *testing.T) {
	n, err := ParsePersonalNumber("099304000017")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(map[string]any{"n": n})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(n), fmt.Sprintf("%+v", n), fmt.Sprintf("%#v", n), fmt.Sprintf("%d", n), fmt.Sprint([]any{n}), string(raw)} {
		if strings.Contains(text, "0993") || strings.Contains(text, "2004") || strings.Contains(text, "000017") {
			t.Errorf("the number shows in %s", text)
		}
	}
	if _, err := ParsePersonalNumber("0993040000175"); strings.Contains(err.Error(), "099304") {
		t.Errorf("the number shows in the error: %v", err)
	}
}

func TestOneWrongDigitOfAnEnterpriseCodeIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		code := enterpriseCode(rapid.IntRange(0, 4_999_999).Draw(t, "serial"))
		if _, err := ParseEnterpriseCode(code); err != nil || !strings.HasPrefix(code, "99") {
			t.Fatalf("%s: %v", code, err)
		}
		at, digit := rapid.IntRange(0, 9).Draw(t, "at"), byte('0'+rapid.IntRange(0, 9).Draw(t, "digit"))
		if code[at] == digit {
			return
		}
		wrong := code[:at] + string(digit) + code[at+1:]
		// A sum of 0 modulo 11 is in doubt, not wrong.
		if got, err := ParseEnterpriseCode(wrong); err == nil && !got.Unsure {
			t.Fatalf("%s passed for %s", wrong, code)
		}
	})
}

func FuzzPersonalNumber(f *testing.F) {
	for _, text := range []string{"099304000017", "001099000001", "", "09930400001٣", "9999999999999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParsePersonalNumber(text)
		if err != nil {
			return
		}
		// What was taken apart says no more and no less than what came in.
		digit := (n.Century - 19) * 2
		if n.Female {
			digit++
		}
		if got := fmt.Sprintf("%s%d%02d%s", n.Place, digit, n.Year%100, n.Serial); got != text {
			t.Fatalf("%q was read as %q", text, got)
		}
		if n.Year/100 != n.Century {
			t.Fatalf("%q: year %d of century %d", text, n.Year, n.Century)
		}
	})
}

func FuzzEnterpriseCode(f *testing.F) {
	for _, text := range []string{"9900000016", "9900000016-001", "0000000000", "-", "9900000016-000"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseEnterpriseCode(text)
		if err != nil {
			return
		}
		again := c.Number
		if c.Unit != "" {
			again += "-" + c.Unit
		}
		if again != text {
			t.Fatalf("%q was read as %q", text, again)
		}
	})
}

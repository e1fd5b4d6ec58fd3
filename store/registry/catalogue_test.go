package registry

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheCatalogueIsWhole(t *testing.T) {
	attributes := 0
	seen := map[string]bool{}
	for _, r := range Registers() {
		attributes += len(r.Attributes)
		if r.VI == "" || r.EN == "" || r.Owner == "" || r.LegalSource == "" || r.Subject == "" {
			t.Errorf("register %s lacks a word", r.ID)
		}
		for _, a := range r.Attributes {
			if seen[a.ID] || !strings.HasPrefix(a.ID, r.ID+".") {
				t.Errorf("attribute %s of %s: doubled, or of another register", a.ID, r.ID)
			}
			seen[a.ID] = true
			if a.VI == "" || a.EN == "" || a.ClassSource == "" || len(a.Purposes) == 0 || !slices.Contains([]string{"PUB", "P1", "P2", "P3", "O1"}, a.Class) {
				t.Errorf("attribute %s lacks a word, a class or a purpose", a.ID)
			}
			if got, ok := AttributeByID(a.ID); !ok || got.EN != a.EN {
				t.Errorf("attribute %s is not found by its id", a.ID)
			}
			if strings.Trim(a.column(), "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
				t.Errorf("attribute %s has no plain column name", a.ID)
			}
		}
	}
	current, legacy := Provinces()
	got := []int{len(Registers()), attributes, len(current), len(legacy)}
	if want := []int{14, 122, 34, 63}; !slices.Equal(got, want) {
		t.Fatalf("registers, attributes, provinces, legacy provinces: got %v, want %v", got, want)
	}
	if len(ethnicities.words) != 54 {
		t.Errorf("peoples: got %d, want 54", len(ethnicities.words))
	}
	for _, id := range []string{"", "land", "land.", "land.nothing", "nothing.pin", "tax.area"} {
		if _, ok := AttributeByID(id); ok {
			t.Errorf("%q was found", id)
		}
	}
}

func TestACodeMeansAProvinceOnlyWithItsList(t *testing.T) {
	for _, row := range []struct {
		name, day, code, want string
	}{
		{"15 was Yên Bái", "2024-05-01", "15", "Tỉnh Yên Bái"},
		{"until the last day", "2025-06-30", "15", "Tỉnh Yên Bái"},
		{"15 is Lào Cai", "2025-07-01", "15", "Tỉnh Lào Cai"},
		{"Hà Nội is a city in both", "2024-05-01", "01", "Thành phố Hà Nội"},
		{"02 is of the past", "2026-01-01", "02", ""},
	} {
		day, err := time.Parse(time.DateOnly, row.day)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := ProvinceName(ListOf(day), row.code); (got != row.want && ok) || ok != (row.want != "") {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
	if _, ok := ProvinceName("2004-01-01", "01"); ok {
		t.Error("a code of no list was understood")
	}
	_, legacy := Provinces()
	for _, p := range legacy {
		next, ok := currentByCode[p.Successor]
		if !ok || !slices.Contains(next.MergedFrom, p.Code) {
			t.Errorf("legacy %s has the successor %s, which does not name it", p.Code, p.Successor)
		}
		if p.PINPrefix != "0"+p.Code {
			t.Errorf("legacy %s has the prefix %s", p.Code, p.PINPrefix)
		}
	}
}

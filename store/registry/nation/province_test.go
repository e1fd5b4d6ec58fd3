package nation

import (
	"slices"
	"testing"
	"time"
)

func TestTheListsAreWhole(t *testing.T) {
	current, legacy := Provinces()
	if got, want := []int{len(current), len(legacy), len(ethnicities.words)}, []int{34, 63, 54}; !slices.Equal(got, want) {
		t.Fatalf("provinces, legacy provinces, peoples: got %v, want %v", got, want)
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

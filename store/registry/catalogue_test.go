package registry_test

import (
	"slices"
	"strings"
	"testing"

	"hopnhat/store/registry"
)

func TestTheCatalogueIsWhole(t *testing.T) {
	attributes := 0
	seen := map[string]bool{}
	for _, r := range registry.Registers() {
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
			if got, ok := registry.AttributeByID(a.ID); !ok || got.EN != a.EN {
				t.Errorf("attribute %s is not found by its id", a.ID)
			}
			if strings.Trim(a.Column(), "abcdefghijklmnopqrstuvwxyz_0123456789") != "" {
				t.Errorf("attribute %s has no plain column name", a.ID)
			}
		}
	}
	got := []int{len(registry.Registers()), attributes}
	if want := []int{14, 122}; !slices.Equal(got, want) {
		t.Fatalf("registers, attributes: got %v, want %v", got, want)
	}
	for _, id := range []string{"", "land", "land.", "land.nothing", "nothing.pin", "tax.area"} {
		if _, ok := registry.AttributeByID(id); ok {
			t.Errorf("%q was found", id)
		}
	}
}

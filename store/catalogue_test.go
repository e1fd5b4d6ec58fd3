package store_test

import (
	"slices"
	"testing"

	"hopnhat/authz"
	"hopnhat/authz/consent"
	"hopnhat/store/registry"
)

// The law's catalogue and the registers' own list are two files, so that neither
// package needs the other. They must say the same of every attribute.
func TestTheTwoCataloguesAgree(t *testing.T) {
	law := consent.Load()
	registers := registry.Registers()
	// The electronic identity system is no register of the national database: its
	// record is the accounts.
	if _, ok := law.Registry("eid"); !ok || len(registers)+1 != len(law.Registries) {
		t.Fatalf("the registers are %d, the law's catalogue has %d", len(registers), len(law.Registries))
	}
	for _, r := range registers {
		known, ok := law.Registry(authz.RegistryID(r.ID))
		if !ok || len(known.Attributes) != len(r.Attributes) {
			t.Fatalf("register %q: %d attributes, the law's catalogue has %d", r.ID, len(r.Attributes), len(known.Attributes))
		}
		for _, a := range r.Attributes {
			b, ok := law.Attribute(authz.AttributeID(a.ID))
			purposes := make([]string, len(b.Purposes))
			for i, p := range b.Purposes {
				purposes[i] = string(p)
			}
			if !ok || b.VI != a.VI || b.EN != a.EN || b.Class != a.Class || !slices.Equal(purposes, a.Purposes) {
				t.Errorf("attribute %q: the registers say %+v, the law's catalogue %+v", a.ID, a, b)
			}
			if b.Predicate != (a.Kind() == registry.Boolean) {
				t.Errorf("attribute %q: a yes or no for one, a value for the other", a.ID)
			}
		}
	}
}

package registry_test

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"hopnhat/conformance/harness/pgtest"
	"hopnhat/store/registry"
)

func each(t *testing.T, test func(t *testing.T, db *registry.DB)) {
	t.Helper()
	for name, dsn := range map[string]func(t *testing.T) string{
		"sqlite":   func(t *testing.T) string { return filepath.Join(t.TempDir(), "registry.db") },
		"postgres": func(t *testing.T) string { return pgtest.Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			db, err := registry.Open(t.Context(), dsn(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { db.Close() })
			test(t, db)
		})
	}
}

func TestTheCatalogueIsWhole(t *testing.T) {
	attributes := 0
	for _, r := range registry.Registers() {
		attributes += len(r.Attributes)
	}
	current, legacy := registry.Provinces()
	got := []int{len(registry.Registers()), attributes, len(current), len(legacy)}
	if want := []int{14, 121, 34, 63}; !slices.Equal(got, want) {
		t.Fatalf("registers, attributes, provinces, legacy provinces: got %v, want %v", got, want)
	}
}

func TestANationIsGeneratedOnceAndReadByColumn(t *testing.T) {
	each(t, func(t *testing.T, db *registry.DB) {
		ctx := t.Context()
		if _, err := db.Status(ctx); !errors.Is(err, registry.ErrEmpty) {
			t.Fatalf("before: got %v, want ErrEmpty", err)
		}
		if err := db.Generate(ctx, registry.Options{Persons: 600, Seed: 7}); err != nil {
			t.Fatal(err)
		}
		status, err := db.Status(ctx)
		if err != nil || status.Persons != 600 || status.Organisations < 40 {
			t.Fatalf("status %+v, %v", status, err)
		}
		if err := db.Generate(ctx, registry.Options{Persons: 600, Seed: 7}); err == nil {
			t.Fatal("a nation was overwritten without reset")
		}
		an, err := db.ByNumber(ctx, "099304000017")
		if err != nil || an.Name != "Trần Thị Mẫu An" || an.Birth != "2004-02-29" {
			t.Fatalf("the named person: %+v, %v", an, err)
		}
		land, err := db.Read(ctx, "land", an.ID, []string{"land.area", "land.encumbrance"})
		if err != nil || len(land) == 0 {
			t.Fatalf("land of the named person: %v, %v", land, err)
		}
		for _, record := range land {
			if len(record) != 2 {
				t.Fatalf("a record with columns that were not asked for: %v", record)
			}
		}
		if _, err := db.Read(ctx, "land", an.ID, []string{"tax.arrears"}); !errors.Is(err, registry.ErrUnknown) {
			t.Fatalf("an attribute of another register: got %v, want ErrUnknown", err)
		}
		adults, err := db.Adults(ctx, 50)
		if err != nil || len(adults) < 40 {
			t.Fatalf("adults: %d, %v", len(adults), err)
		}
		for _, p := range adults {
			number, err := registry.ParsePersonalNumber(p.Number)
			if err != nil {
				t.Fatalf("person %s: %v", p.ID, err)
			}
			birth, err := time.Parse("2006", p.Birth[:4])
			if err != nil {
				t.Fatal(err)
			}
			if doubts := number.Doubts(p.Female, birth); len(doubts) > 0 && p.Number != "099078000112" {
				t.Fatalf("person %s (%s): %v", p.ID, p.Birth, doubts)
			}
		}
	})
}

func TestTheSameSeedMakesTheSameNation(t *testing.T) {
	read := func() []registry.Person {
		db, err := registry.Open(t.Context(), filepath.Join(t.TempDir(), "registry.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if err := db.Generate(t.Context(), registry.Options{Persons: 300, Seed: 3}); err != nil {
			t.Fatal(err)
		}
		people, err := db.Adults(t.Context(), 200)
		if err != nil {
			t.Fatal(err)
		}
		return people
	}
	if a, b := read(), read(); !slices.Equal(a, b) {
		t.Fatal("two runs with one seed differ")
	}
}

func TestNumbers(t *testing.T) {
	for _, row := range []struct {
		name, text string
		good       bool
	}{
		{"a right check digit", "0100109106", true},
		{"a wrong check digit", "0100109107", false},
		{"a dependent unit", "9900000016-001", true},
		{"unit 000", "9900000016-000", false},
		{"too short", "99000", false},
		{"letters", "99000000a6", false},
	} {
		if _, err := registry.ParseEnterpriseCode(row.text); (err == nil) != row.good {
			t.Errorf("%s: %q gave %v", row.name, row.text, err)
		}
	}
	for _, text := range []string{"", "12345678901", "0993040000170", "09930400001x"} {
		if _, err := registry.ParsePersonalNumber(text); !errors.Is(err, registry.ErrNumber) {
			t.Errorf("%q: got %v, want ErrNumber", text, err)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	f.Add("099304000017")
	f.Add("9900000016-001")
	f.Fuzz(func(t *testing.T, text string) {
		if n, err := registry.ParsePersonalNumber(text); err == nil && n.Place+text[3:6]+n.Serial != text {
			t.Fatalf("%q was read as %+v", text, n)
		}
		if c, err := registry.ParseEnterpriseCode(text); err == nil && len(c.Number) != 10 {
			t.Fatalf("%q was read as %+v", text, c)
		}
	})
}

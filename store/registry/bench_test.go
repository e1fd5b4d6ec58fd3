package registry_test

import "testing"

// BenchmarkRead is the one query that a release costs here: three columns of a
// register, for a person of 20,000.
func BenchmarkRead(b *testing.B) {
	for _, kind := range []string{"sqlite", "postgres"} {
		b.Run(kind, func(b *testing.B) {
			db := empty(b, kind)
			filled(b, db, 20_000, 1)
			people, err := db.Adults(b.Context(), 10_000)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := db.Read(b.Context(), "tax", people[i%len(people)].ID, []string{"tax.tax_code", "tax.no_arrears", "tax.dependents"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

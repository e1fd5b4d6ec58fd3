package registry

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

// BenchmarkGenerate draws a nation without writing it.
func BenchmarkGenerate(b *testing.B) {
	const persons = 10_000
	for b.Loop() {
		draw(b, persons, 1)
	}
	b.ReportMetric(float64(persons*b.N)/b.Elapsed().Seconds(), "persons/s")
}

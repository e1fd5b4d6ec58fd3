package nation

import "testing"

// BenchmarkGenerate draws a nation without writing it.
func BenchmarkGenerate(b *testing.B) {
	const persons = 10_000
	for b.Loop() {
		draw(b, persons, 1)
	}
	b.ReportMetric(float64(persons*b.N)/b.Elapsed().Seconds(), "persons/s")
}

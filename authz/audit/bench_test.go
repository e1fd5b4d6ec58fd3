package audit

import "testing"

// BenchmarkLeaf is what a release pays for its evidence besides the writes.
func BenchmarkLeaf(b *testing.B) {
	e, salt := sample(), NewSalt()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Leaf(e, salt); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCanonical is the part of it that makes the bytes.
func BenchmarkCanonical(b *testing.B) {
	e := sample()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Canonical(); err != nil {
			b.Fatal(err)
		}
	}
}

package page

import (
	"strings"
	"testing"
)

// FuzzPreferred: whatever a browser says it prefers is read within bounds, and only
// what it said comes out.
func FuzzPreferred(f *testing.F) {
	f.Add("en-GB,en;q=0.9, vi ; q=1.000,*;q=0.1")
	f.Add(";q=,q=1;,;;")
	f.Fuzz(func(t *testing.T, header string) {
		tags := preferred(header)
		if len(tags) > maxPreferred {
			t.Fatalf("%d ranges", len(tags))
		}
		for _, tag := range tags {
			if tag == "" || strings.ContainsAny(tag, ",;") || !strings.Contains(header, tag) {
				t.Fatalf("%q out of %q", tag, header)
			}
		}
	})
}

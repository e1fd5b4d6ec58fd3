package broker

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

// TestRefusalsAreDocumented: docs/integrate.md has a row for each code of the broker,
// with its status and text, and no other.
func TestRefusalsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/integrate.md")
	if err != nil {
		t.Fatal(err)
	}
	section := regexp.MustCompile(`(?s)\n### Refusals of the broker\n.*?(\n#|$)`).Find(page)
	var got, want []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| (\\d+) \\| ([^|]+) \\| [^|]+ \\|$").FindAllSubmatch(section, -1) {
		got = append(got, fmt.Sprintf("%s %s %s", row[1], row[2], row[3]))
	}
	for code, p := range Problems() {
		want = append(want, fmt.Sprintf("%s %d %s", code, p.Status, p.Title))
	}
	seen := map[string]int{}
	for _, row := range got {
		seen[row]++
	}
	for _, row := range want {
		seen[row]--
	}
	for _, row := range slices.Sorted(maps.Keys(seen)) {
		switch n := seen[row]; {
		case n > 0:
			t.Errorf("the page has %q, which the broker has not, or has it twice", row)
		case n < 0:
			t.Errorf("the page lacks %q", row)
		}
	}
}

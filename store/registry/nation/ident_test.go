package nation

import (
	"testing"

	"github.com/google/uuid"
)

// TestIdentsAreUUIDs: an id is a UUID of version 8 (RFC 9562 §5.8), the same for the same seed,
// kind and number, and no other's.
func TestIdentsAreUUIDs(t *testing.T) {
	of := func(seed int64) *nation { return &nation{seed: seed} }
	seen := map[string]bool{}
	for number := range 100 {
		for _, kind := range []string{"person", "organisation"} {
			for _, seed := range []int64{1, 2} {
				text := of(seed).ident(kind, number)
				id, err := uuid.Parse(text)
				if err != nil || id.Version() != 8 || id.Variant() != uuid.RFC4122 {
					t.Errorf("%s: version %d, variant %s, %v", text, id.Version(), id.Variant(), err)
				}
				if seen[text] || of(seed).ident(kind, number) != text {
					t.Errorf("%s is of two, or changes", text)
				}
				seen[text] = true
			}
		}
	}
}

package stretch

import (
	"encoding/json"
	"testing"
)

// FuzzStretch: whatever a province sends, a stretch that is read is judged without a panic, and
// one without a checkpoint that its key signed adds nothing.
func FuzzStretch(f *testing.F) {
	f.Add(`{"origin":"a/release/dc1/2026q4","first":0,"leaves":["AA=="],"head":[],"tail":[],"before":[],"after":[],"root":"AA==",` +
		`"checkpoint":"YQoxCkFBPT0KCg==","key":"a+00000000+AA==","events":[{"place":0,"sub":"x","event":"e30=","salt":"AA=="}]}`)
	f.Add(`{"first":18446744073709551615,"leaves":["AA==","AA=="]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var s Stretch
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		if next, events, _, err := s.Check(Held{Origin: s.Origin, Size: s.First}); err == nil {
			t.Fatalf("%s was taken: %v, %v", text, next, events)
		}
		_, _, _ = s.events()
	})
}

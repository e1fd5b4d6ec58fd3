package consent

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"hopnhat/authz"
)

// A consent is one version after another. Whatever is done to it, it becomes
// approved only by an approval of something requested, or by the end of a
// suspension of what was approved and not ended since.
func TestNothingLeadsFromWithdrawnToApprovedButANewVersion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		state, everFinal := Requested, false
		for _, step := range rapid.SliceOfN(rapid.SampledFrom(Steps()), 1, 30).Draw(t, "steps") {
			next, err := Next(state, step)
			if err != nil {
				if !errors.Is(err, authz.ErrConflict) || next != "" {
					t.Fatalf("got %q, %v", next, err)
				}
				continue
			}
			if everFinal {
				t.Fatalf("%s led on from the final state %s to %s", step, state, next)
			}
			if next == Approved && (state != Requested || step != Approve) && (state != Suspended || step != Resume) {
				t.Fatalf("%s made %s approved", step, state)
			}
			if (step == Withdraw) != (next == Withdrawn) {
				t.Fatalf("%s led to %s", step, next)
			}
			state = next
			everFinal = state.Final()
		}
	})
}

func TestEveryStateCanBeReachedAndFinalOnesAreFinal(t *testing.T) {
	reached := map[State]bool{Requested: true}
	for range States() {
		for state := range reached {
			for _, step := range Steps() {
				if next, err := Next(state, step); err == nil {
					reached[next] = true
				}
			}
		}
	}
	for _, s := range States() {
		if !reached[s] {
			t.Errorf("%s cannot be reached", s)
		}
		if final := s != Requested && s != Approved && s != Suspended; s.Final() != final {
			t.Errorf("%s: final is %v", s, s.Final())
		}
	}
	for _, step := range Steps() {
		if _, err := Next("", step); err == nil {
			t.Errorf("%s led on from no state", step)
		}
	}
}

func TestStateAt(t *testing.T) {
	c := Consent{State: Approved, ValidUntil: noon}
	for _, row := range []struct {
		name   string
		c      Consent
		shift  int
		locked bool
		want   State
	}{
		{"in time", c, -1, false, Approved},
		{"at the end of its time", c, 0, false, Expired},
		{"locked", c, -1, true, Suspended},
		{"locked and over", c, 0, true, Expired},
		{"withdrawn stays withdrawn", Consent{State: Withdrawn, ValidUntil: noon}, 1, true, Withdrawn},
	} {
		if got := row.c.StateAt(noon.AddDate(0, 0, row.shift), row.locked); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}

func TestParseReference(t *testing.T) {
	c := Consent{ID: "0193-a", Version: 7}
	if id, n, ok := ParseReference(c.Reference()); !ok || id != c.ID || n != 7 {
		t.Fatalf("got %q %d %v", id, n, ok)
	}
	for _, text := range []string{"", "#", "a#", "#1", "a#0", "a#-1", "a#01", "a#1x", "a", "a#1#2"} {
		if id, n, ok := ParseReference(text); ok {
			t.Errorf("%q: got %q %d", text, id, n)
		}
	}
}

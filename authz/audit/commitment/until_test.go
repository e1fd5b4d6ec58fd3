package commitment

import (
	"testing"
	"time"
)

// TestTheEndOfAConsentIsOneText: what is written is read, in whole microseconds, and no other text.
func TestTheEndOfAConsentIsOneText(t *testing.T) {
	at := time.Date(2027, 11, 23, 19, 0, 0, 123456789, time.FixedZone("ICT", 7*3600))
	text := UntilText(at)
	if text != "valid-until:2027-11-23T12:00:00.123456Z" || !ParseUntil(text).Equal(at.Truncate(time.Microsecond)) {
		t.Errorf("%s is read as %v", text, ParseUntil(text))
	}
	for _, other := range []string{
		"", "valid-until:", "2027-11-23T12:00:00Z", "valid-until:2027-11-23T19:00:00+07:00", "valid-until:2027-11-23T12:00:00.1234567Z",
		"valid-until:2027-11-23T12:00:00.120Z", " valid-until:2027-11-23T12:00:00Z", "valid-until:2027-11-23T12:00:00Z ",
	} {
		if got := ParseUntil(other); !got.IsZero() {
			t.Errorf("%q is read as %v", other, got)
		}
	}
}

func FuzzUntil(f *testing.F) {
	f.Add("valid-until:2027-11-23T12:00:00.123456Z")
	f.Fuzz(func(t *testing.T, text string) {
		if until := ParseUntil(text); !until.IsZero() && UntilText(until) != text {
			t.Errorf("%q is read, and is written as %q", text, UntilText(until))
		}
	})
}

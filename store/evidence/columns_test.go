package evidence

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestATimeIsReadAsItWasWritten, whatever zone it was written in.
func TestATimeIsReadAsItWasWritten(t *testing.T) {
	firstDay, lastDay := time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC).Unix(), time.Date(9999, 12, 30, 0, 0, 0, 0, time.UTC).Unix()
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(firstDay, lastDay).Draw(t, "second"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanosecond"))
		at = at.In(time.FixedZone("", 60*rapid.IntRange(-840, 840).Draw(t, "minutes east")))
		var m Moment
		if err := m.Scan(at.Format(form)); err != nil || !m.Equal(at) || m.Location() != time.UTC {
			t.Fatalf("%s is read as %s, %v", at.Format(form), m, err)
		}
	})
}

// FuzzTime: a text is the time that package time reads in it, or the beginning of 1970 where it
// reads none.
func FuzzTime(f *testing.F) {
	for _, s := range []string{
		"2026-11-30 23:59:59.123456+00:00", "2026-11-30 23:59:59+00:00", "2026-11-30 06:59:59.5+07:00", "2024-02-29 00:00:00+00:00",
		"2026-02-29 00:00:00+00:00", "2026-13-01 00:00:00+00:00", "2026-00-10 00:00:00+00:00", "2026-11-30 24:00:00+00:00", "infinity", "",
		"2026-11-30 23:59:60+00:00", "2026-11-30 23:59:59.+00:00", "2026-11-30 23:59:59.1234567891+00:00", "2026-11-30T23:59:59+00:00", "١٢٣٤-٠١",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := time.Parse(form, s)
		if err != nil {
			want = time.Unix(0, 0)
		}
		var m Moment
		if err := m.Scan(s); err != nil || !m.Equal(want) {
			t.Errorf("%q is read as %s, %v; want %s", s, m, err, want.UTC())
		}
	})
}

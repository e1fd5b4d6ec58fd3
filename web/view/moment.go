package view

import (
	"fmt"
	"strings"
	"time"
)

// vietnam is the zone of all times on screens (Asia/Ho_Chi_Minh): UTC+7 without
// summer time, so a fixed offset says the same on a machine without zone data.
var vietnam = time.FixedZone("+07", 7*60*60)

// at is a time as a person reads it.
func at(t time.Time) string { return t.In(vietnam).Format("02/01/2006 15:04") }

func day(t time.Time) string { return t.In(vietnam).Format("02/01/2006") }

func clock(t time.Time) string { return t.In(vietnam).Format("15:04") }

// iso is the same time for machines, in the datetime attribute.
func iso(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// ParseMoment reads what a person writes in a field for a time: 23/11/2026 18:04
// or 23/11/2026, in the time of Vietnam. An empty text is the zero time.
func ParseMoment(text string) (time.Time, error) {
	text = strings.Join(strings.Fields(text), " ")
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{"2/1/2006 15:04", "2/1/2006"} {
		if t, err := time.ParseInLocation(layout, text, vietnam); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("reading the time %q: not of the form 23/11/2026 18:04", text)
}

// FormatMoment is the inverse of [ParseMoment]; the zero time is empty.
func FormatMoment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return at(t)
}

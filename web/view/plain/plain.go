// Package plain writes times, counts and names as the pages show them.
package plain

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/calendar"
)

// At is a time as a person reads it.
func At(t time.Time) string { return t.In(calendar.Hanoi).Format("02/01/2006 15:04") }

// Day is its day.
func Day(t time.Time) string { return t.In(calendar.Hanoi).Format("02/01/2006") }

// Clock is its hour and minute.
func Clock(t time.Time) string { return t.In(calendar.Hanoi).Format("15:04") }

// ISO is the same time for machines, in the datetime attribute.
func ISO(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// Count is a count with the separators of the language: 1.234 and 1,234.
func Count(n uint64, english bool) string {
	digits := strconv.FormatUint(n, 10)
	separator := "."
	if english {
		separator = ","
	}
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteString(separator)
		}
		b.WriteRune(d)
	}
	return b.String()
}

// Text is a text with its language, where that is not the page's
// (WCAG 2.2 SC 3.1.2).
type Text struct{ Text, Lang string }

// Say picks the text for the reader. A plain string is a Vietnamese name.
func Say(english bool, text any) (Text, error) {
	switch v := text.(type) {
	case string:
		if english {
			return Text{v, "vi"}, nil
		}
		return Text{Text: v}, nil
	case authz.LocalizedText:
		switch {
		case english && v.EN == "":
			return Text{v.VI, "vi"}, nil
		case english:
			return Text{Text: v.EN}, nil
		case v.VI == "":
			return Text{v.EN, "en"}, nil
		default:
			return Text{Text: v.VI}, nil
		}
	default:
		return Text{}, fmt.Errorf("a %T is not a text in two languages", text)
	}
}

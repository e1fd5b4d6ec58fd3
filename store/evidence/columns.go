package evidence

import (
	"database/sql/driver"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"hopnhat/store/handle"
)

// What stands in a column may have been written by anybody: a time that is none, as infinity
// is, or a text where SQLite has a number. Read as it is it would keep a whole page from being
// read; so it is read as something else, by which the MAC of its row is wrong.

// Columns are those of events, in the order of a rowseal.Row, for a statement that names the
// table so.
func Columns(d handle.Dialect, table string) string {
	of := func(name string) string { return table + "." + name }
	return strings.Join([]string{
		of("id"), moment(d, of("at")) + " AS at", of("type"), of("client_id"), of("pseudonym"), of("purpose"), of("registry"),
		truth(d, of("permit")) + " AS permit", of("consent"), moment(d, of("visible_from")) + " AS visible_from", of("canonical"), of("salt"),
		number(d, of("sequence")) + " AS sequence", of("mac"), of("mac_key"),
	}, ", ")
}

// placeColumns are those of a place of the log: shard, place, event, lateness, time and MAC.
func placeColumns(d handle.Dialect, table, mac string) string {
	of := func(name string) string { return table + "." + name }
	return strings.Join([]string{
		of("origin"), number(d, of("idx")) + " AS idx", truth(d, of("late")) + " AS late",
		moment(d, of("noted_at")) + " AS noted_at", of("mac") + " AS " + mac,
	}, ", ")
}

// PlaceColumns are place, event, lateness, time and MAC of a place of one shard.
func PlaceColumns(d handle.Dialect, table string) string {
	of := func(name string) string { return table + "." + name }
	return strings.Join([]string{
		number(d, of("idx")), of("event_id"), truth(d, of("late")), moment(d, of("noted_at")) + " AS noted_at", of("mac"),
	}, ", ")
}

// moment is a time that can be read into a [Moment]: of SQLite as the text that it is, since
// its driver tries it in several forms.
func moment(d handle.Dialect, column string) string {
	if d == handle.PostgreSQL {
		return "CASE WHEN " + column + " IN ('infinity', '-infinity') THEN timestamptz 'epoch' ELSE " + column + " END"
	}
	return "+" + column
}

func truth(d handle.Dialect, column string) string {
	if d == handle.PostgreSQL {
		return column
	}
	return column + " = 1"
}

func number(d handle.Dialect, column string) string {
	if d == handle.PostgreSQL {
		return column
	}
	return "CAST(" + column + " AS integer)"
}

// Moment is a time that somebody wrote. What is none is the beginning of 1970, long before
// there were events; that of null is the zero time.
type Moment struct{ time.Time }

// Scan reads a time.
func (m *Moment) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		m.Time = time.Time{}
	case time.Time:
		m.Time = v.UTC()
	case string:
		m.Time = written(v)
	default:
		m.Time = time.Unix(0, 0).UTC()
	}
	return nil
}

// form is how times are written on SQLite.
const form = "2006-01-02 15:04:05.999999999-07:00"

// written is a time as it is written on SQLite: in [form], in UTC read digit by digit.
func written(s string) time.Time {
	if utc, ok := strings.CutSuffix(s, "+00:00"); ok {
		head, fraction, parted := strings.Cut(utc, ".")
		if at, ok := digits(head, fraction); ok && parted == (fraction != "") {
			return at
		}
	}
	at, err := time.Parse(form, s)
	if err != nil {
		return time.Unix(0, 0).UTC()
	}
	return at.UTC()
}

// digits is a time of 19 characters and a fraction of a second; ok is false for what is to be
// read otherwise.
func digits(head, fraction string) (at time.Time, ok bool) {
	const shape = "0000-00-00 00:00:00"
	if len(head) != len(shape) || len(fraction) > 9 {
		return at, false
	}
	var n [6]int // year to second
	part := 0
	for i := range len(shape) {
		switch c := head[i]; {
		case shape[i] != '0':
			if c != shape[i] {
				return at, false
			}
			part++
		case c < '0' || c > '9':
			return at, false
		default:
			n[part] = 10*n[part] + int(c-'0')
		}
	}
	nanos := 0
	for i := range 9 {
		digit := 0
		if i < len(fraction) {
			if digit = int(fraction[i]) - '0'; digit < 0 || digit > 9 {
				return at, false
			}
		}
		nanos = 10*nanos + digit
	}
	at = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], nanos, time.UTC)
	// A date that is none, as the 31st of a short month, is another one.
	return at, n[1] >= 1 && n[1] <= 12 && at.Day() == n[2] && n[3] < 24 && n[4] < 60 && n[5] < 60
}

// ScanTimestamptz reads a time of PostgreSQL as it comes.
func (m *Moment) ScanTimestamptz(v pgtype.Timestamptz) error {
	switch {
	case !v.Valid:
		m.Time = time.Time{}
	case v.InfinityModifier != pgtype.Finite:
		m.Time = time.Unix(0, 0).UTC()
	default:
		m.Time = v.Time.UTC()
	}
	return nil
}

// Value is the time as it is written.
func (m Moment) Value() (driver.Value, error) {
	if m.IsZero() {
		return nil, nil
	}
	return m.Time, nil
}

// pointer is the time, nil for none.
func (m Moment) pointer() *time.Time {
	if m.IsZero() {
		return nil
	}
	return &m.Time
}

package evidence

import (
	"database/sql/driver"
	"strings"
	"time"

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

// moment is a time that can be read into a [Moment].
func moment(d handle.Dialect, column string) string {
	if d == handle.PostgreSQL {
		return "CASE WHEN " + column + " IN ('infinity', '-infinity') THEN timestamptz 'epoch' ELSE " + column + " END"
	}
	return column
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
	default:
		m.Time = time.Unix(0, 0).UTC()
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

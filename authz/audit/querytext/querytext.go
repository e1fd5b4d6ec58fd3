// Package querytext writes a query of the evidence in one line and reads it back, for the
// record of the query itself.
package querytext

import (
	"fmt"
	"time"

	"hopnhat/authz/audit"
)

const queryText = "pseudonym=%q client=%q purpose=%q type=%q outcome=%q from=%s to=%s limit=%d"

// Text says in one line what a query selects.
func Text(q audit.Query) string {
	return fmt.Sprintf(queryText,
		q.Pseudonym, q.Client, q.Purpose, q.Type, q.Outcome, stamp(q.From), stamp(q.To), q.Limit)
}

// Parse reads what [Text] wrote: so the record of a search finds it again.
func Parse(text string) (audit.Query, error) {
	var q audit.Query
	var from, to string
	n, err := fmt.Sscanf(
		text, queryText, &q.Pseudonym, (*string)(&q.Client), (*string)(&q.Purpose), (*string)(&q.Type), (*string)(&q.Outcome), &from, &to,
		&q.Limit,
	)
	if err != nil || n != 8 {
		return audit.Query{}, fmt.Errorf("reading the text of a query: %w", audit.ErrNotCanonical)
	}
	for _, side := range []struct {
		text string
		into *time.Time
	}{{from, &q.From}, {to, &q.To}} {
		if side.text == "-" {
			continue
		}
		if *side.into, err = time.Parse(time.RFC3339, side.text); err != nil {
			return audit.Query{}, fmt.Errorf("reading the text of a query: %w", audit.ErrNotCanonical)
		}
	}
	if Text(q) != text {
		return audit.Query{}, fmt.Errorf("reading the text of a query: %w", audit.ErrNotCanonical)
	}
	return q, q.Check()
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

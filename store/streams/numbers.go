package streams

import (
	"context"
	"database/sql"
	"iter"
	"slices"
	"strings"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/store/handle"
)

// people is how many persons' numbers are looked at in one statement.
const people = 512

// Numbers holds the numbers of the persons after one, in the order of their pseudonyms,
// against each other. The database counts; the numbers of those whose count does not fit
// are read one by one. It returns the last person, empty when there are no more.
func (s Source) Numbers(ctx context.Context, after string, tell func(reconcile.Finding)) (last string, err error) {
	began := time.Now()
	odd, last, err := s.odd(ctx, after)
	if err != nil {
		return "", err
	}
	for _, pseudonym := range odd {
		if err := s.numbersOf(ctx, pseudonym, tell); err != nil {
			return "", err
		}
	}
	return last, s.pause(ctx, time.Since(began))
}

// odd are persons whose numbers cannot be 1 to the one that was given last: by how many
// there are, the largest, and that.
func (s Source) odd(ctx context.Context, after string) (odd []string, last string, err error) {
	// Who has events without numbers alone is no harm there, and an index says who has any.
	var upTo sql.NullString
	err = s.Background().QueryRowContext(ctx, s.Bind(`SELECT max(pseudonym) FROM (SELECT pseudonym FROM (
			SELECT pseudonym FROM (SELECT pseudonym FROM event_numbers WHERE pseudonym > ? ORDER BY pseudonym LIMIT ?) AS a UNION SELECT DISTINCT pseudonym FROM (
				SELECT pseudonym FROM events WHERE pseudonym > ? ORDER BY pseudonym LIMIT ?) AS b
		) AS u ORDER BY pseudonym LIMIT ?) AS t`), after, people, after, 64*people, people).Scan(&upTo)
	if err != nil || !upTo.Valid {
		return nil, "", handle.Wrap("counting the numbers of persons", err)
	}
	rows, err := s.Background().QueryContext(ctx, s.Bind(`SELECT COALESCE(n.pseudonym, e.pseudonym) FROM
			(SELECT pseudonym, last FROM event_numbers WHERE pseudonym > ? AND pseudonym <= ?) AS n
			FULL JOIN (SELECT pseudonym, count(*) AS events, count(DISTINCT sequence) AS numbers, min(sequence) AS first, max(sequence) AS greatest
				FROM events WHERE pseudonym > ? AND pseudonym <= ? AND sequence IS NOT NULL GROUP BY pseudonym) AS e
			ON e.pseudonym = n.pseudonym
		WHERE n.last IS NULL OR e.events IS NULL OR e.events <> n.last OR e.numbers <> n.last OR e.first <> 1 OR e.greatest <> n.last
		ORDER BY 1`), after, upTo.String, after, upTo.String)
	if err != nil {
		return nil, "", handle.Wrap("counting the numbers of persons", err)
	}
	defer rows.Close()
	for rows.Next() {
		var pseudonym string
		if err := rows.Scan(&pseudonym); err != nil {
			return nil, "", handle.Wrap("counting the numbers of persons", err)
		}
		odd = append(odd, pseudonym)
	}
	return odd, upTo.String, handle.Wrap("counting the numbers of persons", rows.Err())
}

// numbersOf holds the numbers of one person against each other, those of erased events among
// them. What was written between two statements is looked at again with the next look.
func (s Source) numbersOf(ctx context.Context, pseudonym string, tell func(reconcile.Finding)) error {
	look := func(tell func(reconcile.Finding)) error {
		var given sql.NullInt64
		err := s.Background().QueryRowContext(ctx, s.Bind("SELECT max(last) FROM event_numbers WHERE pseudonym = ?"), pseudonym).Scan(&given)
		if err != nil {
			return handle.Wrap("reading the numbers of a person", err)
		}
		rows, err := s.Background().QueryContext(ctx, s.Bind(
			"SELECT sequence, id FROM events WHERE pseudonym = ? AND sequence IS NOT NULL ORDER BY sequence"), pseudonym)
		if err != nil {
			return handle.Wrap("reading the numbers of a person", err)
		}
		defer rows.Close()
		var all []reconcile.Numbered
		for rows.Next() {
			n := reconcile.Numbered{Pseudonym: pseudonym}
			if err := rows.Scan(&n.Number, &n.Event); err != nil {
				return handle.Wrap("reading the numbers of a person", err)
			}
			all = append(all, n)
		}
		if err := rows.Err(); err != nil {
			return handle.Wrap("reading the numbers of a person", err)
		}
		err = s.genuine(ctx, false, "SELECT "+s.columns()+" FROM events e WHERE e.pseudonym = ? AND e.type = ?", []any{pseudonym, string(audit.Erased)},
			func(e audit.Event, _ audit.Salt) {
				all = append(all, reconcile.Numbered{Pseudonym: pseudonym, Number: e.Detail.Count, Event: e.Detail.Object})
			})
		if err != nil {
			return err
		}
		// A tombstone whose event is still there says the same number of the same event.
		slices.SortStableFunc(all, func(a, b reconcile.Numbered) int {
			if a.Number != b.Number {
				return int(a.Number - b.Number)
			}
			return strings.Compare(a.Event, b.Event)
		})
		all = slices.CompactFunc(all, func(a, b reconcile.Numbered) bool { return a.Number == b.Number && a.Event == b.Event })
		var last []reconcile.Last
		if given.Valid {
			last = []reconcile.Last{{Pseudonym: pseudonym, Number: given.Int64}}
		}
		return reconcile.Numbers(seq(all), seq(last), tell)
	}
	return reconcile.Again(look, tell)
}

func seq[T any](list []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range list {
			if !yield(one, nil) {
				return
			}
		}
	}
}

package losses

import (
	"context"
	"errors"

	"hopnhat/authz"
	"hopnhat/authz/audit"
)

// Restored says what rows were made again.
type Restored struct {
	// Rows were made, or could be, of the entries of a shard, by its origin.
	Rows map[string]uint64
	// Taken are ids of events of which another row is there, which is not genuine.
	Taken []string
	// Silent are the entries of which nothing can be read.
	Silent Silent
}

// group is how many rows are written in one commit.
const group = 200

// Restore makes the rows of lost events again, exactly as they were, with their places. Without
// write it only counts. An event that stands in both logs has one row.
func (l *Losses) Restore(ctx context.Context, write bool) (Restored, error) {
	done := Restored{Rows: map[string]uint64{}}
	var waiting []Lost
	flush := func() error {
		err := l.rows(ctx, waiting)
		waiting = nil
		return err
	}
	silent, failed := l.Each(ctx, nil, func(lost Lost) error {
		switch there, err := l.DB.Get(ctx, lost.Event.ID); {
		case errors.Is(err, authz.ErrNotFound):
		case err != nil:
			return err
		case !rowOf(there, lost):
			done.Taken = append(done.Taken, lost.Event.ID)
			return nil
		default: // it was made again by its place in the other log
			lost.rowed = true
		}
		done.Rows[lost.Place.Origin]++
		if !write {
			return nil
		}
		if waiting = append(waiting, lost); len(waiting) < group {
			return nil
		}
		return flush()
	})
	done.Silent = silent
	return done, errors.Join(failed, flush())
}

// rows writes rows, with their places and the numbers of their persons, in one commit.
func (l *Losses) rows(ctx context.Context, all []Lost) error {
	if len(all) == 0 {
		return nil
	}
	return l.DB.Tx(ctx, func(ctx context.Context) error {
		events, once := make([]audit.Sealed, 0, len(all)), map[string]bool{}
		places, numbers := map[string]map[string]uint64{}, map[string]int64{}
		for _, lost := range all {
			if !once[lost.Event.ID] && !lost.rowed {
				once[lost.Event.ID] = true
				events = append(events, lost.Sealed)
			}
			if places[lost.Place.Origin] == nil {
				places[lost.Place.Origin] = map[string]uint64{}
			}
			places[lost.Place.Origin][lost.Event.ID] = lost.Place.Index
			if p := lost.Event.Person; p.Sequence > 0 {
				numbers[p.Pseudonym] = max(numbers[p.Pseudonym], p.Sequence)
			}
		}
		if len(events) > 0 {
			if err := l.DB.Record(ctx, events...); err != nil {
				return err
			}
		}
		for origin, indices := range places {
			if err := l.DB.NotePlaces(ctx, origin, indices, false); err != nil {
				return err
			}
		}
		for pseudonym, n := range numbers {
			if err := l.DB.Losses.Count(ctx, pseudonym, n); err != nil {
				return err
			}
		}
		return nil
	})
}

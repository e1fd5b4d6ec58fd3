package evidence

import (
	"cmp"
	"context"
	"slices"

	"hopnhat/authz/audit"
	"hopnhat/store/handle"
)

// Exports reads the events in the order of their places, for whoever takes all of them away.
type Exports struct{ Book }

// Origins are the shards that places name, in their order.
func (db Exports) Origins(ctx context.Context) ([]string, error) { return Origins(ctx, db.Handle) }

// After is where a reading of a shard goes on: behind one event at one place.
type After struct {
	Index uint64
	Event string
}

// PlacedIn selects events of a query that stand in a shard, behind one of them, in the order of
// their places, so many at most, of those whose ids come before one. It gives where to go on,
// and whether there may be more. An event that stands in several shards is selected in that of
// its own log.
func (db Exports) PlacedIn(
	ctx context.Context, q audit.Query, before, origin string, after After, limit int,
) (found []audit.Recorded, next After, more bool, err error) {
	const doing = "listing the events of a shard"
	condition, args := where(q)
	var places []struct {
		Index int64  `gorm:"column:idx"`
		Event string `gorm:"column:event_id"`
	}
	if err := db.Reader(ctx).Raw("SELECT p.idx, p.event_id FROM event_places p JOIN events ON events.id = p.event_id WHERE p.origin = ?"+
		" AND (p.idx, p.event_id) > (?, ?) AND "+LivePlace+" AND events.id < ? AND "+condition+" ORDER BY p.idx, p.event_id LIMIT ?",
		append(append([]any{origin, int64(after.Index), after.Event, before}, args...), limit)...).Scan(&places).Error; err != nil {
		return nil, after, false, handle.Wrap(doing, err)
	}
	if len(places) == 0 {
		return nil, after, false, nil
	}
	// An event may have several places in a shard, some of which nobody proves: it is selected
	// at the one that counts.
	ids, here := make([]string, len(places)), map[After]bool{}
	for i, p := range places {
		ids[i], here[After{uint64(p.Index), p.Event}] = p.Event, true
	}
	if found, err = db.readEvents(ctx, doing, "id IN ?", "found.id", ids); err != nil {
		return nil, after, false, err
	}
	found = slices.DeleteFunc(found, func(r audit.Recorded) bool {
		return !r.Logged || r.Origin != origin || !here[After{r.Index, r.Event.ID}]
	})
	slices.SortFunc(found, func(a, b audit.Recorded) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.Event.ID, b.Event.ID))
	})
	last := places[len(places)-1]
	return found, After{uint64(last.Index), last.Event}, len(places) == limit, nil
}

// Unplaced selects events of a query that have no place in any log, after an id and before
// another, limit at most, oldest first.
func (db Exports) Unplaced(ctx context.Context, q audit.Query, after, before string, limit int) ([]audit.Recorded, error) {
	condition, args := where(q)
	return db.readEvents(ctx, "listing events without a place",
		"id > ? AND id < ? AND NOT EXISTS (SELECT 1 FROM event_places p WHERE p.event_id = events.id AND "+LivePlace+") AND "+
			condition+" ORDER BY id LIMIT ?", "found.id", append(append([]any{after, before}, args...), limit)...)
}

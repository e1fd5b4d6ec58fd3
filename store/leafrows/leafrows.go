// Package leafrows is what the database knows of entries of the release log: which have a
// row, what their rows give, and what an operator decided of those that have none.
package leafrows

import (
	"context"
	"database/sql"
	"slices"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// Rows are the rows of events by the places of their leaves.
type Rows struct{ *handle.Handle }

// placed is the condition that a place which counts is in a stretch of a shard, unplaced that
// an event has none. What the
// columns log_index and log_origin of events say is a hint: an index finds by it what may have
// no place, and an event that is hidden by it explains nothing.
const (
	placed   = "p.origin = ? AND p.idx >= ? AND p.idx < ? AND " + evidence.LivePlace
	unplaced = "log_index IS NULL AND NOT EXISTS (SELECT 1 FROM event_places p WHERE p.event_id = events.id AND " + evidence.LivePlace + ")"
)

// Explain gives the places of entries of a shard, from a place on, of which the database
// knows nothing: no event that is there or was erased has the place, no event without a
// place has such a leaf, and no operator decided that they are lost ([Rows.Decide]).
func (db Rows) Explain(ctx context.Context, origin string, first uint64, leaves [][]byte) ([]uint64, error) {
	const doing = "looking for the rows of entries of the log"
	var decided *int64
	if err := db.Reader(ctx).Raw("SELECT max(size) FROM log_decisions WHERE origin = ?", origin).Scan(&decided).Error; err != nil {
		return nil, handle.Wrap(doing, err)
	}
	var noted []int64
	if err := db.Reader(ctx).Raw("SELECT p.idx FROM event_places p WHERE "+placed+
		" AND (EXISTS (SELECT 1 FROM events e WHERE e.id = p.event_id) OR EXISTS (SELECT 1 FROM event_erasures x WHERE x.event_id = p.event_id))",
		origin, int64(first), int64(first)+int64(len(leaves))).Scan(&noted).Error; err != nil {
		return nil, handle.Wrap(doing, err)
	}
	known := make(map[uint64]bool, len(noted))
	for _, n := range noted {
		known[uint64(n)] = true
	}
	without := map[string][]uint64{}
	for i, leaf := range leaves {
		place := first + uint64(i)
		if !known[place] && (decided == nil || place >= uint64(*decided)) {
			without[string(leaf)] = append(without[string(leaf)], place)
		}
	}
	// A crash leaves places that are not noted: the newest rows without one are theirs.
	if err := db.each(ctx, unplaced, func(leaf []byte) bool {
		delete(without, string(leaf))
		return len(without) > 0
	}, len(without) > 0); err != nil {
		return nil, handle.Wrap(doing, err)
	}
	// What ends a consent stands in the release log as well, with its place noted in the
	// consent log (package trees).
	ends := map[string]bool{}
	for leaf := range without {
		if kind, _, err := commitment.ParseLeaf([]byte(leaf)); err == nil && slices.Contains(trees.Ends, audit.Type(kind)) {
			ends[leaf] = true
		}
	}
	if err := db.each(ctx, "type IN ?", func(leaf []byte) bool {
		delete(without, string(leaf))
		delete(ends, string(leaf))
		return len(ends) > 0
	}, len(ends) > 0, trees.Ends); err != nil {
		return nil, handle.Wrap(doing, err)
	}
	var places []uint64
	for i, leaf := range leaves {
		for _, place := range without[string(leaf)] {
			if place == first+uint64(i) {
				places = append(places, place)
			}
		}
	}
	return places, nil
}

// each tells the leaves of events of a condition, the newest first, until it is told that
// there were enough.
func (db Rows) each(ctx context.Context, condition string, tell func(leaf []byte) (more bool), more bool, args ...any) error {
	const page = 500
	for before := "~"; more; { // behind every id
		var rows []struct {
			ID        string `gorm:"column:id"`
			Canonical string `gorm:"column:canonical"`
			Salt      []byte `gorm:"column:salt"`
		}
		if err := db.Reader(ctx).Raw("SELECT id, canonical, salt FROM events WHERE "+condition+" AND id < ? ORDER BY id DESC LIMIT ?",
			append(slices.Clone(args), before, page)...).Scan(&rows).Error; err != nil {
			return err
		}
		for _, row := range rows {
			if !more {
				break
			}
			before = row.ID
			e, err := audit.Parse([]byte(row.Canonical))
			if err != nil || len(row.Salt) != len(audit.Salt{}) {
				continue // it is no evidence, and explains nothing
			}
			if leaf, err := audit.Leaf(e, audit.Salt(row.Salt)); err == nil {
				more = tell(leaf)
			}
		}
		if len(rows) < page {
			return nil
		}
	}
	return nil
}

// Decide notes that an operator takes the entries of a shard below a size as lost that have
// no row: [Rows.Explain] asks for them no more.
func (db Rows) Decide(ctx context.Context, origin string, size uint64, reason string) error {
	return handle.Wrap("noting a decision on the log", db.Writer(ctx).Exec(
		"INSERT INTO log_decisions (origin, size, reason, decided_at) VALUES (?, ?, ?, ?) ON CONFLICT (origin, size) DO NOTHING",
		origin, int64(size), reason, db.Now().UTC()).Error)
}

// PlacesBeyond are the events of a shard from a place on, by their places, n at most: for
// whoever makes bundles anew from rows.
func (db Rows) PlacesBeyond(ctx context.Context, origin string, first uint64, n int) (map[uint64]audit.Recorded, error) {
	const doing = "reading the events of a shard"
	rows, err := db.Reader(ctx).Raw("SELECT e.canonical, e.salt, p.idx FROM event_places p JOIN events e ON e.id = p.event_id WHERE "+placed,
		origin, int64(first), int64(first)+int64(n)).Rows()
	if err != nil {
		return nil, handle.Wrap(doing, err)
	}
	defer rows.Close()
	found := make(map[uint64]audit.Recorded, n)
	for rows.Next() {
		var canonical string
		var salt []byte
		var place sql.NullInt64
		if err := rows.Scan(&canonical, &salt, &place); err != nil {
			return nil, handle.Wrap(doing, err)
		}
		e, err := audit.Parse([]byte(canonical))
		if err != nil || len(salt) != len(audit.Salt{}) {
			continue // the tree says that it is not the entry
		}
		at := uint64(place.Int64)
		found[at] = audit.Recorded{Event: e, Salt: audit.Salt(salt), Origin: origin, Index: at, Logged: true}
	}
	return found, handle.Wrap(doing, rows.Err())
}

// Package leafrows is what the database knows of entries of the release log: which have a
// row, what their rows give, and what an operator decided of those that have none.
package leafrows

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/erasure"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// Rows are the rows of events by the places of their leaves.
type Rows struct {
	*handle.Handle
	Book evidence.Book
	// ids, if not nil, tells which events entries are of.
	ids IDs
	// walks is how far walks have come that did not end.
	walks *walks
}

// New makes the rows of a database.
func New(db *handle.Handle, events evidence.Book) Rows {
	return Rows{Handle: db, Book: events, walks: &walks{at: map[string]string{}}}
}

// placed is the condition that a place which counts is in a stretch of a shard, unplaced that
// an event has none. What the
// columns log_index and log_origin of events say is a hint: an index finds by it what may have
// no place, and an event that is hidden by it explains nothing.
const (
	placed   = "p.origin = ? AND p.idx >= ? AND p.idx < ? AND " + evidence.LivePlace
	unplaced = "log_index IS NULL AND NOT EXISTS (SELECT 1 FROM event_places p WHERE p.event_id = events.id AND " + evidence.LivePlace + ")"
)

// Explain gives the places of entries of a shard, from a place on, of which the database
// knows nothing: no event that is genuine has such a leaf at that place or has yet to be given
// one, none that was erased by a genuine tombstone had it, and no operator decided that they
// are lost ([Rows.Decide]). A row without a MAC explains an entry only while an upgrade from the
// release before may go on. Of rows that nothing leads to so many are read as [Rows.walk] says;
// asked again of the same entries, it goes on behind them.
func (db Rows) Explain(ctx context.Context, origin string, first uint64, leaves [][]byte) ([]uint64, error) {
	const doing = "looking for the rows of entries of the log"
	decided, err := db.decided(ctx, origin)
	if err != nil {
		return nil, err
	}
	without := map[string]bool{}
	for i, leaf := range leaves {
		if first+uint64(i) >= decided {
			without[string(leaf)] = true
		}
	}
	before, err := db.Book.Upgrading(ctx)
	if err != nil {
		return nil, err
	}
	genuine := func(r audit.Recorded) bool { return r.Fault == "" || before && r.Fault == audit.FaultUnsealed }
	found := func(r audit.Recorded, leaf []byte) (more bool) {
		if genuine(r) {
			delete(without, string(leaf))
		}
		return len(without) > 0
	}
	stretch := []any{origin, int64(first), int64(first) + int64(len(leaves))}
	key := fmt.Sprintf("%s#%d", origin, first)
	if err := db.walk(ctx, key+" placed", without, "id IN (SELECT p.event_id FROM event_places p WHERE "+placed+")", found, stretch...); err != nil {
		return nil, handle.Wrap(doing, err)
	}
	if err := db.named(ctx, origin, first, leaves, without, found); err != nil {
		return nil, err
	}
	// A crash leaves places that are not noted: the newest rows without one are theirs.
	if err := db.walk(ctx, key+" unplaced", without, unplaced, found); err != nil {
		return nil, handle.Wrap(doing, err)
	}
	// An erased event left its tombstone, which names the leaf.
	digests := make(map[string]string, len(without))
	for leaf := range without {
		digests[erasure.LeafDigest([]byte(leaf))] = leaf
	}
	if err := db.walk(ctx, key+" erased", without, "id IN (SELECT x.tombstone FROM event_erasures x JOIN event_places p ON p.event_id = x.event_id WHERE "+placed+")",
		func(r audit.Recorded, _ []byte) bool {
			if r.Fault == "" && r.Event.Type == audit.Erased {
				delete(without, digests[r.Event.Payload.Digest])
			}
			return len(without) > 0
		}, stretch...); err != nil {
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
	if err := db.walk(ctx, key+" ends", ends, "type IN ? AND "+evidence.NoSignIn, func(r audit.Recorded, leaf []byte) bool {
		if genuine(r) {
			delete(without, string(leaf))
			delete(ends, string(leaf))
		}
		return len(ends) > 0
	}, trees.Ends); err != nil {
		return nil, handle.Wrap(doing, err)
	}
	var places []uint64
	for i, leaf := range leaves {
		if without[string(leaf)] && first+uint64(i) >= decided {
			places = append(places, first+uint64(i))
		}
	}
	return places, nil
}

// Entries are the events of entries of a shard from a place on, by their places: those whose
// places are noted, and those without a place that have such a leaf, as a crash leaves them.
func (db Rows) Entries(ctx context.Context, origin string, first uint64, leaves [][]byte) (map[uint64]audit.Recorded, error) {
	noted, err := db.PlacesBeyond(ctx, origin, first, len(leaves))
	if err != nil {
		return nil, err
	}
	found, at, without := make(map[uint64]audit.Recorded, len(leaves)), map[string]uint64{}, map[string]bool{}
	for i, leaf := range leaves {
		place := first + uint64(i)
		if r, known := noted[place]; known {
			found[place] = r
			continue
		}
		at[string(leaf)], without[string(leaf)] = place, true
	}
	err = db.walk(ctx, fmt.Sprintf("%s#%d entries", origin, first), without, unplaced, func(r audit.Recorded, leaf []byte) bool {
		if without[string(leaf)] {
			r.Origin, r.Index, r.Logged = origin, at[string(leaf)], true
			found[r.Index] = r
			delete(without, string(leaf))
		}
		return len(without) > 0
	})
	return found, handle.Wrap("looking for the rows of entries of the log", err)
}

// Decide notes that an operator takes the entries of a shard below a size as lost that have
// no row: [Rows.Explain] asks for them no more.
func (db Rows) Decide(ctx context.Context, origin string, size uint64, reason string) error {
	d := Decision{origin, size, reason, db.Now().UTC().Truncate(time.Microsecond)}
	mac, err := db.Book.Keys().SealMark(ctx, d.mark())
	if err != nil {
		return err
	}
	return handle.Wrap("noting a decision on the log", db.Writer(ctx).Exec(
		"INSERT INTO log_decisions (origin, size, reason, decided_at, mac) VALUES (?, ?, ?, ?, ?) ON CONFLICT (origin, size) DO NOTHING",
		d.Origin, int64(d.Size), d.Reason, d.At, handle.Blob(mac)).Error)
}

// Decision is what an operator decided of the entries of a shard below a size.
type Decision struct {
	Origin string
	Size   uint64
	Reason string
	At     time.Time
}

func (d Decision) mark() rowseal.Mark {
	return rowseal.Mark{Table: rowseal.Decisions, Says: []string{
		d.Origin, strconv.FormatUint(d.Size, 10), d.Reason, strconv.FormatInt(d.At.UnixMicro(), 10),
	}}
}

// Decisions tells of all decisions, and whether each is as it was written.
func (db Rows) Decisions(ctx context.Context, tell func(d Decision, altered bool)) error {
	var rows []struct {
		Origin string    `gorm:"column:origin"`
		Size   int64     `gorm:"column:size"`
		Reason string    `gorm:"column:reason"`
		At     time.Time `gorm:"column:decided_at"`
		MAC    []byte    `gorm:"column:mac"`
	}
	if err := db.Reader(ctx).Raw("SELECT origin, size, reason, decided_at, mac FROM log_decisions ORDER BY origin, size").Scan(&rows).Error; err != nil {
		return handle.Wrap("reading decisions on the log", err)
	}
	for _, r := range rows {
		d := Decision{r.Origin, uint64(r.Size), r.Reason, r.At}
		proved, err := db.Book.Keys().ProvesMark(ctx, d.mark(), r.MAC)
		if err != nil {
			return err
		}
		tell(d, !proved)
	}
	return nil
}

// decided is the size below which entries of a shard without a row are taken as lost.
func (db Rows) decided(ctx context.Context, origin string) (size uint64, err error) {
	err = db.Decisions(ctx, func(d Decision, altered bool) {
		if d.Origin == origin && !altered {
			size = max(size, d.Size)
		}
	})
	return size, err
}

// PlacesBeyond are the events of a shard from a place on, by their places, n at most: for
// whoever makes bundles anew from rows. Of several that claim a place the one counts whose
// place is proved; the tree says whether it is the entry.
func (db Rows) PlacesBeyond(ctx context.Context, origin string, first uint64, n int) (map[uint64]audit.Recorded, error) {
	const most = 10_000 // several events may claim a place
	claims, err := db.Book.Claims(ctx, origin, first, first+uint64(n), most)
	if err != nil || len(claims) == 0 {
		return nil, err
	}
	ids := make([]string, len(claims))
	for i, c := range claims {
		ids[i] = c.Event
	}
	events := make(map[string]audit.Recorded, len(ids))
	for some := range slices.Chunk(ids, 500) {
		if err := db.Book.Walk(ctx, "id IN ?", func(r audit.Recorded, _ []byte) bool {
			events[r.Event.ID] = r
			return true
		}, some); err != nil {
			return nil, err
		}
	}
	found, proved := make(map[uint64]audit.Recorded, n), map[uint64]bool{}
	for _, c := range claims {
		if r, ok := events[c.Event]; ok && !proved[c.Index] {
			r.Origin, r.Index, r.Logged, r.Unproven = origin, c.Index, true, !c.Proved
			found[c.Index], proved[c.Index] = r, c.Proved
		}
	}
	return found, nil
}

package evidence

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/store/handle"
)

// Walk tells of the events of a condition, the newest first, with their leaves, until it is
// told that there were enough. Those that cannot be read are passed over; of the others the
// fault says whether they are genuine.
func (db Book) Walk(ctx context.Context, condition string, visit func(r audit.Recorded, leaf []byte) (more bool), args ...any) error {
	_, err := WalkSome(ctx, db, "", math.MaxInt, condition, visit, args...)
	return err
}

// WalkSome is [Book.Walk] of the events before an id, all if it is empty, and of so many rows at
// most: last is the id to go on before, empty where there are no more or there were enough.
func WalkSome(
	ctx context.Context, db Book, last string, most int, condition string,
	visit func(r audit.Recorded, leaf []byte) (more bool), args ...any,
) (string, error) {
	const page = 500
	for {
		before, values := condition, slices.Clone(args)
		if last != "" { // no text is behind every id
			before, values = condition+" AND id < ?", append(values, last)
		}
		found, err := db.readEvents(ctx, "reading events", before+" ORDER BY id DESC LIMIT ?", "found.id DESC", append(values, page)...)
		if err != nil {
			return last, err
		}
		for _, r := range found {
			last = r.Event.ID
			if r.Fault == audit.FaultUnreadable {
				continue
			}
			leaf, err := audit.Leaf(r.Event, r.Salt)
			if err == nil && !visit(r, leaf) {
				return "", nil
			}
		}
		if len(found) < page {
			return "", nil
		}
		if most -= page; most <= 0 {
			return last, nil
		}
	}
}

// Administered tells of the events with a MAC by which an app or an entity was administered, the
// newest first, until it is told that there were enough; those that are not genuine are passed
// over, and at most so many as [groundsTried] are read. A node that may read no other event reads
// these.
func Administered(ctx context.Context, db Book, of authz.ClientID, visit func(r audit.Recorded) (more bool)) error {
	const page = 32
	for last, tried := "", 0; tried < groundsTried; tried += page {
		condition, args := "client_id = ? AND client_id <> '' AND type = 'admin.action'", []any{string(of)}
		if last != "" {
			condition, args = condition+" AND id < ?", append(args, last)
		}
		found, err := readFrom(ctx, db, "administered_events", "reading how an app or an entity was administered",
			condition+" ORDER BY id DESC LIMIT ?", "found.id DESC", append(args, page)...)
		if err != nil {
			return err
		}
		for _, r := range found {
			if last = r.Event.ID; r.Fault == "" && !visit(r) {
				return nil
			}
		}
		if len(found) < page {
			return nil
		}
	}
	return nil
}

// Claim is a place that an event has by the table of places.
type Claim struct {
	Index uint64
	Event string
	// Proved says that its MAC holds.
	Proved bool
}

// Claims are the places of a shard from one on, up to another, n at most.
func (db Book) Claims(ctx context.Context, origin string, from, to uint64, n int) ([]Claim, error) {
	return db.claims(ctx, "origin = ? AND idx >= ? AND idx < ? AND "+LivePlace+" ORDER BY idx LIMIT ?", origin, int64(from), int64(to), n)
}

func (db Book) claims(ctx context.Context, condition string, args ...any) ([]Claim, error) {
	const doing = "reading places of the log"
	var rows []struct {
		Origin string `gorm:"column:origin"`
		Index  int64  `gorm:"column:idx"`
		Event  string `gorm:"column:event_id"`
		Late   bool   `gorm:"column:late"`
		Noted  Moment `gorm:"column:noted_at"`
		MAC    []byte `gorm:"column:mac"`
	}
	columns := "event_id, " + placeColumns(db.Dialect(), "p", "mac")
	if err := db.Reader(ctx).Raw("SELECT "+columns+" FROM event_places p WHERE "+condition, args...).Scan(&rows).Error; err != nil {
		return nil, handle.Wrap(doing, err)
	}
	keys, claims := db.seals.Load(), make([]Claim, len(rows))
	for i, r := range rows {
		proved, err := keys.ProvesPlace(ctx, rowseal.Place{
			Origin: r.Origin, Index: uint64(r.Index), Event: r.Event, Late: r.Late, Noted: r.Noted.Time,
		}, r.MAC)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		claims[i] = Claim{uint64(r.Index), r.Event, proved}
	}
	return claims, nil
}

// UpgradeWindow is how long after the first start of a release that seals rows the release
// before may still write some without a MAC.
const UpgradeWindow = 30 * 24 * time.Hour

// BeginSealing notes, once, since when rows carry MACs. Whoever gives the keys
// ([Book.TrustRows]) calls it before the first row is sealed. A false note, as whoever may add
// rows makes one before the first start, is as none.
func (db Book) BeginSealing(ctx context.Context) error {
	const doing = "noting since when rows are sealed"
	if since, _, err := db.sealedSince(ctx); err != nil || !since.IsZero() {
		return err
	}
	if sealed, err := anySealed(ctx, db); err != nil || sealed {
		return err // who took the note away opens no new window
	}
	now := db.Now().UTC().Truncate(time.Microsecond)
	mac, err := db.seals.Load().SealSince(ctx, now)
	if err != nil || mac == nil {
		return err
	}
	if _, err := db.Pool().ExecContext(ctx, db.Bind("INSERT INTO evidence_sealed (one, since, mac) VALUES (1, ?, ?) ON CONFLICT DO NOTHING"), now, mac); err != nil {
		return handle.Wrap(doing, err)
	}
	if since, _, err := db.sealedSince(ctx); err != nil || !since.IsZero() {
		return err // another node may have been first
	}
	HoldSince(db, now)
	return nil
}

// HoldSince gives since when rows carry MACs, as a node holds it outside of the database: a note
// in the database counts only if it says an earlier time.
func HoldSince(db Book, since time.Time) { db.since.Store(&since) }

// Since is since when rows carry MACs; the zero time where nobody knows.
func Since(ctx context.Context, db Book) (time.Time, error) {
	since, _, err := db.sealedSince(ctx)
	return since, err
}

// Upgrading reports whether rows without a MAC may still be those of the release before: until
// the window since the first sealed row is over. Where the note of that time is missing or
// false, they are nobody's.
func (db Book) Upgrading(ctx context.Context) (bool, error) {
	since, there, err := db.sealedSince(ctx)
	if err != nil {
		return false, err
	}
	if !there {
		sealed, err := anySealed(ctx, db)
		return !sealed, err
	}
	return db.Now().Before(since.Add(UpgradeWindow)), nil
}

// WrittenBefore reports whether a row without a MAC may be of the release before, by when its event
// was decided: before there were MACs, or at any time while both releases may run
// ([Book.Upgrading]).
func WrittenBefore(ctx context.Context, db Book, decided time.Time) (bool, error) {
	upgrading, err := db.Upgrading(ctx)
	if err != nil || upgrading {
		return upgrading, err
	}
	since, _, err := db.sealedSince(ctx)
	return decided.Before(since), err
}

// UpgradeEnds is when [Book.Upgrading] ends, or ended; the zero time where nobody knows.
func (db Book) UpgradeEnds(ctx context.Context) (time.Time, error) {
	since, _, err := db.sealedSince(ctx)
	if err != nil || since.IsZero() {
		return time.Time{}, err
	}
	return since.Add(UpgradeWindow), nil
}

// sealedSince is since when rows carry MACs, the earlier of what the database says and what is
// held outside of it; the zero time where there is a note, and it is false.
func (db Book) sealedSince(ctx context.Context) (since time.Time, there bool, err error) {
	const doing = "reading since when rows are sealed"
	var mac []byte
	held := db.since.Load()
	err = db.Background().QueryRowContext(ctx, "SELECT since, mac FROM evidence_sealed").Scan(&since, &mac)
	switch {
	case errors.Is(err, sql.ErrNoRows) && held == nil:
		return time.Time{}, false, nil
	case errors.Is(err, sql.ErrNoRows):
		return *held, true, nil
	case err != nil:
		return time.Time{}, false, handle.Wrap(doing, err)
	}
	holds, err := db.seals.Load().ProvesSince(ctx, since, mac)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("%s: %w", doing, err)
	}
	switch since = since.UTC(); {
	case held != nil && (!holds || held.Before(since)):
		return *held, true, nil
	case !holds:
		return time.Time{}, true, nil
	}
	return since, true, nil
}

// anySealed reports whether a release that makes MACs wrote here before: one of the newest rows
// has a MAC that holds, or a head of the log has one.
func anySealed(ctx context.Context, db Book) (sealed bool, err error) {
	if _, err := WalkSome(ctx, db, "", 1000, "id IN (SELECT id FROM events ORDER BY id DESC LIMIT 1000) AND mac IS NOT NULL",
		func(r audit.Recorded, _ []byte) bool {
			sealed = r.Fault == ""
			return !sealed
		}); err != nil || sealed {
		return sealed, err
	}
	var n int
	err = db.Background().QueryRowContext(ctx, "SELECT count(*) FROM (SELECT 1 FROM log_shards WHERE mac IS NOT NULL LIMIT 1) AS s").Scan(&n)
	return n > 0, handle.Wrap("looking for rows that are sealed", err)
}

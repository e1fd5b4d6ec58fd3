package evidence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/store/handle"
)

// TrustRows gives the keys of the MACs of rows: with them events are recorded and read from
// then on. Until then a row is recorded without a MAC, and none is read as genuine.
func (db Book) TrustRows(keys *rowseal.Keys) { db.seals.Store(keys) }

type eventRow struct {
	ID          string     `gorm:"column:id"`
	At          time.Time  `gorm:"column:at"`
	Type        string     `gorm:"column:type"`
	Client      string     `gorm:"column:client_id"`
	Pseudonym   string     `gorm:"column:pseudonym"`
	Purpose     string     `gorm:"column:purpose"`
	Registry    string     `gorm:"column:registry"`
	Permit      bool       `gorm:"column:permit"`
	Consent     string     `gorm:"column:consent"`
	VisibleFrom *time.Time `gorm:"column:visible_from"`
	Canonical   string     `gorm:"column:canonical"`
	Salt        []byte     `gorm:"column:salt"`
	Sequence    *int64     `gorm:"column:sequence"`
	MAC         []byte     `gorm:"column:mac"`
	MACKey      *string    `gorm:"column:mac_key"`
	Origin      *string    `gorm:"column:origin"`
	Index       *int64     `gorm:"column:idx"`
	Late        *bool      `gorm:"column:late"`
}

const eventColumns = "id, at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence, mac, mac_key"

// LivePlace is the condition, in SQL, that a row p of event_places counts: not one beyond the
// end of a shard that ended.
const LivePlace = "NOT EXISTS (SELECT 1 FROM log_shards s WHERE s.origin = p.origin AND s.closed_at IS NOT NULL AND p.idx >= s.size)"

func (r eventRow) sealed() rowseal.Row {
	out := rowseal.Row{
		ID: r.ID, At: r.At.UTC(), Type: r.Type, Client: r.Client, Pseudonym: r.Pseudonym, Purpose: r.Purpose, Registry: r.Registry,
		Permit: r.Permit, Consent: r.Consent, VisibleFrom: r.VisibleFrom, Canonical: []byte(r.Canonical), Salt: r.Salt, MAC: r.MAC,
	}
	if r.Sequence != nil {
		out.Sequence = *r.Sequence
	}
	if r.MACKey != nil {
		out.Key = *r.MACKey
	}
	return out
}

// readEvents reads the rows of a condition, each with its first place in the log, and says
// of each whether it is genuine.
func (db Book) readEvents(ctx context.Context, doing, condition, order string, args ...any) ([]audit.Recorded, error) {
	var rows []eventRow
	err := db.Reader(ctx).Raw("SELECT found.*, p.origin, p.idx, p.late FROM (SELECT "+eventColumns+" FROM events WHERE "+condition+") found"+
		" LEFT JOIN event_places p ON p.event_id = found.id AND "+LivePlace+" ORDER BY "+order+", p.origin, p.idx", args...).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap(doing, err)
	}
	out := make([]audit.Recorded, 0, len(rows))
	keys := db.seals.Load()
	for i, row := range rows {
		if i > 0 && rows[i-1].ID == row.ID {
			continue // another place of the same event
		}
		one, err := keys.Read(ctx, row.sealed())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
		if row.Index != nil && row.Origin != nil {
			one.Index, one.Origin, one.Logged, one.Late = uint64(*row.Index), *row.Origin, true, row.Late != nil && *row.Late
		}
		out = append(out, one)
	}
	return out, nil
}

// Unlogged lists events without a place, oldest first, those without a MAC among them.
func (db Book) Unlogged(ctx context.Context, limit int) ([]audit.Recorded, error) {
	found, err := db.readEvents(ctx, "listing events without a log entry",
		"log_index IS NULL AND NOT EXISTS (SELECT 1 FROM event_places p WHERE p.event_id = events.id AND "+LivePlace+") ORDER BY id LIMIT ?", "found.id", limit)
	if err != nil {
		return nil, err
	}
	return loggable(found)
}

// UnloggedReleases lists permitted releases on some consents that have no place, as Unlogged
// does.
func (db Book) UnloggedReleases(ctx context.Context, consents ...authz.ConsentID) ([]audit.Recorded, error) {
	found, err := db.readEvents(ctx, "listing releases without a log entry",
		"log_index IS NULL AND type = ? AND consent <> '' AND consent IN ? AND NOT EXISTS (SELECT 1 FROM event_places p WHERE p.event_id = events.id AND "+
			LivePlace+")", "found.id", string(audit.ReleasePermitted), consents)
	if err != nil {
		return nil, err
	}
	return loggable(found)
}

// loggable leaves out what is no evidence, and tells of it beside the others.
func loggable(found []audit.Recorded) ([]audit.Recorded, error) {
	good := make([]audit.Recorded, 0, len(found))
	var bad error
	for _, one := range found {
		if one.Fault != "" && one.Fault != audit.FaultUnsealed {
			bad = errors.Join(bad, fmt.Errorf("%w: event %q: %s", audit.ErrRow, one.Event.ID, one.Fault))
			continue
		}
		good = append(good, one)
	}
	return good, bad
}

// NotePlaces notes places in a shard of the log, all in one commit. A place that lies
// beyond the end of a closed shard is passed over (see store.Heads.Close): on PostgreSQL a
// lock on the shard's key holds its closing off until the commit.
func (db Book) NotePlaces(ctx context.Context, origin string, places map[string]uint64, late bool) error {
	const most = 500
	if len(places) == 0 {
		return nil
	}
	ids := slices.Sorted(maps.Keys(places))
	if len(places) <= most {
		return db.notePlaces(ctx, origin, ids, places, late)
	}
	var taken error
	err := db.Tx(ctx, func(ctx context.Context) error {
		for chunk := range slices.Chunk(ids, most) {
			err := db.notePlaces(ctx, origin, chunk, places, late)
			if errors.Is(err, audit.ErrPlaceTaken) {
				taken = errors.Join(taken, err)
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(err, taken)
}

func (db Book) notePlaces(ctx context.Context, origin string, ids []string, places map[string]uint64, late bool) error {
	args := make([]any, 0, 2*len(ids)+4)
	for _, id := range ids {
		args = append(args, id, int64(places[id]))
	}
	rows := strings.TrimSuffix(strings.Repeat("(CAST(? AS text), CAST(? AS bigint)), ", len(ids)), ", ")
	shard := "SELECT size, epoch, closed_at FROM log_shards WHERE origin = ?"
	if db.Dialect() == handle.PostgreSQL {
		shard += " FOR KEY SHARE"
	}
	res := db.Writer(ctx).Exec("WITH v (id, place) AS (VALUES "+rows+"), s AS ("+shard+`)
		INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at)
		SELECT CAST(? AS text), v.place, v.id, COALESCE((SELECT epoch FROM s), 0), ?, ? FROM v JOIN events ON events.id = v.id
		WHERE NOT EXISTS (SELECT 1 FROM s WHERE s.closed_at IS NOT NULL AND v.place >= s.size) ON CONFLICT DO NOTHING`,
		append(args, origin, origin, late, db.Now().UTC())...)
	if res.Error != nil || res.RowsAffected == int64(len(ids)) {
		return handle.Wrap("noting log places", res.Error)
	}
	// Some are of no event, beyond the end of the shard, noted before, or taken.
	indices := make([]int64, len(ids))
	for i, id := range ids {
		indices[i] = int64(places[id])
	}
	var held []struct {
		Index int64  `gorm:"column:idx"`
		Event string `gorm:"column:event_id"`
	}
	if err := db.Reader(ctx).Raw("SELECT idx, event_id FROM event_places WHERE origin = ? AND idx IN ?", origin, indices).Scan(&held).Error; err != nil {
		return handle.Wrap("noting log places", err)
	}
	by := map[int64]string{}
	for _, h := range held {
		by[h.Index] = h.Event
	}
	var taken error
	for _, id := range ids {
		if other, ok := by[int64(places[id])]; ok && other != id {
			taken = errors.Join(taken, fmt.Errorf("place %d of %s, of event %s: %w, %s", places[id], origin, id, audit.ErrPlaceTaken, other))
		}
	}
	return taken
}

// KnownLogSize is one more than the highest place noted in a shard; a shard that
// is smaller was restored from an older copy.
func (db Book) KnownLogSize(ctx context.Context, origin string) (uint64, error) {
	var highest *int64
	if err := db.Reader(ctx).Raw("SELECT max(idx) FROM event_places p WHERE origin = ? AND "+LivePlace, origin).Scan(&highest).Error; err != nil {
		return 0, handle.Wrap("reading the highest log place", err)
	}
	if highest == nil {
		return 0, nil
	}
	return uint64(*highest) + 1, nil
}

package evidence

import (
	"context"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
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

// Keys are those that were given, nil before: what is kept beside the events carries MACs of
// them, too.
func (db Book) Keys() *rowseal.Keys { return db.seals.Load() }

type eventRow struct {
	ID          string  `gorm:"column:id"`
	At          Moment  `gorm:"column:at"`
	Type        string  `gorm:"column:type"`
	Client      string  `gorm:"column:client_id"`
	Pseudonym   string  `gorm:"column:pseudonym"`
	Purpose     string  `gorm:"column:purpose"`
	Registry    string  `gorm:"column:registry"`
	Permit      bool    `gorm:"column:permit"`
	Consent     string  `gorm:"column:consent"`
	VisibleFrom Moment  `gorm:"column:visible_from"`
	Canonical   string  `gorm:"column:canonical"`
	Salt        []byte  `gorm:"column:salt"`
	Sequence    *int64  `gorm:"column:sequence"`
	MAC         []byte  `gorm:"column:mac"`
	MACKey      *string `gorm:"column:mac_key"`
	Origin      *string `gorm:"column:origin"`
	Index       *int64  `gorm:"column:idx"`
	Late        *bool   `gorm:"column:late"`
	NotedAt     Moment  `gorm:"column:noted_at"`
	PlaceMAC    []byte  `gorm:"column:place_mac"`
	Live        bool    `gorm:"column:live"`
}

// LivePlace is the condition, in SQL, that a row p of event_places counts: not one beyond the
// end of a shard that ended.
const LivePlace = "NOT EXISTS (SELECT 1 FROM log_shards s WHERE s.origin = p.origin AND s.closed_at IS NOT NULL AND p.idx >= s.size)"

func (r eventRow) sealed() rowseal.Row {
	out := rowseal.Row{
		ID: r.ID, At: r.At.Time, Type: r.Type, Client: r.Client, Pseudonym: r.Pseudonym, Purpose: r.Purpose, Registry: r.Registry,
		Permit: r.Permit, Consent: r.Consent, VisibleFrom: r.VisibleFrom.pointer(), Canonical: []byte(r.Canonical),
		Salt: r.Salt, MAC: r.MAC,
	}
	if r.Sequence != nil {
		out.Sequence = *r.Sequence
	}
	if r.MACKey != nil {
		out.Key = *r.MACKey
	}
	return out
}

// placesRead bounds the places of one event that are read: whoever may add places makes no page
// larger than that, and no statement slower. Where there are so many and none is proved, the
// event's own is found by its tag.
const placesRead = 64

// placesOf joins to an event, found, some places p of it.
var placesOf = map[handle.Dialect]string{
	handle.PostgreSQL: " LEFT JOIN LATERAL (SELECT p.origin, p.idx, p.late, p.noted_at, p.mac FROM event_places p WHERE p.event_id = found.id LIMIT " +
		strconv.Itoa(placesRead) + ") p ON true",
	handle.SQLite: " LEFT JOIN event_places p ON p.rowid IN (SELECT p.rowid FROM event_places p WHERE p.event_id = found.id LIMIT " +
		strconv.Itoa(placesRead) + ")",
}

// readEvents reads the rows of a condition, each with its place in the log, and says of each
// whether it is genuine. Of several places the first counts that is proved, and where none is
// the first with a MAC, or else the first.
func (db Book) readEvents(ctx context.Context, doing, condition, order string, args ...any) ([]audit.Recorded, error) {
	return readFrom(ctx, db, "events", doing, condition, order, args...)
}

// readFrom is readEvents of a table or a view that has the columns of events.
func readFrom(ctx context.Context, db Book, table, doing, condition, order string, args ...any) ([]audit.Recorded, error) {
	var rows []eventRow
	err := db.Reader(ctx).Raw("SELECT found.*, "+placeColumns(db.Dialect(), "p", "place_mac")+", "+LivePlace+" AS live FROM (SELECT "+
		Columns(db.Dialect(), "events")+" FROM "+table+" events WHERE "+condition+") found"+
		placesOf[db.Dialect()]+" ORDER BY "+order+", p.mac IS NULL, p.origin, p.idx", args...).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap(doing, err)
	}
	out := make([]audit.Recorded, 0, len(rows))
	keys := db.seals.Load()
	many := map[string]int{} // places that were read of an event
	for i, row := range rows {
		many[row.ID]++
		if again := i > 0 && rows[i-1].ID == row.ID; !again {
			one, err := keys.Read(ctx, row.sealed())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", doing, err)
			}
			out = append(out, one)
		}
		if err := row.place(ctx, keys, &out[len(out)-1]); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
	}
	var hidden []*audit.Recorded
	for i, r := range out {
		if many[r.Event.ID] >= placesRead && (!r.Logged || r.Unproven) {
			hidden = append(hidden, &out[i])
		}
	}
	for some := range slices.Chunk(hidden, 100) {
		if err := placesByTag(ctx, db, some); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
	}
	return out, nil
}

// placesByTag gives events the places that servers noted, however many others there are.
func placesByTag(ctx context.Context, db Book, events []*audit.Recorded) error {
	keys, wanted, args := db.seals.Load(), "", []any(nil)
	of := map[string]*audit.Recorded{}
	for _, r := range events {
		tags, err := keys.PlaceTags(ctx, r.Event.ID)
		if err != nil {
			return err
		}
		for _, tag := range tags {
			wanted, args = wanted+", (CAST(? AS text), CAST(? AS bigint))", append(args, r.Event.ID, tag)
		}
		of[r.Event.ID] = r
	}
	if len(args) == 0 {
		return nil
	}
	var rows []eventRow
	err := db.Reader(ctx).Raw("WITH v (id, tag) AS (VALUES "+strings.TrimPrefix(wanted, ", ")+") SELECT v.id, "+
		placeColumns(db.Dialect(), "p", "place_mac")+", "+LivePlace+" AS live FROM v JOIN event_places p ON p.event_id = v.id AND p.tag = v.tag"+
		" ORDER BY v.id, p.origin, p.idx", args...).Scan(&rows).Error
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := row.place(ctx, keys, of[row.ID]); err != nil {
			return err
		}
	}
	return nil
}

// place gives an event the place of a row, unless it has a better one.
func (r eventRow) place(ctx context.Context, keys *rowseal.Keys, to *audit.Recorded) error {
	if r.Index == nil || r.Origin == nil || r.Late == nil || !r.Live || to.Logged && !to.Unproven {
		return nil
	}
	proved, err := keys.ProvesPlace(ctx, rowseal.Place{
		Origin: *r.Origin, Index: uint64(*r.Index), Event: r.ID, Late: *r.Late, Noted: r.NotedAt.Time,
	}, r.PlaceMAC)
	if err != nil || !proved && to.Logged {
		return err
	}
	to.Index, to.Origin, to.Logged, to.Late, to.Unproven = uint64(*r.Index), *r.Origin, true, *r.Late, !proved
	return nil
}

// Unlogged lists events without a place after an id, oldest first, those without a MAC among
// them, and gives the id to go on after: empty at the end.
func (db Book) Unlogged(ctx context.Context, after string, limit int) (found []audit.Recorded, last string, err error) {
	found, err = db.readEvents(ctx, "listing events without a log entry",
		"log_index IS NULL AND id > ? AND NOT EXISTS (SELECT 1 FROM event_places p WHERE p.event_id = events.id AND "+LivePlace+
			") ORDER BY id LIMIT ?", "found.id", after, limit)
	if err != nil {
		return nil, after, err
	}
	if len(found) == limit {
		last = found[limit-1].Event.ID
	}
	found, err = loggable(found)
	return found, last, err
}

// releasesRead bounds the releases on some consents that wait for the log at one time.
const releasesRead = 5000

// UnloggedReleases lists permitted releases on some consents that have no place, as Unlogged
// does: the newest of them, and those with a MAC first.
func (db Book) UnloggedReleases(ctx context.Context, consents ...authz.ConsentID) ([]audit.Recorded, error) {
	found, err := db.readEvents(ctx, "listing releases without a log entry",
		"log_index IS NULL AND type = ? AND consent <> '' AND consent IN ? AND NOT EXISTS (SELECT 1 FROM event_places p WHERE p.event_id = events.id AND "+
			LivePlace+") ORDER BY mac IS NULL, id DESC LIMIT ?", "found.id", string(audit.ReleasePermitted), consents, releasesRead)
	if err != nil {
		return nil, err
	}
	return loggable(found)
}

// loggable leaves out what is no evidence, and tells of it beside the others.
func loggable(found []audit.Recorded) ([]audit.Recorded, error) {
	good := make([]audit.Recorded, 0, len(found))
	var first audit.Recorded
	bad := 0
	for _, one := range found {
		if one.Fault != "" && one.Fault != audit.FaultUnsealed {
			if bad++; bad == 1 {
				first = one
			}
			continue
		}
		good = append(good, one)
	}
	if bad == 0 {
		return good, nil
	}
	return good, fmt.Errorf("%w: %d of them, the first is event %q: %s", audit.ErrRow, bad, first.Event.ID, first.Fault)
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
	return db.Tx(ctx, func(ctx context.Context) error {
		for chunk := range slices.Chunk(ids, most) {
			if err := db.notePlaces(ctx, origin, chunk, places, late); err != nil {
				return err
			}
		}
		return nil
	})
}

func (db Book) notePlaces(ctx context.Context, origin string, ids []string, places map[string]uint64, late bool) error {
	const doing = "noting log places"
	keys, now := db.seals.Load(), db.Now().UTC().Truncate(time.Microsecond)
	at, macs, tags := make([]int64, len(ids)), make([][]byte, len(ids)), make([][]int64, len(ids))
	for i, id := range ids {
		mac, err := keys.SealPlace(ctx, rowseal.Place{Origin: origin, Index: places[id], Event: id, Late: late, Noted: now})
		if err == nil {
			tags[i], err = keys.PlaceTags(ctx, id)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
		at[i], macs[i] = int64(places[id]), mac
	}
	shard := "SELECT size, epoch, closed_at FROM log_shards WHERE origin = ?"
	if db.Dialect() == handle.PostgreSQL {
		shard += " FOR KEY SHARE"
	}
	// An event has a place for each of its tags, and more without one. Which tag is tried first is
	// of the shard, so that what stands in both logs seldom tries twice.
	first := int(crc32.ChecksumIEEE([]byte(origin)) % 4)
	noted := 0
	for try := 0; try <= 4 && noted < len(ids); try++ {
		with := make([]*int64, len(ids))
		for i := range ids {
			if try < len(tags[i]) {
				with[i] = &tags[i][(first+try)%4]
			}
		}
		// On PostgreSQL one text for any number of places, which it reads and plans once.
		rows, args := "SELECT * FROM unnest(CAST(? AS text[]), CAST(? AS bigint[]), CAST(? AS bytea[]), CAST(? AS bigint[]))", []any{ids, at, macs, with}
		if db.Dialect() == handle.SQLite {
			rows, args = "VALUES "+strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?), ", len(ids)), ", "), nil
			for i, id := range ids {
				args = append(args, id, at[i], handle.Blob(macs[i]), with[i])
			}
		}
		done, err := db.Change(ctx, doing, "WITH v (id, place, mac, tag) AS ("+rows+"), s AS ("+shard+`)
			INSERT INTO event_places (origin, idx, event_id, epoch, late, noted_at, mac, tag)
			SELECT CAST(? AS text), v.place, v.id, COALESCE((SELECT epoch FROM s), 0), ?, ?, v.mac, v.tag FROM v JOIN events ON events.id = v.id
			WHERE NOT EXISTS (SELECT 1 FROM s WHERE s.closed_at IS NOT NULL AND v.place >= s.size) ON CONFLICT DO NOTHING`,
			append(args, origin, origin, late, now)...)
		if err != nil {
			return err
		}
		noted += int(done)
	}
	return nil
}

// placesTried bounds how many of the highest places of a shard are looked at for one that is
// proved. Who adds more that are false hides what the database knows by places, and not what
// is recorded of the shard.
const placesTried = 4096

// KnownLogSize is one more than the highest place noted in a shard; a shard that is smaller was
// restored from an older copy. Of a shard that is recorded only places with a MAC that holds
// count: one that was added far beyond its end stops nothing.
func (db Book) KnownLogSize(ctx context.Context, origin string) (uint64, error) {
	const doing = "reading the highest log place"
	var recorded int64
	if err := db.Reader(ctx).Raw("SELECT count(*) FROM log_shards WHERE origin = ?", origin).Scan(&recorded).Error; err != nil {
		return 0, handle.Wrap(doing, err)
	}
	claims, err := db.claims(ctx, "origin = ? AND "+LivePlace+" ORDER BY idx DESC LIMIT ?", origin, placesTried)
	if err != nil {
		return 0, err
	}
	for _, c := range claims {
		if c.Proved || recorded == 0 {
			return c.Index + 1, nil
		}
	}
	return 0, nil
}

package store

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
	"hopnhat/store/handle"
)

var _ audit.Events = (*DB)(nil)

const insertEvent = `INSERT INTO events
	(id, at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt) `

// eventValues are the columns of insertEvent.
func eventValues(s audit.Sealed) []any {
	e := s.Event
	return []any{
		e.ID, e.When.Decided.UTC(), string(e.Type), string(e.Asked.Client), e.Person.Pseudonym, string(e.Reason.Purpose),
		string(e.Data.Registry), e.Decision.Permit, string(e.Consent.ID), visibleFrom(e), string(s.Canonical), s.Salt[:],
	}
}

// Record stores events with their salts, all by one statement.
func (db Evidence) Record(ctx context.Context, events ...audit.Sealed) error {
	const most = 500 // SQLite takes 32,766 values in a statement
	for some := range slices.Chunk(events, most) {
		var values []any
		for _, e := range some {
			values = append(values, eventValues(e)...)
		}
		rows := strings.TrimSuffix(strings.Repeat("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?), ", len(some)), ", ")
		if err := db.Writer(ctx).Exec(insertEvent+"VALUES "+rows, values...).Error; err != nil {
			return handle.Wrap("recording an event", err)
		}
	}
	return nil
}

// RecordHolding stores an event if grant, account, consent and apps are as it says,
// in one statement, and keeps them so until the transaction ends. On PostgreSQL
// consent, grant and account are locked in this order (see the package comment); apps,
// of whom one may be in every release of a second, by their key alone,
// against [Evidence.SettleClient], which whoever disables one calls after the commit: a
// stream of releases does not keep an app from being disabled. SQLite has one writer
// at a time.
func (db Evidence) RecordHolding(ctx context.Context, e audit.Sealed, h audit.Hold) error {
	args := eventValues(e)
	held := "SELECT 1 AS held FROM grants g JOIN accounts a ON a.subject = g.subject"
	if h.Consent != "" {
		held += " JOIN consents c ON c.id = ? AND c.version = ? AND c.state = 'approved'"
		args = append(args, string(h.Consent), h.Version)
	}
	held += " WHERE g.id = ? AND g.revoked_at IS NULL AND g.expires_at > ?"
	args = append(args, string(h.Grant), db.Now().UTC())
	if !h.Redeeming {
		held += " AND g.code_spent_at IS NOT NULL"
	}
	if !h.Locked {
		held += " AND a.locked_at IS NULL"
	}
	apps := "SELECT 1 AS enabled FROM clients WHERE id IN ? AND NOT disabled"
	if db.Dialect() == PostgreSQL {
		held += " FOR SHARE OF "
		if h.Consent != "" {
			held += "c, "
		}
		held += "g, a"
		apps += " FOR KEY SHARE"
	}
	args = append(args, clientIDs(h.Clients), len(h.Clients))
	res := db.Writer(ctx).Exec(insertEvent+"SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM ("+held+
		") AS h WHERE (SELECT count(*) FROM ("+apps+") AS e) = ?", args...)
	if res.Error == nil && res.RowsAffected == 0 {
		return fmt.Errorf("recording an event: what it rests on has ended: %w", authz.ErrConflict)
	}
	return handle.Wrap("recording an event", res.Error)
}

// clientIDs are the ids as texts, none twice.
func clientIDs(ids []authz.ClientID) []string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = string(id)
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}

// SettleClient waits for the events on their way that hold an app, and makes those
// that began before look again. Whoever disables one calls it after the commit and
// before saying that it is done: what comes later finds the app disabled. For an app
// that is enabled it may wait for ever.
func (db Evidence) SettleClient(ctx context.Context, id authz.ClientID) error {
	return handle.Wrap("waiting for the releases of an app", db.Writer(ctx).Exec("UPDATE clients SET settled = settled + 1 WHERE id = ?", string(id)).Error)
}

// visibleFrom is when the person may see an event, nil for never.
func visibleFrom(e audit.Event) *time.Time {
	from, ok := e.Visibility.SeenFrom(e.When.Decided)
	if !ok {
		return nil
	}
	from = from.UTC()
	return &from
}

// SetIndices notes places in a shard of the log, all in one commit. A place that lies
// beyond the end of a closed shard is passed over (see [Heads.Close]): on PostgreSQL a
// lock on the shard's key holds its closing off until the commit.
func (db Evidence) SetIndices(ctx context.Context, origin string, places map[string]uint64) error {
	const most = 500
	if len(places) > most {
		return db.Tx(ctx, func(ctx context.Context) error {
			for chunk := range slices.Chunk(slices.Sorted(maps.Keys(places)), most) {
				if err := db.setIndices(ctx, origin, chunk, places); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return db.setIndices(ctx, origin, slices.Sorted(maps.Keys(places)), places)
}

func (db Evidence) setIndices(ctx context.Context, origin string, ids []string, places map[string]uint64) error {
	if len(ids) == 0 {
		return nil
	}
	args := make([]any, 0, 2*len(ids))
	for _, id := range ids {
		args = append(args, id, int64(places[id]))
	}
	rows := strings.TrimSuffix(strings.Repeat("(CAST(? AS text), CAST(? AS bigint)), ", len(ids)), ", ")
	closed := "SELECT size, closed_at FROM log_shards WHERE origin = ?"
	if db.Dialect() == PostgreSQL {
		closed += " FOR KEY SHARE"
	}
	return handle.Wrap("noting log places", db.Writer(ctx).Exec("WITH v (id, place) AS (VALUES "+rows+"), s AS ("+closed+
		") UPDATE events SET log_index = v.place, log_origin = ? FROM v WHERE events.id = v.id"+
		" AND NOT EXISTS (SELECT 1 FROM s WHERE s.closed_at IS NOT NULL AND v.place >= s.size)", append(args, origin, origin)...).Error)
}

type eventRow struct {
	Canonical string `gorm:"column:canonical"`
	Salt      []byte `gorm:"column:salt"`
	LogIndex  *int64 `gorm:"column:log_index"`
	LogOrigin string `gorm:"column:log_origin"`
}

func recorded(rows []eventRow) ([]audit.Recorded, error) {
	out := make([]audit.Recorded, len(rows))
	for i, row := range rows {
		e, err := audit.Parse([]byte(row.Canonical))
		if err != nil {
			return nil, fmt.Errorf("a stored event was altered: %w", err)
		}
		if len(row.Salt) != len(audit.Salt{}) {
			return nil, fmt.Errorf("the salt of event %s was altered", e.ID)
		}
		out[i] = audit.Recorded{Event: e, Salt: audit.Salt(row.Salt)}
		if row.LogIndex != nil {
			out[i].Index, out[i].Origin, out[i].Logged = uint64(*row.LogIndex), row.LogOrigin, true
		}
	}
	return out, nil
}

// Unlogged lists events without a place, oldest first.
func (db Evidence) Unlogged(ctx context.Context, limit int) ([]audit.Recorded, error) {
	var rows []eventRow
	if err := db.Reader(ctx).Raw("SELECT canonical, salt, log_index, log_origin FROM events WHERE log_index IS NULL ORDER BY id LIMIT ?", limit).Scan(&rows).Error; err != nil {
		return nil, handle.Wrap("listing events without a log entry", err)
	}
	good := make([]audit.Recorded, 0, len(rows))
	var bad error
	for _, row := range rows {
		one, err := recorded([]eventRow{row})
		if err != nil {
			bad = errors.Join(bad, fmt.Errorf("%w: %w", audit.ErrRow, err))
			continue
		}
		good = append(good, one...)
	}
	return good, bad
}

// where is the condition of a query.
func where(q audit.Query) (string, []any) {
	conditions, args := []string{"1 = 1"}, []any{}
	add := func(condition string, arg any) {
		conditions, args = append(conditions, condition), append(args, arg)
	}
	if q.Pseudonym != "" {
		add("pseudonym = ?", q.Pseudonym)
	}
	if q.Client != "" {
		add("client_id = ?", string(q.Client))
	}
	if q.Purpose != "" {
		add("purpose = ?", string(q.Purpose))
	}
	if q.Type != "" {
		add("type = ?", string(q.Type))
	}
	if q.Outcome != audit.AnyOutcome {
		add("permit = ?", q.Outcome == audit.Permitted)
	}
	if !q.From.IsZero() {
		add("at >= ?", q.From.UTC())
	}
	if !q.To.IsZero() {
		add("at < ?", q.To.UTC())
	}
	return strings.Join(conditions, " AND "), args
}

// Find selects events, newest first.
func (db Evidence) Find(ctx context.Context, q audit.Query) ([]audit.Recorded, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	condition, args := where(q)
	return db.find(ctx, q, condition, args)
}

// FindVisible selects events of some kinds that the person herself may see at a
// time: hidden ones never, delayed ones when their delay is over.
func (db Evidence) FindVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]audit.Recorded, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	condition, args := whereVisible(q, kinds, now)
	return db.find(ctx, q, condition, args)
}

// whereVisible is the condition of a query for what the person may see.
func whereVisible(q audit.Query, kinds []audit.Type, now time.Time) (string, []any) {
	condition, args := where(q)
	return condition + " AND type IN ? AND visible_from <= ?", append(args, kinds, now.UTC())
}

func (db Evidence) find(ctx context.Context, q audit.Query, condition string, args []any) ([]audit.Recorded, error) {
	if q.Before != "" {
		condition, args = condition+" AND id < ?", append(args, q.Before)
	}
	var rows []eventRow
	err := db.Reader(ctx).Raw("SELECT canonical, salt, log_index, log_origin FROM events WHERE "+condition+
		" ORDER BY id DESC LIMIT ?", append(args, q.Limit)...).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("searching events", err)
	}
	return recorded(rows)
}

// EventCounts are totals over all pages of a query; beyond the cap they stop
// counting. Concealed are those that the person herself may not see now.
type EventCounts struct {
	Total, Permitted, People, Concealed int
	Capped                              bool
}

// maxCount bounds how many events a search counts.
const maxCount = 10_000

// CountEvents counts what a query selects, up to a cap.
func (db Evidence) CountEvents(ctx context.Context, q audit.Query) (EventCounts, error) {
	condition, args := where(q)
	return db.countEvents(ctx, condition, args)
}

// CountVisible counts what FindVisible finds, over all pages: a number that was
// larger than the list would tell the person that somebody looked unseen.
func (db Evidence) CountVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) (EventCounts, error) {
	condition, args := whereVisible(q, kinds, now)
	return db.countEvents(ctx, condition, args)
}

// ClientsVisible are the apps in what FindVisible finds, in the order of their ids,
// among as many events as CountVisible counts.
func (db Evidence) ClientsVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]authz.ClientID, error) {
	condition, args := whereVisible(q, kinds, now)
	var ids []authz.ClientID
	err := db.Reader(ctx).Raw(`SELECT DISTINCT client_id FROM (SELECT client_id FROM events WHERE `+condition+` ORDER BY id DESC LIMIT ?) AS found
		WHERE client_id <> '' ORDER BY client_id`, append(args, maxCount)...).Scan(&ids).Error
	return ids, handle.Wrap("listing the apps of events", err)
}

func (db Evidence) countEvents(ctx context.Context, condition string, args []any) (EventCounts, error) {
	var row struct {
		Total     int `gorm:"column:total"`
		Permitted int `gorm:"column:permitted"`
		People    int `gorm:"column:people"`
		Concealed int `gorm:"column:concealed"`
	}
	err := db.Reader(ctx).Raw(`SELECT count(*) AS total, COALESCE(sum(CASE WHEN permit THEN 1 ELSE 0 END), 0) AS permitted,
		count(DISTINCT pseudonym) AS people, COALESCE(sum(CASE WHEN visible_from <= ? THEN 0 ELSE 1 END), 0) AS concealed
		FROM (SELECT permit, pseudonym, visible_from FROM events WHERE `+condition+` ORDER BY id DESC LIMIT ?) AS found`,
		slices.Concat([]any{db.Now().UTC()}, args, []any{maxCount})...).Scan(&row).Error
	return EventCounts{row.Total, row.Permitted, row.People, row.Concealed, row.Total == maxCount}, handle.Wrap("counting events", err)
}

// Get finds one event.
func (db Evidence) Get(ctx context.Context, id string) (audit.Recorded, error) {
	var rows []eventRow
	if err := db.Reader(ctx).Raw("SELECT canonical, salt, log_index, log_origin FROM events WHERE id = ?", id).Scan(&rows).Error; err != nil {
		return audit.Recorded{}, handle.Wrap("reading an event", err)
	}
	if len(rows) == 0 {
		return audit.Recorded{}, authz.ErrNotFound
	}
	all, err := recorded(rows)
	if err != nil {
		return audit.Recorded{}, err
	}
	return all[0], nil
}

// KnownLogSize is one more than the highest place noted in a shard; a shard that
// is smaller was restored from an older copy.
func (db Evidence) KnownLogSize(ctx context.Context, origin string) (uint64, error) {
	var highest *int64
	if err := db.Reader(ctx).Raw("SELECT max(log_index) FROM events WHERE log_origin = ?", origin).Scan(&highest).Error; err != nil {
		return 0, handle.Wrap("reading the highest log place", err)
	}
	if highest == nil {
		return 0, nil
	}
	return uint64(*highest) + 1, nil
}

// Package evidence keeps the events, and their places in the release log, in tables of the
// main database. Rows are added and never changed; each carries a MAC, which is checked
// whenever one is read (package rowseal).
package evidence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/store/handle"
	"hopnhat/store/sqldb"
)

// Book implements [audit.Events]. It is safe for concurrent use.
type Book struct {
	*handle.Handle
	// seals are the keys of the rows, see [Book.TrustRows].
	seals *atomic.Pointer[rowseal.Keys]
	// since is since when rows carry MACs, as it is held outside of the database ([HoldSince]).
	since *atomic.Pointer[time.Time]
}

// New makes the book of a database.
func New(db *handle.Handle) Book {
	return Book{db, new(atomic.Pointer[rowseal.Keys]), new(atomic.Pointer[time.Time])}
}

var _ audit.Events = Book{}

const insertEvent = `INSERT INTO events
	(id, at, type, client_id, pseudonym, purpose, registry, permit, consent, visible_from, canonical, salt, sequence, mac, mac_key, tag) `

// eventValues are the columns of insertEvent, with the MAC of the row and its tag, and the
// placeholders for them. Where there are no keys ([Book.TrustRows]) it has neither.
func (db Book) eventValues(ctx context.Context, s audit.Sealed) (columns string, values []any, err error) {
	r := rowseal.Of(s)
	if keys := db.seals.Load(); keys != nil {
		if err := keys.Seal(ctx, &r); err != nil {
			return "", nil, err
		}
	}
	var sequence *int64
	if r.Sequence > 0 {
		sequence = &r.Sequence
	}
	var version *string
	if len(r.MAC) > 0 {
		version = &r.Key
	}
	values = []any{
		r.ID, r.At, r.Type, r.Client, r.Pseudonym, r.Purpose, r.Registry, r.Permit, r.Consent, r.VisibleFrom, string(r.Canonical), r.Salt,
		sequence, handle.Blob(r.MAC), version,
	}
	tag, some, err := db.seals.Load().TagOf(ctx, s.Event)
	if err != nil || !some {
		return eventColumns + "NULL", values, err
	}
	// What is given is given once, and ended once; of an event that is restored beside one, that
	// one is found.
	const first = "(SELECT CASE WHEN EXISTS (SELECT 1 FROM events x WHERE x.consent = ? AND x.tag = ? AND x.tag IS NOT NULL) THEN NULL ELSE CAST(? AS bigint) END)"
	return eventColumns + first, append(values, r.Consent, tag, tag), nil
}

const recording = "recording an event"

// eventColumns are the placeholders of all columns but the tag.
const eventColumns = "?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, "

// Record stores events with their salts and their MACs, all by one statement. In a transaction
// on PostgreSQL nobody waits for the answer: an error comes out of the next statement or of the
// commit.
func (db Book) Record(ctx context.Context, events ...audit.Sealed) error {
	const most = 500 // SQLite takes 32,766 values in a statement
	for some := range slices.Chunk(events, most) {
		var values []any
		rows := make([]string, len(some))
		for i, e := range some {
			columns, row, err := db.eventValues(ctx, e)
			if err != nil {
				return fmt.Errorf("recording %v: %w", e.Event, err)
			}
			rows[i], values = "("+columns+")", append(values, row...)
		}
		if err := db.ChangeLater(ctx, recording, insertEvent+"VALUES "+strings.Join(rows, ", "), values...); err != nil {
			return err
		}
	}
	return nil
}

// RecordHolding stores an event if grant, account, consent and apps are as it says,
// in one statement, and keeps them so until the transaction ends. On PostgreSQL
// consent, grant and account are locked in this order (see the comment of package store);
// apps, of whom one may be in every release of a second, by their key alone,
// against [Book.SettleClient], which whoever disables one calls after the commit: a
// stream of releases does not keep an app from being disabled. SQLite has one writer
// at a time.
func (db Book) RecordHolding(ctx context.Context, e audit.Sealed, h audit.Hold) error {
	columns, args, err := db.eventValues(ctx, e)
	if err != nil {
		return fmt.Errorf("recording %v: %w", e.Event, err)
	}
	held, more := db.held(h)
	rows, err := db.Change(ctx, recording, insertEvent+"SELECT "+columns+held, append(args, more...)...)
	if err == nil && rows == 0 {
		return errEnded
	}
	return err
}

var errEnded = fmt.Errorf(recording+": what it rests on has ended: %w", authz.ErrConflict)

// held is the rest of a statement from FROM on, which has one row if what h says is so, and
// holds it, and none otherwise.
func (db Book) held(h audit.Hold) (rest string, args []any) {
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
	clients := clientIDs(h.Clients)
	for _, id := range clients {
		args = append(args, id)
	}
	apps := "SELECT 1 AS enabled FROM clients WHERE id IN (" + strings.TrimSuffix(strings.Repeat("?, ", len(clients)), ", ") + ") AND NOT disabled"
	if db.Dialect() == handle.PostgreSQL {
		held += " FOR SHARE OF "
		if h.Consent != "" {
			held += "c, "
		}
		held += "g, a"
		apps += " FOR KEY SHARE"
	}
	rest = " FROM (" + held + ") AS h WHERE (SELECT count(*) FROM (" + apps + ") AS e) = ?"
	return rest, append(args, len(h.Clients))
}

// NextNumber gives the next running number of a person, and holds what h says if it is not nil,
// in one statement. The number's row is locked after what is held, and until the transaction
// ends: whoever counts in a transaction that changes more does so last.
func (db Book) NextNumber(ctx context.Context, pseudonym string, h *audit.Hold) (int64, error) {
	from, args := " WHERE 1 = 1", []any{pseudonym}
	if h != nil {
		held, more := db.held(*h)
		from, args = held, append(args, more...)
	}
	var number int64 // the first is 1
	err := db.ChangeEach(ctx, "numbering an event", "INSERT INTO event_numbers (pseudonym, last) SELECT CAST(? AS text), 1"+from+
		" ON CONFLICT (pseudonym) DO UPDATE SET last = event_numbers.last + 1 RETURNING last", args,
		func(row sqldb.Row) error { return row.Scan(&number) })
	if err == nil && number == 0 {
		err = errEnded
	}
	return number, err
}

// RecordNext stores an event with its number if that is the next of its person and what h says,
// if it is not nil, is so, on PostgreSQL by one statement. What is held is locked before the
// number's row, as [Book.NextNumber] does.
func (db Book) RecordNext(ctx context.Context, e audit.Sealed, h *audit.Hold) (stored bool, err error) {
	columns, values, err := db.eventValues(ctx, e)
	if err != nil {
		return false, fmt.Errorf("recording %v: %w", e.Event, err)
	}
	held, args := "SELECT 1", []any(nil)
	if h != nil {
		rest, more := db.held(*h)
		held, args = held+rest, more
	}
	take := "UPDATE event_numbers SET last = last + 1 WHERE pseudonym = ? AND last = ?"
	number := []any{e.Event.Person.Pseudonym, e.Event.Person.Sequence - 1}
	if db.Dialect() == handle.PostgreSQL {
		rows, err := db.Change(ctx, recording, "WITH held AS MATERIALIZED ("+held+"), n AS ("+take+" AND (SELECT count(*) FROM held) = 1 RETURNING last) "+
			insertEvent+"SELECT "+columns+" FROM n", slices.Concat(args, number, values)...)
		return rows == 1, err
	}
	err = db.Tx(ctx, func(ctx context.Context) error {
		rows, err := db.Change(ctx, recording, take+" AND EXISTS ("+held+")", slices.Concat(number, args)...)
		if err == nil && rows == 0 {
			return errEnded
		}
		if err == nil {
			_, err = db.Change(ctx, recording, insertEvent+"VALUES ("+columns+")", values...)
		}
		return err
	})
	if errors.Is(err, errEnded) {
		return false, nil
	}
	return err == nil, err
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
func (db Book) SettleClient(ctx context.Context, id authz.ClientID) error {
	return handle.Wrap("waiting for the releases of an app", db.Writer(ctx).Exec("UPDATE clients SET settled = settled + 1 WHERE id = ?", string(id)).Error)
}

// NoSignIn is the condition of the index events_of_type, which has no sign-ins: whoever looks
// for events of another kind says so.
const NoSignIn = "type <> '" + string(audit.SignedIn) + "'"

// where is the condition of a query. What an index has only where it is not empty (migration
// 00056) is said not to be.
func where(q audit.Query) (string, []any) {
	conditions, args := []string{"1 = 1"}, []any{}
	add := func(condition string, arg any) {
		conditions, args = append(conditions, condition), append(args, arg)
	}
	if q.Pseudonym != "" {
		add("pseudonym = ?", q.Pseudonym)
	}
	if q.Client != "" {
		add("client_id = ? AND client_id <> ''", string(q.Client))
	}
	if q.Purpose != "" {
		add("purpose = ? AND purpose <> ''", string(q.Purpose))
	}
	switch q.Type {
	case "":
	case audit.SignedIn:
		add("type = ?", string(q.Type))
	default:
		add("type = ? AND "+NoSignIn, string(q.Type))
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
func (db Book) Find(ctx context.Context, q audit.Query) ([]audit.Recorded, error) {
	if err := q.Check(); err != nil {
		return nil, err
	}
	condition, args := where(q)
	return db.find(ctx, q, condition, args)
}

// FindVisible selects events of some kinds that the person herself may see at a
// time: hidden ones never, delayed ones when their delay is over.
func (db Book) FindVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]audit.Recorded, error) {
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

func (db Book) find(ctx context.Context, q audit.Query, condition string, args []any) ([]audit.Recorded, error) {
	if q.Before != "" {
		condition, args = condition+" AND id < ?", append(args, q.Before)
	}
	return db.readEvents(ctx, "searching events", condition+" ORDER BY id DESC LIMIT ?", "found.id DESC", append(args, q.Limit)...)
}

// Counts are totals over all pages of a query; beyond the cap they stop
// counting. Concealed are those that the person herself may not see now.
type Counts struct {
	Total, Permitted, People, Concealed int
	Capped                              bool
}

// maxCount bounds how many events a search counts.
const maxCount = 10_000

// CountEvents counts what a query selects, up to a cap.
func (db Book) CountEvents(ctx context.Context, q audit.Query) (Counts, error) {
	condition, args := where(q)
	return countEvents(ctx, db, condition, args)
}

// CountVisible counts what FindVisible finds, over all pages: a number that was
// larger than the list would tell the person that somebody looked unseen.
func (db Book) CountVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) (Counts, error) {
	condition, args := whereVisible(q, kinds, now)
	return countEvents(ctx, db, condition, args)
}

// ClientsVisible are the apps in what FindVisible finds, in the order of their ids,
// among as many events as CountVisible counts.
func (db Book) ClientsVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]authz.ClientID, error) {
	condition, args := whereVisible(q, kinds, now)
	var ids []authz.ClientID
	err := db.Reader(ctx).Raw(`SELECT DISTINCT client_id FROM (SELECT client_id FROM events WHERE `+condition+` ORDER BY id DESC LIMIT ?) AS found
		WHERE client_id <> '' ORDER BY client_id`, append(args, maxCount)...).Scan(&ids).Error
	return ids, handle.Wrap("listing the apps of events", err)
}

func countEvents(ctx context.Context, db Book, condition string, args []any) (Counts, error) {
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
	return Counts{row.Total, row.Permitted, row.People, row.Concealed, row.Total == maxCount}, handle.Wrap("counting events", err)
}

// Get finds one event.
func (db Book) Get(ctx context.Context, id string) (audit.Recorded, error) {
	found, err := db.readEvents(ctx, "reading an event", "id = ?", "found.id", id)
	if err != nil {
		return audit.Recorded{}, err
	}
	if len(found) == 0 {
		return audit.Recorded{}, authz.ErrNotFound
	}
	return found[0], nil
}

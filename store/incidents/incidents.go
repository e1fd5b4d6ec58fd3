// Package incidents keeps what reconciliation found wrong in the evidence, and how far each
// site's look over it has come.
package incidents

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"gorm.io/gorm"

	"hopnhat/authz"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// Book implements [incident.Store]. Each row carries a MAC. One that is altered is as if nobody
// had said a word about it, and reconciliation tells of it.
type Book struct {
	*handle.Handle
	events evidence.Book
}

// New makes the book of a database.
func New(db *handle.Handle, events evidence.Book) Book { return Book{db, events} }

var _ incident.Store = Book{}

const columns = `id, kind, origin, idx, event_id, pseudonym, object, number, detail, node, found_at, seen_at, state,
	proposed_by, proposed_role, proposed_reason, proposed_at, closed_by, closed_role, closed_reason, closed_at, mac`

type row struct {
	ID             string     `gorm:"column:id"`
	Kind           string     `gorm:"column:kind"`
	Origin         string     `gorm:"column:origin"`
	Index          int64      `gorm:"column:idx"`
	Event          string     `gorm:"column:event_id"`
	Pseudonym      string     `gorm:"column:pseudonym"`
	Object         string     `gorm:"column:object"`
	Number         int64      `gorm:"column:number"`
	Text           string     `gorm:"column:detail"`
	Node           string     `gorm:"column:node"`
	FoundAt        time.Time  `gorm:"column:found_at"`
	SeenAt         time.Time  `gorm:"column:seen_at"`
	State          string     `gorm:"column:state"`
	ProposedBy     string     `gorm:"column:proposed_by"`
	ProposedRole   string     `gorm:"column:proposed_role"`
	ProposedReason string     `gorm:"column:proposed_reason"`
	ProposedAt     *time.Time `gorm:"column:proposed_at"`
	ClosedBy       string     `gorm:"column:closed_by"`
	ClosedRole     string     `gorm:"column:closed_role"`
	ClosedReason   string     `gorm:"column:closed_reason"`
	ClosedAt       *time.Time `gorm:"column:closed_at"`
	MAC            []byte     `gorm:"column:mac"`
}

// mark is what is under the MAC of an incident.
func mark(i incident.Incident) rowseal.Mark {
	says := []string{
		i.ID, string(i.Kind), i.Origin, strconv.FormatUint(i.Index, 10), i.Event, i.Pseudonym, i.Object, strconv.FormatInt(i.Number, 10),
		i.Text, i.Node, stamp(i.FoundAt), stamp(i.SeenAt), string(i.State),
	}
	for _, w := range []incident.Word{i.Proposal, i.Confirmation} {
		says = append(says, w.By, string(w.Role), w.Reason, stamp(w.At))
	}
	return rowseal.Mark{Table: rowseal.Incidents, Says: says}
}

// stamp is a time as it stands under a MAC, in microseconds; that of no time is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}

func (db Book) seal(ctx context.Context, i incident.Incident) (handle.Blob, error) {
	mac, err := db.events.Keys().SealMark(ctx, mark(i))
	return handle.Blob(mac), err
}

// read is the incident of a row. Of one that is altered no word counts, and it is open.
func (db Book) read(ctx context.Context, r row) (incident.Incident, error) {
	i := r.incident()
	proved, err := db.events.Keys().ProvesMark(ctx, mark(i), r.MAC)
	if err != nil {
		return i, err
	}
	if i.Altered = !proved; i.Altered {
		i.State, i.Proposal, i.Confirmation = incident.Open, incident.Word{}, incident.Word{}
	}
	return i, nil
}

func (r row) incident() incident.Incident {
	return incident.Incident{
		ID: r.ID, Node: r.Node, FoundAt: r.FoundAt.UTC(), SeenAt: r.SeenAt.UTC(), State: incident.State(r.State),
		Finding: reconcile.Finding{
			Kind: reconcile.Kind(r.Kind), Origin: r.Origin, Index: uint64(r.Index), Event: r.Event, Pseudonym: r.Pseudonym,
			Object: r.Object, Number: r.Number, Text: r.Text,
		},
		Proposal:     word(r.ProposedBy, r.ProposedRole, r.ProposedReason, r.ProposedAt),
		Confirmation: word(r.ClosedBy, r.ClosedRole, r.ClosedReason, r.ClosedAt),
	}
}

func word(by, role, reason string, at *time.Time) incident.Word {
	return incident.Word{By: by, Role: authz.Role(role), Reason: reason, At: handle.Time(at)}
}

// NoteIncident keeps an incident that is new, in the transaction of the context, and notes of
// one that is known that it was seen again. A closed one that was not seen since a time had
// gone, and what is found now is another.
func (db Book) NoteIncident(ctx context.Context, i incident.Incident, since time.Time) (opened bool, err error) {
	const most = 16
	f := i.Finding
	key := f.Key()
	var rows []row
	if err := db.Reader(ctx).Raw("SELECT "+columns+" FROM incidents WHERE key = ? AND (state <> 'closed' OR seen_at >= ?) ORDER BY id DESC LIMIT ?",
		key, since.UTC(), most).Scan(&rows).Error; err != nil {
		return false, handle.Wrap("noting an incident again", err)
	}
	for _, r := range rows {
		known, err := db.read(ctx, r)
		if err != nil {
			return false, err
		}
		if known.Altered {
			continue // it keeps nothing from being an incident
		}
		known.SeenAt = i.SeenAt.UTC().Truncate(time.Microsecond)
		mac, err := db.seal(ctx, known)
		if err != nil {
			return false, err
		}
		// Where another node noted it meanwhile, that is as good.
		return false, handle.Wrap("noting an incident again", db.Writer(ctx).Exec("UPDATE incidents SET seen_at = ?, mac = ? WHERE id = ? AND mac = ?",
			known.SeenAt, mac, r.ID, handle.Blob(r.MAC)).Error)
	}
	i.State, i.FoundAt, i.SeenAt = incident.Open, i.FoundAt.UTC().Truncate(time.Microsecond), i.SeenAt.UTC().Truncate(time.Microsecond)
	mac, err := db.seal(ctx, i)
	if err != nil {
		return false, err
	}
	res := db.Writer(ctx).Exec(`INSERT INTO incidents
		(id, key, kind, origin, idx, event_id, pseudonym, object, number, detail, node, found_at, seen_at, state, mac)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?) ON CONFLICT DO NOTHING`,
		i.ID, key, string(f.Kind), f.Origin, int64(f.Index), f.Event, f.Pseudonym, f.Object, f.Number, f.Text, i.Node,
		i.FoundAt, i.SeenAt, mac)
	return res.RowsAffected > 0, handle.Wrap("opening an incident", res.Error)
}

// OpenIncidents counts those that are not closed.
func (db Book) OpenIncidents(ctx context.Context) (n int, err error) {
	err = db.Reader(ctx).Raw("SELECT count(*) FROM incidents WHERE state <> 'closed'").Scan(&n).Error
	return n, handle.Wrap("counting incidents", err)
}

// OpenMarks are the events and persons of those that are not closed. One about a role is not
// about what is recorded of who has it.
func (db Book) OpenMarks(ctx context.Context) ([]incident.Mark, error) {
	rows, err := db.Background().QueryContext(ctx, db.Bind(`SELECT event_id, CASE WHEN kind = ? THEN '' ELSE pseudonym END FROM incidents
		WHERE state <> 'closed' ORDER BY id LIMIT ?`), string(reconcile.RoleUnexplained), 2*incident.MostOpen)
	if err != nil {
		return nil, handle.Wrap("listing open incidents", err)
	}
	defer rows.Close()
	var marks []incident.Mark
	for rows.Next() {
		var m incident.Mark
		if err := rows.Scan(&m.Event, &m.Pseudonym); err != nil {
			return nil, handle.Wrap("listing open incidents", err)
		}
		marks = append(marks, m)
	}
	return marks, handle.Wrap("listing open incidents", rows.Err())
}

// ListIncidents lists incidents, the newest first, before one of them; with closed set, also
// those that are closed.
func (db Book) ListIncidents(ctx context.Context, closed bool, before string, limit int) ([]incident.Incident, error) {
	query, args := "SELECT "+columns+" FROM incidents WHERE 1 = 1", []any{}
	if !closed {
		query += " AND state <> 'closed'"
	}
	if before != "" {
		query, args = query+" AND id < ?", append(args, before)
	}
	var rows []row
	if err := db.Reader(ctx).Raw(query+" ORDER BY id DESC LIMIT ?", append(args, limit)...).Scan(&rows).Error; err != nil {
		return nil, handle.Wrap("listing incidents", err)
	}
	list := make([]incident.Incident, len(rows))
	for n, r := range rows {
		i, err := db.read(ctx, r)
		if err != nil {
			return nil, err
		}
		list[n] = i
	}
	return list, nil
}

// Incident finds one; authz.ErrNotFound if there is none.
func (db Book) Incident(ctx context.Context, id string) (incident.Incident, error) {
	_, i, err := db.one(ctx, id)
	return i, err
}

func (db Book) one(ctx context.Context, id string) (r row, i incident.Incident, err error) {
	res := db.Reader(ctx).Raw("SELECT "+columns+" FROM incidents WHERE id = ?", id).Scan(&r)
	if res.Error != nil {
		return r, i, handle.Wrap("reading an incident", res.Error)
	}
	if res.RowsAffected == 0 {
		return r, i, authz.ErrNotFound
	}
	i, err = db.read(ctx, r)
	return r, i, err
}

// Standing tells of each incident its state, and whether its row was altered.
func (db Book) Standing(ctx context.Context, tell func(id string, state incident.State, altered bool)) error {
	const page = 500
	for after := ""; ; {
		var rows []row
		if err := db.Reader(ctx).Raw("SELECT "+columns+" FROM incidents WHERE id > ? ORDER BY id LIMIT ?", after, page).Scan(&rows).Error; err != nil {
			return handle.Wrap("reading incidents", err)
		}
		for _, r := range rows {
			i, err := db.read(ctx, r)
			if err != nil {
				return err
			}
			tell(r.ID, i.State, i.Altered)
			after = r.ID
		}
		if len(rows) < page {
			return nil
		}
	}
}

// ProposeClosing keeps the first word of an open incident; authz.ErrConflict if it is not open.
func (db Book) ProposeClosing(ctx context.Context, id string, w incident.Word) error {
	r, i, err := db.one(ctx, id)
	if err != nil {
		return err
	}
	if i.State != incident.Open {
		return authz.ErrConflict
	}
	i.State, i.Proposal = incident.Proposed, w
	return db.say(ctx, db.Writer(ctx), "proposing to close an incident", r, i)
}

// CloseIncident keeps the second word; authz.ErrConflict unless somebody else proposed it.
func (db Book) CloseIncident(ctx context.Context, id string, w incident.Word) error {
	r, i, err := db.one(ctx, id)
	if err != nil {
		return err
	}
	if i.State != incident.Proposed || i.Proposal.By == w.By {
		return authz.ErrConflict
	}
	i.State, i.Confirmation = incident.Closed, w
	return db.say(ctx, db.Writer(ctx), "closing an incident", r, i)
}

// say writes the words of an incident whose row is as it was read; authz.ErrConflict otherwise.
func (db Book) say(ctx context.Context, to *gorm.DB, doing string, was row, i incident.Incident) error {
	mac, err := db.seal(ctx, i)
	if err != nil {
		return err
	}
	p, c := i.Proposal, i.Confirmation
	same, args := "mac = ?", []any{handle.Blob(was.MAC)}
	if was.MAC == nil {
		same, args = "mac IS NULL AND state = ?", []any{was.State}
	}
	return handle.OneRow(doing, to.Exec(`UPDATE incidents SET state = ?, proposed_by = ?, proposed_role = ?, proposed_reason = ?,
		proposed_at = ?, closed_by = ?, closed_role = ?, closed_reason = ?, closed_at = ?, mac = ? WHERE id = ? AND `+same,
		append([]any{
			string(i.State), p.By, string(p.Role), p.Reason, handle.NullTime(p.At), c.By, string(c.Role), c.Reason, handle.NullTime(c.At),
			mac, i.ID,
		}, args...)...))
}

// Look is how far the look over a site's evidence has come.
type Look struct {
	// Cursor is where it goes on; empty at the beginning.
	Cursor string
	// Began is when this look began, Ended when the last whole one ended and Took how long
	// that took; zero where there was none.
	Began, Ended time.Time
	Took         time.Duration
	// Altered says that the row is not as a server wrote it: the rest says nothing.
	Altered bool
}

func (l Look) mark(site string) rowseal.Mark {
	return rowseal.Mark{Table: rowseal.Looks, Says: []string{
		site, l.Cursor, stamp(l.Began), stamp(l.Ended), strconv.FormatInt(int64(l.Took.Seconds()), 10),
	}}
}

// LookOf is how far the look over a site's evidence has come; the zero Look where none began.
func (db Book) LookOf(ctx context.Context, site string) (l Look, err error) {
	var ended *time.Time
	var seconds int64
	var mac []byte
	err = db.Background().QueryRowContext(ctx, db.Bind("SELECT cursor, began_at, ended_at, seconds, mac FROM reconcilers WHERE site = ?"), site).
		Scan(&l.Cursor, &l.Began, &ended, &seconds, &mac)
	if errors.Is(err, sql.ErrNoRows) {
		return Look{}, nil
	}
	if err != nil {
		return Look{}, handle.Wrap("reading how far reconciliation has come", err)
	}
	l.Began, l.Ended, l.Took = l.Began.UTC(), handle.Time(ended), time.Duration(seconds)*time.Second
	proved, err := db.events.Keys().ProvesMark(ctx, l.mark(site), mac)
	if err != nil {
		return Look{}, err
	}
	if !proved {
		return Look{Altered: true}, nil
	}
	return l, nil
}

// SaveLook keeps how far it has come. It belongs to no request, and is not counted.
func (db Book) SaveLook(ctx context.Context, site string, l Look) error {
	l.Began, l.Ended = l.Began.UTC().Truncate(time.Microsecond), l.Ended.UTC().Truncate(time.Microsecond)
	mac, err := db.events.Keys().SealMark(ctx, l.mark(site))
	if err != nil {
		return err
	}
	_, err = db.Pool().ExecContext(ctx, db.Bind(`INSERT INTO reconcilers (site, cursor, began_at, ended_at, seconds, mac) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (site) DO UPDATE SET cursor = excluded.cursor, began_at = excluded.began_at, ended_at = excluded.ended_at,
			seconds = excluded.seconds, mac = excluded.mac`), site, l.Cursor, l.Began, handle.NullTime(l.Ended), int64(l.Took.Seconds()), mac)
	return handle.Wrap("keeping how far reconciliation has come", err)
}

// Package incidents keeps what reconciliation found wrong in the evidence, and how far each
// site's look over it has come.
package incidents

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit/incident"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/store/handle"
)

// Book implements [incident.Store].
type Book struct{ *handle.Handle }

var _ incident.Store = Book{}

const columns = `id, kind, origin, idx, event_id, pseudonym, object, number, detail, node, found_at, seen_at, state,
	proposed_by, proposed_role, proposed_reason, proposed_at, closed_by, closed_role, closed_reason, closed_at`

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
	f := i.Finding
	key := f.Key()
	res := db.Writer(ctx).Exec(`UPDATE incidents SET seen_at = ? WHERE key = ? AND (state <> 'closed' OR seen_at >= ?)`,
		i.SeenAt.UTC(), key, since.UTC())
	if res.Error != nil || res.RowsAffected > 0 {
		return false, handle.Wrap("noting an incident again", res.Error)
	}
	res = db.Writer(ctx).Exec(`INSERT INTO incidents
		(id, key, kind, origin, idx, event_id, pseudonym, object, number, detail, node, found_at, seen_at, state)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open') ON CONFLICT DO NOTHING`,
		i.ID, key, string(f.Kind), f.Origin, int64(f.Index), f.Event, f.Pseudonym, f.Object, f.Number, f.Text, i.Node,
		i.FoundAt.UTC(), i.SeenAt.UTC())
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
	for i, r := range rows {
		list[i] = r.incident()
	}
	return list, nil
}

// Incident finds one; authz.ErrNotFound if there is none.
func (db Book) Incident(ctx context.Context, id string) (incident.Incident, error) {
	var r row
	res := db.Reader(ctx).Raw("SELECT "+columns+" FROM incidents WHERE id = ?", id).Scan(&r)
	if res.Error != nil {
		return incident.Incident{}, handle.Wrap("reading an incident", res.Error)
	}
	if res.RowsAffected == 0 {
		return incident.Incident{}, authz.ErrNotFound
	}
	return r.incident(), nil
}

// ProposeClosing keeps the first word of an open incident; authz.ErrConflict if it is not open.
func (db Book) ProposeClosing(ctx context.Context, id string, w incident.Word) error {
	return handle.OneRow("proposing to close an incident", db.Writer(ctx).Exec(`UPDATE incidents
		SET state = 'proposed', proposed_by = ?, proposed_role = ?, proposed_reason = ?, proposed_at = ? WHERE id = ? AND state = 'open'`,
		w.By, string(w.Role), w.Reason, w.At.UTC(), id))
}

// CloseIncident keeps the second word; authz.ErrConflict unless somebody else proposed it.
func (db Book) CloseIncident(ctx context.Context, id string, w incident.Word) error {
	return handle.OneRow("closing an incident", db.Writer(ctx).Exec(`UPDATE incidents
		SET state = 'closed', closed_by = ?, closed_role = ?, closed_reason = ?, closed_at = ?
		WHERE id = ? AND state = 'proposed' AND proposed_by <> ?`, w.By, string(w.Role), w.Reason, w.At.UTC(), id, w.By))
}

// Look is how far the look over a site's evidence has come.
type Look struct {
	// Cursor is where it goes on; empty at the beginning.
	Cursor string
	// Began is when this look began, Ended when the last whole one ended and Took how long
	// that took; zero where there was none.
	Began, Ended time.Time
	Took         time.Duration
}

// LookOf is how far the look over a site's evidence has come; the zero Look where none began.
func (db Book) LookOf(ctx context.Context, site string) (l Look, err error) {
	var ended *time.Time
	var seconds int64
	err = db.Background().QueryRowContext(ctx, db.Bind("SELECT cursor, began_at, ended_at, seconds FROM reconcilers WHERE site = ?"), site).
		Scan(&l.Cursor, &l.Began, &ended, &seconds)
	if errors.Is(err, sql.ErrNoRows) {
		return Look{}, nil
	}
	l.Began, l.Ended, l.Took = l.Began.UTC(), handle.Time(ended), time.Duration(seconds)*time.Second
	return l, handle.Wrap("reading how far reconciliation has come", err)
}

// SaveLook keeps how far it has come. It belongs to no request, and is not counted.
func (db Book) SaveLook(ctx context.Context, site string, l Look) error {
	_, err := db.Pool().ExecContext(ctx, db.Bind(`INSERT INTO reconcilers (site, cursor, began_at, ended_at, seconds) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (site) DO UPDATE SET cursor = excluded.cursor, began_at = excluded.began_at, ended_at = excluded.ended_at,
			seconds = excluded.seconds`), site, l.Cursor, l.Began.UTC(), handle.NullTime(l.Ended), int64(l.Took.Seconds()))
	return handle.Wrap("keeping how far reconciliation has come", err)
}

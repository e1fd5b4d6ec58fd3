// Package enrolments keeps who is a subordinate of ours in the federation, and the trust
// marks that we granted. What a step may do is decided in package federation/enrol; here two
// steps at one time do not both count.
package enrolments

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/federation"
	"hopnhat/federation/approval"
	"hopnhat/federation/enrol"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// Book has the subordinates by their names, and the marks by type and name. It is safe for
// concurrent use.
type Book struct {
	*handle.Handle
	// Events are those by which the records came to be what they are.
	Events evidence.Book
}

type row struct {
	ID       string `gorm:"column:entity_id"`
	State    string `gorm:"column:state"`
	Record   []byte `gorm:"column:record"`
	Revision int    `gorm:"column:revision"`
}

func (r row) subordinate() (enrol.Subordinate, error) {
	var s enrol.Subordinate
	err := json.Unmarshal(r.Record, &s)
	if err != nil { // nobody here wrote it so
		s, err = enrol.Subordinate{}, fmt.Errorf("%w: the record of %s cannot be read", approval.ErrUnexplained, r.ID)
	}
	s.ID, s.State, s.Revision = federation.EntityID(r.ID), enrol.State(r.State), r.Revision
	return s, err
}

// Subordinate reads one. The error is [authz.ErrNotFound] if it was never proposed.
func (db Book) Subordinate(ctx context.Context, id federation.EntityID) (enrol.Subordinate, error) {
	var found row
	res := db.Reader(ctx).Raw("SELECT entity_id, state, record, revision FROM federation_subordinates WHERE entity_id = ?", string(id)).Scan(&found)
	if res.Error != nil {
		return enrol.Subordinate{}, handle.Wrap("reading a subordinate", res.Error)
	}
	if res.RowsAffected == 0 {
		return enrol.Subordinate{}, authz.ErrNotFound
	}
	return found.subordinate()
}

// Subordinates lists those after one, in the order of their names, at most limit.
func (db Book) Subordinates(ctx context.Context, after federation.EntityID, limit int) ([]enrol.Subordinate, error) {
	var rows []row
	err := db.Reader(ctx).Raw(`SELECT entity_id, state, record, revision FROM federation_subordinates
		WHERE entity_id > ? ORDER BY entity_id LIMIT ?`, string(after), limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("listing subordinates", err)
	}
	return subordinates(rows)
}

// Search lists those whose names hold a part, in letters of either case, in a state, or in any
// if it is empty, after one, in the order of their names, at most limit.
func (db Book) Search(
	ctx context.Context, part string, state enrol.State, after federation.EntityID, limit int,
) ([]enrol.Subordinate, error) {
	like := "%" + strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(strings.ToLower(part)) + "%"
	var rows []row
	err := db.Reader(ctx).Raw(`SELECT entity_id, state, record, revision FROM federation_subordinates
		WHERE entity_id > ? AND lower(entity_id) LIKE ? ESCAPE '\' AND (state = ? OR ? = '') ORDER BY entity_id LIMIT ?`,
		string(after), like, string(state), string(state), limit).Scan(&rows).Error
	if err != nil {
		return nil, handle.Wrap("searching subordinates", err)
	}
	return subordinates(rows)
}

func subordinates(rows []row) (list []enrol.Subordinate, err error) {
	list = make([]enrol.Subordinate, len(rows))
	for i, r := range rows { // one that cannot be read says nothing, and hides no other
		if list[i], err = r.subordinate(); err != nil && !approval.IsUnexplained(err) {
			return nil, err
		}
	}
	return list, nil
}

// SaveSubordinate keeps what a step made of a record, in the transaction of the context.
// The error is [authz.ErrConflict] if it was changed since it was read.
func (db Book) SaveSubordinate(ctx context.Context, s enrol.Subordinate) error {
	record, err := json.Marshal(s)
	if err != nil {
		return handle.Wrap("encoding a subordinate", err)
	}
	now := db.Now().UTC()
	if s.Revision == 0 {
		return handle.OneRow("adding a subordinate", db.Writer(ctx).Exec(`INSERT INTO federation_subordinates
			(entity_id, state, proposed_by, approved_by, record, revision, updated_at) VALUES (?, ?, ?, ?, ?, 1, ?)
			ON CONFLICT (entity_id) DO NOTHING`, string(s.ID), string(s.State), s.ProposedBy, s.ApprovedBy, string(record), now))
	}
	return handle.OneRow("changing a subordinate", db.Writer(ctx).Exec(`UPDATE federation_subordinates
		SET state = ?, proposed_by = ?, approved_by = ?, record = ?, revision = revision + 1, updated_at = ?
		WHERE entity_id = ? AND revision = ?`,
		string(s.State), s.ProposedBy, s.ApprovedBy, string(record), now, string(s.ID), s.Revision))
}

type markRow struct {
	Type     string `gorm:"column:mark_type"`
	Subject  string `gorm:"column:entity_id"`
	Record   []byte `gorm:"column:record"`
	Revision int    `gorm:"column:revision"`
}

func (r markRow) mark() (enrol.Mark, error) {
	m := enrol.Mark{}
	err := json.Unmarshal(r.Record, &m)
	if err != nil {
		m, err = enrol.Mark{}, fmt.Errorf("%w: the record of a mark of %s cannot be read", approval.ErrUnexplained, r.Subject)
	}
	m.Type, m.Subject, m.Revision = r.Type, federation.EntityID(r.Subject), r.Revision
	return m, err
}

// Mark reads one. The error is [authz.ErrNotFound] if it was never granted.
func (db Book) Mark(ctx context.Context, kind string, subject federation.EntityID) (enrol.Mark, error) {
	var found markRow
	res := db.Reader(ctx).Raw("SELECT mark_type, entity_id, record, revision FROM federation_marks WHERE mark_type = ? AND entity_id = ?", kind, string(subject)).Scan(&found)
	if res.Error != nil {
		return enrol.Mark{}, handle.Wrap("reading a trust mark", res.Error)
	}
	if res.RowsAffected == 0 {
		return enrol.Mark{}, authz.ErrNotFound
	}
	return found.mark()
}

// SaveMark keeps what a step made of a mark, in the transaction of the context. The error is
// [authz.ErrConflict] if it was changed since it was read.
func (db Book) SaveMark(ctx context.Context, m enrol.Mark) error {
	record, err := json.Marshal(m)
	if err != nil {
		return handle.Wrap("encoding a trust mark", err)
	}
	granted, until, revoked := m.GrantedAt.UTC(), orNull(m.Until), orNull(m.RevokedAt)
	if m.Revision == 0 {
		return handle.OneRow("adding a trust mark", db.Writer(ctx).Exec(`INSERT INTO federation_marks
			(mark_type, entity_id, granted_at, until, revoked_at, record, revision) VALUES (?, ?, ?, ?, ?, ?, 1)
			ON CONFLICT (mark_type, entity_id) DO NOTHING`, m.Type, string(m.Subject), granted, until, revoked, string(record)))
	}
	return handle.OneRow("changing a trust mark", db.Writer(ctx).Exec(`UPDATE federation_marks
		SET granted_at = ?, until = ?, revoked_at = ?, record = ?, revision = revision + 1
		WHERE mark_type = ? AND entity_id = ? AND revision = ?`,
		granted, until, revoked, string(record), m.Type, string(m.Subject), m.Revision))
}

// orNull is a time as a column has it.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// Holders lists those with a mark of a type that is active at a time, of any type if it is
// empty, after one in the order of their names, at most limit.
func (db Book) Holders(
	ctx context.Context, kind string, now time.Time, after federation.EntityID, limit int,
) ([]federation.EntityID, error) {
	var ids []federation.EntityID
	err := db.Reader(ctx).Raw(`SELECT DISTINCT entity_id FROM federation_marks
		WHERE (mark_type = ? OR ? = '') AND entity_id > ? AND revoked_at IS NULL AND (until IS NULL OR until > ?)
		ORDER BY entity_id LIMIT ?`, kind, kind, string(after), now.UTC(), limit).Scan(&ids).Error
	return ids, handle.Wrap("listing holders of trust marks", err)
}

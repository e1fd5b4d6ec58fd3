package enrolments

import (
	"context"
	"fmt"
	"strings"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation/approval"
	"hopnhat/federation/enrol"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// CheckSubordinate holds an enrolment against the newest event of its steps. The error wraps
// [approval.ErrUnexplained] if it is not as that says.
func (db Book) CheckSubordinate(ctx context.Context, s enrol.Subordinate) error {
	_, err := db.check(ctx, approval.OfSubordinate(s))
	return err
}

// CheckMark is [Book.CheckSubordinate] of a trust mark.
func (db Book) CheckMark(ctx context.Context, m enrol.Mark) error {
	_, err := db.check(ctx, approval.OfMark(m))
	return err
}

// check gives the newest event of a record, and says whether the record is as that says.
func (db Book) check(ctx context.Context, r approval.Record) (newest *audit.Recorded, err error) {
	err = evidence.Administered(ctx, db.Events, r.Client(), func(e audit.Recorded) (more bool) {
		if !r.IsOf(e.Event) {
			return true
		}
		newest = &e
		return false
	})
	if err != nil {
		return nil, err
	}
	return newest, r.Check(newest, db.Now())
}

// looked is how many records one call of [Book.Unexplained] looks at.
const looked = 200

// marks begins a place of [Book.Unexplained] among the marks; no entity is called so.
const marks = "marks "

// Unexplained tells of the records after a place that are not as their newest events say: of the
// enrolments, then of the trust marks. last is the place to go on after, empty at the end.
func (db Book) Unexplained(ctx context.Context, after string, tell func(reconcile.Finding)) (last string, err error) {
	if place, among := strings.CutPrefix(after, marks); among {
		return db.unexplainedMarks(ctx, place, tell)
	}
	var rows []row
	err = db.Reader(ctx).Raw(`SELECT entity_id, state, record, revision FROM federation_subordinates
		WHERE entity_id > ? ORDER BY entity_id LIMIT ?`, after, looked).Scan(&rows).Error
	if err != nil {
		return "", handle.Wrap("listing subordinates", err)
	}
	for _, r := range rows {
		s, err := r.subordinate()
		if err != nil { // whoever wrote it hides no other by it
			tell(approval.Unreadable(r.ID))
			continue
		}
		if err := db.unexplained(ctx, approval.OfSubordinate(s), tell); err != nil {
			return "", err
		}
	}
	if len(rows) < looked {
		return marks, nil
	}
	return rows[looked-1].ID, nil
}

// unexplained tells of a record if it is not as its newest event says.
func (db Book) unexplained(ctx context.Context, r approval.Record, tell func(reconcile.Finding)) error {
	newest, err := db.check(ctx, r)
	if err == nil || !approval.IsUnexplained(err) {
		return err
	}
	tell(r.Finding(newest))
	return nil
}

func (db Book) unexplainedMarks(ctx context.Context, place string, tell func(reconcile.Finding)) (last string, err error) {
	kind, subject, _ := strings.Cut(place, "\n")
	var rows []markRow
	err = db.Reader(ctx).Raw(`SELECT mark_type, entity_id, record, revision FROM federation_marks
		WHERE mark_type > ? OR mark_type = ? AND entity_id > ? ORDER BY mark_type, entity_id LIMIT ?`, kind, kind, subject, looked).Scan(&rows).Error
	if err != nil {
		return "", handle.Wrap("listing trust marks", err)
	}
	for _, r := range rows {
		m, err := r.mark()
		if err != nil {
			tell(approval.Unreadable(r.Subject))
			continue
		}
		if err := db.unexplained(ctx, approval.OfMark(m), tell); err != nil {
			return "", err
		}
	}
	if len(rows) < looked {
		return "", nil
	}
	end := rows[looked-1]
	return fmt.Sprint(marks, end.Type, "\n", end.Subject), nil
}

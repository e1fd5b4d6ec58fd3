package approval_test

import (
	"errors"
	"testing"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation/approval"
	"hopnhat/federation/enrol"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// record is an enrolment after a step.
func record() enrol.Subordinate {
	return enrol.Subordinate{
		ID: "https://app.example.vn", State: enrol.Active, Revision: 2, ProposedBy: "a", ApprovedBy: "b", Since: noon, By: "b",
		Terms: enrol.Terms{Organization: "Đất đai", Agreement: "12/2026", Level: 3, Until: noon.AddDate(1, 0, 0)},
	}
}

// told is the event of the step that made a record.
func told(t *testing.T, r approval.Record, action audit.Action) audit.Recorded {
	t.Helper()
	act := audit.Act{Action: action}
	if err := r.Commit(&act); err != nil {
		t.Fatal(err)
	}
	return audit.Recorded{Salt: act.Salt, Logged: true, Event: audit.Event{
		ID: authz.NewID(), Asked: audit.Asked{Client: act.App.ID}, Payload: act.Payload, When: audit.When{Decided: noon},
		Detail: audit.Detail{Action: string(action), Object: act.Detail.Object},
	}}
}

// TestCheck: a record is as its newest event says, in every member, and that event is in the log
// when it has had the time to come there.
func TestCheck(t *testing.T) {
	late := noon.Add(reconcile.Within + time.Second)
	for _, row := range []struct {
		name  string
		now   time.Time
		alter func(*enrol.Subordinate, *audit.Recorded)
		holds bool
	}{
		{"as it was kept", late, nil, true},
		{"another state", late, func(s *enrol.Subordinate, _ *audit.Recorded) { s.State = enrol.Suspended }, false},
		{"other terms", late, func(s *enrol.Subordinate, _ *audit.Recorded) { s.Terms.Level = 2 }, false},
		{"another who approved", late, func(s *enrol.Subordinate, _ *audit.Recorded) { s.ApprovedBy = "c" }, false},
		{"another revision", late, func(s *enrol.Subordinate, _ *audit.Recorded) { s.Revision = 1 }, false},
		{"another entity", late, func(s *enrol.Subordinate, _ *audit.Recorded) { s.ID = "https://b.example.vn" }, false},
		{"a proposal that nobody made", late, func(s *enrol.Subordinate, _ *audit.Recorded) { s.Proposal = &enrol.Proposal{By: "a"} }, false},
		{"not logged yet", noon.Add(reconcile.Within), func(_ *enrol.Subordinate, e *audit.Recorded) { e.Logged = false }, true},
		{"not logged for long", late, func(_ *enrol.Subordinate, e *audit.Recorded) { e.Logged = false }, false},
		{"a place that nobody proves", late, func(_ *enrol.Subordinate, e *audit.Recorded) { e.Unproven = true }, false},
		{"an event that is not genuine", late, func(_ *enrol.Subordinate, e *audit.Recorded) { e.Fault = audit.FaultAltered }, false},
		{"an event that commits to nothing", late, func(_ *enrol.Subordinate, e *audit.Recorded) { e.Event.Payload.Digest = "" }, false},
		{"an event of another step", late, func(_ *enrol.Subordinate, e *audit.Recorded) {
			e.Event.Detail.Action = string(audit.TrustMarkGranted)
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := record()
			e := told(t, approval.OfSubordinate(s), audit.SubordinateApproved)
			if row.alter != nil {
				row.alter(&s, &e)
			}
			err := approval.OfSubordinate(s).Check(&e, row.now)
			if row.holds != (err == nil) || err != nil && !errors.Is(err, approval.ErrUnexplained) {
				t.Errorf("got %v", err)
			}
		})
	}
	if err := approval.OfSubordinate(record()).Check(nil, noon); !errors.Is(err, approval.ErrUnexplained) {
		t.Errorf("without an event: %v", err)
	}
}

// TestMarksOfOneEntity: the event of one mark says nothing of another mark of its holder, nor of
// the same mark of another.
func TestMarksOfOneEntity(t *testing.T) {
	m := enrol.Mark{Type: "https://neo.example.vn/marks/public", Subject: "https://app.example.vn", By: "a", GrantedAt: noon, Revision: 1}
	e := told(t, approval.OfMark(m), audit.TrustMarkGranted)
	if err := approval.OfMark(m).Check(&e, noon); err != nil {
		t.Errorf("as it was granted: %v", err)
	}
	other, another := m, m
	other.Type, another.Subject = "https://neo.example.vn/marks/health", "https://b.example.vn"
	longer := m
	longer.Until = noon.AddDate(9, 0, 0)
	for name, m := range map[string]enrol.Mark{"another type": other, "another holder": another, "another end": longer} {
		if err := approval.OfMark(m).Check(&e, noon); !errors.Is(err, approval.ErrUnexplained) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

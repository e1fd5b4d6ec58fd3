// Package approval holds records of enrolments and of trust marks against the events of the
// steps that made them. Who can write to the database and has no key of its MACs can alter a
// record; no event then commits to what stands there, and nothing is signed about it.
package approval

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/change"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/reconcile"
	"hopnhat/federation"
	"hopnhat/federation/enrol"
)

// ErrUnexplained is of a record that is not as its newest event says.
var ErrUnexplained = errors.New("the record is not as its newest event says: look at the incidents, and revoke it")

// IsUnexplained reports whether an error is ErrUnexplained, and not one of the database.
func IsUnexplained(err error) bool { return errors.Is(err, ErrUnexplained) }

// Record is an enrolment or a trust mark with what names it in the evidence.
type Record struct {
	// Entity is whom it is of. Object is what its events name: the entity, or the type of the mark.
	Entity federation.EntityID
	Object string
	// Revision counts its changes.
	Revision int
	// Content is what the record says, as JSON writes it.
	Content any

	actions []audit.Action
}

// OfSubordinate is the record of an enrolment as its newest event has to commit to it.
func OfSubordinate(s enrol.Subordinate) Record {
	return Record{s.ID, string(s.ID), s.Revision, enrolment{s, s.State}, steps}
}

// enrolment is a record with its state, which stands in a column of its own.
type enrolment struct {
	enrol.Subordinate

	State enrol.State `json:"state"`
}

// steps are those of an enrolment.
var steps = []audit.Action{
	audit.SubordinateProposed, audit.SubordinateRenewed, audit.SubordinateApproved, audit.SubordinateSuspended, audit.SubordinateRevoked,
}

// OfMark is the record of a trust mark as its newest event has to commit to it.
func OfMark(m enrol.Mark) Record {
	return Record{m.Subject, m.Type, m.Revision, m, []audit.Action{audit.TrustMarkGranted, audit.TrustMarkRevoked}}
}

// Client is the entity as events name it beside the object: by it the events are found.
func (r Record) Client() authz.ClientID { return authz.ClientID(r.Entity) }

// state is what an event commits to.
func (r Record) state() any {
	return struct {
		Entity   federation.EntityID `json:"entity"`
		Object   string              `json:"object"`
		Revision int                 `json:"revision"`
		Content  any                 `json:"content"`
	}{r.Entity, r.Object, r.Revision, r.Content}
}

// Commit makes the act of a step commit to the record that the step made. The record is as it
// will be kept: with the revision that it will have.
func (r Record) Commit(act *audit.Act) error {
	act.Detail.Object = commitment.Bounded(r.Object)
	act.App = &authz.Client{ID: r.Client()}
	return change.Commit(act, r.state())
}

// IsOf reports whether an event is one of the steps of the record. The event is genuine: its
// MAC was checked.
func (r Record) IsOf(e audit.Event) bool {
	return e.Asked.Client == r.Client() && e.Detail.Object == commitment.Bounded(r.Object) &&
		slices.Contains(r.actions, audit.Action(e.Detail.Action))
}

// Check holds the record against the newest event of its steps; nil where there is none. An
// event has its place in the log within [reconcile.Within]: one that is older and has none was
// taken out of the log, or never was in it. The error is ErrUnexplained.
func (r Record) Check(newest *audit.Recorded, now time.Time) error {
	if newest == nil || !r.IsOf(newest.Event) || newest.Fault != "" {
		return fmt.Errorf("%w: no event tells of %s", ErrUnexplained, r)
	}
	state, err := change.State(r.state())
	if err != nil {
		return err
	}
	e := newest.Event
	switch {
	case e.Payload.Digest != newest.Salt.PayloadDigest(state):
		return fmt.Errorf("%w: %s, by the event %s", ErrUnexplained, r, e.ID)
	case (!newest.Logged || newest.Unproven) && now.Sub(e.When.Decided) > reconcile.Within:
		return fmt.Errorf("%w: the event %s of %s is not in the log", ErrUnexplained, e.ID, r)
	}
	return nil
}

// String names the record.
func (r Record) String() string {
	if r.Object == string(r.Entity) {
		return "the enrolment of " + r.Object
	}
	return "the mark " + r.Object + " of " + string(r.Entity)
}

// Finding is what reconciliation tells of a record that is not as its newest event says.
func (r Record) Finding(newest *audit.Recorded) reconcile.Finding {
	f := reconcile.Finding{Kind: reconcile.EnrolmentUnexplained, Object: commitment.Bounded(r.String())}
	if newest == nil {
		f.Text = string(reconcile.NoEvent)
		return f
	}
	f.Event, f.Text = newest.Event.ID, string(reconcile.NotAsSaid)
	return f
}

// Unreadable is what reconciliation tells of a record that says nothing that can be read.
func Unreadable(entity string) reconcile.Finding {
	return reconcile.Finding{
		Kind: reconcile.EnrolmentUnexplained, Object: commitment.Bounded("the records of " + entity), Text: string(reconcile.RowAltered),
	}
}

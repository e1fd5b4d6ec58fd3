// Package desk takes the steps by which operators enrol subordinates and grant trust marks:
// each is a change of a record and its event, in one commit, whether it was taken at a page or
// by a command. What a step may do is decided in package federation/enrol. Before terms come
// into force they are rehearsed on what is known of the federation.
package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/federation"
	"hopnhat/federation/approval"
	"hopnhat/federation/authority"
	"hopnhat/federation/enrol"
	"hopnhat/federation/rehearsal"
	"hopnhat/federation/statement"
	"hopnhat/keys/jose"
)

// Refusals of the desk, beside those of package federation/enrol.
var (
	// ErrAgain is of a step on a record that somebody changed at the same time.
	ErrAgain = errors.New("somebody changed it at the same time: look at it and try again")
	// ErrHarms is of an approval that harms entities which the approver has not seen.
	ErrHarms = errors.New("the approval would harm entities, and names others than these")
	// ErrUnrehearsed is of an approval that nobody can rehearse, and for which no reason is given.
	ErrUnrehearsed = errors.New("nothing is known of the federation here, so nobody knows whom the approval harms: give a reason to approve it all the same")
	// ErrNotKnown means that nothing can be rehearsed: no walk through the federation was made.
	ErrNotKnown = errors.New("nothing is known of the federation here")
)

// Store keeps the records ([hopnhat/store/enrolments.Book]).
type Store interface {
	Tx(ctx context.Context, fn func(ctx context.Context) error) error
	// Subordinate reads one; authz.ErrNotFound if it was never proposed.
	Subordinate(ctx context.Context, id federation.EntityID) (enrol.Subordinate, error)
	// SaveSubordinate keeps one; authz.ErrConflict if it was changed since it was read.
	SaveSubordinate(ctx context.Context, s enrol.Subordinate) error
	// CheckSubordinate and CheckMark hold a record against the evidence of its steps. The error
	// wraps approval.ErrUnexplained if it is not as that says.
	CheckSubordinate(ctx context.Context, s enrol.Subordinate) error
	CheckMark(ctx context.Context, m enrol.Mark) error
	// Mark reads one; authz.ErrNotFound if it was never granted.
	Mark(ctx context.Context, kind string, subject federation.EntityID) (enrol.Mark, error)
	// SaveMark keeps one; authz.ErrConflict if it was changed since it was read.
	SaveMark(ctx context.Context, m enrol.Mark) error
}

// Scribe writes evidence in the transaction of the context ([audit.Scribe]).
type Scribe interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Officer is who takes a step.
type Officer struct {
	// Name is how the records name her.
	Name string
	// Sign says in an event who she is.
	Sign func(*audit.Act)
}

// Desk takes steps. It is safe for concurrent use.
type Desk struct {
	Store  Store
	Scribe Scribe
	// Entity is who states the subordinates.
	Entity federation.EntityID
	// Known is what is known of the federation, and since when; nil, or ErrNotKnown, if
	// nothing is.
	Known func() (rehearsal.Known, time.Time, error)
	Now   func() time.Time
}

// Propose puts terms for an entity before a second person.
func (d *Desk) Propose(ctx context.Context, o Officer, id federation.EntityID, t enrol.Terms, why string) (enrol.Subordinate, error) {
	return d.step(ctx, o, id, audit.SubordinateProposed, func(s enrol.Subordinate, now time.Time) (enrol.Subordinate, error) {
		return s.Propose(d.Entity, t, o.Name, why, now)
	}, nil)
}

// Renew proposes the terms in force with another end.
func (d *Desk) Renew(ctx context.Context, o Officer, id federation.EntityID, until time.Time, why string) (enrol.Subordinate, error) {
	return d.step(ctx, o, id, audit.SubordinateRenewed, func(s enrol.Subordinate, now time.Time) (enrol.Subordinate, error) {
		return s.Renew(d.Entity, until, o.Name, why, now)
	}, nil)
}

// Suspend stops statements about an entity until a renewal is approved.
func (d *Desk) Suspend(ctx context.Context, o Officer, id federation.EntityID, why string) (enrol.Subordinate, error) {
	return d.step(ctx, o, id, audit.SubordinateSuspended, func(s enrol.Subordinate, now time.Time) (enrol.Subordinate, error) {
		return s.Suspend(o.Name, why, now)
	}, nil)
}

// Revoke ends the enrolment of an entity.
func (d *Desk) Revoke(ctx context.Context, o Officer, id federation.EntityID, why string) (enrol.Subordinate, error) {
	return d.step(ctx, o, id, audit.SubordinateRevoked, func(s enrol.Subordinate, now time.Time) (enrol.Subordinate, error) {
		return s.Revoke(o.Name, why, now)
	}, nil)
}

// step reads a record, takes a step and keeps what it made of the record, with its event, whose
// text ends with more if that is not nil.
func (d *Desk) step(
	ctx context.Context, o Officer, id federation.EntityID, action audit.Action,
	take func(enrol.Subordinate, time.Time) (enrol.Subordinate, error), more fmt.Stringer,
) (after enrol.Subordinate, err error) {
	err = d.Store.Tx(ctx, func(ctx context.Context) error {
		before, err := d.Store.Subordinate(ctx, id)
		if errors.Is(err, authz.ErrNotFound) {
			before, err = enrol.Subordinate{ID: id}, nil
		}
		if err == nil && before.Revision > 0 {
			err = d.Store.CheckSubordinate(ctx, before)
		}
		// What no event explains is built upon by no step, and ended by one, whatever it says:
		// nothing of it stays.
		if errors.Is(err, approval.ErrUnexplained) && action == audit.SubordinateRevoked {
			before, more, err = enrol.Subordinate{ID: id, State: enrol.Proposed, Revision: before.Revision}, unexplained{}, nil
		}
		if err != nil {
			return err
		}
		now, last := d.Now(), before.Since
		if before.Proposal != nil && before.Proposal.At.After(last) {
			last = before.Proposal.At
		}
		if err := d.inOrder(last, now); err != nil {
			return err
		}
		if after, err = take(before, now); err != nil {
			return err
		}
		if err := d.Store.SaveSubordinate(ctx, after); errors.Is(err, authz.ErrConflict) {
			return fmt.Errorf("%w: the enrolment of %s", ErrAgain, id)
		} else if err != nil {
			return err
		}
		// The event commits to the record as it is kept: a database may write JSON its own way.
		if after, err = d.Store.Subordinate(ctx, id); err != nil {
			return err
		}
		return d.write(ctx, o, action, approval.OfSubordinate(after), said(after, more))
	})
	return after, err
}

// unexplained is what the event says of the end of a record that no event explained.
type unexplained struct{}

func (unexplained) String() string {
	return "the record was not as its newest event said, and nothing of it stays"
}

// inOrder refuses a step before the last one: events have the order of their times, and the
// newest says how a record is.
func (d *Desk) inOrder(last, now time.Time) error {
	if now.Before(last) {
		return fmt.Errorf("%w: the step before was taken at %s, which is to come by the clock of this server", ErrAgain, last.UTC().Format(time.RFC3339))
	}
	return nil
}

// write writes the event of a step, which commits to the record that the step made.
func (d *Desk) write(ctx context.Context, o Officer, action audit.Action, r approval.Record, text string) error {
	act := audit.Act{Action: action, Detail: audit.Detail{Text: commitment.Bounded(text)}}
	o.Sign(&act)
	if err := r.Commit(&act); err != nil {
		return err
	}
	_, err := d.Scribe.Write(ctx, act)
	return err
}

// said is what an event says of a record after a step.
func said(s enrol.Subordinate, more fmt.Stringer) string {
	t, why := s.Terms, s.Why
	if s.Proposal != nil {
		t, why = s.Proposal.Terms, s.Proposal.Why
	}
	text := fmt.Sprintf("terms %s, agreement %s, level %d, until %s, keys %s", t.Digest(), t.Agreement, t.Level, t.Until.UTC().Format(time.DateOnly),
		strings.Join(Thumbprints(t), " "))
	if why != "" {
		text = why + "; " + text
	}
	if more != nil {
		text += "; " + more.String()
	}
	return text
}

// Thumbprints are those of the keys that terms state (RFC 7638): they are what two people
// compare, whatever the kid says.
func Thumbprints(t enrol.Terms) []string { return ThumbprintsOf(t.Keys) }

// ThumbprintsOf are those of the keys of a JWK Set.
func ThumbprintsOf(raw json.RawMessage) []string {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(raw, &set) != nil {
		return nil
	}
	ids := make([]string, 0, len(set.Keys))
	for _, raw := range set.Keys {
		if id, err := jose.ThumbprintOf(raw); err == nil {
			ids = append(ids, string(id))
		}
	}
	return ids
}

// Grant grants a trust mark to an entity, or grants it anew; zero until is for no end.
func (d *Desk) Grant(ctx context.Context, o Officer, kind string, id federation.EntityID, until time.Time) (enrol.Mark, error) {
	return d.mark(ctx, o, kind, id, audit.TrustMarkGranted, func(m enrol.Mark) (enrol.Mark, error) {
		return m.Grant(o.Name, until, d.Now())
	})
}

// TakeBack revokes a trust mark.
func (d *Desk) TakeBack(ctx context.Context, o Officer, kind string, id federation.EntityID, why string) (enrol.Mark, error) {
	return d.mark(ctx, o, kind, id, audit.TrustMarkRevoked, func(m enrol.Mark) (enrol.Mark, error) {
		return m.Revoke(o.Name, why, d.Now())
	})
}

func (d *Desk) mark(
	ctx context.Context, o Officer, kind string, id federation.EntityID, action audit.Action, take func(enrol.Mark) (enrol.Mark, error),
) (after enrol.Mark, err error) {
	err = d.Store.Tx(ctx, func(ctx context.Context) error {
		before, err := d.Store.Mark(ctx, kind, id)
		if errors.Is(err, authz.ErrNotFound) {
			before, err = enrol.Mark{Type: kind, Subject: id}, nil
		}
		if err == nil && before.Revision > 0 {
			err = d.Store.CheckMark(ctx, before)
		}
		if errors.Is(err, approval.ErrUnexplained) && action == audit.TrustMarkRevoked {
			granted := d.Now().UTC().Truncate(time.Second)
			before, err = enrol.Mark{Type: kind, Subject: id, Revision: before.Revision, GrantedAt: granted}, nil
		}
		if err != nil {
			return err
		}
		last := before.GrantedAt
		if before.RevokedAt.After(last) {
			last = before.RevokedAt
		}
		if err := d.inOrder(last, d.Now()); err != nil {
			return err
		}
		if after, err = take(before); err != nil {
			return err
		}
		if err := d.Store.SaveMark(ctx, after); errors.Is(err, authz.ErrConflict) {
			return fmt.Errorf("%w: the mark %s of %s", ErrAgain, kind, id)
		} else if err != nil {
			return err
		}
		if after, err = d.Store.Mark(ctx, kind, id); err != nil {
			return err
		}
		text := string(id)
		if !after.Until.IsZero() {
			text += ", until " + after.Until.UTC().Format(time.RFC3339)
		}
		if after.Why != "" {
			text = after.Why + "; " + text
		}
		return d.write(ctx, o, action, approval.OfMark(after), text)
	})
	return after, err
}

// Rehearsal is what a change would do, by what was known at a time.
type Rehearsal struct {
	KnownAt time.Time `json:"known_at"`
	rehearsal.Report
}

// Rehearse says what the approval of what is proposed would do. The error is ErrNotKnown if
// nothing is known of the federation.
func (d *Desk) Rehearse(s enrol.Subordinate) (Rehearsal, error) {
	if s.Proposal == nil {
		return Rehearsal{}, fmt.Errorf("%w: nothing is proposed for %s", enrol.ErrStep, s.ID)
	}
	c, err := d.stating(s.ID, s.Proposal.Terms)
	if err != nil {
		return Rehearsal{}, err
	}
	return d.RehearseChange(c)
}

// RehearseTerms is [Desk.Rehearse] of terms that nobody proposed yet.
func (d *Desk) RehearseTerms(id federation.EntityID, t enrol.Terms) (Rehearsal, error) {
	if err := t.Check(d.Entity, id, d.Now()); err != nil {
		return Rehearsal{}, err
	}
	c, err := d.stating(id, t)
	if err != nil {
		return Rehearsal{}, err
	}
	return d.RehearseChange(c)
}

// stating is the change by which terms come into force.
func (d *Desk) stating(id federation.EntityID, t enrol.Terms) (rehearsal.Change, error) {
	now := d.Now()
	token, err := statement.Unsigned(t.Claims(d.Entity, id, now, now.Add(authority.Life)))
	if err != nil {
		return rehearsal.Change{}, err
	}
	draft, err := statement.Parse(token)
	return rehearsal.Stating(draft), err
}

// RehearseChange says what any change would do.
func (d *Desk) RehearseChange(c rehearsal.Change) (Rehearsal, error) {
	if d.Known == nil {
		return Rehearsal{}, ErrNotKnown
	}
	known, at, err := d.Known()
	if err != nil {
		return Rehearsal{}, err
	}
	report, err := rehearsal.Rehearse(known, c, d.Now())
	if errors.Is(err, rehearsal.ErrUnknown) {
		return Rehearsal{}, fmt.Errorf("%w: %w", ErrNotKnown, err)
	}
	return Rehearsal{at.UTC(), report}, err
}

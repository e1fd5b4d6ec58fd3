package desk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/federation"
	"hopnhat/federation/enrol"
)

// Seen is what an officer looked at before she approves.
type Seen struct {
	// Terms is the digest of the terms, Effects that of their rehearsal if somebody is harmed.
	Terms, Effects string
	// Unrehearsed is why she approves although nothing can be rehearsed; it counts only then.
	Unrehearsed string
}

// Outcome is what an approval did to others, as it was rehearsed.
type Outcome struct {
	// Rehearsed is nil if nothing was known of the federation. Unrehearsed is why it was
	// approved all the same.
	Rehearsed   *Rehearsal
	Unrehearsed string
}

// String is what the event says of the outcome.
func (o Outcome) String() string {
	switch {
	case o.Rehearsed == nil:
		return "not rehearsed: " + o.Unrehearsed
	case o.Rehearsed.Digest == "":
		return "harms nobody"
	}
	return fmt.Sprintf("harms %d entities, effects %s", len(o.Rehearsed.Harms()), o.Rehearsed.Digest)
}

// Approve brings into force what was proposed, as the officer saw it. The error wraps ErrHarms if
// the effects are others than those that she saw, and ErrUnrehearsed if nothing is known and she
// gives no reason.
func (d *Desk) Approve(ctx context.Context, o Officer, id federation.EntityID, seen Seen) (enrol.Subordinate, Outcome, error) {
	// A rehearsal takes seconds: it is made before the transaction, of terms that are compared
	// again in it, and not for somebody who may not approve them.
	waits, err := d.Store.Subordinate(ctx, id)
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		return enrol.Subordinate{}, Outcome{}, err
	}
	waits.ID = id
	if _, err := waits.Approve(d.Entity, seen.Terms, o.Name, d.Now()); err != nil {
		return enrol.Subordinate{}, Outcome{}, err
	}
	out, err := d.outcome(waits, seen)
	if err != nil {
		return enrol.Subordinate{}, out, err
	}
	after, err := d.step(ctx, o, id, audit.SubordinateApproved, func(s enrol.Subordinate, now time.Time) (enrol.Subordinate, error) {
		return s.Approve(d.Entity, seen.Terms, o.Name, now)
	}, out)
	return after, out, err
}

// outcome rehearses what waits, and holds it against what was seen.
func (d *Desk) outcome(waits enrol.Subordinate, seen Seen) (Outcome, error) {
	r, err := d.Rehearse(waits)
	switch {
	case errors.Is(err, ErrNotKnown) && strings.TrimSpace(seen.Unrehearsed) == "":
		return Outcome{}, ErrUnrehearsed
	case errors.Is(err, ErrNotKnown):
		return Outcome{Unrehearsed: seen.Unrehearsed}, enrol.CheckReason(seen.Unrehearsed)
	case err != nil:
		return Outcome{}, err
	case r.Digest != seen.Effects:
		return Outcome{Rehearsed: &r}, fmt.Errorf("%w: %d entities, effects %s", ErrHarms, len(r.Harms()), r.Digest)
	}
	return Outcome{Rehearsed: &r}, nil
}

package grant

import (
	"context"
	"log/slog"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
)

// Evidence stages an event in the transaction of the context; what it returns puts the
// event into the log once that transaction has committed.
type Evidence interface {
	Stage(ctx context.Context, e audit.Event) (logIt func(context.Context) error, err error)
	// StageHolding is Stage for an event that is true only while something holds;
	// authz.ErrConflict if it does not any more.
	StageHolding(ctx context.Context, e audit.Event, h audit.Hold) (logIt func(context.Context) error, err error)
}

// Recorder records what becomes of grants, at Site.
type Recorder struct {
	Evidence Evidence
	Store    interface {
		Revoke(ctx context.Context, id authz.GrantID, because string, at time.Time) error
		Transactions
	}
	Pseudonyms interface {
		// Audit is the name a person has in the evidence.
		Audit(ctx context.Context, subject authz.Subject) (string, error)
	}
	Site string
	Now  func() time.Time
}

// End ends a grant of an app that asks for it, and records it, in one commit.
// action is how it asked.
func (r *Recorder) End(ctx context.Context, client *clientauth.Registered, g *Grant, action, because string) error {
	now := r.Now().UTC()
	e, err := r.Event(ctx, audit.GrantEnded, client, g, now)
	if err != nil {
		return err
	}
	e.Detail = audit.Detail{Action: action, Object: string(g.PublicID())}
	var logIt func(context.Context) error
	err = r.Store.Tx(ctx, func(ctx context.Context) error {
		if err := r.Store.Revoke(ctx, g.ID, because, now); err != nil {
			return err
		}
		logIt, err = r.Evidence.Stage(ctx, e)
		return err
	})
	if err != nil {
		return authz.AsError(err)
	}
	return r.Log(ctx, logIt)
}

// Log puts a recorded event into the log. When the log does not take it, what
// rests on it is not given out; the recorder brings the row there later.
func (r *Recorder) Log(ctx context.Context, logIt func(context.Context) error) error {
	if err := logIt(context.WithoutCancel(ctx)); err != nil {
		slog.ErrorContext(ctx, "an event is recorded but not logged yet", "error", err)
		return authz.AsError(authz.ErrUnavailable).Because(err)
	}
	return nil
}

// Event is the common part of events about a grant.
func (r *Recorder) Event(ctx context.Context, kind audit.Type, by *clientauth.Registered, g *Grant, at time.Time) (audit.Event, error) {
	pseudonym, err := r.Pseudonyms.Audit(ctx, g.Subject)
	if err != nil {
		return audit.Event{}, authz.AsError(err)
	}
	return audit.Event{
		ID: authz.NewID(), Type: kind,
		Asked:      audit.Asked{Client: by.ID, Name: by.Name.VI, Owner: by.Owner.VI},
		Trace:      audit.Trace{Grant: g.ID},
		Person:     audit.Person{Pseudonym: pseudonym, Relation: authz.RecordOfSelf},
		Decision:   audit.Decision{Permit: true, Code: string(kind)},
		Levels:     audit.Levels{ACR: g.Level.ACR()},
		When:       audit.When{Decided: at.UTC().Truncate(time.Microsecond), Site: r.Site},
		Visibility: audit.Visibility{Sight: audit.Visible},
	}, nil
}

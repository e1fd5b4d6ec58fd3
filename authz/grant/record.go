package grant

import (
	"context"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/clientauth"
)

// Evidence writes events in the transaction of the context ([audit.Scribe]).
type Evidence interface {
	Write(ctx context.Context, acts ...audit.Act) ([]audit.Written, error)
}

// Recorder records what becomes of grants.
type Recorder struct {
	Evidence Evidence
	Store    interface {
		Revoke(ctx context.Context, id authz.GrantID, because string, at time.Time) error
		Transactions
	}
	Now func() time.Time
}

// End ends a grant of an app that asks for it, and records it, in one commit.
// action is how it asked.
func (r *Recorder) End(ctx context.Context, client *clientauth.Registered, g *Grant, action audit.Action, because string) error {
	now := r.Now().UTC()
	act := Act(action, client, g, now)
	act.Detail.Object = string(g.PublicID())
	err := r.Store.Tx(ctx, func(ctx context.Context) error {
		if err := r.Store.Revoke(ctx, g.ID, because, now); err != nil {
			return err
		}
		_, err := r.Evidence.Write(ctx, act)
		return err
	})
	if err != nil {
		return authz.AsError(err)
	}
	return nil
}

// Act is what an app does with a grant, as far as the grant says it.
func Act(action audit.Action, by *clientauth.Registered, g *Grant, at time.Time) audit.Act {
	return audit.Act{
		Action: action, App: by.Client, At: at,
		Trace: audit.Trace{Grant: g.ID}, Levels: audit.Levels{ACR: g.Level.ACR()},
	}.By(g.Principal)
}

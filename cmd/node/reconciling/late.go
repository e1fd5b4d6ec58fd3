package reconciling

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/reconcile"
)

// Events reads rows and notes places.
type Events interface {
	Get(ctx context.Context, id string) (audit.Recorded, error)
	NotePlaces(ctx context.Context, origin string, places map[string]uint64, late bool) error
}

// Late logs an event whose place somebody invented, so that the sweep of the recorder did not
// find it: a place that no server noted keeps no event out of the log.
type Late struct {
	Events Events
	// Append gives a leaf to its log.
	Append func(ctx context.Context, e audit.Entry) (audit.Place, error)
	// Site is the one whose events are logged here.
	Site string
	Now  func() time.Time
}

// mostLate bounds the events that are logged after one step; a later look finds the others.
const mostLate = 64

// after logs what the findings of a step say to have an invented place.
func (l *Late) after(ctx context.Context, found []reconcile.Finding) {
	if l == nil {
		return
	}
	done := map[string]bool{}
	for _, f := range found {
		if f.Kind != reconcile.PlaceForged || f.Event == "" || done[f.Event] || len(done) >= mostLate {
			continue
		}
		done[f.Event] = true
		if err := l.log(ctx, f.Event); err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "an event with an invented place could not be logged yet", "event", f.Event, "error", err)
		}
	}
}

// log logs a genuine event of this site that has no place which a server noted.
func (l *Late) log(ctx context.Context, id string) error {
	r, err := l.Events.Get(ctx, id)
	if errors.Is(err, authz.ErrNotFound) {
		return nil
	}
	if err != nil || r.Fault != "" || r.Event.When.Site != l.Site || !r.Event.When.Decided.Before(l.Now().Add(-reconcile.Within)) {
		return err
	}
	if r.Logged && !r.Unproven { // however many others somebody added
		return nil
	}
	sealed, err := r.Sealed()
	if err != nil {
		return err
	}
	place, err := l.Append(ctx, sealed.Entry())
	if err != nil {
		return err
	}
	return l.Events.NotePlaces(ctx, place.Origin, map[string]uint64{id: place.Index}, true)
}

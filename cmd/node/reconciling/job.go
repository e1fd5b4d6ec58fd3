package reconciling

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"hopnhat/authz/audit/reconcile"
	"hopnhat/store/incidents"
)

// Desk opens incidents ([incident.Desk]).
type Desk interface {
	Report(ctx context.Context, findings []reconcile.Finding, since time.Time) (opened int, err error)
}

// Looks keeps how far a site's look has come.
type Looks interface {
	LookOf(ctx context.Context, site string) (incidents.Look, error)
	SaveLook(ctx context.Context, site string, l incidents.Look) error
}

// Job is the look of one site, in the background. It is safe for concurrent use.
type Job struct {
	Evidence Evidence
	Desk     Desk
	Looks    Looks
	Site     string
	// Late logs events that an invented place kept from being logged; nil logs none.
	Late *Late
	// Writes reports whether this node writes the log of the site: only there the look goes
	// on.
	Writes func() bool

	saved *incidents.Look // what this node kept last, while it alone looks

	ended atomic.Int64 // when the last whole look ended, or this node began, Unix ns
	rows  atomic.Uint64
}

// Times of the job.
const (
	idle    = 10 * time.Second // where another node looks, and after an error
	between = time.Minute      // two whole looks
	patient = time.Minute      // for one step
)

// Share is a pause after work, so that the work takes a share of the time of one core, in
// percent.
func Share(percent int) func(ctx context.Context, worked time.Duration) error {
	return func(ctx context.Context, worked time.Duration) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(worked * time.Duration(100-percent) / time.Duration(percent)):
			return nil
		}
	}
}

// Run looks until ctx ends.
func (j *Job) Run(ctx context.Context) {
	j.ended.CompareAndSwap(0, j.Evidence.Now().UnixNano())
	for ctx.Err() == nil {
		wait := idle
		if j.Writes() {
			var err error
			if wait, err = j.Step(ctx); err != nil && ctx.Err() == nil {
				slog.Warn("the evidence could not be held against the log; it is tried again", "error", err)
				wait = idle
			}
		} else {
			j.saved = nil // another node goes on with the look
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// Step makes one step, and returns how long to wait for the next.
func (j *Job) Step(ctx context.Context) (wait time.Duration, err error) {
	l, err := j.Looks.LookOf(ctx, j.Site)
	if err != nil {
		return 0, err
	}
	var found []reconcile.Finding
	// Who moves the cursor hides nothing: the look begins anew, and it is told. A row that was
	// genuine once is another than this node kept.
	if l.Altered || j.saved != nil && *j.saved != l {
		found = append(found, reconcile.Finding{
			Kind: reconcile.StateForged, Object: "how far the reconciliation of site " + j.Site + " has come",
		})
		l = incidents.Look{}
	}
	if !l.Ended.IsZero() {
		j.ended.Store(l.Ended.UnixNano())
	}
	now := j.Evidence.Now()
	c := parse(l.Cursor)
	if l.Cursor == "" {
		l.Began = now
	}
	before := c.Rows
	next, err := j.Evidence.Step(ctx, c, func(f reconcile.Finding) { found = append(found, f) })
	if err != nil {
		return 0, err
	}
	j.Late.after(ctx, found)
	report, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	if _, err := j.Desk.Report(report, found, next.Since); err != nil {
		return 0, err
	}
	j.rows.Add(next.Rows - before)
	if next.Done() {
		// What was closed and not found again by this look had gone.
		began := l.Began
		l.Ended = j.Evidence.Now()
		l.Took = l.Ended.Sub(began)
		j.ended.Store(l.Ended.UnixNano())
		next, wait = Cursor{Since: began}, between
		l.Began = l.Ended.Add(between)
	}
	if l.Cursor, err = next.text(); err != nil {
		return 0, err
	}
	j.saved = nil
	if err := j.Looks.SaveLook(ctx, j.Site, l); err != nil {
		return wait, err
	}
	kept, err := j.Looks.LookOf(ctx, j.Site)
	if err == nil && !kept.Altered {
		j.saved = &kept
	}
	return wait, err
}

// Age is how long ago the last whole look ended, or this node began to look; zero on one that
// does not write the log.
func (j *Job) Age(now time.Time) time.Duration {
	if j == nil || j.ended.Load() == 0 || !j.Writes() {
		return 0
	}
	return now.Sub(time.Unix(0, j.ended.Load()))
}

// Rows is how many rows were held against the log since the start.
func (j *Job) Rows() uint64 {
	if j == nil {
		return 0
	}
	return j.rows.Load()
}

// Package recorded shows the recorded events to the pages.
package recorded

import (
	"context"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/rowseal"
	"hopnhat/store"
	pages "hopnhat/web/evidence"
)

// Evidence shows the record to the pages. A place that was not noted yet is
// known to the recorder, so a proof is there within a second. Rows without a MAC, of the
// release before, are held against the log.
type Evidence struct {
	*store.DB
	Recorder *audit.Recorder
	Leaf     rowseal.LeafAt
}

// Get reads one event.
func (e Evidence) Get(ctx context.Context, id string) (audit.Recorded, error) {
	found, err := e.DB.Get(ctx, id)
	if err != nil {
		return found, err
	}
	if !found.Logged {
		var place audit.Place
		place, found.Logged = e.Recorder.Place(id)
		found.Index, found.Origin = place.Index, place.Origin
	}
	return rowseal.Placed(ctx, e.Leaf, found), nil
}

// Find reads those that a query asks for.
func (e Evidence) Find(ctx context.Context, q audit.Query) ([]audit.Recorded, error) {
	found, err := e.DB.Find(ctx, q)
	return rowseal.Unsealed(ctx, e.Leaf, found), err
}

// FindVisible reads those that their person may see at a time.
func (e Evidence) FindVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) ([]audit.Recorded, error) {
	found, err := e.DB.FindVisible(ctx, q, kinds, now)
	return rowseal.Unsealed(ctx, e.Leaf, found), err
}

// Count counts those that Find reads.
func (e Evidence) Count(ctx context.Context, q audit.Query) (pages.Counts, error) {
	c, err := e.DB.CountEvents(ctx, q)
	return pages.Counts(c), err
}

// CountVisible counts those that FindVisible reads.
func (e Evidence) CountVisible(ctx context.Context, q audit.Query, kinds []audit.Type, now time.Time) (pages.Counts, error) {
	c, err := e.DB.CountVisible(ctx, q, kinds, now)
	return pages.Counts(c), err
}

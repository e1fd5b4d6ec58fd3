package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz"
)

// Query selects events, newest first. Zero fields select all.
type Query struct {
	Pseudonym string
	Client    authz.ClientID
	Purpose   authz.PurposeID
	Type      Type
	From, To  time.Time
	// Before is the id of the last event of the page before, or empty.
	Before string
	// Limit is 1 to 500; 50 if zero.
	Limit int
}

// MaxLimit bounds a page.
const MaxLimit = 500

// Check refuses a query that cannot be meant.
func (q *Query) Check() error {
	if q.Limit == 0 {
		q.Limit = 50
	}
	switch {
	case q.Limit < 0 || q.Limit > MaxLimit:
		return fmt.Errorf("limit must be 1 to %d", MaxLimit)
	case !q.From.IsZero() && !q.To.IsZero() && !q.From.Before(q.To):
		return errors.New("the time range ends before it begins")
	case len(q.Pseudonym) > 128 || len(q.Client) > 256 || len(q.Purpose) > 128 || len(q.Type) > 64 || len(q.Before) > 64:
		return errors.New("a search field is too long")
	}
	return nil
}

// Text says in one line what a query selects, for the record of the query itself.
func (q Query) Text() string {
	return fmt.Sprintf("pseudonym=%q client=%q purpose=%q type=%q from=%s to=%s limit=%d",
		q.Pseudonym, q.Client, q.Purpose, q.Type, stamp(q.From), stamp(q.To), q.Limit)
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// Recorded is an event as it is kept.
type Recorded struct {
	Event Event
	Salt  Salt
	// Index is the event's place in the log; Logged is false until it is known.
	Index  uint64
	Logged bool
}

// Events keeps events.
type Events interface {
	// Record stores an event in the transaction of the context, or in one of
	// its own. A nil error survives a crash once that transaction commits.
	Record(ctx context.Context, e Event, salt Salt) error
	// SetIndices notes the log places of events; unknown ids are passed over.
	SetIndices(ctx context.Context, places map[string]uint64) error
	// Unlogged lists events without a place, oldest first.
	Unlogged(ctx context.Context, limit int) ([]Recorded, error)
	Find(ctx context.Context, q Query) ([]Recorded, error)
	Get(ctx context.Context, id string) (Recorded, error)
}

// Log appends leaves.
type Log interface {
	// Append returns the leaf's place. When the error is nil the leaf survives a
	// crash of this process and of its machine; otherwise it may or may not be
	// there, and the caller must not release.
	Append(ctx context.Context, leaf []byte) (index uint64, err error)
}

package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit/commitment"
)

// Outcome selects events by how they were decided.
type Outcome string

// The outcomes.
const (
	AnyOutcome Outcome = ""
	Permitted  Outcome = "permit"
	Refused    Outcome = "refuse"
)

// Query selects events, newest first. Zero fields select all.
type Query struct {
	Pseudonym string
	Client    authz.ClientID
	Purpose   authz.PurposeID
	Type      Type
	Outcome   Outcome
	From, To  time.Time // From is in, To is out
	// Before is the id of the last event of the page before, or empty. Ids are
	// UUIDv7, so their order is the order of time.
	Before string
	// Limit is 1 to 500; 50 if zero.
	Limit int
}

// MaxLimit bounds a page.
const MaxLimit = 500

// Check returns an error for a query whose fields contradict each other or are out of
// range. It sets Limit to 50 where it is 0.
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
	case q.Type != "" && !q.Type.Known():
		return fmt.Errorf("no kind of event is called %q", q.Type)
	case q.Outcome != AnyOutcome && q.Outcome != Permitted && q.Outcome != Refused:
		return fmt.Errorf("the outcome is %q or %q, not %q", Permitted, Refused, q.Outcome)
	}
	if q.Before != "" {
		if err := commitment.CheckID(q.Before); err != nil {
			return fmt.Errorf("the page to continue from: %w", err)
		}
	}
	for _, text := range []string{q.Pseudonym, string(q.Client), string(q.Purpose)} {
		if err := commitment.CheckText(text); err != nil {
			return fmt.Errorf("a search field: %w", err)
		}
	}
	return nil
}

// Canonical is the query as an export carries it: what it selects, without the
// page.
func (q Query) Canonical() ([]byte, error) {
	return commitment.Canonical(struct {
		Client    string `json:"client,omitzero"`
		From      string `json:"from,omitzero"`
		Outcome   string `json:"outcome,omitzero"`
		Pseudonym string `json:"pseudonym,omitzero"`
		Purpose   string `json:"purpose,omitzero"`
		To        string `json:"to,omitzero"`
		Type      string `json:"type,omitzero"`
	}{
		string(q.Client), canonicalTime(q.From), string(q.Outcome), q.Pseudonym, string(q.Purpose), canonicalTime(q.To), string(q.Type),
	})
}

func canonicalTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return instant(t).Format(time.RFC3339Nano)
}

// Recorded is an event as it is kept.
type Recorded struct {
	Event Event
	Salt  Salt
	// Index is the event's place in the log; Logged is false until it is known.
	Index  uint64
	Logged bool
	// Origin names the shard of the log that Index is a place in.
	Origin string
	// Late says that the leaf was appended long after the decision.
	Late bool
	// Unproven says that the place carries no MAC that holds, as the release before noted
	// places: it is so only if the log has the leaf there.
	Unproven bool
	// Fault says why the row is no evidence, empty where it is genuine.
	Fault Fault
}

// Fault is what is wrong with the row of an event. Such a row is shown as what it is and
// never as evidence, and keeps no other from being read.
type Fault string

// The faults. Of an unsealed row, as the release before wrote them, the log does not hold
// the leaf at its place, or cannot be asked; of an unreadable one only id and kind are known.
const (
	FaultAltered    Fault = "altered"    // content, salt, id or MAC, or none of it was written here
	FaultColumns    Fault = "columns"    // what is searched was altered; the content is genuine
	FaultUnsealed   Fault = "unsealed"   // there is no MAC
	FaultUnreadable Fault = "unreadable" // the bytes are no event
	FaultMisplaced  Fault = "misplaced"  // at the place that is noted the log holds another leaf
)

// Hold is what must still be, when an event is written, as it was when that was
// decided, and stays so until the transaction ends: whoever ends one of them
// waits for the events that hold it, and none holds it after.
type Hold struct {
	// Grant is live: neither revoked nor expired, and redeemed unless it is being
	// redeemed by the very request.
	Grant     authz.GrantID
	Redeeming bool
	// Locked says that the decision knew the account of the grant's person to be
	// locked; otherwise it must not be.
	Locked bool
	// Consent is approved in this version; empty where nothing rests on one.
	Consent authz.ConsentID
	Version int
	// Clients are enabled: the app of the grant and those that act.
	Clients []authz.ClientID
}

// Events keeps events.
type Events interface {
	Rows
	// NotePlaces notes the places of events in one shard of the log, in one commit;
	// unknown ids are passed over. late is as in [Recorded]. That another event claims the
	// same place, as who alters the database can have one do, keeps none from being noted.
	NotePlaces(ctx context.Context, origin string, places map[string]uint64, late bool) error
	// Unlogged lists events without a place after an id, oldest first, so many at most, and
	// gives the id to go on after, empty when there are no more. Rows that are no evidence
	// ([Recorded.Fault]) are left out and told of by an error that is [ErrRow], beside
	// the others.
	Unlogged(ctx context.Context, after string, limit int) (found []Recorded, last string, err error)
	Find(ctx context.Context, q Query) ([]Recorded, error)
	Get(ctx context.Context, id string) (Recorded, error)
}

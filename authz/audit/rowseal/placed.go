package rowseal

import (
	"bytes"
	"context"
	"log/slog"

	"hopnhat/authz/audit"
)

// LeafAt reads the leaf at a place of the log.
type LeafAt func(ctx context.Context, origin string, index uint64) ([]byte, error)

// Placed holds an event against the log: at its place must be its leaf. That makes genuine
// what has no MAC, and misplaced what has one. A place without a MAC where another leaf stands
// is none, and a genuine event has yet to be logged. What the log cannot say now is left as
// it is: of a sealed row, genuine.
func Placed(ctx context.Context, at LeafAt, r audit.Recorded) audit.Recorded {
	if !r.Logged || r.Fault != "" && r.Fault != audit.FaultUnsealed {
		return r
	}
	want, err := audit.Leaf(r.Event, r.Salt)
	if err != nil {
		r.Fault = audit.FaultUnreadable
		return r
	}
	got, err := at(ctx, r.Origin, r.Index)
	switch {
	case err != nil:
		slog.WarnContext(ctx, "an event could not be held against the log", "event", r.Event.ID, "error", err)
	case bytes.Equal(got, want):
		r.Fault, r.Unproven = "", false
	case r.Unproven:
		r.Logged, r.Unproven, r.Late, r.Origin, r.Index = false, false, false, "", 0
	case r.Fault == "":
		r.Fault = audit.FaultMisplaced
	}
	return r
}

// Unsealed is [Placed] for those of many events that have no MAC, or whose place has none.
func Unsealed(ctx context.Context, at LeafAt, all []audit.Recorded) []audit.Recorded {
	for i, r := range all {
		if r.Fault == audit.FaultUnsealed || r.Unproven {
			all[i] = Placed(ctx, at, r)
		}
	}
	return all
}

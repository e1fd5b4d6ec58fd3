package erasure

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/commitment"
	"hopnhat/authz/audit/rowseal"
)

// Orders keeps what was ordered to be erased, and erases it.
type Orders interface {
	// MayErase returns an error if whoever is connected to the database may not erase.
	MayErase(ctx context.Context) error
	// Ordered returns the id of the tombstone of an event, empty if its erasure was not
	// ordered.
	Ordered(ctx context.Context, event string) (tombstone string, err error)
	// Places are those that the leaf of an event has in the logs.
	Places(ctx context.Context, event string) ([]audit.Place, error)
	// Order notes that an event is to be erased; [authz.ErrConflict] if that is noted.
	Order(ctx context.Context, event, tombstone string, at time.Time) error
	// Delete deletes the row of an event, with its salt. The database refuses it until the
	// tombstone has a place in the log.
	Delete(ctx context.Context, event string) error
}

// Eraser erases events.
type Eraser struct {
	Orders Orders
	// Event finds one event; [authz.ErrNotFound] if it is not there.
	Event func(ctx context.Context, id string) (audit.Recorded, error)
	// Leaf reads the log: what is not at its place there is not erased.
	Leaf   rowseal.LeafAt
	Scribe *audit.Scribe
	// Copies overwrites the copies beside one leaf of the log, at a place or wherever it stands
	// among n, at most AtOnce; [authz.ErrNotFound] if no node that is reached has the shard.
	Copies func(ctx context.Context, at audit.Place, n uint64, leaf [sha256.Size]byte) error
	AtOnce uint64
	// Sizes are how many entries the shards of the site have.
	Sizes func(ctx context.Context) (map[string]uint64, error)
	// By is who orders it, for the evidence.
	By []string
	// Now is time.Now if nil.
	Now func() time.Time
}

// State is how far the erasure of an event is.
type State struct {
	// Tombstone is the event that says so. Its text is the reason, its digest the hash of
	// the leaf that stays in the log.
	Tombstone audit.Recorded
	// Done says that the row is deleted.
	Done bool
	// Left are places whose shards no node that is reached has: if a copy of their folder is
	// kept, it holds the copy of the event.
	Left []audit.Place
}

// Why an event is not erased.
var (
	ErrNotLogged = errors.New("its leaf has no place in the log yet, which takes a minute at most: try again then")
	ErrTombstone = errors.New("it is the tombstone of an erased event, and stays")
	ErrDoubtful  = errors.New("its row is not shown to be genuine, so that its tombstone could name a wrong leaf: " +
		"run this where the folder of the log is; hopnhat audit reconcile there says more")
	ErrRole    = errors.New("nothing was written")
	ErrMissing = errors.New("its erasure is ordered, and there is no genuine tombstone: run hopnhat audit reconcile")
)

// Order writes the tombstone of an event and orders its erasure, in one commit. Of an event
// whose erasure was ordered before it writes nothing, and says how far that is.
func (e Eraser) Order(ctx context.Context, id, reason string) (State, error) {
	if err := commitment.CheckID(id); err != nil {
		return State{}, fmt.Errorf("this is not the id of an event: %w", err)
	}
	if err := e.Orders.MayErase(ctx); err != nil {
		return State{}, err
	}
	tombstone, err := e.Orders.Ordered(ctx, id)
	if err != nil {
		return State{}, err
	}
	if tombstone == "" {
		if err := e.order(ctx, id, reason); err != nil {
			return State{}, fmt.Errorf("event %s: %w", id, err)
		}
	}
	return e.state(ctx, id)
}

func (e Eraser) order(ctx context.Context, id, reason string) error {
	row, err := e.Event(ctx, id)
	if err != nil {
		return err
	}
	if row = rowseal.Placed(ctx, e.Leaf, row); row.Fault != "" {
		return fmt.Errorf("%w (%s)", ErrDoubtful, row.Fault)
	}
	if row.Event.Type == audit.Erased {
		return ErrTombstone
	}
	if !row.Logged {
		return ErrNotLogged
	}
	act, err := Tombstone(row, reason)
	if err != nil {
		return err
	}
	now := time.Now
	if e.Now != nil {
		now = e.Now
	}
	act.ID, act.At, act.Decision.Determining = authz.NewID(), now(), e.By
	return e.Scribe.Rows.Tx(ctx, func(ctx context.Context) error {
		if err := e.Orders.Order(ctx, id, act.ID, act.At); err != nil {
			return err
		}
		_, err := e.Scribe.Write(ctx, act)
		return err
	})
}

// Finish erases the copies of an event whose tombstone is in the log, and deletes its row. It
// does nothing while the tombstone has no place. Where the row is deleted already the copies
// are erased all the same: an older folder of the log may have been restored.
func (e Eraser) Finish(ctx context.Context, id string) (State, error) {
	s, err := e.state(ctx, id)
	if err == nil && s.Tombstone.Unproven { // such a place is of whoever can write the table
		s.Tombstone = rowseal.Placed(ctx, e.Leaf, s.Tombstone)
	}
	if err != nil || !s.Tombstone.Logged || s.Tombstone.Unproven {
		return s, err
	}
	left, err := e.copies(ctx, id, s.Tombstone.Event.Payload.Digest)
	if err != nil {
		return s, err
	}
	if !s.Done {
		if err := e.Orders.Delete(ctx, id); err != nil {
			return s, err
		}
		if s, err = e.state(ctx, id); err != nil {
			return s, err
		}
	}
	s.Left = left
	return s, nil
}

// copies erases the copies of an event in the logs: at the places that are noted of it, and
// wherever else its leaf stands, since a crash may have had it appended twice.
func (e Eraser) copies(ctx context.Context, id, digest string) (left []audit.Place, err error) {
	leaf, err := base64.RawURLEncoding.DecodeString(digest)
	if err != nil || len(leaf) != sha256.Size {
		return nil, fmt.Errorf("event %s: %w", id, ErrMissing)
	}
	places, err := e.Orders.Places(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, at := range places {
		err := e.Copies(ctx, at, 1, [sha256.Size]byte(leaf))
		if errors.Is(err, authz.ErrNotFound) {
			left = append(left, at)
		} else if err != nil {
			return nil, fmt.Errorf("the copy of event %s beside the log: %w", id, err)
		}
	}
	sizes, err := e.Sizes(ctx)
	if err != nil {
		return nil, err
	}
	for origin, size := range sizes {
		for from := uint64(0); from < size; from += e.AtOnce {
			err := e.Copies(ctx, audit.Place{Origin: origin, Index: from}, e.AtOnce, [sha256.Size]byte(leaf))
			if errors.Is(err, authz.ErrNotFound) {
				break // it is told above where the event had a place there
			}
			if err != nil {
				return nil, fmt.Errorf("other copies of event %s beside the log: %w", id, err)
			}
		}
	}
	return left, nil
}

func (e Eraser) state(ctx context.Context, id string) (State, error) {
	tombstone, err := e.Orders.Ordered(ctx, id)
	if err != nil {
		return State{}, err
	}
	var s State
	s.Tombstone, err = e.Event(ctx, tombstone)
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		return State{}, err
	}
	if t := s.Tombstone; err != nil || t.Fault != "" || t.Event.Type != audit.Erased || t.Event.Detail.Object != id {
		return State{}, fmt.Errorf("event %s: %w", id, ErrMissing)
	}
	if _, err = e.Event(ctx, id); err != nil && !errors.Is(err, authz.ErrNotFound) {
		return State{}, err
	}
	s.Done = err != nil
	return s, nil
}

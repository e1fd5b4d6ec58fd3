package incident

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// Mark is what an open incident concerns: an event, a person, or neither.
type Mark struct{ Event, Pseudonym string }

// Marks lists what incidents concern that are not closed.
type Marks interface {
	OpenMarks(ctx context.Context) ([]Mark, error)
}

// Board knows what is open, from memory, for pages and metrics: they ask it each time and
// cost no statement. It is at most [Every] behind. It is safe for concurrent use.
type Board struct {
	Marks Marks
	now   atomic.Pointer[posted]
}

// Every is how often a board is read anew.
const Every = 10 * time.Second

type posted struct {
	open    int
	events  map[string]bool
	persons map[string]bool
}

// Refresh reads what is open.
func (b *Board) Refresh(ctx context.Context) error {
	marks, err := b.Marks.OpenMarks(ctx)
	if err != nil {
		return fmt.Errorf("reading what is open: %w", err)
	}
	p := &posted{len(marks), map[string]bool{}, map[string]bool{}}
	for _, m := range marks {
		p.events[m.Event], p.persons[m.Pseudonym] = true, true
	}
	delete(p.events, "")
	delete(p.persons, "")
	b.now.Store(p)
	return nil
}

// Run refreshes until ctx ends.
func (b *Board) Run(ctx context.Context) {
	tick := time.NewTicker(Every)
	defer tick.Stop()
	for {
		if err := b.Refresh(ctx); err != nil && ctx.Err() == nil {
			slog.Warn("it is not known which incidents are open", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (b *Board) posted() *posted {
	if b == nil {
		return &posted{}
	}
	if p := b.now.Load(); p != nil {
		return p
	}
	return &posted{}
}

// Open is how many incidents are not closed.
func (b *Board) Open() int { return b.posted().open }

// Concerns reports whether an open incident is about an event.
func (b *Board) Concerns(event string) bool { return b.posted().events[event] }

// ConcernsPerson reports whether an open incident is about a person's record, at an event
// that is there or at one that is missing.
func (b *Board) ConcernsPerson(pseudonym string) bool { return b.posted().persons[pseudonym] }

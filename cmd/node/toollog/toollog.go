// Package toollog is the logs of a site as a tool has them.
package toollog

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/node/releaselog"
)

// Log is the log as a tool has it: at the node that writes it, or in the seat of the
// writer where there is none ([releaselog.Reach]). What a tool did is committed when its leaf is
// appended, so a leaf that does not come into the log undoes nothing: it is said, and a node
// finds the row.
type Log struct {
	// Reach reaches the logs; it is called once.
	Reach func(ctx context.Context) (*releaselog.Reached, error)
	// Events are the rows, and Copies seals what is kept of them beside the logs.
	Events trees.Events
	Copies trees.Copies
	// Told is where it is said that an event is not in the log; nil, or of nil, for nowhere.
	Told func() io.Writer

	mu      sync.Mutex
	reached *releaselog.Reached
	err     error // why it is not reached
}

// patience is how long a tool waits for the log.
const patience = 10 * time.Second

// AppendLeaf puts a leaf into its log, and says so where it is not taken.
func (l *Log) AppendLeaf(ctx context.Context, s audit.Sealed) (audit.Place, error) {
	l.mu.Lock() // acts of one transaction come at the same time
	defer l.mu.Unlock()
	place, err := l.append(ctx, s)
	if told := l.Told(); err != nil && told != nil {
		fmt.Fprintf(told, "The change is made and recorded, and event %s is not in the log yet: %v. "+
			"A node of the site that writes the log appends it, within a minute while it runs.\n", s.Event.ID, err)
	}
	return place, nil
}

// AppendSoon is AppendLeaf: a tool ends after what it did, so it waits for every leaf.
func (l *Log) AppendSoon(s audit.Sealed) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, _ = l.AppendLeaf(ctx, s) // it has no error
}

func (l *Log) append(ctx context.Context, s audit.Sealed) (audit.Place, error) {
	if err := l.reach(ctx); err != nil {
		return audit.Place{}, err
	}
	logs := &trees.Logs{Release: l.reached.Release, Consent: l.reached.Consent, Events: l.Events, Copies: l.Copies}
	place, err := logs.Append(ctx, s.Entry())
	if err == nil {
		// A place that is not noted now is noted by the sweep of a node.
		_ = l.Events.NotePlaces(ctx, place.Origin, map[string]uint64{s.Event.ID: place.Index}, false)
	}
	return place, err
}

// reach reaches the log once.
func (l *Log) reach(ctx context.Context) error {
	if l.reached == nil && l.err == nil {
		l.reached, l.err = l.Reach(ctx)
	}
	return l.err
}

// EraseCopy overwrites the copies beside one leaf of the log: see [releaselog.Reached].
func (l *Log) EraseCopy(ctx context.Context, at audit.Place, n uint64, leaf [sha256.Size]byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.reach(ctx); err != nil {
		return err
	}
	return l.reached.Erase(ctx, at, n, leaf)
}

// Close gives the seat back, if the tool took it.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reached == nil {
		return nil
	}
	reached := l.reached
	l.reached = nil
	return reached.Close()
}

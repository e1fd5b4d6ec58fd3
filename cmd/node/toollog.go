package node

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
	"hopnhat/cmd/node/releaselog"
)

// toolLog is the log as a tool has it: at the node that writes it, or in the seat of the
// writer where there is none ([releaselog.Reach]). What a tool did is committed when its leaf is
// appended, so a leaf that does not come into the log undoes nothing: it is said, and a node
// finds the row.
type toolLog struct {
	base *Base

	mu      sync.Mutex
	reached *releaselog.Reached
	err     error // why it is not reached
}

// toolPatience is how long a tool waits for the log.
const toolPatience = 10 * time.Second

// AppendLeaf puts a leaf into its log, and says so where it is not taken.
func (l *toolLog) AppendLeaf(ctx context.Context, s audit.Sealed) (audit.Place, error) {
	l.mu.Lock() // acts of one transaction come at the same time
	defer l.mu.Unlock()
	place, err := l.append(ctx, s)
	if err != nil && l.base.Told != nil {
		fmt.Fprintf(l.base.Told, "The change is made and recorded, and event %s is not in the log yet: %v. "+
			"A node of the site that writes the log appends it, within a minute while it runs.\n", s.Event.ID, err)
	}
	return place, nil
}

// AppendSoon is AppendLeaf: a tool ends after what it did, so it waits for every leaf.
func (l *toolLog) AppendSoon(s audit.Sealed) {
	ctx, cancel := context.WithTimeout(context.Background(), toolPatience)
	defer cancel()
	_, _ = l.AppendLeaf(ctx, s) // it has no error
}

func (l *toolLog) append(ctx context.Context, s audit.Sealed) (audit.Place, error) {
	if err := l.reach(ctx); err != nil {
		return audit.Place{}, err
	}
	b := l.base
	logs := &trees.Logs{Release: l.reached.Release, Consent: l.reached.Consent, Events: b.DB, Copies: b.Copies}
	place, err := logs.Append(ctx, s.Entry())
	if err == nil {
		// A place that is not noted now is noted by the sweep of a node.
		_ = b.DB.NotePlaces(ctx, place.Origin, map[string]uint64{s.Event.ID: place.Index}, false)
	}
	return place, err
}

// reach reaches the log once.
func (l *toolLog) reach(ctx context.Context) error {
	if l.reached == nil && l.err == nil {
		l.reached, l.err = releaselog.Reach(ctx, l.base.logOptions())
	}
	return l.err
}

// EraseCopy overwrites the copy beside one leaf of the log: see [releaselog.Reached].
func (b *Base) EraseCopy(ctx context.Context, at audit.Place, leaf [sha256.Size]byte) error {
	b.log.mu.Lock()
	defer b.log.mu.Unlock()
	if err := b.log.reach(ctx); err != nil {
		return err
	}
	return b.log.reached.Erase(ctx, at, leaf)
}

// close gives the seat back, if the tool took it.
func (l *toolLog) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reached == nil {
		return nil
	}
	reached := l.reached
	l.reached = nil
	return reached.Close()
}

// logOptions are those of the logs of this site.
func (b *Base) logOptions() releaselog.Options {
	c := b.Config
	return releaselog.Options{
		Site: c.Site, State: c.State, Origin: c.LogOrigin, Folder: c.LogFolder, Sites: b.DB.Sites, Heads: b.DB.Heads,
		KnownSize: b.DB.KnownLogSize, Ring: b.Ring, Copies: b.Copies.Of,
	}
}

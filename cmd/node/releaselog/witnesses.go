package releaselog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/cosign"
	"hopnhat/authz/audit/witness"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/seat"
)

// Times of asking witnesses.
const (
	askEvery = time.Second // as often as there is a checkpoint
	// A checkpoint that stays the newest is cosigned again, so that the time beside it says
	// that the log has no newer one.
	cosignAgain = 5 * time.Minute
)

// cosigning has the checkpoints of a site's logs cosigned. One goroutine asks.
type cosigning struct {
	circle *witness.Circle // nil if no witnesses are asked
	logs   []*asking
}

// run has witnesses cosign the newest checkpoints of both logs while this node writes
// them. It is beside everything else: nothing waits for a witness, and none that is down stops
// anything.
func (c *cosigning) run(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	works := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := c.once(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && works:
			slog.Warn("the newest checkpoints of the log are not all cosigned; the log goes on without", "error", err)
		case err == nil && !works:
			slog.Info("witnesses cosign the log again")
		}
		works = err == nil
	}
}

// asking is which shards of a log are still to be cosigned: the one that takes entries, and
// those of before whose last checkpoint is not.
type asking struct {
	tree    audit.Tree
	log     *seat.Log
	archive *tlog.Archive
	current string
	rest    map[string]bool
	// cosigned is when enough witnesses cosigned a checkpoint, or this node began to ask, Unix ns.
	cosigned atomic.Int64
}

// newCosigning begins to ask for both logs.
func newCosigning(l *Log) *cosigning {
	archives := Archives(l.o.State, l.o.Origin, l.o.Folder)
	c := &cosigning{circle: l.o.Witnesses, logs: []*asking{
		{tree: audit.ReleaseTree, log: l.Log, archive: archives[0]}, {tree: audit.ConsentTree, log: l.consents, archive: archives[1]},
	}}
	for _, a := range c.logs {
		a.cosigned.Store(time.Now().UnixNano())
	}
	return c
}

// once asks for both logs; one that fails keeps the other from nothing.
func (c *cosigning) once(ctx context.Context) (failed error) {
	for _, a := range c.logs {
		failed = errors.Join(failed, a.all(ctx, c.circle))
	}
	return failed
}

func (a *asking) all(ctx context.Context, circle *witness.Circle) error {
	if !a.log.Writes() {
		a.current = ""
		return nil
	}
	if current := a.log.Origin(); current != a.current {
		keys, err := a.archive.Keys()
		if err != nil {
			return err
		}
		a.current, a.rest = current, map[string]bool{}
		for _, vkey := range keys {
			v, err := note.NewVerifier(vkey)
			if err != nil {
				return fmt.Errorf("a key of the log: %w", err)
			}
			if v.Name() != current {
				a.rest[v.Name()] = true
			}
		}
	}
	failed := a.cosign(ctx, circle, a.current)
	for origin := range a.rest {
		err := a.cosign(ctx, circle, origin)
		if err == nil || errors.Is(err, authz.ErrNotFound) || errors.Is(err, fs.ErrNotExist) { // another node has its folder
			delete(a.rest, origin)
			continue
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// cosign has the newest checkpoint of a shard cosigned, if it is not.
func (a *asking) cosign(ctx context.Context, circle *witness.Circle, origin string) error {
	name, err := tlog.ParseName(a.archive.Log, origin)
	if err != nil {
		return err
	}
	if !a.archive.Has(name) {
		return fmt.Errorf("shard %s is not here: %w", origin, authz.ErrNotFound)
	}
	shard, err := a.log.Reader(ctx, origin)
	if err != nil {
		return err
	}
	raw, newest, err := shard.Head(ctx)
	if errors.Is(err, fs.ErrNotExist) || err == nil && newest.Size == 0 {
		a.cosigned.Store(time.Now().UnixNano()) // there is nothing to cosign
		return nil
	}
	if err != nil {
		return err
	}
	before, covered, err := shard.Cosigned(ctx)
	if err == nil && covered.Size == newest.Size {
		if at, enough := cosignedAt(circle, before); enough && (origin != a.current || time.Since(at) < cosignAgain) {
			return nil
		}
	}
	cosigned, err := circle.Ask(ctx, raw, shard.File)
	if err != nil {
		return err
	}
	if err := a.archive.KeepCosigned(name, cosigned); err != nil {
		return err
	}
	a.cosigned.Store(time.Now().UnixNano())
	return nil
}

// cosignedAt is when the last of the witnesses under a checkpoint cosigned it, and whether they are
// enough: who is asked may have changed.
func cosignedAt(circle *witness.Circle, raw []byte) (at time.Time, enough bool) {
	found, err := cosign.Open(raw, circle.Verifiers()...)
	for _, c := range found {
		if c.At.After(at) {
			at = c.At
		}
	}
	return at, err == nil && len(found) >= circle.Wanted()
}

// CosignedAge is how long ago enough witnesses cosigned a checkpoint of each log, or this node
// began to ask; empty where this node asks none.
func (l *Log) CosignedAge(now time.Time) map[audit.Tree]time.Duration {
	if l.cosigning.circle == nil || !l.Writes() {
		return nil
	}
	ages := map[audit.Tree]time.Duration{}
	for _, a := range l.cosigning.logs {
		ages[a.tree] = now.Sub(time.Unix(0, a.cosigned.Load()))
	}
	return ages
}

// Witnesses tells of each witness that this node asks whether it cosigned when asked last.
func (l *Log) Witnesses() map[string]bool {
	if l.cosigning.circle == nil || !l.Writes() {
		return nil
	}
	return l.cosigning.circle.Up()
}

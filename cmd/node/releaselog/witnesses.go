package releaselog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz"
	"hopnhat/authz/audit/cosign"
	"hopnhat/store/tlog"
)

// Times of asking witnesses.
const (
	askEvery = time.Second // as often as there is a checkpoint
	// A checkpoint that stays the newest is cosigned again, so that the time beside it says
	// that the log has no newer one.
	cosignAgain = 5 * time.Minute
)

// askWitnesses has witnesses cosign the newest checkpoints while this node writes the log. It
// is beside everything else: nothing waits for a witness, and none that is down stops
// anything.
func (l *Log) askWitnesses(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	works := true
	var a asking
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := l.cosignAll(ctx, &a)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && works:
			slog.Warn("the newest checkpoint of the release log is not cosigned; the log goes on without", "error", err)
		case err == nil && !works:
			slog.Info("witnesses cosign the release log again")
		}
		works = err == nil
	}
}

// asking is which shards are still to be cosigned: the one that takes entries, and those of
// before whose last checkpoint is not.
type asking struct {
	current string
	rest    map[string]bool
}

func (l *Log) cosignAll(ctx context.Context, a *asking) error {
	if !l.Writes() {
		a.current = ""
		return nil
	}
	if current := l.Origin(); current != a.current {
		keys, err := l.archive.Keys()
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
	failed := l.cosign(ctx, a.current)
	for origin := range a.rest {
		err := l.cosign(ctx, origin)
		if err == nil || errors.Is(err, authz.ErrNotFound) || errors.Is(err, fs.ErrNotExist) { // another node has its folder
			delete(a.rest, origin)
			continue
		}
		failed = errors.Join(failed, err)
	}
	return failed
}

// cosign has the newest checkpoint of a shard cosigned, if it is not.
func (l *Log) cosign(ctx context.Context, origin string) error {
	name, err := tlog.ParseName(l.o.Origin, origin)
	if err != nil {
		return err
	}
	if !l.archive.Has(name) {
		return fmt.Errorf("shard %s is not here: %w", origin, authz.ErrNotFound)
	}
	shard, err := l.Reader(ctx, origin)
	if err != nil {
		return err
	}
	raw, newest, err := shard.Head(ctx)
	if errors.Is(err, fs.ErrNotExist) || err == nil && newest.Size == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	before, covered, err := shard.Cosigned(ctx)
	if err == nil && covered.Size == newest.Size {
		if at, enough := l.cosignedAt(before); enough && (origin != l.Origin() || time.Since(at) < cosignAgain) {
			return nil
		}
	}
	cosigned, err := l.o.Witnesses.Ask(ctx, raw, shard.File)
	if err != nil {
		return err
	}
	if err := l.archive.KeepCosigned(name, cosigned); err != nil {
		return err
	}
	l.cosigned.Store(time.Now().UnixNano())
	return nil
}

// cosignedAt is when the last of the witnesses under a checkpoint cosigned it, and whether they are
// enough: who is asked may have changed.
func (l *Log) cosignedAt(raw []byte) (at time.Time, enough bool) {
	found, err := cosign.Open(raw, l.o.Witnesses.Verifiers()...)
	for _, c := range found {
		if c.At.After(at) {
			at = c.At
		}
	}
	return at, err == nil && len(found) >= l.o.Witnesses.Wanted()
}

// CosignedAge is how long ago enough witnesses cosigned a checkpoint, or this node began to
// ask; ok is false where this node asks none.
func (l *Log) CosignedAge(now time.Time) (age time.Duration, ok bool) {
	if l.o.Witnesses == nil || !l.Writes() {
		return 0, false
	}
	return now.Sub(time.Unix(0, l.cosigned.Load())), true
}

// Witnesses tells of each witness that this node asks whether it cosigned when asked last.
func (l *Log) Witnesses() map[string]bool {
	if l.o.Witnesses == nil || !l.Writes() {
		return nil
	}
	return l.o.Witnesses.Up()
}

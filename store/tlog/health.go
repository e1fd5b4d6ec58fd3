package tlog

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/transparency-dev/tessera/api/layout"
)

// Causes of a log that does not work, beside [ErrDamaged] and [ErrOlder].
var (
	ErrAppend   = errors.New("entries cannot be written")
	ErrUnsigned = errors.New("no checkpoint is made")
	// ErrUnreached means that the node that writes the log does not answer.
	ErrUnreached = errors.New("the node that writes the log is not reached")
)

// codes are stable words for operators.
var codes = map[string]error{
	"damaged": ErrDamaged, "older": ErrOlder, "append": ErrAppend, "unsigned": ErrUnsigned, "replaced": ErrReplaced, "unreached": ErrUnreached,
	"rows": ErrUnexplained,
}

// Code is a stable word for what is wrong with a log, empty if there is none.
func Code(err error) string {
	for word, is := range codes {
		if errors.Is(err, is) {
			return word
		}
	}
	return ""
}

// OfCode is the error of a word that another node told.
func OfCode(word string) error {
	if err, ok := codes[word]; ok {
		return err
	}
	return errors.New("it does not work")
}

// Bounds on a log that works: a group of entries takes milliseconds, and there is a
// checkpoint each second while entries come.
const slowest, oldest = 5 * time.Second, 10 * time.Second

// Health tells why the log cannot take entries now, nil if it can: what is on disk is not
// what was signed, the last entries were not written, or checkpoints are not made. Damage
// is said first, since it is also why entries are not written. It reads a few tiles and
// writes nothing. What an entry holds plays no part in it.
func (l *Log) Health(ctx context.Context) error {
	if damage := l.damage.Load(); damage != nil {
		return *damage
	}
	if l.closed.Load() {
		return fmt.Errorf("%w: %w", ErrAppend, ErrClosed)
	}
	intact := l.intact(ctx)
	// A disk that does not answer in time may be as it was.
	if intact != nil && !errors.Is(intact, ErrUnsigned) && ctx.Err() == nil {
		return intact
	}
	if failed := l.groups.Failed(); failed != nil {
		return fmt.Errorf("%w: %w", ErrAppend, failed)
	}
	if l.groups.Writing() > slowest {
		return fmt.Errorf("%w: they wait for more than %s", ErrAppend, slowest)
	}
	return intact
}

// intact tells how what is on disk differs from what was signed, nil if it does not.
func (l *Log) intact(ctx context.Context) error {
	_, signed, err := l.checkpoint(ctx)
	none := errors.Is(err, fs.ErrNotExist)
	if err != nil && !none {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err := l.known(ctx); err != nil {
		return err
	}
	size, err := l.Size(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if none {
		if size == 0 {
			return nil // it is new
		}
		return fmt.Errorf("%w: the checkpoint is gone", ErrDamaged)
	}
	if err := l.checkDisk(ctx, signed); err != nil {
		return err
	}
	if size < signed.Size {
		return fmt.Errorf("%w: %d entries where %d were signed", ErrOlder, size, signed.Size)
	}
	if size > 0 {
		// The next entry is written together with those of its bundle.
		if _, err := l.readBundle(
			ctx, (size-1)/layout.EntryBundleWidth, layout.PartialTileSize(0, (size-1)/layout.EntryBundleWidth, size),
		); err != nil {
			return fmt.Errorf("%w: the newest entries: %w", ErrDamaged, err)
		}
	}
	if age, err := l.CheckpointAge(ctx, time.Now()); err == nil && size > signed.Size && age > oldest {
		return fmt.Errorf("%w: the newest is %s old and %d entries came since", ErrUnsigned, age.Round(time.Second), size-signed.Size)
	}
	return nil
}

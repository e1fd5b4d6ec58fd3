package tlog

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/transparency-dev/tessera"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store/tlog/gather"
	"hopnhat/store/tlog/memory"
)

// write writes a group: what is on disk when it returns has a place, in the tree that this
// process knows. Then it asks whether this process may still write.
func (l *Log) write(ctx context.Context, entries []audit.Entry) []gather.Outcome[uint64] {
	out := make([]gather.Outcome[uint64], len(entries))
	refuse := func(err error) []gather.Outcome[uint64] {
		for i := range out {
			out[i] = gather.Outcome[uint64]{Err: err}
		}
		return out
	}
	if err := l.writable(ctx); err != nil {
		return refuse(err)
	}
	at := make([]int, len(entries)) // the position of each among those that are handed over
	positions := map[[sha256.Size]byte]int{}
	var given []*tessera.Entry
	var leaves [][]byte
	for i, entry := range entries {
		if l.places != nil {
			sum := sha256.Sum256(entry.Leaf)
			if index, known := l.places.Of(sum); known {
				at[i], out[i].Value = -1, index
				continue
			}
			if n, twice := positions[sum]; twice {
				at[i] = n
				continue
			}
			positions[sum] = len(given)
		}
		e := tessera.NewEntry(entry.Leaf)
		at[i], given, leaves = len(given), append(given, e), append(leaves, e.LeafHash())
	}
	kept := l.keepAhead(entries, at)
	written, err := l.handOver(ctx, given, leaves)
	ahead := kept(written, err)
	if err != nil {
		return refuse(err)
	}
	for sum, n := range positions {
		if written[n].Err == nil {
			l.places.Note(sum, written[n].Value)
		}
	}
	for i, n := range at {
		if n >= 0 {
			out[i] = written[n]
		}
	}
	l.keepCopies(entries, at, out, ahead)
	if l.holds != nil {
		if err := l.holds(); err != nil {
			return refuse(err)
		}
	}
	return out
}

// handOver has Tessera write entries, and holds the tree that is on the disk then against the
// one in memory.
func (l *Log) handOver(ctx context.Context, entries []*tessera.Entry, leaves [][]byte) ([]gather.Outcome[uint64], error) {
	if len(entries) == 0 {
		return nil, nil
	}
	l.tree.Give(leaves)
	futures := make([]tessera.IndexFuture, len(entries))
	for i, e := range entries {
		futures[i] = l.appender.Add(ctx, e)
	}
	written, placed := make([]gather.Outcome[uint64], len(entries)), map[int]uint64{}
	for i, future := range futures {
		index, err := future()
		if written[i] = (gather.Outcome[uint64]{Value: index.Index, Err: err}); err == nil {
			placed[i] = index.Index
		}
	}
	return written, l.settle(ctx, placed)
}

// writable returns an error if nothing may be written: the log is damaged, or what became of
// the group before is still not known.
func (l *Log) writable(ctx context.Context) error {
	if damage := l.damage.Load(); damage != nil {
		return *damage
	}
	if l.tree.Open() {
		return l.settle(ctx, nil)
	}
	return nil
}

// settle takes what is on the disk as the tree, if the leaves that were given lead to it.
func (l *Log) settle(ctx context.Context, placed map[int]uint64) error {
	on, err := readState(ctx, l.files)
	if err != nil {
		return fmt.Errorf("reading the tree after entries were written: %w", err)
	}
	if err := l.tree.Settle(on.Size, proof.Hash(on.Root), placed); err != nil {
		return l.bent(err)
	}
	return nil
}

// bent says that the tree on the disk is not the one that this process made: nothing of it is
// signed any more, until the whole of the log was proved anew.
func (l *Log) bent(cause error) error {
	err := fmt.Errorf("%w: it was changed while it was written: %w", ErrDamaged, cause)
	l.damage.CompareAndSwap(nil, &err)
	return *l.damage.Load()
}

// vouch is asked before a checkpoint is signed: it returns an error unless its tree is the one
// in memory and the log is this process's still: Tessera's task of checkpoints may run once
// more after the folder was let go of, and would write over what stands there by then.
func (l *Log) vouch(c proof.Checkpoint) error {
	if l.gone.Load() {
		return ErrClosed
	}
	if damage := l.damage.Load(); damage != nil {
		return *damage
	}
	err := l.tree.Holds(c.Size, c.Root)
	if errors.Is(err, memory.ErrForeign) {
		return l.bent(err)
	}
	return err
}

// known returns an error if the writer's state on the disk is not that of the tree in memory.
func (l *Log) known(ctx context.Context) error {
	before, _ := l.tree.Head()
	on, err := readState(ctx, l.files)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	err = l.tree.Holds(on.Size, proof.Hash(on.Root))
	switch {
	case errors.Is(err, memory.ErrPast) && on.Size >= before:
		return nil // groups were written since it was read
	case err != nil || on.Size < before:
		return l.bent(errors.Join(err, fmt.Errorf("%d entries are on the disk, where %d were written", on.Size, before)))
	}
	return nil
}

// remember notes the places of the newest entries.
func (l *Log) remember(ctx context.Context) error {
	l.places = memory.NewPlaces()
	size, err := l.Size(ctx)
	if err != nil {
		return err
	}
	from := size - min(size, memory.Remembered)
	for from < size {
		entries, err := l.Entries(ctx, from, maxGroup)
		if err != nil {
			return fmt.Errorf("%w: the newest entries: %w", ErrDamaged, err)
		}
		for i, entry := range entries {
			l.places.Note(sha256.Sum256(entry), from+uint64(i))
		}
		from += uint64(len(entries))
	}
	return nil
}

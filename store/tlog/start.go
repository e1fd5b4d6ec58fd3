package tlog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/client"

	"hopnhat/authz/audit/proof"
	"hopnhat/store/tlog/inspect"
	"hopnhat/store/tlog/memory"
)

// ErrUnexplained means that entries of the log have no row in the database: it was restored
// from an older copy than the log, or rows were deleted.
var ErrUnexplained = errors.New("entries of the log have no row in the database")

// Unexplained are entries of a log that have no row, until an operator decides.
type Unexplained struct {
	Origin string
	// Places are the first of them, at most 1,000.
	Places []uint64
	Count  uint64
}

// Err tells of them as [ErrUnexplained]; nil if there are none.
func (u Unexplained) Err() error {
	if u.Count == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of %s, the first at place %d; see hopnhat log --help", ErrUnexplained, u.Count, u.Origin, u.Places[0])
}

// state is the tree as the writer of the folder left it, which may hold more than was
// signed: Tessera signs what it says.
type state struct {
	Size uint64 `json:"size"`
	Root []byte `json:"root"`
}

// readState reads it; fs.ErrNotExist if the folder has none.
func readState(ctx context.Context, files Files) (state, error) {
	raw, err := files.Read(ctx, ".state/treeState")
	if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(raw, &s); err != nil || len(s.Root) != rfc6962.DefaultHasher.Size() {
		return state{}, fmt.Errorf("%w: the state of its writer cannot be read", ErrDamaged)
	}
	return s, nil
}

// sound is how large a tree is read whole before a start; a larger one is read while it
// runs.
var sound uint64 = 1 << 16

// prove proves before anything is signed that the tree on disk goes on from what was signed
// and recorded last, and gives the entries beyond the recorded ones that have no row.
func (l *Log) prove(ctx context.Context, o Options) error {
	_, signed, err := l.checkpoint(ctx)
	unsigned := errors.Is(err, fs.ErrNotExist)
	if unknown := errors.Is(err, proof.ErrUnknownKey) || errors.Is(err, proof.ErrSignature); unknown {
		return fmt.Errorf("%w: the checkpoint: %w", ErrDamaged, err)
	}
	if err != nil && !unsigned {
		return err
	}
	on, err := readState(ctx, l.files)
	known := max(o.KnownSize, o.Recorded.Size, signed.Size, o.Anchor.Size, o.Grown.Size)
	switch {
	case errors.Is(err, fs.ErrNotExist) && known == 0: // a new log
		l.tree, err = memory.New(0, nil)
		return err
	case errors.Is(err, fs.ErrNotExist) && unsigned:
		return fmt.Errorf("%w: log %s is not here, and %d entries of it are known", ErrOlder, o.Origin, known)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the state of its writer is gone", ErrDamaged)
	case err != nil:
		return err
	case on.Size < known:
		return fmt.Errorf("%w: log %s holds %d entries and %d are known; restore the newer copy, or see hopnhat log --help",
			ErrOlder, o.Origin, on.Size, known)
	case unsigned && on.Size > 0: // the first checkpoint comes before the first entry
		return fmt.Errorf("%w: the checkpoint is gone; hopnhat log rebuild makes it anew", ErrDamaged)
	}
	marks := []inspect.Mark{{By: "the state of the writer", Size: on.Size, Root: proof.Hash(on.Root)}}
	for by, c := range map[string]proof.Checkpoint{
		"the checkpoint": signed, "the database": o.Recorded, "the anchor": o.Anchor, "the writer before": o.Grown,
	} {
		if c.Size > 0 {
			marks = append(marks, inspect.Mark{By: by, Size: c.Size, Root: c.Root})
		}
	}
	if on.Size <= sound || o.Whole {
		err = l.checkTree(ctx, on.Size, marks, nil)
	} else {
		err = l.checkEdges(ctx, on.Size, marks)
	}
	if err == nil {
		err = l.keep(ctx, on)
	}
	if err != nil {
		return err
	}
	return l.explain(ctx, o, signed, on)
}

// keep takes the tree that was proved into memory. The folder is read once more for it: what
// it holds by now has to be what was proved.
func (l *Log) keep(ctx context.Context, on state) error {
	edge, err := l.edge(ctx, on.Size)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	tree, err := memory.New(on.Size, edge.Hashes())
	if err != nil {
		return err
	}
	if err := tree.Holds(on.Size, proof.Hash(on.Root)); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	l.tree = tree
	return nil
}

// checkTree reads every file of a tree.
func (r *Reader) checkTree(ctx context.Context, size uint64, marks []inspect.Mark, progress func(uint64) error) error {
	faults, err := inspect.Check(ctx, inspect.Options{Files: r.files, Size: size, Marks: marks, Progress: progress})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case len(faults) > 0:
		return fmt.Errorf("%w: %v (%d faults; hopnhat log check lists them)", ErrDamaged, faults[0], len(faults))
	case err != nil:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return nil
}

// checkEdges proves that each tree goes on from the smaller ones: the nodes at the edge of
// the smallest lead to its root, and with the entries since to those of the others.
func (r *Reader) checkEdges(ctx context.Context, size uint64, marks []inspect.Mark) error {
	from := size
	for _, m := range marks {
		from = min(from, m.Size)
	}
	tree, err := r.edge(ctx, from)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	for at := from; ; {
		for _, m := range marks {
			if m.Size != at {
				continue
			}
			root, err := tree.GetRootHash(nil)
			if err != nil || proof.Hash(root) != m.Root {
				return fmt.Errorf("%w: the first %d entries lead to another root than %s says", ErrDamaged, at, m.By)
			}
		}
		if at == size {
			return nil
		}
		next := size
		for _, m := range marks {
			if m.Size > at {
				next = min(next, m.Size)
			}
		}
		for at < next {
			entries, err := r.read(ctx, at, int(min(next-at, maxGroup)), size)
			if err != nil {
				return fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			for _, e := range entries {
				if err := tree.Append(rfc6962.DefaultHasher.HashLeaf(e), nil); err != nil {
					return err
				}
			}
			at += uint64(len(entries))
		}
	}
}

// edge is a tree of this size by the nodes at its right edge.
func (r *Reader) edge(ctx context.Context, size uint64) (*compact.Range, error) {
	nodes, err := client.FetchRangeNodes(ctx, size, r.readTile)
	if err != nil {
		return nil, err
	}
	return (&compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}).NewRange(0, size, nodes)
}

// explain looks for rows of the entries that the database has not recorded. What was signed
// and has none was in a database of before: see [Unexplained]. What was not signed, in a
// log of which the database knows all that was signed, was put there by somebody else.
func (l *Log) explain(ctx context.Context, o Options, signed proof.Checkpoint, on state) error {
	if o.Explain == nil {
		return nil
	}
	u := Unexplained{Origin: o.Origin}
	from := o.Recorded.Size
	if o.Missing != nil {
		from = min(from, *o.Missing)
	}
	for at := from; at < on.Size; {
		entries, err := l.read(ctx, at, maxGroup, on.Size)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		places, err := o.Explain(ctx, at, entries)
		if err != nil {
			return fmt.Errorf("looking for the rows of the newest entries of log %s: %w", o.Origin, err)
		}
		u.Count += uint64(len(places))
		u.Places = append(u.Places, places[:min(len(places), maxPlaces-len(u.Places))]...)
		at += uint64(len(entries))
	}
	if u.Count > 0 && o.Missing == nil && signed.Size <= from {
		return fmt.Errorf("%w: %d entries at its end, the first at place %d, were never signed and are of no event here; "+
			"if the database was restored from an older copy, see hopnhat log accept-loss --help", ErrDamaged, u.Count, u.Places[0])
	}
	l.unexplained = u
	switch {
	case o.Miss == nil:
		return nil
	case u.Count > 0:
		return o.Miss(ctx, &u.Places[0])
	case o.Missing != nil:
		return o.Miss(ctx, nil)
	}
	return nil
}

const maxPlaces = 1000

// Unexplained are the entries that had no row when the log was opened.
func (l *Log) Unexplained() Unexplained { return l.unexplained }

// checkMeanwhile reads the whole of a large tree once while the log runs, at a tenth of the
// time of one processor. What it finds takes the log out as damage does that a start finds.
func (l *Log) checkMeanwhile(ctx context.Context, o Options) {
	size, root := l.tree.Head()
	if size <= sound || o.Whole {
		return // it was read whole
	}
	marks := []inspect.Mark{{By: "the writer", Size: size, Root: root}}
	if o.Recorded.Size > 0 {
		marks = append(marks, inspect.Mark{By: "the database", Size: o.Recorded.Size, Root: o.Recorded.Root})
	}
	began := time.Now()
	err := l.checkTree(ctx, size, marks, func(uint64) error {
		wait := time.NewTimer(9 * time.Since(began))
		defer wait.Stop()
		select {
		case <-wait.C:
			began = time.Now()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	if err != nil && ctx.Err() == nil {
		l.damage.CompareAndSwap(nil, &err)
	}
}

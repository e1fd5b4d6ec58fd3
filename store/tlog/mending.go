package tlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/tlog/inspect"
	"hopnhat/store/tlog/sole"
)

// Names are the shards whose folders are here, in the order of quarters and parts.
func (a *Archive) Names() ([]Name, error) {
	folders, err := os.ReadDir(a.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the folder of the log: %w", err)
	}
	var names []Name
	for _, f := range folders {
		if n, err := ParseName(a.Log, a.Log+"/"+f.Name()); err == nil && f.IsDir() {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(x, y Name) int { return cmp.Or(cmp.Compare(x.Quarter, y.Quarter), cmp.Compare(x.Part, y.Part)) })
	return names, nil
}

// Whole reads a shard to its end, also what no checkpoint covers yet. No process may write
// it meanwhile, or its end is that of the moment.
func (a *Archive) Whole(ctx context.Context, n Name) (*Reader, error) {
	r, err := a.Reader(ctx, n.Origin())
	if err != nil {
		return nil, err
	}
	on, err := readState(ctx, r.files)
	if err != nil {
		return nil, fmt.Errorf("reading the end of log %s: %w", n.Origin(), err)
	}
	r.size = func(context.Context) (uint64, error) { return on.Size, nil }
	return r, nil
}

// Inspected is what an inspection of one shard found.
type Inspected struct {
	Origin string
	// Size is how many entries are here, Signed how many the checkpoint covers, Recorded how
	// many the database has recorded.
	Size, Signed, Recorded uint64
	Faults                 []inspect.Fault
}

// Inspect reads every file of a shard and holds it against its checkpoint, against what the
// database recorded (the zero Head where that is not asked), and against checkpoints that
// were kept elsewhere. It changes nothing, and a server may write the shard meanwhile. The
// error says that it could not be read to its end.
func (a *Archive) Inspect(
	ctx context.Context, n Name, h trees.Head, anchors []proof.Checkpoint, progress func(done, size uint64) error,
) (Inspected, error) {
	found := Inspected{Origin: n.Origin(), Recorded: h.Size}
	files := Folder(n.Dir(a.Dir))
	fault := func(path, cause string) {
		found.Faults = append(found.Faults, inspect.Fault{Path: path, Cause: cause})
	}
	// The state is read first: what it names stays while a server goes on writing.
	on, err := readState(ctx, files)
	switch {
	case errors.Is(err, ErrDamaged), errors.Is(err, fs.ErrNotExist):
		fault(".state/treeState", "the state of the writer is gone or cannot be read")
	case err != nil:
		return found, err
	}
	vkey := h.VerifierKey
	if vkey == "" {
		if vkey, err = a.Key(n.Origin()); err != nil && !errors.Is(err, authz.ErrNotFound) {
			return found, err
		}
	}
	var marks []inspect.Mark
	if vkey == "" {
		fault("checkpoint", "the key of the shard is not known here, so its signature cannot be checked")
	} else if _, c, err := readCheckpoint(ctx, string(files), vkey); err != nil {
		fault("checkpoint", err.Error())
	} else if found.Signed = c.Size; c.Size > 0 {
		marks = append(marks, inspect.Mark{By: "the checkpoint", Size: c.Size, Root: c.Root})
	} else if on.Size > 0 {
		fault("checkpoint", "there is none, or it is of an empty tree")
	}
	found.Size = on.Size
	if on.Root == nil {
		found.Size = max(found.Signed, h.Size)
	} else {
		marks = append(marks, inspect.Mark{By: "the state of the writer", Size: on.Size, Root: proof.Hash(on.Root)})
	}
	if h.Size > 0 {
		marks = append(marks, inspect.Mark{By: "the database", Size: h.Size, Root: h.Root})
	}
	for _, c := range anchors {
		if c.Origin == n.Origin() {
			marks = append(marks, inspect.Mark{By: "the anchor", Size: c.Size, Root: c.Root})
		}
	}
	faults, err := inspect.Check(ctx, inspect.Options{
		Files: files, Size: found.Size, Marks: marks,
		Progress: func(done uint64) error { return progress(done, found.Size) },
	})
	found.Faults = append(found.Faults, faults...)
	return found, err
}

// Remade says what a folder holds after it was made anew.
type Remade struct {
	inspect.Rebuilt
	// Size is how many entries it holds, Known one more than the highest place that the
	// database knows: what lies between is nowhere.
	Size, Known uint64
}

// Remake makes the folder of a shard whole again (see [inspect.Rebuild]): as large as the
// writer or the database knew it, or else as large as it was recorded. No server may write
// the shard; ErrLocked says that one does.
func (a *Archive) Remake(
	ctx context.Context, n Name, h trees.Head, known uint64, source inspect.Source, progress func(done, size uint64) error,
) (Remade, error) {
	dir := n.Dir(a.Dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Remade{}, err
	}
	lock, err := sole.Take(dir)
	if err != nil {
		return Remade{}, err
	}
	defer lock.Close()
	o := inspect.RebuildOptions{Dir: dir, Source: source}
	if h.Size > 0 {
		o.Marks, o.Checkpoint = []inspect.Mark{{By: "the database", Size: h.Size, Root: h.Root}}, []byte(h.Checkpoint)
	}
	if _, c, err := readCheckpoint(ctx, dir, h.VerifierKey); err == nil && c.Size >= h.Size && c.Size > 0 {
		// It was signed, and a database that is older than the log does not know of it.
		o.Marks, o.Checkpoint = append(o.Marks, inspect.Mark{By: "the checkpoint", Size: c.Size, Root: c.Root}), nil
	}
	least := uint64(0)
	for _, m := range o.Marks {
		least = max(least, m.Size)
	}
	sizes := []uint64{least}
	if on, err := readState(ctx, Folder(dir)); err == nil && on.Size > least && !h.Closed {
		sizes = append(sizes, on.Size)
	}
	if known > least && !h.Closed {
		sizes = append(sizes, known)
	}
	slices.Sort(sizes)
	slices.Reverse(sizes)
	for i, size := range slices.Compact(sizes) {
		o.Size = size
		o.Progress = func(done uint64) error { return progress(done, size) }
		done, err := inspect.Rebuild(ctx, o)
		var missing *inspect.MissingError
		if err != nil && i < len(sizes)-1 && size > least && (errors.As(err, &missing) || errors.Is(err, inspect.ErrOtherTree)) {
			continue // what was never signed may be gone
		}
		return Remade{done, size, known}, err
	}
	return Remade{}, nil
}

// End ends a shard where it was recorded last, whatever is in its folder: the next start
// begins the next part. A writer of it can publish nothing more.
func End(ctx context.Context, heads Heads, h trees.Head) error {
	taken, err := heads.Take(ctx, h.Origin, h.Epoch, h.Writer)
	if err != nil {
		return err
	}
	return heads.Close(ctx, h.Origin, taken.Epoch)
}

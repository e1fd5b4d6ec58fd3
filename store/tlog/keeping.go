package tlog

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/copyseal"
	"hopnhat/store/tlog/copies"
	"hopnhat/store/tlog/gather"
	"hopnhat/store/tlog/sole"
)

// fillAgain is after how many seconds copies that are missing are looked for again.
const fillAgain = 30

// copies is Options.Copies of one shard.
func (o *ShardsOptions) copies(origin string) func(context.Context, uint64, [][]byte) (map[uint64][]byte, error) {
	if o.Copies == nil {
		return nil
	}
	return func(ctx context.Context, first uint64, leaves [][]byte) (map[uint64][]byte, error) {
		return o.Copies(ctx, origin, first, leaves)
	}
}

// openCopies goes on with the copies beside the tree, and fills what a crash left out of
// them. That rows cannot be read now keeps no log from being opened.
func (l *Log) openCopies(ctx context.Context, o Options) error {
	size, err := l.Size(ctx)
	if err != nil {
		return err
	}
	var missing []uint64
	if l.copies, missing, err = copies.Open(copies.Of(o.Dir), size); err != nil {
		if errors.Is(err, copies.ErrDamaged) {
			err = fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return fmt.Errorf("opening the copies of events: %w", err)
	}
	l.ofRows = o.Copies
	l.gaps.Add(missing...)
	if err := l.fill(ctx); err != nil {
		slog.Error("copies of events could not be put beside the log; it is tried again", "origin", o.Origin, "error", err)
	}
	return nil
}

// keepAhead writes the copies of entries that are handed over while these are written, to the
// places that come next in the tree: both are on disk at the same time. What it returns waits
// for that, and reports whether they were given those places; where not, the copies are taken
// back.
func (l *Log) keepAhead(entries []audit.Entry, at []int) func(written []gather.Outcome[uint64], failed error) bool {
	first, _ := l.tree.Head()
	var records []copies.Record
	for i, e := range entries {
		if at[i] >= 0 && len(e.Copy) > 0 {
			records = append(records, copies.Record{Index: first + uint64(at[i]), Leaf: copyseal.LeafHash(e.Leaf), Copy: e.Copy})
		}
	}
	records = once(records)
	done := make(chan struct{})
	var back func() error
	var err error
	go func() {
		defer close(done)
		back, err = l.copies.Ahead(records)
	}()
	return func(written []gather.Outcome[uint64], failed error) bool {
		<-done
		right := failed == nil && err == nil
		for n, w := range written {
			right = right && w.Err == nil && w.Value == first+uint64(n)
		}
		if right {
			return true
		}
		if err := back(); err != nil {
			slog.Error("copies of events stand beside places that are not theirs; the next start takes them away", "error", err)
		}
		return false
	}
}

// once are records in the order of their places, each once.
func once(records []copies.Record) []copies.Record {
	slices.SortFunc(records, func(a, b copies.Record) int { return cmp.Compare(a.Index, b.Index) })
	return slices.CompactFunc(records, func(a, b copies.Record) bool { return a.Index == b.Index })
}

// keepCopies writes the copies of entries that were given places, if that was not done ahead;
// those that have their places from before, where at is negative, have copies, if these are no
// gaps. Where it fails no place is told: the caller appends again, and gets the place.
func (l *Log) keepCopies(entries []audit.Entry, at []int, out []gather.Outcome[uint64], ahead bool) {
	var records []copies.Record
	for i, e := range entries {
		switch index := out[i].Value; {
		case out[i].Err != nil || at[i] < 0 && !l.gaps.Has(index):
		case len(e.Copy) == 0:
			l.gaps.Add(index)
		case at[i] < 0 || !ahead:
			records = append(records, copies.Record{Index: index, Leaf: copyseal.LeafHash(e.Leaf), Copy: e.Copy})
		}
	}
	if err := l.putCopies(records); err != nil {
		for i := range out {
			out[i] = gather.Outcome[uint64]{Err: fmt.Errorf("keeping the copy of an event: %w", err)}
		}
	}
}

// putCopies writes records in the order of their places, each once, and notes what it could
// not write as gaps.
func (l *Log) putCopies(records []copies.Record) error {
	records = once(records)
	err := l.copies.Write(records)
	for _, r := range records {
		if err != nil {
			l.gaps.Add(r.Index)
		} else {
			l.gaps.Fill(r.Index)
		}
	}
	return err
}

// fill puts copies where there are none, as far as rows are there for them.
func (l *Log) fill(ctx context.Context) error {
	l.filling.Lock()
	defer l.filling.Unlock()
	open := l.gaps.List()
	if len(open) == 0 || l.ofRows == nil || l.closed.Load() {
		return nil
	}
	for len(open) > 0 {
		first := open[0]
		n := 0
		for n < len(open) && open[n] < first+copies.Range {
			n++
		}
		leaves, err := l.Entries(ctx, first, int(open[n-1]-first)+1)
		if err != nil {
			return err
		}
		found, err := l.ofRows(ctx, first, leaves)
		if err != nil {
			return err
		}
		var records []copies.Record
		for _, index := range open[:n] {
			if len(found[index]) > 0 {
				records = append(records, copies.Record{Index: index, Leaf: copyseal.LeafHash(leaves[index-first]), Copy: found[index]})
			} else {
				l.gaps.Miss(index)
			}
		}
		if err := l.putCopies(records); err != nil {
			return err
		}
		open = open[n:]
	}
	return nil
}

// Erase overwrites the copies of one leaf at a place of a shard, or at whichever of n places
// from it on the leaf stands: see [copies.Folder.Erase]. authz.ErrNotFound says that the shard
// is not here.
func (s *Shards) Erase(ctx context.Context, from audit.Place, n uint64, leaf [sha256.Size]byte) error {
	current := s.current.Load()
	if from.Origin != current.Origin() {
		return s.o.Archive.Erase(ctx, from, n, leaf)
	}
	current.filling.Lock() // what is being filled in was read before
	defer current.filling.Unlock()
	return erased(from, copies.Find(ctx, current.hashes, from.Index, n, leaf, func(index uint64) error {
		was, err := current.copies.Erase(index, leaf)
		if err == nil && !was && current.gaps.Has(index) { // nothing is to be filled in there any more
			err = current.putCopies([]copies.Record{{Index: index, Leaf: leaf}})
		}
		return err
	}))
}

// Erase is [Shards.Erase] for a shard that no process of this machine writes.
func (a *Archive) Erase(ctx context.Context, from audit.Place, n uint64, leaf [sha256.Size]byte) error {
	name, err := ParseName(a.Log, from.Origin)
	if err != nil || !a.Has(name) {
		return fmt.Errorf("shard %s is not here: %w", from.Origin, authz.ErrNotFound)
	}
	lock, err := sole.Take(name.Dir(a.Dir))
	if err != nil {
		return fmt.Errorf("erasing a copy beside %s: %w; run it again", from.Origin, err)
	}
	defer lock.Close()
	var r *Reader
	if n > 1 {
		if r, err = a.Whole(ctx, name); err != nil {
			return err
		}
	}
	return erased(from, copies.Find(ctx, r.hashes, from.Index, n, leaf, func(index uint64) error {
		_, err := copies.Of(name.Dir(a.Dir)).Erase(index, leaf)
		return err
	}))
}

func erased(place audit.Place, err error) error {
	if err != nil {
		return fmt.Errorf("erasing a copy from place %d of %s on: %w; see hopnhat log rebuild --help", place.Index, place.Origin, err)
	}
	return nil
}

// Copies are those of a shard of the folder, also of what no checkpoint covers yet.
func (a *Archive) Copies(ctx context.Context, n Name) (copies.Shard, error) {
	r, err := a.Whole(ctx, n)
	if err != nil {
		return copies.Shard{}, err
	}
	size, err := r.Size(ctx)
	return copies.Shard{Folder: copies.Of(n.Dir(a.Dir)), Size: size, Leaves: r.hashes}, err
}

// hashes are those of entries, as [Reader.Entries] gives them.
func (r *Reader) hashes(ctx context.Context, first uint64, n int) ([][sha256.Size]byte, error) {
	leaves, err := r.Entries(ctx, first, n)
	hashes := make([][sha256.Size]byte, len(leaves))
	for i, leaf := range leaves {
		hashes[i] = copyseal.LeafHash(leaf)
	}
	return hashes, err
}

// MendCopies makes the copies of a shard whole ([copies.Shard.Mend]); ErrLocked says that a
// server writes it.
func (a *Archive) MendCopies(
	ctx context.Context, n Name, s copies.Shard, erased func(context.Context) (map[[sha256.Size]byte]bool, error),
) (copies.Mended, error) {
	lock, err := sole.Take(n.Dir(a.Dir))
	if err != nil {
		return copies.Mended{}, err
	}
	defer lock.Close()
	if s.Erased, err = erased(ctx); err != nil {
		return copies.Mended{}, err
	}
	return s.Mend(ctx)
}

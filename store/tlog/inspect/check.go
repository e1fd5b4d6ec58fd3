package inspect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/tessera/api/layout"

	"hopnhat/authz/audit/proof"
)

// Files reads the files of a shard by their paths; fs.ErrNotExist if there is none.
type Files interface {
	Read(ctx context.Context, path string) ([]byte, error)
}

// Mark is a tree that was signed or recorded: the first Size entries have this Root.
type Mark struct {
	// By says who says so, for people.
	By   string
	Size uint64
	Root proof.Hash
}

// Fault is a file that is not what was signed, or a tree that has another root.
type Fault struct {
	// Path is the file; empty where no single one is at fault.
	Path string
	// First and Last are the entries that it is about.
	First, Last uint64
	Cause       string
}

// String says it in one line.
func (f Fault) String() string {
	if f.Path == "" {
		return f.Cause
	}
	return fmt.Sprintf("%s (entries %d to %d): %s", f.Path, f.First, f.Last, f.Cause)
}

// Options say which tree is read.
type Options struct {
	Files Files
	// Size is how many entries the tree has, or those of it that are read.
	Size uint64
	// Marks are what it must lead to; one that is larger than Size is a fault.
	Marks []Mark
	// Progress, if not nil, is told after each bundle how many entries were read. Its error
	// ends the check.
	Progress func(done uint64) error
}

// maxFaults bounds what is reported of one tree.
const maxFaults = 1000

// Check reads every entry bundle and every tile of the tree, and returns what is not as it
// was signed: nothing for a tree that is whole. One bit that differs is a fault, and the
// file it is in is named where tiles and root tell bundle and tile apart. The error says
// that it could not be read to its end, or that there are more than 1,000 faults.
func Check(ctx context.Context, o Options) ([]Fault, error) {
	c := &check{o: o, whole: ranges.NewEmptyRange(0)}
	c.builder.done = func(level, index uint64, hashes [][]byte) error {
		if level == 0 {
			return nil // compared with its bundle
		}
		return c.compare(ctx, level, index, hashes)
	}
	if err := c.marks(); err != nil {
		return nil, err
	}
	for index := uint64(0); index*layout.EntryBundleWidth < o.Size; index++ {
		width := int(min(o.Size-index*layout.EntryBundleWidth, layout.EntryBundleWidth))
		if err := c.bundle(ctx, index, width); err != nil {
			return c.faults, err
		}
		if o.Progress != nil {
			if err := o.Progress(index*layout.EntryBundleWidth + uint64(width)); err != nil {
				return c.faults, err
			}
		}
	}
	if err := c.builder.finish(); err != nil {
		return c.faults, err
	}
	for _, m := range o.Marks {
		if m.Size > o.Size {
			if err := c.fault(Fault{Cause: fmt.Sprintf("%d entries are there, and %s says %d", o.Size, m.By, m.Size)}); err != nil {
				return c.faults, err
			}
		}
	}
	return c.faults, nil
}

type check struct {
	o       Options
	builder builder
	whole   *compact.Range
	faults  []Fault
}

var errTooMany = errors.New("more faults than are told")

func (c *check) fault(f Fault) error {
	c.faults = append(c.faults, f)
	if len(c.faults) >= maxFaults {
		return fmt.Errorf("%w: %d", errTooMany, maxFaults)
	}
	return nil
}

// bundle reads a bundle and the tile above it, and goes on with the hashes that are the
// signed ones.
func (c *check) bundle(ctx context.Context, index uint64, width int) error {
	first := index * layout.EntryBundleWidth
	told := Fault{First: first, Last: first + uint64(width) - 1}
	entries, path, entryErr := c.entries(ctx, index, width)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	tilePath, tiled, tileErr := c.tile(ctx, 0, index, width)
	var hashes [][]byte
	if entryErr == nil {
		hashes = leafHashes(entries)
	}
	switch {
	case entryErr != nil && tileErr != nil:
		told.Path, told.Cause = path, entryErr.Error()
		if err := c.fault(told); err != nil {
			return err
		}
		return fmt.Errorf("neither %s nor %s can be read; what follows cannot be checked: %w", path, tilePath, errors.Join(entryErr, tileErr))
	case entryErr != nil:
		told.Path, told.Cause = path, entryErr.Error()
		hashes = tiled
	case tileErr != nil:
		told.Path, told.Cause = tilePath, tileErr.Error()
	case !equal(hashes, tiled):
		signed, err := c.which(ctx, index, hashes, tiled)
		if err != nil {
			return err
		}
		if signed {
			told.Path, told.Cause = tilePath, "its hashes are not those of the entries, which were signed"
		} else {
			told.Path, told.Cause = path, "its entries are not those that were signed: "+differing(first, hashes, tiled)
			hashes = tiled
		}
	}
	if told.Cause != "" {
		if err := c.fault(told); err != nil {
			return err
		}
	}
	for _, h := range hashes {
		if err := c.builder.add(0, h); err != nil {
			return err
		}
		if err := c.grow(h); err != nil {
			return err
		}
	}
	return nil
}

// grow adds a leaf's hash to the tree, and compares where something was signed.
func (c *check) grow(h []byte) error {
	if err := c.whole.Append(h, nil); err != nil {
		return err
	}
	return c.marks()
}

// which reports whether the hashes of the entries are the signed ones, and not those of
// the tile: by the tile above for a full one, and by the marks for the last one.
func (c *check) which(ctx context.Context, index uint64, entries, tiled [][]byte) (bool, error) {
	if len(entries) == layout.TileWidth {
		of, err := Root(entries)
		if err != nil {
			return false, err
		}
		parent := index / layout.TileWidth
		width := int(min(c.o.Size/layout.TileWidth-parent*layout.TileWidth, layout.TileWidth))
		_, above, err := c.tile(ctx, 1, parent, width)
		if err == nil {
			return bytes.Equal(above[index%layout.TileWidth], of[:]), nil
		}
		return false, ctx.Err()
	}
	for _, m := range c.o.Marks {
		if m.Size <= c.whole.End() || m.Size > c.whole.End()+uint64(len(entries)) {
			continue
		}
		alone, err := ranges.NewRange(0, c.whole.End(), slices.Clone(c.whole.Hashes()))
		if err != nil {
			return false, err
		}
		for _, h := range entries[:m.Size-c.whole.End()] {
			if err := alone.Append(h, nil); err != nil {
				return false, err
			}
		}
		root, err := rootOf(alone)
		return root == m.Root, err
	}
	return false, nil
}

// marks compares the root with what was signed for just as many entries.
func (c *check) marks() error {
	for _, m := range c.o.Marks {
		if m.Size != c.whole.End() {
			continue
		}
		root, err := rootOf(c.whole)
		if err != nil {
			return err
		}
		if root == m.Root {
			continue
		}
		if err := c.fault(Fault{Cause: fmt.Sprintf("the first %d entries lead to another root than %s says", m.Size, m.By)}); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) entries(ctx context.Context, index uint64, width int) ([][]byte, string, error) {
	raw, path, err := c.read(ctx, bundlePath(index, width), bundlePath(index, layout.EntryBundleWidth))
	if err != nil {
		return nil, path, err
	}
	entries, err := split(raw, width, path == bundlePath(index, width))
	return entries, path, err
}

// tile reads the first hashes of a tile.
func (c *check) tile(ctx context.Context, level, index uint64, width int) (string, [][]byte, error) {
	raw, path, err := c.read(ctx, tilePath(level, index, width), tilePath(level, index, layout.TileWidth))
	if err != nil {
		return path, nil, err
	}
	if exact := path == tilePath(level, index, width); len(raw) < width*hashSize || exact && len(raw) > width*hashSize {
		return path, nil, fmt.Errorf("it has %d bytes, and %d hashes need %d", len(raw), width, width*hashSize)
	}
	hashes := make([][]byte, width)
	for i := range hashes {
		hashes[i] = raw[i*hashSize : (i+1)*hashSize]
	}
	return path, hashes, nil
}

// read reads a file, or the full one where the partial one was tidied away.
func (c *check) read(ctx context.Context, path, full string) ([]byte, string, error) {
	raw, err := c.o.Files.Read(ctx, path)
	if errors.Is(err, fs.ErrNotExist) && path != full {
		if raw, again := c.o.Files.Read(ctx, full); again == nil {
			return raw, full, nil
		}
	}
	return raw, path, err
}

// compare holds a tile of an inner level against what the entries lead to.
func (c *check) compare(ctx context.Context, level, index uint64, want [][]byte) error {
	span := uint64(1)
	for range level {
		span *= layout.TileWidth
	}
	first := index * layout.TileWidth * span
	told := Fault{First: first, Last: first + uint64(len(want))*span - 1}
	path, got, err := c.tile(ctx, level, index, len(want))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	told.Path = path
	switch {
	case err != nil:
		told.Cause = err.Error()
	case !equal(got, want):
		told.Cause = "its hashes are not those that the entries lead to"
	default:
		return nil
	}
	return c.fault(told)
}

func equal(a, b [][]byte) bool { return bytes.Equal(joined(a), joined(b)) }

// differing names the first entry that differs.
func differing(first uint64, entries, tiled [][]byte) string {
	for i := range entries {
		if !bytes.Equal(entries[i], tiled[i]) {
			return fmt.Sprintf("entry %d is another", first+uint64(i))
		}
	}
	return "none"
}

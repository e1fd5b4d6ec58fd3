package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/transparency-dev/tessera/api/layout"

	"hopnhat/authz/audit/proof"
	"hopnhat/keys/durable"
)

// Source finds entries that a folder lacks: in the rows of the database, or in copies.
type Source interface {
	// Entries are those that it has of n places from first on, by their places.
	Entries(ctx context.Context, first uint64, n int) (map[uint64][]byte, error)
}

// RebuildOptions say what a folder is to hold.
type RebuildOptions struct {
	// Dir is the folder of the shard. No process may write it meanwhile.
	Dir string
	// Size is how many entries it is to hold.
	Size uint64
	// Marks are what was recorded and signed. Nothing is written that does not lead to
	// them all; one that is larger than Size is not led to.
	Marks []Mark
	// Checkpoint is the signed note to publish; nil leaves the one that is there.
	Checkpoint []byte
	// Source has entries that are not in the folder, or differ there; nil for none.
	Source   Source
	Progress func(done uint64) error
}

// Rebuilt says what was done.
type Rebuilt struct {
	// Bundles and Tiles are how many files were written anew.
	Bundles, Tiles int
}

// MissingError says which entries are nowhere: neither in the folder nor in the source.
type MissingError struct {
	// First is the first of them, Count how many there are.
	First, Count uint64
}

// Error says which are missing.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%d entries are nowhere, the first is entry %d", e.Count, e.First)
}

// ErrOtherTree means that the entries that are there lead to another root than was
// recorded.
var ErrOtherTree = errors.New("the entries lead to another root than was recorded; nothing was written")

// Rebuild makes a folder whole: it reads each entry from its bundle, or from the source
// where the bundle is not there or is not what the tile above says, and when all lead to
// what was recorded it writes the bundles and tiles that are missing or differ, the state
// of the writer and the checkpoint. After a crash it is done again from the start.
func Rebuild(ctx context.Context, o RebuildOptions) (Rebuilt, error) {
	r := &rebuild{o: o}
	// First without writing: what does not lead to the root changes nothing.
	if _, err := r.pass(ctx, false); err != nil {
		return Rebuilt{}, err
	}
	root, err := r.pass(ctx, true)
	if err != nil {
		return r.done, err
	}
	return r.done, r.end(root)
}

type rebuild struct {
	o       RebuildOptions
	missing MissingError
	done    Rebuilt
}

func (r *rebuild) pass(ctx context.Context, write bool) (proof.Hash, error) {
	b := builder{done: func(level, index uint64, hashes [][]byte) error {
		if !write {
			return nil
		}
		wrote, err := r.keep(tilePath(level, index, len(hashes)), joined(hashes))
		if wrote {
			r.done.Tiles++
		}
		return err
	}}
	c := &check{o: Options{Files: folder(r.o.Dir), Size: r.o.Size, Marks: r.o.Marks}, whole: ranges.NewEmptyRange(0)}
	for first := uint64(0); first < r.o.Size; first += layout.EntryBundleWidth {
		if err := ctx.Err(); err != nil {
			return proof.Hash{}, err
		}
		width := int(min(r.o.Size-first, layout.EntryBundleWidth))
		entries, err := r.bundle(ctx, c, first, width)
		if err != nil {
			return proof.Hash{}, err
		}
		if entries == nil {
			continue // counted as missing
		}
		if write {
			wrote, err := r.keep(bundlePath(first/layout.EntryBundleWidth, width), marshal(entries))
			if err != nil {
				return proof.Hash{}, err
			}
			if wrote {
				r.done.Bundles++
			}
		}
		for _, h := range leafHashes(entries) {
			if err := b.add(0, h); err != nil {
				return proof.Hash{}, err
			}
			if err := c.grow(h); err != nil {
				return proof.Hash{}, err
			}
		}
		if r.o.Progress != nil {
			if err := r.o.Progress(first + uint64(width)); err != nil {
				return proof.Hash{}, err
			}
		}
	}
	switch {
	case r.missing.Count > 0:
		return proof.Hash{}, &r.missing
	case len(c.faults) > 0:
		return proof.Hash{}, fmt.Errorf("%w: %v", ErrOtherTree, c.faults[0])
	}
	for _, m := range r.o.Marks {
		if m.Size > r.o.Size {
			return proof.Hash{}, fmt.Errorf("%w: %d entries, and %s says %d", ErrOtherTree, r.o.Size, m.By, m.Size)
		}
	}
	if err := b.finish(); err != nil {
		return proof.Hash{}, err
	}
	return rootOf(c.whole)
}

// bundle are the entries of one bundle, nil where some are nowhere.
func (r *rebuild) bundle(ctx context.Context, c *check, first uint64, width int) ([][]byte, error) {
	index := first / layout.EntryBundleWidth
	here, _, entryErr := c.entries(ctx, index, width)
	_, tiled, tileErr := c.tile(ctx, 0, index, width)
	switch {
	case entryErr == nil && (tileErr != nil || equal(leafHashes(here), tiled)):
		return here, nil
	case r.o.Source == nil && entryErr == nil:
		return here, nil // the root says which of the two is right
	case r.o.Source == nil:
		r.lack(first, uint64(width))
		return nil, nil
	}
	found, err := r.o.Source.Entries(ctx, first, width)
	if err != nil {
		return nil, err
	}
	entries := make([][]byte, width)
	for i := range entries {
		// Where the tile is there the entry of its hash is taken, from wherever it is.
		for _, candidate := range [][]byte{found[first+uint64(i)], at(here, i)} {
			if candidate == nil || entries[i] != nil {
				continue
			}
			if tileErr != nil || bytes.Equal(hasher.HashLeaf(candidate), tiled[i]) {
				entries[i] = candidate
			}
		}
		if entries[i] == nil && entryErr == nil {
			return here, nil // the tile may be the one that is wrong, and the root will say
		}
		if entries[i] == nil {
			r.lack(first+uint64(i), 1)
		}
	}
	if r.missing.Count > 0 {
		return nil, nil
	}
	return entries, nil
}

func (r *rebuild) lack(first, n uint64) {
	if r.missing.Count == 0 {
		r.missing.First = first
	}
	r.missing.Count += n
}

func at(list [][]byte, i int) []byte {
	if i >= len(list) {
		return nil
	}
	return list[i]
}

// marshal writes entries as a bundle: each after its length in two bytes, big-endian.
func marshal(entries [][]byte) []byte {
	var raw []byte
	for _, e := range entries {
		raw = append(binary.BigEndian.AppendUint16(raw, uint16(len(e))), e...)
	}
	return raw
}

// keep writes a file if it is not as it should be, and reports whether it did.
func (r *rebuild) keep(path string, want []byte) (bool, error) {
	path = filepath.Join(r.o.Dir, path)
	if have, err := ReadFile(path); err == nil && bytes.Equal(have, want) {
		return false, nil
	}
	return true, Replace(path, want)
}

// end writes the state of the writer and the checkpoint.
func (r *rebuild) end(root proof.Hash) error {
	state, err := json.Marshal(struct {
		Size uint64 `json:"size"`
		Root []byte `json:"root"`
	}{r.o.Size, root[:]})
	if err != nil {
		return err
	}
	if err := Replace(filepath.Join(r.o.Dir, ".state", "treeState"), state); err != nil {
		return err
	}
	if r.o.Checkpoint == nil {
		return nil
	}
	return Replace(filepath.Join(r.o.Dir, layout.CheckpointPath), r.o.Checkpoint)
}

// Replace writes a file as a whole, so that a crash leaves the old or the new one, and
// makes its folder.
func Replace(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return durable.Replace(path, content, 0o644)
}

// folder reads files of a folder.
type folder string

func (f folder) Read(_ context.Context, path string) ([]byte, error) {
	raw, err := ReadFile(filepath.Join(string(f), path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fs.ErrNotExist
	}
	return raw, err
}

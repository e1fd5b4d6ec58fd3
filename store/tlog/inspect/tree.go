// Package inspect reads every file of a C2SP tlog-tiles tree (https://c2sp.org/tlog-tiles)
// and says which of them is not what was signed ([Check]), and makes tiles anew from the
// entries ([Rebuild]). It holds one tile of each level at a time, however large the tree is.
package inspect

import (
	"bytes"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/api/layout"

	"hopnhat/authz/audit/proof"
)

const hashSize = 32

var hasher = rfc6962.DefaultHasher

// ranges makes compact ranges of the tree (RFC 6962 §2.1).
var ranges = compact.RangeFactory{Hash: hasher.HashChildren}

// Root is the root over the leaves' hashes.
func Root(hashes [][]byte) (proof.Hash, error) {
	whole := ranges.NewEmptyRange(0)
	for _, h := range hashes {
		if err := whole.Append(h, nil); err != nil {
			return proof.Hash{}, err
		}
	}
	return rootOf(whole)
}

func rootOf(whole *compact.Range) (proof.Hash, error) {
	if whole.End() == 0 {
		return proof.Hash(hasher.EmptyRoot()), nil
	}
	root, err := whole.GetRootHash(nil)
	return proof.Hash(root), err
}

// tile is one that is being filled: the hashes of its lowest level.
type tile struct {
	index  uint64
	hashes [][]byte
}

// builder makes the tiles of a tree from the hashes of its leaves, in their order.
type builder struct {
	levels []*tile
	// done is told each tile that is full, and at the end those that are not.
	done func(level, index uint64, hashes [][]byte) error
}

func (b *builder) add(level uint64, hash []byte) error {
	if uint64(len(b.levels)) == level {
		b.levels = append(b.levels, &tile{})
	}
	t := b.levels[level]
	t.hashes = append(t.hashes, hash)
	if len(t.hashes) < layout.TileWidth {
		return nil
	}
	if err := b.done(level, t.index, t.hashes); err != nil {
		return err
	}
	root, err := Root(t.hashes)
	if err != nil {
		return err
	}
	b.levels[level] = &tile{index: t.index + 1}
	return b.add(level+1, root[:])
}

// finish tells the tiles at the right edge.
func (b *builder) finish() error {
	for level, t := range b.levels {
		if len(t.hashes) == 0 {
			continue
		}
		if err := b.done(uint64(level), t.index, t.hashes); err != nil {
			return err
		}
	}
	return nil
}

// tilePath is where a tile stands.
func tilePath(level, index uint64, width int) string {
	return layout.TilePath(level, index, uint8(width%layout.TileWidth)) // a full one has no width in its name
}

func bundlePath(index uint64, width int) string {
	return layout.EntriesPath(index, uint8(width%layout.EntryBundleWidth))
}

// split reads the first entries of a bundle, which has no more where it is exact.
func split(raw []byte, width int, exact bool) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(raw); err != nil {
		return nil, err
	}
	if len(b.Entries) < width || exact && len(b.Entries) > width {
		return nil, fmt.Errorf("it holds %d entries of %d", len(b.Entries), width)
	}
	return b.Entries[:width], nil
}

// joined is the text of a tile.
func joined(hashes [][]byte) []byte { return bytes.Join(hashes, nil) }

func leafHashes(entries [][]byte) [][]byte {
	hashes := make([][]byte, len(entries))
	for i, e := range entries {
		hashes[i] = hasher.HashLeaf(e)
	}
	return hashes
}

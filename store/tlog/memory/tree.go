// Package memory is the tree of a log as its writer knows it without asking the disk: proved
// at the start, and grown since by the leaves that the writer handed over. What is on the disk
// is signed only if it is this tree.
//
// It keeps the nodes at the right edge (a compact range), and the leaves of the last two groups
// that were written, since the disk shows a tree before or after the writer has heard of it.
package memory

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"

	"hopnhat/authz/audit/proof"
)

// Errors of a tree that is held against the one in memory.
var (
	// ErrForeign means that the writer did not make it.
	ErrForeign = errors.New("the tree is not the one that this writer made")
	// ErrPast means that it is from before the last group: it cannot be compared any more.
	ErrPast = errors.New("the tree is older than what was written last")
)

// Tree is the tree of a log. It is safe for concurrent use.
type Tree struct {
	mu sync.Mutex
	// base is the tree before the last group, last the leaf hashes of that group, given those
	// that were handed over since and of which it is not known whether they are in the tree.
	base        *compact.Range
	last, given [][]byte
}

// New begins with the tree that was proved: its size and the nodes at its right edge, as
// [compact.Range.Hashes] has them. An empty tree has none.
func New(size uint64, edge [][]byte) (*Tree, error) {
	base, err := factory.NewRange(0, size, slices.Clone(edge))
	if err != nil {
		return nil, fmt.Errorf("the edge of a tree of %d entries: %w", size, err)
	}
	return &Tree{base: base}, nil
}

var factory = &compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

// Give notes leaf hashes that are about to be handed over, in this order. What was given
// before has to be settled.
func (t *Tree) Give(leaves [][]byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.given = append(t.given, leaves...)
}

// Open reports whether leaves were given that are not settled.
func (t *Tree) Open() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.given) > 0
}

// Settle takes the tree that is on the disk after the leaves that were given were written, or
// some of them, if it is that tree: ErrForeign otherwise. placed are the places of those of
// which they are known, by their positions among those given; the others are in the tree in
// their order, or are not in it.
func (t *Tree) Settle(size uint64, root proof.Hash, placed map[int]uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := t.size()
	if size < from || size-from > uint64(len(t.given)) {
		return fmt.Errorf("%w: it has %d entries, where %d were written and %d handed over", ErrForeign, size, from, len(t.given))
	}
	group := make([][]byte, size-from)
	for i, place := range placed {
		if place < from || place >= size || group[place-from] != nil {
			return fmt.Errorf("%w: an entry has place %d of %d, where %d were written before", ErrForeign, place, size, from)
		}
		group[place-from] = t.given[i]
	}
	next := 0
	for i := range group {
		for ; group[i] == nil && next < len(t.given); next++ {
			if _, known := placed[next]; !known {
				group[i] = t.given[next]
			}
		}
		if group[i] == nil {
			return fmt.Errorf("%w: nobody handed entry %d over", ErrForeign, from+uint64(i))
		}
	}
	base := grow(t.base, t.last)
	if got := rootOf(grow(base, group)); got != root {
		return fmt.Errorf("%w: the root of its %d entries is another", ErrForeign, size)
	}
	t.base, t.last, t.given = base, group, nil
	return nil
}

// Holds returns nil if a tree is this one, or this one as it was a group ago, or as it is when
// some of the leaves that were given are in it, in their order.
func (t *Tree) Holds(size uint64, root proof.Hash) error {
	t.mu.Lock()
	base, since := t.base, slices.Concat(t.last, t.given)
	t.mu.Unlock()
	from := base.End()
	switch {
	case size < from:
		return fmt.Errorf("%w: it has %d entries, and %d are known", ErrPast, size, from)
	case size-from > uint64(len(since)):
		return fmt.Errorf("%w: it has %d entries, and no more than %d were handed over", ErrForeign, size, from+uint64(len(since)))
	case rootOf(grow(base, since[:size-from])) != root:
		return fmt.Errorf("%w: the root of its %d entries is another", ErrForeign, size)
	}
	return nil
}

// Head is the tree that is settled.
func (t *Tree) Head() (size uint64, root proof.Hash) {
	t.mu.Lock()
	defer t.mu.Unlock()
	whole := grow(t.base, t.last)
	return whole.End(), rootOf(whole)
}

func (t *Tree) size() uint64 { return t.base.End() + uint64(len(t.last)) }

// grow is a tree with further leaves; the one before stays as it is.
func grow(tree *compact.Range, leaves [][]byte) *compact.Range {
	grown, err := factory.NewRange(0, tree.End(), slices.Clone(tree.Hashes()))
	for _, leaf := range leaves {
		if err == nil {
			err = grown.Append(leaf, nil)
		}
	}
	if err != nil {
		panic(fmt.Sprintf("a tree of %d entries does not grow: %v", tree.End(), err)) // its edge was counted in New
	}
	return grown
}

func rootOf(tree *compact.Range) proof.Hash {
	root, err := tree.GetRootHash(nil)
	if err != nil || root == nil {
		return proof.Hash(rfc6962.DefaultHasher.EmptyRoot())
	}
	return proof.Hash(root)
}

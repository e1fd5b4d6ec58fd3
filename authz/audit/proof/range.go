package proof

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Range is a stretch of a log without a gap: all leaves from First on, and the
// inclusion proofs of the first and the last. From these the root can be
// recomputed, so no leaf between was left out, added or changed.
type Range struct {
	First  uint64
	Leaves [][]byte
	// Head and Tail are the inclusion proofs of the first and the last leaf.
	Head, Tail []Hash
	Checkpoint string
	Keys       []string // that signed the checkpoint
}

// Last is the place of the last leaf.
func (r Range) Last() uint64 { return r.First + uint64(len(r.Leaves)) - 1 }

// Check says whether the leaves are the log's, all of them from First to Last.
func (r Range) Check(c Checkpoint) error {
	if len(r.Leaves) == 0 || r.Last() < r.First {
		return fmt.Errorf("the range holds no leaf: %w", ErrNotIncluded)
	}
	hashes := make([]tlog.Hash, len(r.Leaves))
	for i, leaf := range r.Leaves {
		hashes[i] = tlog.RecordHash(leaf)
	}
	// Both proofs are checked whole: the recomputation below uses only those of
	// their hashes that lie outside the range.
	if err := checkPath(r.Head, r.First, hashes[0], c); err != nil {
		return fmt.Errorf("entry %d: %w", r.First, err)
	}
	if err := checkPath(r.Tail, r.Last(), hashes[len(hashes)-1], c); err != nil {
		return fmt.Errorf("entry %d: %w", r.Last(), err)
	}
	if root := r.node(hashes, 0, c.Size, 0); root != tlog.Hash(c.Root) {
		return fmt.Errorf("entries %d to %d: %w", r.First, r.Last(), ErrNotIncluded)
	}
	return nil
}

// node is the hash over the leaves from lo up to hi, RFC 6962 §2.1. The parent
// of a part that lies wholly before the range is on the path of the first leaf,
// so its hash is in that proof; likewise after it. depth is that of the node, and
// a proof lists hashes from the deepest up.
func (r Range) node(hashes []tlog.Hash, lo, hi uint64, depth int) tlog.Hash {
	switch {
	case hi <= r.First:
		return tlog.Hash(r.Head[len(r.Head)-depth])
	case lo > r.Last():
		return tlog.Hash(r.Tail[len(r.Tail)-depth])
	case hi-lo == 1:
		return hashes[lo-r.First]
	}
	split := uint64(1)
	for split*2 < hi-lo {
		split *= 2
	}
	return tlog.NodeHash(r.node(hashes, lo, lo+split, depth+1), r.node(hashes, lo+split, hi, depth+1))
}

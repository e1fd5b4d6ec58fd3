package tiles

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"hopnhat/authz/audit/proof"
)

// MaxConsistency is how many hashes a consistency proof has at most
// (https://c2sp.org/tlog-witness#add-checkpoint).
const MaxConsistency = 63

// CheckConsistency verifies that a tree begins with an older one of the same log: RFC 6962
// §2.1.2. Nothing is to be proved of an empty tree, nor of the same tree twice, and then the
// proof is empty. The error is [proof.ErrInconsistent].
func CheckConsistency(hashes []proof.Hash, older, newer proof.Checkpoint) error {
	switch {
	case older.Origin != newer.Origin:
		return fmt.Errorf("the trees are of %q and %q: %w", older.Origin, newer.Origin, proof.ErrInconsistent)
	case older.Size > newer.Size || newer.Size > 1<<62 || len(hashes) > MaxConsistency:
		return fmt.Errorf("of %d entries and before of %d: %w", newer.Size, older.Size, proof.ErrInconsistent)
	case older.Size == 0 || older.Size == newer.Size:
		if len(hashes) > 0 || older.Size == newer.Size && older.Root != newer.Root {
			return fmt.Errorf("%d entries: %w", newer.Size, proof.ErrInconsistent)
		}
		return nil
	}
	path := make(tlog.TreeProof, len(hashes))
	for i, h := range hashes {
		path[i] = tlog.Hash(h)
	}
	if tlog.CheckTree(path, int64(newer.Size), tlog.Hash(newer.Root), int64(older.Size), tlog.Hash(older.Root)) != nil {
		return fmt.Errorf("of %d entries and before of %d: %w", newer.Size, older.Size, proof.ErrInconsistent)
	}
	return nil
}

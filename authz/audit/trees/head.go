package trees

import (
	"crypto/sha256"
	"errors"
)

// Head is how far one shard of the log is recorded, and by whom it is written. What is
// recorded has been signed, or will be; nothing else of the shard ever is.
type Head struct {
	// Log is the name all shards of one site share, Origin that of the shard.
	Log, Origin string
	// Epoch counts the writers of the shard. Of two that write, the one with the older
	// epoch was replaced.
	Epoch uint64
	Size  uint64
	Root  [sha256.Size]byte
	// Checkpoint is the signed tree head of Size and Root, empty before the first.
	Checkpoint string
	// VerifierKey is the key that signs the shard's checkpoints.
	VerifierKey string
	// Writer names the state folder whose node writes the shard.
	Writer string
	// Closed says that the shard ends at Size.
	Closed bool
	// Missing is from which place on entries may have no row in the database; nil if each has
	// one, or an operator decided.
	Missing *uint64
	// Altered says that the row of the head is not as a server wrote it.
	Altered bool
}

// ErrAltered means that the recorded head of a shard is not as a server wrote it.
var ErrAltered = errors.New("the recorded head of the shard was altered in the database")

// Package tail reads back the newest leaves of a log.
package tail

import (
	"context"
	"fmt"
)

// Log reads back what a log holds.
type Log interface {
	// Origin names the shard that is read.
	Origin() string
	// Size is the number of leaves that have a place.
	Size(ctx context.Context) (uint64, error)
	// Entries reads up to n leaves from a place on; fewer only at the end.
	Entries(ctx context.Context, from uint64, n int) ([][]byte, error)
}

// Newest maps the newest leaves of a log, so many at most, to their first place among them.
func Newest(ctx context.Context, log Log, most uint64) (map[string]uint64, error) {
	size, err := log.Size(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the log's size: %w", err)
	}
	from := size - min(size, most)
	found := make(map[string]uint64, size-from)
	err = Each(ctx, log, from, size, func(index uint64, leaf []byte) {
		if _, again := found[string(leaf)]; !again {
			found[string(leaf)] = index
		}
	})
	return found, err
}

// Each visits the leaves from a place up to another. An error is that the log could not be
// read, or ends before.
func Each(ctx context.Context, log Log, from, to uint64, visit func(index uint64, leaf []byte)) error {
	for from < to {
		leaves, err := log.Entries(ctx, from, int(min(to-from, 4096)))
		if err != nil {
			return fmt.Errorf("reading the log from entry %d: %w", from, err)
		}
		if len(leaves) == 0 {
			return fmt.Errorf("reading the log from entry %d: it ends before entry %d", from, to)
		}
		for _, leaf := range leaves {
			visit(from, leaf)
			from++
		}
	}
	return nil
}

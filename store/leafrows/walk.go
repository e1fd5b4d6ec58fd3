package leafrows

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"hopnhat/authz/audit"
	"hopnhat/store/evidence"
	"hopnhat/store/handle"
)

// IDs tells the ids of the events of entries of a shard, from a place on, as far as they are
// known elsewhere: by their copies beside the log. Only wanted ones are asked for.
type IDs func(ctx context.Context, origin string, first uint64, leaves [][]byte, wanted func(leaf []byte) bool) ([]string, error)

// Named is Rows that look at the events with such ids before they walk.
func (db Rows) Named(ids IDs) Rows {
	db.ids = ids
	return db
}

// named looks at the rows whose ids are known.
func (db Rows) named(
	ctx context.Context, origin string, first uint64, leaves [][]byte, without map[string]bool, visit func(audit.Recorded, []byte) bool,
) error {
	if db.ids == nil || len(without) == 0 {
		return nil
	}
	ids, err := db.ids(ctx, origin, first, leaves, func(leaf []byte) bool { return without[string(leaf)] })
	if err != nil {
		return fmt.Errorf("looking for the events of entries of the log: %w", err)
	}
	for some := range slices.Chunk(ids, 500) {
		if err := db.Book.Walk(ctx, "id IN ?", visit, some); err != nil {
			return handle.Wrap("looking for the rows of entries of the log", err)
		}
	}
	return nil
}

// How many rows a walk reads at most: the newest of all, and then those behind where the walk
// before it came to. Whoever adds rows in great numbers makes no start slow: what he hides is
// found by the walks that come after.
const (
	newest  = 2_000
	further = 20_000
)

// walks is how far walks have come, by what they look for.
type walks struct {
	mu sync.Mutex
	at map[string]string
}

// mostWalks bounds what is remembered of walks; if more do not end, each begins anew.
const mostWalks = 4096

func (w *walks) from(key string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at[key]
}

func (w *walks) came(key, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.at) >= mostWalks {
		clear(w.at)
	}
	if w.at[key] = to; to == "" {
		delete(w.at, key)
	}
}

// walk is [evidence.WalkSome] while something is looked for.
func (db Rows) walk(
	ctx context.Context, key string, wanted map[string]bool, condition string, visit func(audit.Recorded, []byte) bool, args ...any,
) error {
	if len(wanted) == 0 {
		db.walks.came(key, "")
		return nil
	}
	last, err := evidence.WalkSome(ctx, db.Book, "", newest, condition, visit, args...)
	if err != nil || last == "" {
		return err
	}
	if before := db.walks.from(key); before != "" && before < last {
		last = before
	}
	if last, err = evidence.WalkSome(ctx, db.Book, last, further, condition, visit, args...); err != nil {
		return err
	}
	db.walks.came(key, last)
	return nil
}

// Package order knows which bundle of a trust anchor is the newest that this server has seen. It
// stands in the database and in the state folder, and the newer of both counts: a restore of one of
// them does not let an older bundle in.
package order

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"hopnhat/federation"
	"hopnhat/keys/durable"
)

// FileName is that of the file in the state folder.
const FileName = "federation-bundles.json"

// ErrOlder means that a newer bundle of the anchor is known.
var ErrOlder = errors.New("a newer bundle of the anchor is known here")

// Place is where a bundle stands among those of its anchor. The zero Place is before all.
type Place struct {
	// Serial rises with each bundle of an anchor.
	Serial   int64     `json:"serial"`
	IssuedAt time.Time `json:"iat"`
	// Digest is of the content, SHA-256 in hexadecimal.
	Digest string `json:"sha256"`
}

// admits reports whether another may come after it: a newer one, or the same.
func (p Place) admits(next Place) bool {
	return p.Serial < next.Serial && !next.IssuedAt.Before(p.IssuedAt) || p.Serial == next.Serial && p.Digest == next.Digest
}

// Book keeps places in the database, for all nodes.
type Book interface {
	// NewestBundle is that of an anchor; zero if there was none.
	NewestBundle(ctx context.Context, anchor federation.EntityID) (Place, error)
	// RaiseBundle makes a bundle the newest, and reports whether it is now; one that is older, or
	// another with the same serial, changes nothing.
	RaiseBundle(ctx context.Context, anchor federation.EntityID, p Place) (bool, error)
}

// raising is held while the file is read and written: one process uses a folder.
var raising sync.Mutex

// Order is the places of all anchors. One process at a time uses a folder.
type Order struct {
	Folder string
	Book   Book
}

// Newest is the newest bundle of an anchor by database and folder; zero if there was none.
func (o Order) Newest(ctx context.Context, anchor federation.EntityID) (Place, error) {
	newest, err := o.Book.NewestBundle(ctx, anchor)
	if err != nil {
		return Place{}, err
	}
	all, err := o.read()
	if here := all[anchor]; err == nil && here.Serial > newest.Serial {
		newest = here
	}
	return newest, err
}

// Raise makes a bundle the newest of its anchor before it is taken in, in both places. The error
// wraps [ErrOlder] if a newer one is known, or another with its serial; the same one may come
// again.
func (o Order) Raise(ctx context.Context, anchor federation.EntityID, p Place) error {
	raising.Lock()
	defer raising.Unlock()
	all, err := o.read()
	if err != nil {
		return err
	}
	here := all[anchor]
	raised := here.admits(p)
	if raised {
		raised, err = o.Book.RaiseBundle(ctx, anchor, p)
	}
	switch {
	case err != nil:
		return err
	case !raised:
		return fmt.Errorf("%w: this one is of %s with serial %d", ErrOlder, p.IssuedAt.UTC().Format(time.DateTime), p.Serial)
	case here == p:
		return nil
	}
	all[anchor] = p
	raw, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return durable.Replace(filepath.Join(o.Folder, FileName), append(raw, '\n'), 0o600)
}

// Next is the serial of a bundle that is made now: milliseconds since 1970, or one more than that
// of the newest. So it rises also where database and folder were both lost.
func (o Order) Next(ctx context.Context, anchor federation.EntityID, now time.Time) (int64, error) {
	newest, err := o.Newest(ctx, anchor)
	return max(newest.Serial+1, now.UnixMilli()), err
}

func (o Order) read() (map[federation.EntityID]Place, error) {
	all := map[federation.EntityID]Place{}
	raw, err := os.ReadFile(filepath.Join(o.Folder, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return all, nil
	}
	if err == nil {
		err = json.Unmarshal(raw, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("which bundles were taken in before: %w", err)
	}
	return all, nil
}

package tlog

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/transparency-dev/tessera/api/layout"

	"hopnhat/authz/audit"
)

// TestHealth: what keeps entries from being logged is told before the next one fails,
// and not any more when it is mended.
func TestHealth(t *testing.T) {
	const entries = 300 // a full bundle and a part of one
	newest := layout.EntriesPath((entries-1)/layout.EntryBundleWidth, entries%layout.EntryBundleWidth)
	move := func(from, to string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			rename := func(from, to string) {
				if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
					t.Fatal(err)
				}
			}
			rename(from, to)
			return func() { rename(to, from) }
		}
	}
	flip := func(file string) func(*testing.T, string) func() {
		return func(t *testing.T, dir string) func() {
			path := filepath.Join(dir, file)
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			change := func() {
				raw[len(raw)-2] ^= 1
				if err := os.WriteFile(path, raw, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			change()
			return change
		}
	}
	for _, row := range []struct {
		name string
		harm func(t *testing.T, dir string) (mend func())
		want error
	}{
		{"the newest bundle is gone", move(newest, "elsewhere"), ErrDamaged},
		{"a tile of the edge was changed", flip(layout.TilePath(0, 1, entries%layout.TileWidth)), ErrDamaged},
		{"a tile of the edge is gone", move(layout.TilePath(0, 1, entries%layout.TileWidth), "elsewhere"), ErrDamaged},
		{"the checkpoint was changed", flip(layout.CheckpointPath), ErrDamaged},
		{"the checkpoint is gone", move(layout.CheckpointPath, "elsewhere"), ErrDamaged},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			l := mustOpen(t, options(dir))
			if err := l.Health(t.Context()); err != nil {
				t.Fatalf("a new log: %v", err)
			}
			fill(t, l, 64, entries)
			signed(t, l, entries)
			if err := l.Health(t.Context()); err != nil {
				t.Fatalf("a whole log: %v", err)
			}
			mend := row.harm(t, dir)
			if err := l.Health(t.Context()); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			mend()
			if err := l.Health(t.Context()); err != nil {
				t.Errorf("mended: %v", err)
			}
		})
	}
	t.Run("the newest bundle is gone and an entry was not written for it", func(t *testing.T) {
		dir := t.TempDir()
		l := mustOpen(t, options(dir))
		fill(t, l, 64, entries)
		signed(t, l, entries)
		mend := move(newest, "elsewhere")(t, dir)
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(entries)}); err == nil {
			t.Fatal("an entry was written into a bundle that is gone")
		}
		if err := l.Health(t.Context()); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v, want %v", err, ErrDamaged)
		}
		mend()
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(entries)}); err != nil {
			t.Fatal(err)
		}
		if err := l.Health(t.Context()); err != nil {
			t.Errorf("mended: %v", err)
		}
	})
	t.Run("entries cannot be written", func(t *testing.T) {
		dir := t.TempDir()
		l := mustOpen(t, options(dir))
		fill(t, l, 64, entries)
		signed(t, l, entries)
		mend := move("tile", "elsewhere")(t, dir)
		if err := os.WriteFile(filepath.Join(dir, "tile"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(entries)}); err == nil {
			t.Fatal("an entry was written where no folder is")
		}
		if err := os.Remove(filepath.Join(dir, "tile")); err != nil {
			t.Fatal(err)
		}
		mend()
		if err := l.Health(t.Context()); !errors.Is(err, ErrAppend) {
			t.Errorf("got %v, want %v", err, ErrAppend)
		}
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(entries + 1)}); err != nil {
			t.Fatal(err)
		}
		if err := l.Health(t.Context()); err != nil {
			t.Errorf("after the next entry: %v", err)
		}
	})
	t.Run("nobody signs", func(t *testing.T) {
		dir := t.TempDir()
		o := options(dir)
		var mute atomic.Bool
		sign := o.Sign
		o.Sign = func(ctx context.Context, message []byte) ([]byte, error) {
			if mute.Load() {
				return nil, errors.New("no key")
			}
			return sign(ctx, message)
		}
		l := mustOpen(t, o)
		fill(t, l, 1, 3)
		signed(t, l, 3)
		mute.Store(true)
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(3)}); err != nil {
			t.Fatal(err)
		}
		if err := l.Health(t.Context()); err != nil {
			t.Errorf("a moment later: %v", err)
		}
		past := time.Now().Add(-time.Minute)
		if err := os.Chtimes(filepath.Join(dir, layout.CheckpointPath), past, past); err != nil {
			t.Fatal(err)
		}
		if err := l.Health(t.Context()); !errors.Is(err, ErrUnsigned) {
			t.Errorf("got %v, want %v", err, ErrUnsigned)
		}
		mute.Store(false)
	})
}

// signed waits until a checkpoint covers so many entries.
func signed(t *testing.T, l *Log, entries uint64) {
	t.Helper()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for range again.C {
		if _, c, err := l.checkpoint(t.Context()); err == nil && c.Size >= entries {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("no checkpoint")
		}
	}
}

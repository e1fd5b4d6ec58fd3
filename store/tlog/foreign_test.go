package tlog

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
)

// replace puts the tiles and the writer's state of one folder in the place of those of another.
func replace(t *testing.T, dir, from string) {
	t.Helper()
	if err := errors.Join(
		os.RemoveAll(filepath.Join(dir, "tile")), os.CopyFS(filepath.Join(dir, "tile"), os.DirFS(filepath.Join(from, "tile"))),
	); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(from, ".state/treeState"))
	if err != nil {
		t.Fatal(err)
	}
	rewrite(t, filepath.Join(dir, ".state/treeState"), func([]byte) []byte { return raw })
}

// copied is a copy of a log's folder as it is.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// stranger is the folder of somebody else's log of so many entries.
func stranger(t *testing.T, entries int) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "log")
	foreign(t, dir, entries)
	return dir
}

// TestATreeThatWasSwappedIsNotSigned: who has the folder while the writer runs puts another
// tree there, with the state of its writer. It is not signed, not recorded, and no entry is
// acknowledged in it.
func TestATreeThatWasSwappedIsNotSigned(t *testing.T) {
	const entries = 40
	for _, row := range []struct {
		name string
		swap func(t *testing.T, dir, before string)
	}{
		{"a foreign tree as large", func(t *testing.T, dir, _ string) { replace(t, dir, stranger(t, entries)) }},
		{"a foreign tree that is larger", func(t *testing.T, dir, _ string) { replace(t, dir, stranger(t, entries+10)) }},
		{"a foreign tree that is smaller", func(t *testing.T, dir, _ string) { replace(t, dir, stranger(t, entries-10)) }},
		{"its own tree of before", func(t *testing.T, dir, before string) { replace(t, dir, before) }},
		// Of a state whose root alone is another, the next group makes the right one again.
		{"a state that is no tree's", func(t *testing.T, dir, _ string) {
			rewrite(t, filepath.Join(dir, ".state/treeState"), func(raw []byte) []byte {
				return bytes.Replace(raw, []byte(`"size":40,`), []byte(`"size":41,`), 1)
			})
		}},
		{"tiles of a foreign tree with the state that is there", func(t *testing.T, dir, _ string) {
			state, err := os.ReadFile(filepath.Join(dir, ".state/treeState"))
			if err != nil {
				t.Fatal(err)
			}
			replace(t, dir, stranger(t, entries))
			rewrite(t, filepath.Join(dir, ".state/treeState"), func([]byte) []byte { return state })
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := options(t.TempDir())
			var swapped atomic.Bool
			var wrong atomic.Int64
			sign := o.Sign
			o.Sign = func(ctx context.Context, m []byte) ([]byte, error) {
				if swapped.Load() {
					wrong.Add(1)
				}
				return sign(ctx, m)
			}
			o.Record = func(context.Context, proof.Checkpoint, []byte) error {
				if swapped.Load() {
					wrong.Add(1)
				}
				return nil
			}
			l := mustOpen(t, o)
			fill(t, l, 64, entries/2)
			signed(t, l, entries/2)
			before := copied(t, o.Dir)
			for i := range entries / 2 {
				if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(entries/2 + i)}); err != nil {
					t.Fatal(err)
				}
			}
			signed(t, l, entries)
			swapped.Store(true)
			row.swap(t, o.Dir, before)
			if place, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(entries)}); err == nil {
				t.Errorf("an entry was acknowledged at place %d", place.Index)
			}
			if err := l.Health(t.Context()); !errors.Is(err, ErrDamaged) {
				t.Errorf("it says %v, want %v", err, ErrDamaged)
			}
			closing, cancel := context.WithTimeout(t.Context(), 3*o.CheckpointInterval) // it tries to sign meanwhile
			defer cancel()
			_ = l.Close(closing)
			if n := wrong.Load(); n > 0 {
				t.Errorf("%d times something was signed or recorded", n)
			}
		})
	}
}

// TestATreeThatWasSwappedIsFoundWithoutAnEntry: nobody has to append for it.
func TestATreeThatWasSwappedIsFoundWithoutAnEntry(t *testing.T) {
	o := options(t.TempDir())
	l := mustOpen(t, o)
	fill(t, l, 1, 5)
	signed(t, l, 5)
	replace(t, o.Dir, stranger(t, 5))
	if err := l.Health(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v, want %v", err, ErrDamaged)
	}
}

// TestADiskThatFailsIsNoForeignTree: groups of which a part was not written, and then all of
// it, are the tree of this writer.
func TestADiskThatFailsIsNoForeignTree(t *testing.T) {
	o := options(t.TempDir())
	l := mustOpen(t, o)
	fill(t, l, 8, 40)
	state := filepath.Join(o.Dir, ".state/treeState")
	aside := filepath.Join(o.Dir, "aside")
	if err := os.Rename(state, aside); err != nil {
		t.Fatal(err)
	}
	// A folder in its place: it can be neither read nor written.
	if err := os.MkdirAll(filepath.Join(state, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(100 + i)}); err == nil {
			t.Fatal("an entry was written without a state")
		}
	}
	if err := errors.Join(os.RemoveAll(state), os.Rename(aside, state)); err != nil {
		t.Fatal(err)
	}
	place, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(200)})
	if err != nil || place.Index != 40 {
		t.Fatalf("the next entry: %+v, %v", place, err)
	}
	signed(t, l, 41)
	if err := l.Health(t.Context()); err != nil {
		t.Error(err)
	}
	if err := l.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

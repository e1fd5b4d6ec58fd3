package inspect_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/inspect"
)

const origin = "hopnhat.example/release/dc1/2026q4"

func key() tlog.Key {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	return tlog.Key{
		Public: private.Public().(ed25519.PublicKey),
		Sign:   func(_ context.Context, m []byte) ([]byte, error) { return ed25519.Sign(private, m), nil },
	}
}

// shard is a log of n entries on disk, as its writer left it, with what it holds.
func shard(t testing.TB, n int) (dir string, mark inspect.Mark, entries [][]byte) {
	t.Helper()
	dir = t.TempDir()
	k := key()
	l, err := tlog.Open(t.Context(), tlog.Options{
		Dir: dir, Origin: origin, Public: k.Public, Sign: k.Sign, CheckpointInterval: 100 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for c := range min(n, 512) {
		all.Go(func() {
			for i := c; i < n; i += 512 {
				if _, err := l.Append(context.Background(), audit.Entry{Leaf: fmt.Appendf(nil, "entry %d", i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := tlog.OpenReader(t.Context(), tlog.Folder(dir), l.VerifierKey())
	if err != nil {
		t.Fatal(err)
	}
	raw, err := r.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c, err := proof.ParseCheckpoint(raw)
	if err != nil {
		t.Fatal(err)
	}
	if entries, err = r.Entries(t.Context(), 0, n); err != nil || len(entries) != n {
		t.Fatalf("%d entries: %v", len(entries), err)
	}
	return dir, inspect.Mark{By: "the checkpoint", Size: c.Size, Root: c.Root}, entries
}

func checked(t testing.TB, dir string, m inspect.Mark) []inspect.Fault {
	t.Helper()
	faults, err := inspect.Check(t.Context(), inspect.Options{Files: tlog.Folder(dir), Size: m.Size, Marks: []inspect.Mark{m}})
	if err != nil {
		t.Fatal(err)
	}
	return faults
}

// used are the files that a reader of the tree reads: those of its size.
func used(t testing.TB, dir string, size uint64) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "tile"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		base, width, partial := strings.Cut(rel, ".p/")
		if partial {
			if _, err := os.Stat(filepath.Join(dir, base)); err == nil {
				return nil // the full one is there
			}
			entries, _ := os.ReadDir(filepath.Join(dir, base+".p"))
			widest := 0
			for _, e := range entries {
				n := 0
				fmt.Sscan(e.Name(), &n)
				widest = max(widest, n)
			}
			if width != fmt.Sprint(widest) {
				return nil
			}
		}
		paths = append(paths, rel)
		return nil
	})
	if err != nil || len(paths) == 0 {
		t.Fatalf("%d files: %v", len(paths), err)
	}
	return paths
}

// TestOneFlippedBitAnywhereIsFound: in a bundle, in a tile of each level, full or not; the
// file is named.
func TestOneFlippedBitAnywhereIsFound(t *testing.T) {
	for _, n := range []int{1, 255, 256, 300, 1000} {
		dir, mark, _ := shard(t, n)
		if faults := checked(t, dir, mark); len(faults) > 0 {
			t.Fatalf("%d entries: a whole tree has faults: %v", n, faults)
		}
		paths := used(t, dir, mark.Size)
		rapid.Check(t, func(r *rapid.T) {
			path := rapid.SampledFrom(paths).Draw(r, "file")
			raw, err := os.ReadFile(filepath.Join(dir, path))
			if err != nil {
				r.Fatal(err)
			}
			bit := rapid.IntRange(0, 8*len(raw)-1).Draw(r, "bit")
			bad := bytes.Clone(raw)
			bad[bit/8] ^= 1 << (bit % 8)
			if err := os.WriteFile(filepath.Join(dir, path), bad, 0o644); err != nil {
				r.Fatal(err)
			}
			faults, err := inspect.Check(context.Background(), inspect.Options{Files: tlog.Folder(dir), Size: mark.Size, Marks: []inspect.Mark{mark}})
			if err2 := os.WriteFile(filepath.Join(dir, path), raw, 0o644); err != nil || err2 != nil {
				r.Fatal(err, err2)
			}
			if len(faults) != 1 || faults[0].Path != path {
				r.Fatalf("bit %d of %s: the faults are %v", bit, path, faults)
			}
		})
	}
}

func TestAFileThatIsGoneIsFound(t *testing.T) {
	dir, mark, _ := shard(t, 600)
	for _, path := range used(t, dir, mark.Size) {
		away := filepath.Join(t.TempDir(), "away")
		if err := os.Rename(filepath.Join(dir, path), away); err != nil {
			t.Fatal(err)
		}
		if faults := checked(t, dir, mark); len(faults) != 1 || !strings.HasPrefix(faults[0].Path, strings.Split(path, ".p/")[0]) {
			t.Errorf("%s is gone: %v", path, faults)
		}
		if err := os.Rename(away, filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestATreeThatWasNotSigned is a fault, whole as it may be in itself.
func TestATreeThatWasNotSigned(t *testing.T) {
	dir, mark, _ := shard(t, 300)
	for name, m := range map[string]inspect.Mark{
		"another root":  {By: "the database", Size: 300},
		"more entries":  {By: "the database", Size: 301, Root: mark.Root},
		"another start": {By: "an anchor", Size: 17, Root: mark.Root},
	} {
		faults, err := inspect.Check(t.Context(), inspect.Options{Files: tlog.Folder(dir), Size: 300, Marks: []inspect.Mark{mark, m}})
		if err != nil || len(faults) != 1 || !strings.Contains(faults[0].Cause, m.By) {
			t.Errorf("%s: %v, %v", name, faults, err)
		}
	}
}

// source has entries by their places.
type source map[uint64][]byte

func (s source) Entries(_ context.Context, first uint64, n int) (map[uint64][]byte, error) {
	out := map[uint64][]byte{}
	for i := range uint64(n) {
		if e, ok := s[first+i]; ok {
			out[first+i] = e
		}
	}
	return out, nil
}

func sourceOf(entries [][]byte) source {
	s := source{}
	for i, e := range entries {
		s[uint64(i)] = e
	}
	return s
}

// TestRebuild: whatever was lost or bent comes back byte for byte, from the folder or from
// the source, and a log opens on it and goes on.
func TestRebuild(t *testing.T) {
	for _, row := range []struct {
		name   string
		damage func(t *testing.T, dir string)
		source bool
	}{
		{"nothing", func(*testing.T, string) {}, false},
		{"all tiles", func(t *testing.T, dir string) { remove(t, dir, "tile/0", "tile/1") }, false},
		{"the state of the writer", func(t *testing.T, dir string) { remove(t, dir, ".state") }, false},
		{"the checkpoint", func(t *testing.T, dir string) { remove(t, dir, "checkpoint") }, false},
		{"a bent inner tile", func(t *testing.T, dir string) { bend(t, dir, "tile/1/000.p/2") }, false},
		{"a bent tile", func(t *testing.T, dir string) { bend(t, dir, "tile/0/001") }, false},
		{"a bent tile, with rows", func(t *testing.T, dir string) { bend(t, dir, "tile/0/001") }, true},
		{"a bent bundle", func(t *testing.T, dir string) { bend(t, dir, "tile/entries/001") }, true},
		{"a lost bundle", func(t *testing.T, dir string) { remove(t, dir, "tile/entries/000") }, true},
		{"the whole folder", func(t *testing.T, dir string) { remove(t, dir, "tile", ".state", "checkpoint", ".hopnhat.lock") }, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir, mark, entries := shard(t, 600)
			checkpoint, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
			if err != nil {
				t.Fatal(err)
			}
			row.damage(t, dir)
			o := inspect.RebuildOptions{Dir: dir, Size: mark.Size, Marks: []inspect.Mark{mark}, Checkpoint: checkpoint}
			if row.source {
				o.Source = sourceOf(entries)
			}
			if _, err := inspect.Rebuild(t.Context(), o); err != nil {
				t.Fatal(err)
			}
			if faults := checked(t, dir, mark); len(faults) > 0 {
				t.Fatalf("faults afterwards: %v", faults)
			}
			k := key()
			l, err := tlog.Open(t.Context(), tlog.Options{Dir: dir, Origin: origin, Public: k.Public, Sign: k.Sign, KnownSize: mark.Size})
			if err != nil {
				t.Fatal(err)
			}
			place, err := l.Append(t.Context(), audit.Entry{Leaf: []byte("next")})
			if err != nil || place.Index != mark.Size {
				t.Errorf("the next entry stands at %d: %v", place.Index, err)
			}
			if err := l.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRebuildWritesNothingThatWasNotRecorded: neither of entries that are nowhere, nor of
// others than were signed.
func TestRebuildWritesNothingThatWasNotRecorded(t *testing.T) {
	dir, mark, entries := shard(t, 300)
	remove(t, dir, "tile/entries/000")
	lacking := sourceOf(entries)
	delete(lacking, 7)
	delete(lacking, 9)
	_, err := inspect.Rebuild(t.Context(), inspect.RebuildOptions{Dir: dir, Size: 300, Marks: []inspect.Mark{mark}, Source: lacking})
	var missing *inspect.MissingError
	if !errors.As(err, &missing) || missing.First != 7 || missing.Count != 2 {
		t.Errorf("entries that are nowhere: %v", err)
	}
	remove(t, dir, "tile/0")
	forged := sourceOf(entries)
	forged[7] = []byte("forged")
	if _, err := inspect.Rebuild(t.Context(), inspect.RebuildOptions{Dir: dir, Size: 300, Marks: []inspect.Mark{mark}, Source: forged}); !errors.Is(err, inspect.ErrOtherTree) {
		t.Errorf("a forged entry: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "tile/entries/000")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it wrote a bundle: %v", err)
	}
}

func remove(t *testing.T, dir string, paths ...string) {
	t.Helper()
	for _, path := range paths {
		if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
}

func bend(t *testing.T, dir, path string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	raw[5] ^= 1
	if err := os.WriteFile(filepath.Join(dir, path), raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

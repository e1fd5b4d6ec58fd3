package tlog

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store/tlog/sole"
)

const origin = "hopnhat.example/release/dc1/2026q4"

// testKey is a checkpoint key from a fixed seed.
func testKey(seed byte) Key {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return Key{
		Public: private.Public().(ed25519.PublicKey),
		Sign: func(_ context.Context, message []byte) ([]byte, error) {
			return ed25519.Sign(private, message), nil
		},
	}
}

func options(dir string) Options {
	key := testKey(1)
	return Options{Dir: dir, Origin: origin, Public: key.Public, Sign: key.Sign, CheckpointInterval: 100 * time.Millisecond}
}

func mustOpen(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

// leaf is the n-th entry of a test: its bytes say which it is.
func leaf(n int) []byte {
	sum := sha256.Sum256(fmt.Append(nil, "leaf ", n))
	return append(fmt.Appendf(nil, "%08d ", n), sum[:]...)
}

// fill appends n entries by as many callers as given and returns their places.
func fill(t testing.TB, l *Log, callers, n int) map[uint64][]byte {
	t.Helper()
	var mu sync.Mutex
	places := map[uint64][]byte{}
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for i := c; i < n; i += callers {
				place, err := l.Append(context.Background(), audit.Entry{Leaf: leaf(i)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if other, taken := places[place.Index]; taken {
					t.Errorf("place %d was given to %q and %q", place.Index, other[:8], leaf(i)[:8])
				}
				places[place.Index] = leaf(i)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return places
}

func checkPlaces(t testing.TB, l *Reader, places map[uint64][]byte) {
	t.Helper()
	size, err := l.Size(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	entries, err := l.Entries(context.Background(), 0, int(size))
	if err != nil || uint64(len(entries)) != size {
		t.Fatalf("%d entries of %d: %v", len(entries), size, err)
	}
	for index, want := range places {
		if index >= size || !bytes.Equal(entries[index], want) {
			t.Fatalf("place %d of %d does not hold the entry that was acknowledged there", index, size)
		}
	}
}

func TestEntriesAreThereAfterReopening(t *testing.T) {
	o := options(t.TempDir())
	places := map[uint64][]byte{}
	for round := range 3 {
		l := mustOpen(t, o)
		for index, entry := range fill(t, l, 16, 200) {
			if _, taken := places[index]; taken {
				t.Fatalf("place %d was given twice", index)
			}
			places[index] = entry
		}
		checkPlaces(t, l.Reader, places)
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(0)}); !errors.Is(err, ErrClosed) {
			t.Errorf("append after Close: %v", err)
		}
		r, err := OpenReader(t.Context(), Folder(o.Dir), l.VerifierKey())
		if err != nil {
			t.Fatal(err)
		}
		if size, err := r.Size(t.Context()); err != nil || size != uint64(200*(round+1)) {
			t.Errorf("the closed shard's checkpoint covers %d (%v)", size, err)
		}
		checkPlaces(t, r, places)
	}
}

func TestEachEntryCanBeProved(t *testing.T) {
	l := mustOpen(t, options(t.TempDir()))
	places := fill(t, l, 32, 300) // more than a bundle
	for index, entry := range places {
		in, err := l.Proof(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		c, err := proof.OpenCheckpoint([]byte(in.Checkpoint), l.verifiers...)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Check(entry, c); err != nil {
			t.Fatalf("entry %d: %v", index, err)
		}
		if err := in.Check(leaf(-1), c); !errors.Is(err, proof.ErrNotIncluded) {
			t.Fatalf("another entry is proved too: %v", err)
		}
	}
	for _, r := range []struct{ first, last uint64 }{{0, 0}, {0, 299}, {7, 7}, {3, 260}, {255, 256}, {299, 299}} {
		p, err := l.RangeProof(t.Context(), r.first, r.last)
		if err != nil {
			t.Fatal(err)
		}
		for i, entry := range p.Leaves {
			if !bytes.Equal(entry, places[r.first+uint64(i)]) {
				t.Fatalf("range %v: entry %d is another", r, i)
			}
		}
	}
}

func TestAProofOfWhatIsNotThere(t *testing.T) {
	l := mustOpen(t, options(t.TempDir()))
	fill(t, l, 1, 1)
	if _, err := l.Proof(t.Context(), 1); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAProofWaitsOnlyAsLongAsItsCallerWants(t *testing.T) {
	o := options(t.TempDir())
	mustSign := testKey(1)
	var mu sync.Mutex
	down := false
	o.Sign = func(ctx context.Context, message []byte) ([]byte, error) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			return nil, errors.New("sealed")
		}
		return mustSign.Sign(ctx, message)
	}
	l := mustOpen(t, o)
	mu.Lock()
	down = true
	mu.Unlock()
	places := fill(t, l, 1, 1) // appending needs no key
	if len(places) != 1 {
		t.Fatal("the entry was not appended while the keyring was sealed")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := l.Proof(ctx, 0); !errors.Is(err, ErrNotYet) {
		t.Errorf("got %v", err)
	}
	mu.Lock()
	down = false
	mu.Unlock()
	if _, err := l.Proof(t.Context(), 0); err != nil {
		t.Errorf("after the keyring came back: %v", err)
	}
}

func TestASecondWriterIsRefused(t *testing.T) {
	o := options(t.TempDir())
	mustOpen(t, o)
	if _, err := Open(t.Context(), o); !errors.Is(err, ErrLocked) {
		t.Fatalf("got %v", err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, row := range []struct {
		name   string
		damage func(t *testing.T, o *Options)
		want   error
	}{
		{"a log of another key", func(_ *testing.T, o *Options) { k := testKey(2); o.Public, o.Sign = k.Public, k.Sign }, proof.ErrUnknownKey},
		{"a log smaller than the database knows", func(_ *testing.T, o *Options) { o.KnownSize = 301 }, ErrOlder},
		{"a changed tile", func(t *testing.T, o *Options) { flip(t, filepath.Join(o.Dir, "tile/0/001.p/44")) }, ErrDamaged},
		{"a lost tile", func(t *testing.T, o *Options) {
			if err := os.Remove(filepath.Join(o.Dir, "tile/0/001.p/44")); err != nil {
				t.Fatal(err)
			}
		}, ErrDamaged},
		{"a changed checkpoint", func(t *testing.T, o *Options) {
			path := filepath.Join(o.Dir, "checkpoint")
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, bytes.Replace(raw, []byte("\n300\n"), []byte("\n299\n"), 1), 0o644); err != nil {
				t.Fatal(err)
			}
		}, proof.ErrSignature},
		{"a state older than the checkpoint", func(t *testing.T, o *Options) {
			if err := os.WriteFile(filepath.Join(o.Dir, ".state/treeState"), []byte(`{"size":0,"root":"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="}`), 0o644); err != nil {
				t.Fatal(err)
			}
		}, ErrOlder},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := options(t.TempDir())
			l := mustOpen(t, o)
			fill(t, l, 64, 300)
			if err := l.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			row.damage(t, &o)
			if l, err := Open(t.Context(), o); !errors.Is(err, row.want) {
				if err == nil {
					_ = l.Close(t.Context())
				}
				t.Fatalf("got %v, want %v", err, row.want)
			}
			// The refusal gave the folder back.
			if lock, err := sole.Take(o.Dir); err != nil {
				t.Error(err)
			} else {
				lock.Close()
			}
		})
	}
}

func flip(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw[40] ^= 1
	if err := os.WriteFile(path, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestAChangedEntryIsNotProved(t *testing.T) {
	o := options(t.TempDir())
	l := mustOpen(t, o)
	fill(t, l, 64, 300)
	if _, err := l.Proof(t.Context(), 299); err != nil {
		t.Fatal(err)
	}
	if err := l.CheckAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	flip(t, filepath.Join(o.Dir, "tile/entries/000"))
	if err := l.CheckAll(t.Context()); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
	if _, err := l.Proof(t.Context(), 0); !errors.Is(err, ErrDamaged) {
		t.Fatalf("got %v", err)
	}
}

func TestAKeyIsExchanged(t *testing.T) {
	o := options(t.TempDir())
	first := mustOpen(t, o)
	fill(t, first, 8, 50)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	oldKey, newKey := testKey(1), testKey(2)
	o.Public, o.Sign, o.Also = newKey.Public, newKey.Sign, []Key{oldKey}
	both := mustOpen(t, o)
	places := fill(t, both, 8, 50)
	for index, entry := range places {
		in, err := both.Proof(t.Context(), index)
		if err != nil {
			t.Fatal(err)
		}
		c, err := proof.OpenCheckpoint([]byte(in.Checkpoint), both.verifiers...)
		if err != nil || in.Check(entry, c) != nil {
			t.Fatalf("entry %d: %v", index, err)
		}
		if n := strings.Count(in.Checkpoint, "— "); n != 2 {
			t.Fatalf("%d signatures, want old and new", n)
		}
	}
	if err := both.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	o.Also, o.Retired = nil, []string{first.VerifierKey()}
	last := mustOpen(t, o)
	fill(t, last, 1, 1)
	in, err := last.Proof(t.Context(), 100)
	if err != nil || strings.Count(in.Checkpoint, "— ") != 1 {
		t.Fatalf("%v\n%s", err, in.Checkpoint)
	}
}

func TestAKeyringThatAnswersAnotherKeysSignature(t *testing.T) {
	o := options(t.TempDir())
	o.Sign = testKey(2).Sign
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another key") {
		t.Fatalf("got %v", err)
	}
}

func TestADiskThatRefusesIsAnErrorAndNoHang(t *testing.T) {
	o := options(t.TempDir())
	l := mustOpen(t, o)
	places := fill(t, l, 4, 20)
	// Where the tiles were there is now a file, as on a disk that is broken.
	if err := os.Rename(filepath.Join(o.Dir, "tile"), filepath.Join(o.Dir, "away")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(o.Dir, "tile"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if place, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(1)}); err == nil {
		t.Fatalf("acknowledged at %d", place.Index)
	}
	if err := os.Remove(filepath.Join(o.Dir, "tile")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(o.Dir, "away"), filepath.Join(o.Dir, "tile")); err != nil {
		t.Fatal(err)
	}
	place, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(2)})
	if err != nil {
		t.Fatalf("after the repair: %v", err)
	}
	places[place.Index] = leaf(2)
	checkPlaces(t, l.Reader, places)
}

func TestACallerWhoGoesTakesNobodyWithHim(t *testing.T) {
	o := options(t.TempDir())
	o.BatchAge = 20 * time.Millisecond // so that both are in one group
	l := mustOpen(t, o)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Append(gone, audit.Entry{Leaf: leaf(0)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	place, err := l.Append(t.Context(), audit.Entry{Leaf: leaf(1)})
	if err != nil {
		t.Fatal(err)
	}
	checkPlaces(t, l.Reader, map[uint64][]byte{place.Index: leaf(1)})
}

func TestShard(t *testing.T) {
	for _, row := range []struct{ at, want string }{
		{"2026-01-01T00:00:00Z", "2026q1"},
		{"2026-03-31T23:59:59Z", "2026q1"},
		{"2026-04-01T00:00:00Z", "2026q2"},
		{"2026-09-30T23:59:59Z", "2026q3"},
		{"2026-12-31T23:59:59Z", "2026q4"},
		{"2027-01-01T06:59:59+07:00", "2026q4"},
	} {
		at, err := time.Parse(time.RFC3339, row.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := Shard(at); got != row.want {
			t.Errorf("%s: got %s, want %s", row.at, got, row.want)
		}
	}
	n := Name{"hopnhat.example/release/dc1", "2026q4", 1}
	if n.Origin() != origin || n.Dir("state/tlog") != filepath.Join("state", "tlog", "2026q4") {
		t.Errorf("got %s in %s", n.Origin(), n.Dir("state/tlog"))
	}
}

// BenchmarkAppend reports the latency of appending by callers who wait.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 16, 64, 256, 384, 512} {
		b.Run(fmt.Sprint(callers), func(b *testing.B) {
			o := options(b.TempDir())
			o.CheckpointInterval = time.Second
			l := mustOpen(b, o)
			var mu sync.Mutex
			var took []time.Duration
			var all sync.WaitGroup
			next := make(chan int)
			for range callers {
				all.Go(func() {
					for i := range next {
						from := time.Now()
						if _, err := l.Append(context.Background(), audit.Entry{Leaf: leaf(i)}); err != nil {
							b.Error(err)
						}
						mu.Lock()
						took = append(took, time.Since(from))
						mu.Unlock()
					}
				})
			}
			b.ResetTimer()
			for i := range b.N {
				next <- i
			}
			close(next)
			all.Wait()
			b.StopTimer()
			b.ReportMetric(float64(percentile(took, 50).Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(percentile(took, 99).Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

func percentile(all []time.Duration, p int) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, len(all)*p/100)]
}

// TestAClosedLogSignsNothing: Tessera's task of checkpoints may run once more after a log was
// closed. What stands in the folder by then is not the log's own any more.
func TestAClosedLogSignsNothing(t *testing.T) {
	l := mustOpen(t, options(t.TempDir()))
	fill(t, l, 1, 3)
	size, root := l.tree.Head()
	if err := l.vouch(proof.Checkpoint{Size: size, Root: root}); err != nil {
		t.Fatalf("while it is open: %v", err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := l.vouch(proof.Checkpoint{Size: size, Root: root}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
}

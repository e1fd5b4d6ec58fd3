package tlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit/proof"
	"hopnhat/store/tlog/inspect"
)

// Reader reads a log: its checkpoint, its entries, proofs of them. It serves
// shards that are no longer written, and is a part of [Log].
type Reader struct {
	files     Files
	origin    string
	vkeys     []string
	verifiers []note.Verifier
	// size tells how many entries have a place.
	size func(context.Context) (uint64, error)
	// growing says that there may be entries beyond size, of which nothing is seen yet.
	growing bool
}

// Files are the files of one shard, by their paths in C2SP tlog-tiles.
type Files interface {
	// Read reads a file; fs.ErrNotExist if there is none.
	Read(ctx context.Context, path string) ([]byte, error)
	// Modified is when a file was written last.
	Modified(ctx context.Context, path string) (time.Time, error)
	// String says where the files are.
	String() string
}

// Folder is a shard on a disk of this machine.
type Folder string

// Read reads a file.
func (f Folder) Read(_ context.Context, path string) ([]byte, error) {
	raw, err := inspect.ReadFile(filepath.Join(string(f), path))
	if errors.Is(err, inspect.ErrNoFile) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return raw, err
}

// Modified is when a file was written last.
func (f Folder) Modified(_ context.Context, path string) (time.Time, error) {
	info, err := os.Stat(filepath.Join(string(f), path))
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// String is the path of the folder.
func (f Folder) String() string { return string(f) }

// OpenReader opens a shard that no process writes any more. vkeys are the
// verifier keys whose signatures on its checkpoint are good.
func OpenReader(ctx context.Context, files Files, vkeys ...string) (*Reader, error) {
	r, err := openReader(files, vkeys)
	if err != nil {
		return nil, err
	}
	if _, _, err := r.checkpoint(ctx); err != nil {
		return nil, fmt.Errorf("opening the log in %s: %w", files, err)
	}
	return r, nil
}

// OpenGrowing opens a shard that another process may write. Of it is seen what a
// checkpoint covers; what has a place beyond is waited for.
func OpenGrowing(files Files, vkeys ...string) (*Reader, error) {
	r, err := openReader(files, vkeys)
	if err != nil {
		return nil, err
	}
	r.growing = true
	return r, nil
}

func openReader(files Files, vkeys []string) (*Reader, error) {
	r := &Reader{files: files, vkeys: vkeys}
	for _, vkey := range vkeys {
		v, err := note.NewVerifier(vkey)
		if err != nil {
			return nil, fmt.Errorf("opening the log in %s: key %q: %w", files, vkey, err)
		}
		r.origin, r.verifiers = v.Name(), append(r.verifiers, v)
	}
	r.size = func(ctx context.Context) (uint64, error) {
		_, checkpoint, err := r.checkpoint(ctx)
		return checkpoint.Size, err
	}
	return r, nil
}

// readCheckpoint reads the newest checkpoint of a folder; the zero one if it has none.
func readCheckpoint(ctx context.Context, dir, vkey string) ([]byte, proof.Checkpoint, error) {
	v, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, proof.Checkpoint{}, fmt.Errorf("key %q: %w", vkey, err)
	}
	r := &Reader{files: Folder(dir), origin: v.Name(), vkeys: []string{vkey}, verifiers: []note.Verifier{v}}
	raw, c, err := r.checkpoint(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, proof.Checkpoint{}, nil
	}
	return raw, c, err
}

// emptyRoot is the root of a tree without entries (RFC 6962 §2.1).
func emptyRoot() proof.Hash { return proof.Hash(rfc6962.DefaultHasher.EmptyRoot()) }

// Origin names the log.
func (r *Reader) Origin() string { return r.origin }

// VerifierKey is the log's public key in the form of C2SP signed notes: what an
// auditor pins.
func (r *Reader) VerifierKey() string { return r.vkeys[0] }

// VerifierKeys are all keys that sign, or have signed, this log; the first is
// the one that signs now.
func (r *Reader) VerifierKeys() []string { return append([]string(nil), r.vkeys...) }

// ErrDamaged means that what is on disk is not what was signed.
var ErrDamaged = errors.New("the log on disk is not what its checkpoint says")

// ErrNotYet means that no checkpoint covers the entry yet; there is one each
// second.
var ErrNotYet = errors.New("no checkpoint covers this entry yet; try again in a second")

// OtherLogError says that a folder holds the log of another name than it was opened
// under. A log keeps its name: it is in every checkpoint and proof.
type OtherLogError struct{ Origin string }

// Error names the log that is there.
func (e *OtherLogError) Error() string { return fmt.Sprintf("the folder holds the log %q", e.Origin) }

// originLine is what the first line of a checkpoint looks like.
var originLine = regexp.MustCompile(`^[!-~]{1,255}$`)

// checkpoint reads and verifies the newest checkpoint. One that the log made with
// more keys than are known now is good when those that are known signed.
func (r *Reader) checkpoint(ctx context.Context) ([]byte, proof.Checkpoint, error) {
	raw, err := r.files.Read(ctx, layout.CheckpointPath)
	if err != nil {
		return nil, proof.Checkpoint{}, fmt.Errorf("reading the checkpoint: %w", err)
	}
	if name, _, _ := bytes.Cut(raw, []byte("\n")); string(name) != r.origin && originLine.Match(name) {
		return nil, proof.Checkpoint{}, &OtherLogError{Origin: string(name)}
	}
	c, err := proof.OpenCheckpoint(raw, r.verifiers...)
	if err != nil {
		return nil, proof.Checkpoint{}, fmt.Errorf("reading the checkpoint: %w", err)
	}
	return raw, c, nil
}

// Checkpoint is the newest signed tree head, a C2SP tlog-checkpoint, verified.
// It is os.ErrNotExist as long as the log has none.
func (r *Reader) Checkpoint(ctx context.Context) ([]byte, error) {
	raw, _, err := r.checkpoint(ctx)
	return raw, err
}

// CheckpointAge is how old the newest checkpoint is. A log that takes entries
// and whose checkpoint is older than some seconds cannot sign.
func (r *Reader) CheckpointAge(ctx context.Context, now time.Time) (time.Duration, error) {
	written, err := r.files.Modified(ctx, layout.CheckpointPath)
	if err != nil {
		return 0, fmt.Errorf("reading the checkpoint: %w", err)
	}
	return now.Sub(written), nil
}

// Size is the number of entries that have a place.
func (r *Reader) Size(ctx context.Context) (uint64, error) {
	n, err := r.size(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the log's size: %w", err)
	}
	return n, nil
}

// ErrOlder means that an older copy of the log was restored.
var ErrOlder = errors.New("an older copy of the log was restored")

// Entries reads up to n entries from a place on; fewer only at the end.
func (r *Reader) Entries(ctx context.Context, from uint64, n int) ([][]byte, error) {
	size, err := r.Size(ctx)
	if err != nil {
		return nil, err
	}
	return r.read(ctx, from, n, size)
}

// read reads entries of a tree of this size.
func (r *Reader) read(ctx context.Context, from uint64, n int, size uint64) ([][]byte, error) {
	if from >= size || n <= 0 {
		return nil, nil
	}
	to := from + min(size-from, uint64(n))
	entries := make([][]byte, 0, to-from)
	for from < to {
		bundle, err := client.GetEntryBundle(ctx, r.readBundle, from/layout.EntryBundleWidth, size)
		if err != nil {
			return nil, fmt.Errorf("reading entry %d of log %s: %w", from, r.origin, err)
		}
		first := from % layout.EntryBundleWidth
		last := min(first+(to-from), layout.EntryBundleWidth)
		if uint64(len(bundle.Entries)) < last {
			return nil, fmt.Errorf("reading entry %d of log %s: its bundle is short: %w", from, r.origin, ErrDamaged)
		}
		entries = append(entries, bundle.Entries[first:last]...)
		from += last - first
	}
	return entries, nil
}

// Proof proves that the entry at index is in the tree of the newest checkpoint.
// It waits for a checkpoint that covers the entry, which comes within a second
// or two, as long as the context lets it; then it is ErrNotYet. What it returns
// it has verified against entry and checkpoint.
func (r *Reader) Proof(ctx context.Context, index uint64) (proof.Inclusion, error) {
	raw, checkpoint, err := r.covering(ctx, index)
	if err != nil {
		return proof.Inclusion{}, err
	}
	builder, err := client.NewProofBuilder(ctx, checkpoint.Size, r.readTile)
	if err != nil {
		return proof.Inclusion{}, fmt.Errorf("proving entry %d of log %s: %w", index, r.origin, err)
	}
	return r.prove(ctx, builder, index, raw, checkpoint)
}

func (r *Reader) prove(
	ctx context.Context, builder *client.ProofBuilder, index uint64, raw []byte, checkpoint proof.Checkpoint,
) (proof.Inclusion, error) {
	fail := func(err error) (proof.Inclusion, error) {
		return proof.Inclusion{}, fmt.Errorf("proving entry %d of log %s: %w", index, r.origin, err)
	}
	hashes, err := builder.InclusionProof(ctx, index)
	if err != nil {
		return fail(err)
	}
	out := proof.Inclusion{Index: index, Checkpoint: string(raw), Keys: proof.SignedBy(string(raw), r.vkeys)}
	for _, h := range hashes {
		out.Hashes = append(out.Hashes, proof.Hash(h))
	}
	entries, err := r.Entries(ctx, index, 1)
	if err != nil {
		return fail(err)
	}
	if len(entries) == 0 {
		return fail(ErrDamaged)
	}
	if err := out.Check(entries[0], checkpoint); err != nil {
		return fail(fmt.Errorf("%w: %w", ErrDamaged, err))
	}
	return out, nil
}

// RangeProof reads the entries from first to last and proves both ends against
// one checkpoint, which proves all between: see [proof.Range].
func (r *Reader) RangeProof(ctx context.Context, first, last uint64) (proof.Range, error) {
	if first > last {
		return proof.Range{}, fmt.Errorf("proving entries %d to %d: they end before they begin", first, last)
	}
	raw, checkpoint, err := r.covering(ctx, last)
	if err != nil {
		return proof.Range{}, err
	}
	builder, err := client.NewProofBuilder(ctx, checkpoint.Size, r.readTile)
	if err != nil {
		return proof.Range{}, fmt.Errorf("proving entries %d to %d of log %s: %w", first, last, r.origin, err)
	}
	head, err := r.prove(ctx, builder, first, raw, checkpoint)
	if err != nil {
		return proof.Range{}, err
	}
	tail, err := r.prove(ctx, builder, last, raw, checkpoint)
	if err != nil {
		return proof.Range{}, err
	}
	out := proof.Range{First: first, Head: head.Hashes, Tail: tail.Hashes, Checkpoint: string(raw), Keys: head.Keys}
	if out.Leaves, err = r.Entries(ctx, first, int(last-first+1)); err != nil {
		return proof.Range{}, err
	}
	if err := out.Check(checkpoint); err != nil {
		return proof.Range{}, fmt.Errorf("proving entries %d to %d of log %s: %w: %w", first, last, r.origin, ErrDamaged, err)
	}
	return out, nil
}

// covering waits for a checkpoint that covers the entry.
func (r *Reader) covering(ctx context.Context, index uint64) ([]byte, proof.Checkpoint, error) {
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		raw, checkpoint, err := r.best(ctx, index)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, proof.Checkpoint{}, err
		}
		if err == nil && index < checkpoint.Size {
			return raw, checkpoint, nil
		}
		size := uint64(math.MaxUint64)
		if !r.growing {
			if size, err = r.Size(ctx); err != nil {
				return nil, proof.Checkpoint{}, err
			}
		}
		if index >= size {
			return nil, proof.Checkpoint{}, fmt.Errorf("entry %d of log %s, which holds %d: %w", index, r.origin, size, fs.ErrNotExist)
		}
		select {
		case <-ctx.Done():
			return nil, proof.Checkpoint{}, fmt.Errorf("%w (%w)", ErrNotYet, ctx.Err())
		case <-tick.C:
		}
	}
}

// CheckAll reads every entry and every tile, and compares them with the checkpoint: one bit
// that differs is [ErrDamaged]. It takes the time of reading the whole log.
func (r *Reader) CheckAll(ctx context.Context) error {
	_, c, err := r.checkpoint(ctx)
	if err != nil {
		return err
	}
	if err := r.checkTree(ctx, c.Size, []inspect.Mark{{By: "the checkpoint", Size: c.Size, Root: c.Root}}, nil); err != nil {
		return fmt.Errorf("checking log %s: %w", r.origin, err)
	}
	return nil
}

// checkDisk recomputes the root from the tiles at the right edge, on which every
// further entry builds, and compares it with what was signed. What lies deeper is
// checked when it is proved, or by CheckAll.
func (r *Reader) checkDisk(ctx context.Context, c proof.Checkpoint) error {
	root := rfc6962.DefaultHasher.EmptyRoot()
	if c.Size > 0 {
		whole, err := r.edge(ctx, c.Size)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		if root, err = whole.GetRootHash(nil); err != nil {
			return fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	if proof.Hash(root) != c.Root {
		return fmt.Errorf("%w: the tiles lead to another root than was signed for %d entries", ErrDamaged, c.Size)
	}
	return nil
}

// readTile reads a tile, or the full one where the partial was tidied away
// (https://c2sp.org/tlog-tiles).
func (r *Reader) readTile(ctx context.Context, level, index uint64, p uint8) ([]byte, error) {
	return r.readFull(ctx, p, func(p uint8) string { return layout.TilePath(level, index, p) }, func(raw []byte) []byte {
		return raw[:min(len(raw), int(p)*rfc6962.DefaultHasher.Size())]
	})
}

func (r *Reader) readBundle(ctx context.Context, index uint64, p uint8) ([]byte, error) {
	return r.readFull(ctx, p, func(p uint8) string { return layout.EntriesPath(index, p) }, func(raw []byte) []byte { return raw })
}

func (r *Reader) readFull(ctx context.Context, p uint8, path func(uint8) string, cut func([]byte) []byte) ([]byte, error) {
	raw, err := r.files.Read(ctx, path(p))
	if p > 0 && errors.Is(err, fs.ErrNotExist) {
		if raw, err = r.files.Read(ctx, path(0)); err == nil {
			raw = cut(raw)
		}
	}
	return raw, err
}

// Package tlog is the release log: a C2SP tlog-tiles Merkle log on local disk
// (https://c2sp.org/tlog-tiles), kept with Tessera's POSIX driver and signed by
// a key of the keyring. One process of one site writes it; a second is refused.
//
// Tessera lives in this package and nowhere else.
package tlog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"hopnhat/store/proof"
)

// Options says where the log is and who signs it.
type Options struct {
	Dir string
	// Origin names the log in its checkpoints, for example
	// hopnhat.example/release/dc1/2026q4.
	Origin string
	// Public and Sign are the checkpoint key; Sign returns an Ed25519 signature.
	Public ed25519.PublicKey
	Sign   func(ctx context.Context, message []byte) ([]byte, error)
	// BatchAge is how long an entry may wait for others: 20 ms if zero. Below
	// that, throughput collapses.
	BatchAge time.Duration
}

// Log is an open release log.
type Log struct {
	appender *tessera.Appender
	reader   tessera.LogReader
	shutdown func(context.Context) error
	cancel   context.CancelFunc
	lock     *os.File
	vkey     string
	verifier note.Verifier
	origin   string
}

// Shard names the quarter of a time: logs are sharded so that retention can drop
// whole shards (research: quarterly).
func Shard(t time.Time) string {
	t = t.UTC()
	return fmt.Sprintf("%dq%d", t.Year(), (int(t.Month())+2)/3)
}

// Open opens the log, or begins it.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.BatchAge == 0 {
		o.BatchAge = 20 * time.Millisecond
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the log folder: %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	vkey, err := note.NewEd25519VerifierKey(o.Origin, o.Public)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("naming the log %q: %w", o.Origin, err)
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("naming the log %q: %w", o.Origin, err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Log{cancel: cancel, lock: lock, vkey: vkey, verifier: verifier, origin: o.Origin}
	driver, err := posix.New(ctx, posix.Config{Path: o.Dir})
	if err != nil {
		l.release()
		return nil, fmt.Errorf("opening the log in %s: %w", o.Dir, err)
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer{o, verifier.KeyHash()}).
		WithBatching(1024, o.BatchAge).
		WithCheckpointInterval(time.Second)
	l.appender, l.shutdown, l.reader, err = tessera.NewAppender(ctx, driver, options)
	if err != nil {
		l.release()
		return nil, fmt.Errorf("opening the log in %s: %w", o.Dir, err)
	}
	return l, nil
}

// ErrLocked means that another process writes this log.
var ErrLocked = errors.New("another process is writing this log")

func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".hopnhat.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking the log: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking the log in %s: %w", dir, ErrLocked)
	}
	return f, nil
}

func (l *Log) release() {
	l.cancel()
	l.lock.Close()
}

// Append adds a leaf. When it returns nil the leaf is on disk with its place.
func (l *Log) Append(ctx context.Context, leaf []byte) (uint64, error) {
	future := l.appender.Add(ctx, tessera.NewEntry(leaf))
	type result struct {
		index tessera.Index
		err   error
	}
	done := make(chan result, 1)
	go func() {
		index, err := future()
		done <- result{index, err}
	}()
	select {
	case r := <-done:
		if r.err != nil {
			return 0, fmt.Errorf("appending to the log: %w", r.err)
		}
		return r.index.Index, nil
	case <-ctx.Done():
		return 0, fmt.Errorf("appending to the log: %w", ctx.Err())
	}
}

// VerifierKey is the log's public key in the form of C2SP signed notes: what an
// auditor pins.
func (l *Log) VerifierKey() string { return l.vkey }

// Origin names the log.
func (l *Log) Origin() string { return l.origin }

// Checkpoint is the latest signed tree head, a C2SP tlog-checkpoint.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	raw, err := l.reader.ReadCheckpoint(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint: %w", err)
	}
	return raw, nil
}

// Size is the number of leaves with a place.
func (l *Log) Size(ctx context.Context) (uint64, error) { return l.reader.NextIndex(ctx) }

// ErrNotYet means that no checkpoint covers the leaf yet; there is one each second.
var ErrNotYet = errors.New("no checkpoint covers this entry yet; try again in a second")

// Proof proves that the leaf at index is in the tree of the latest checkpoint.
func (l *Log) Proof(ctx context.Context, index uint64) (proof.Inclusion, error) {
	raw, err := l.Checkpoint(ctx)
	if errors.Is(err, os.ErrNotExist) {
		return proof.Inclusion{}, ErrNotYet
	}
	if err != nil {
		return proof.Inclusion{}, err
	}
	checkpoint, err := proof.OpenCheckpoint(raw, l.verifier)
	if err != nil {
		return proof.Inclusion{}, fmt.Errorf("reading the checkpoint: %w", err)
	}
	if index >= checkpoint.Size {
		return proof.Inclusion{}, ErrNotYet
	}
	builder, err := client.NewProofBuilder(ctx, checkpoint.Size, l.reader.ReadTile)
	if err != nil {
		return proof.Inclusion{}, fmt.Errorf("reading the log's tiles: %w", err)
	}
	hashes, err := builder.InclusionProof(ctx, index)
	if err != nil {
		return proof.Inclusion{}, fmt.Errorf("proving entry %d: %w", index, err)
	}
	out := proof.Inclusion{Index: index, Checkpoint: string(raw)}
	for _, h := range hashes {
		out.Hashes = append(out.Hashes, proof.Hash(h))
	}
	return out, nil
}

// CheckNotOlder refuses a log that is smaller than the database knows it to be:
// a restored backup, on which appending would fork the tree.
func (l *Log) CheckNotOlder(ctx context.Context, known uint64) error {
	size, err := l.Size(ctx)
	if err != nil {
		return fmt.Errorf("reading the log's size: %w", err)
	}
	if size < known {
		return fmt.Errorf("the log holds %d entries but the database knows of %d: an older copy was restored; restore the newer one, or begin a new shard", size, known)
	}
	return nil
}

// Close finishes what was appended and waits for its checkpoint.
func (l *Log) Close(ctx context.Context) error {
	err := l.shutdown(ctx)
	l.release()
	return err
}

// signer lets the keyring sign checkpoints in the form Tessera asks for.
type signer struct {
	o    Options
	hash uint32
}

func (s signer) Name() string    { return s.o.Origin }
func (s signer) KeyHash() uint32 { return s.hash }
func (s signer) Sign(message []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.o.Sign(ctx, message)
}

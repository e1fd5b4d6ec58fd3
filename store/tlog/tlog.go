package tlog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/store/tlog/copies"
	"hopnhat/store/tlog/gather"
	"hopnhat/store/tlog/memory"
	"hopnhat/store/tlog/quiet"
	"hopnhat/store/tlog/sole"
)

// Options says where the log is and who signs it.
type Options struct {
	Dir string
	// Origin names the log in its checkpoints, for example
	// hopnhat.example/release/dc1/2026q4; see [Name].
	Origin string
	// Public and Sign are the checkpoint key; Sign returns an Ed25519 signature.
	Public ed25519.PublicKey
	Sign   func(ctx context.Context, message []byte) ([]byte, error)
	// Also signs each checkpoint with further keys. While a key is exchanged both
	// old and new sign, until all auditors pin the new one.
	Also []Key
	// Retired are verifier keys that signed this log before and sign no more: a
	// checkpoint on disk that they signed is good.
	Retired []string
	// KnownSize is one more than the highest place the database knows. A log that
	// is smaller was restored from an older copy and is refused: [ErrOlder].
	KnownSize uint64
	// Recorded is the tree that was recorded last: the log must hold it, or it is
	// [ErrOlder] or [ErrDamaged]. Zero where nothing is.
	Recorded proof.Checkpoint
	// Anchor is a checkpoint that was kept elsewhere: the log must hold its tree. Zero where
	// there is none.
	Anchor proof.Checkpoint
	// Missing is from which place on entries may have no row, nil if each that is recorded had
	// one; Miss notes it anew, before anything is signed.
	Missing *uint64
	Miss    func(ctx context.Context, from *uint64) error
	// Explain, if not nil, is asked for entries from a place on that the database has not
	// recorded, and gives the places of those that have no row there.
	Explain func(ctx context.Context, first uint64, leaves [][]byte) (without []uint64, err error)
	// Record, if not nil, is asked before a checkpoint is published, with the tree and the
	// signed note; an error keeps it from being published, and it is made anew later.
	Record func(ctx context.Context, c proof.Checkpoint, signed []byte) error
	// Grown is the tree that an earlier writer in this process had in memory: the log must
	// hold it. Zero where there is none. Whole says to read every file before the log is
	// opened, however large it is.
	Grown proof.Checkpoint
	Whole bool
	// Holds, if not nil, is asked after entries were written and before their places are
	// told: an error says that another process may write the log by now.
	Holds func() error
	// Once gives an entry that is among the newest already the place it has, instead of a
	// second one: its caller appends it again since the answer was lost.
	Once bool
	// Copies gives the copies of entries that have none beside the tree, from a place on, by
	// their places, as far as rows are there. A crash leaves such entries, and a node of the
	// release before sends none. Where it is nil, they stay without.
	Copies func(ctx context.Context, first uint64, leaves [][]byte) (copies map[uint64][]byte, err error)
	// BatchAge is how long a group of entries waits for more before it is
	// written; zero writes at once, which is right for a disk of its own, since
	// entries that come meanwhile form the next group. A slow shared disk may
	// want 5 to 20 ms.
	BatchAge time.Duration
	// CheckpointInterval is how often a new checkpoint is signed; one second if
	// zero.
	CheckpointInterval time.Duration
}

// Log is an open release log. It is safe for concurrent use.
type Log struct {
	*Reader
	appender *tessera.Appender
	shutdown func(context.Context) error
	cancel   context.CancelFunc
	lock     *os.File
	groups   *gather.Groups[audit.Entry, uint64]
	signers  []note.Signer
	holds    func() error
	// places are those of the newest entries by their SHA-256, nil without Options.Once.
	// One goroutine uses them.
	places *memory.Places
	// gone says that the folder was let go of, closed that no entries are taken any more.
	closed, gone atomic.Bool
	// tree is the tree that was proved at the start and grew since: nothing else is signed.
	tree *memory.Tree
	// copies are the events beside the tree; gaps are places that have none.
	copies  *copies.Writer
	gaps    copies.Gaps
	ofRows  func(ctx context.Context, first uint64, leaves [][]byte) (map[uint64][]byte, error)
	filling sync.Mutex
	// unexplained had no row when the log was opened; damage was found since.
	unexplained Unexplained
	damage      atomic.Pointer[error]
	checking    sync.WaitGroup
}

// Errors of a log.
var (
	ErrLocked = sole.ErrLocked
	ErrClosed = gather.ErrClosed
)

// maxGroup is how many entries are written together at most.
const maxGroup = 4096

// Open opens the log, or begins it. It refuses a log that another process
// writes, one whose checkpoint is not of its keys, one whose newest tiles are
// not what was signed, and one that is smaller than the database knows it to be.
func Open(ctx context.Context, o Options) (*Log, error) {
	if o.CheckpointInterval <= 0 {
		o.CheckpointInterval = time.Second
	}
	l, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening the log %s in %s: %w", o.Origin, o.Dir, err)
	}
	return l, nil
}

func open(ctx context.Context, o Options) (_ *Log, err error) {
	keys, reader, err := signers(o)
	if err != nil {
		return nil, err
	}
	_, missing := os.Stat(o.Dir)
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	lock, err := sole.Take(o.Dir)
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Log{Reader: reader, cancel: cancel, lock: lock, signers: plain(keys), holds: o.Holds}
	defer func() {
		if err != nil {
			l.release()
		}
	}()
	if err := l.prove(ctx, o); err != nil {
		if errors.Is(missing, fs.ErrNotExist) { // leave no folder that looks like a log's
			_ = os.RemoveAll(o.Dir)
		}
		return nil, err
	}
	quiet.Tessera()
	driver, err := posix.New(background, posix.Config{Path: o.Dir})
	if err != nil {
		return nil, err
	}
	// Groups are made here, so the age within Tessera only has to outlast the
	// handing over of one group.
	checkpointing := guarded(keys, l.vouch, o.Record)
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(checkpointing[0], checkpointing[1:]...).
		WithBatching(maxGroup, handingOver).
		WithCheckpointInterval(o.CheckpointInterval)
	var tiles tessera.LogReader
	l.appender, l.shutdown, tiles, err = tessera.NewAppender(background, driver, options)
	if err != nil {
		return nil, err
	}
	l.size = tiles.IntegratedSize
	if o.Once {
		if err := l.remember(ctx); err != nil {
			return nil, err
		}
	}
	if err := l.openCopies(ctx, o); err != nil {
		return nil, err
	}
	l.groups = gather.New(background, gather.Options[audit.Entry, uint64]{Write: l.write, Age: o.BatchAge, MaxEntries: maxGroup})
	l.checking.Go(func() { l.checkMeanwhile(background, o) })
	return l, nil
}

// handingOver is how long Tessera waits after the first entry of a group.
const handingOver = time.Millisecond

func signers(o Options) (list []signer, reader *Reader, err error) {
	if o.Sign == nil {
		return nil, nil, errors.New("it has no key to sign checkpoints")
	}
	reader = &Reader{files: Folder(o.Dir), origin: o.Origin}
	for _, key := range append([]Key{{o.Public, o.Sign}}, o.Also...) {
		s, vkey, verifier, err := newSigner(o.Origin, key)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, s)
		reader.vkeys, reader.verifiers = append(reader.vkeys, vkey), append(reader.verifiers, verifier)
	}
	for _, vkey := range o.Retired {
		verifier, err := note.NewVerifier(vkey)
		if err != nil || verifier.Name() != o.Origin {
			return nil, nil, fmt.Errorf("the retired key %q is not one of this log", vkey)
		}
		reader.vkeys, reader.verifiers = append(reader.vkeys, vkey), append(reader.verifiers, verifier)
	}
	return list, reader, nil
}

func (l *Log) release() {
	l.gone.Store(true)
	l.cancel()
	l.checking.Wait()
	if l.copies != nil {
		_ = l.copies.Close() // each write of it is on disk
	}
	l.lock.Close()
}

// Append adds an entry. When it returns nil the entry is on disk with its place
// and survives a crash of the process and of the machine. When it returns an
// error the entry may or may not be there. It ends when the context does.
func (l *Log) Append(ctx context.Context, entry audit.Entry) (audit.Place, error) {
	index, err := l.groups.Add(ctx, entry)
	if err != nil {
		return audit.Place{}, fmt.Errorf("appending to log %s: %w", l.origin, err)
	}
	return audit.Place{Origin: l.origin, Index: index}, nil
}

// SigningKeys are the verifier keys of Sign and of new checkpoints.
func (l *Log) SigningKeys() []string { return l.VerifierKeys()[:len(l.signers)] }

// Sign signs a note in the name of the log, for the manifest of an export. The
// text must not begin like a checkpoint, with the log's origin.
func (l *Log) Sign(text string) ([]byte, error) { return signNote(l.origin, text, l.signers...) }

// SignNote signs a note in the name of a log as [Log.Sign] does, where another process
// writes it.
func SignNote(origin string, key Key, text string) ([]byte, error) {
	s, _, _, err := newSigner(origin, key)
	if err != nil {
		return nil, err
	}
	return signNote(origin, text, s)
}

func signNote(origin, text string, signers ...note.Signer) ([]byte, error) {
	if strings.HasPrefix(text, origin) {
		return nil, fmt.Errorf("signing a note for log %s: the note looks like a checkpoint", origin)
	}
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		return nil, fmt.Errorf("signing a note for log %s: %w", origin, err)
	}
	return signed, nil
}

// Close takes no more entries, writes those that were given, waits for the
// checkpoint that covers them, and lets go of the sole. When the context ends
// first the entries are on disk all the same, and the next checkpoint, after the
// next start, covers them.
func (l *Log) Close(ctx context.Context) error {
	if l.closed.Swap(true) {
		return nil
	}
	l.groups.Close()
	err := error(nil)
	if damage := l.damage.Load(); damage == nil {
		err = l.shutdown(ctx)
	} // of a damaged log there is none to wait for
	l.release()
	if err != nil {
		return fmt.Errorf("closing log %s: its last checkpoint: %w", l.origin, err)
	}
	return nil
}

// abandon lets go of the folder at once, without a last checkpoint.
func (l *Log) abandon() {
	if !l.closed.Swap(true) {
		l.groups.Close()
		l.release()
	}
}

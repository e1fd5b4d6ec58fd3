package tlog

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"

	"hopnhat/authz/audit"
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
	groups   *groups
	signers  []note.Signer

	mu       sync.Mutex
	closed   bool
	inFlight sync.WaitGroup
}

// Errors of a log.
var (
	ErrLocked = errors.New("another process is writing this log")
	ErrClosed = errors.New("the log is closed")
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
	primary, also, reader, err := signers(o)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder: %w", err)
	}
	lock, err := lockDir(o.Dir)
	if err != nil {
		return nil, err
	}
	background, cancel := context.WithCancel(context.WithoutCancel(ctx))
	l := &Log{Reader: reader, cancel: cancel, lock: lock, signers: append([]note.Signer{primary}, also...)}
	defer func() {
		if err != nil {
			l.release()
		}
	}()
	_, signed, err := l.checkpoint()
	switch {
	case errors.Is(err, fs.ErrNotExist): // a new log
	case err != nil:
		return nil, err
	default:
		if err := l.checkDisk(ctx, signed); err != nil {
			return nil, err
		}
	}
	quieten()
	driver, err := posix.New(background, posix.Config{Path: o.Dir})
	if err != nil {
		return nil, err
	}
	// Groups are made here, so the age within Tessera only has to outlast the
	// handing over of one group.
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(primary, also...).
		WithBatching(maxGroup, handOver).
		WithCheckpointInterval(o.CheckpointInterval)
	var tiles tessera.LogReader
	l.appender, l.shutdown, tiles, err = tessera.NewAppender(background, driver, options)
	if err != nil {
		return nil, err
	}
	l.size = tiles.IntegratedSize
	if err := l.CheckNotOlder(ctx, max(o.KnownSize, signed.Size)); err != nil {
		return nil, err
	}
	l.groups = newGroups(background, l.appender, o.BatchAge)
	return l, nil
}

// handOver is how long Tessera waits after the first entry of a group.
const handOver = time.Millisecond

func signers(o Options) (primary signer, also []note.Signer, reader *Reader, err error) {
	if o.Sign == nil {
		return primary, nil, nil, errors.New("it has no key to sign checkpoints")
	}
	reader = &Reader{dir: o.Dir, origin: o.Origin}
	for i, key := range append([]Key{{o.Public, o.Sign}}, o.Also...) {
		s, vkey, verifier, err := newSigner(o.Origin, key)
		if err != nil {
			return primary, nil, nil, err
		}
		if i == 0 {
			primary = s
		} else {
			also = append(also, s)
		}
		reader.vkeys, reader.verifiers = append(reader.vkeys, vkey), append(reader.verifiers, verifier)
	}
	for _, vkey := range o.Retired {
		verifier, err := note.NewVerifier(vkey)
		if err != nil || verifier.Name() != o.Origin {
			return primary, nil, nil, fmt.Errorf("the retired key %q is not one of this log", vkey)
		}
		reader.vkeys, reader.verifiers = append(reader.vkeys, vkey), append(reader.verifiers, verifier)
	}
	return primary, also, reader, nil
}

// lockDir takes the log for this process. The system gives it back when the
// process ends, however it ends.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".hopnhat.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("locking: %w", err)
	}
	return f, nil
}

func (l *Log) release() {
	l.cancel()
	l.lock.Close()
}

// Append adds an entry. When it returns nil the entry is on disk with its place
// and survives a crash of the process and of the machine. When it returns an
// error the entry may or may not be there. It ends when the context does.
func (l *Log) Append(ctx context.Context, entry []byte) (audit.Place, error) {
	l.mu.Lock()
	if l.closed {
		l.mu.Unlock()
		return audit.Place{}, fmt.Errorf("appending to log %s: %w", l.origin, ErrClosed)
	}
	l.inFlight.Add(1)
	l.mu.Unlock()
	defer l.inFlight.Done()
	index, err := l.groups.add(ctx, entry)
	if err != nil {
		return audit.Place{}, fmt.Errorf("appending to log %s: %w", l.origin, err)
	}
	return audit.Place{Origin: l.origin, Index: index}, nil
}

// SigningKeys are the verifier keys of Sign and of new checkpoints.
func (l *Log) SigningKeys() []string { return l.VerifierKeys()[:len(l.signers)] }

// Sign signs a note in the name of the log, for the manifest of an export. The
// text must not begin like a checkpoint, with the log's origin.
func (l *Log) Sign(text string) ([]byte, error) {
	if strings.HasPrefix(text, l.origin) {
		return nil, fmt.Errorf("signing a note for log %s: the note looks like a checkpoint", l.origin)
	}
	signed, err := note.Sign(&note.Note{Text: text}, l.signers...)
	if err != nil {
		return nil, fmt.Errorf("signing a note for log %s: %w", l.origin, err)
	}
	return signed, nil
}

// Close takes no more entries, writes those that were given, waits for the
// checkpoint that covers them, and lets go of the folder. When the context ends
// first the entries are on disk all the same, and the next checkpoint, after the
// next start, covers them.
func (l *Log) Close(ctx context.Context) error {
	l.mu.Lock()
	already := l.closed
	l.closed = true
	l.mu.Unlock()
	if already {
		return nil
	}
	l.inFlight.Wait()
	l.groups.close()
	err := l.shutdown(ctx)
	l.release()
	if err != nil {
		return fmt.Errorf("closing log %s: its last checkpoint: %w", l.origin, err)
	}
	return nil
}

// quieten sends what Tessera says to the logger of this process, from warnings
// up: it tells of every start. Tessera's logger is one for all logs and is not to
// be changed while one is open.
var quieten = sync.OnceFunc(func() {
	klog.SetSlogLogger(slog.New(warnings{func() slog.Handler { return slog.Default().Handler() }}))
})

// warnings is a handler that passes warnings on to the default logger of the
// moment.
type warnings struct{ next func() slog.Handler }

// Enabled says which records pass.
func (w warnings) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn && w.next().Enabled(ctx, level)
}

// Handle passes a record on.
func (w warnings) Handle(ctx context.Context, r slog.Record) error { return w.next().Handle(ctx, r) }

// WithAttrs passes on.
func (w warnings) WithAttrs(attrs []slog.Attr) slog.Handler {
	return warnings{func() slog.Handler { return w.next().WithAttrs(attrs) }}
}

// WithGroup passes on.
func (w warnings) WithGroup(name string) slog.Handler {
	return warnings{func() slog.Handler { return w.next().WithGroup(name) }}
}

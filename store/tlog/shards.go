package tlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/trees"
)

// Heads keeps how far shards are recorded, where all nodes of a site see it. Each method
// is one conditional change; authz.ErrConflict says that the condition did not hold.
type Heads interface {
	// Shards lists the heads of a log.
	Shards(ctx context.Context, log string) ([]trees.Head, error)
	// Begin records a shard that has no head yet, under epoch 1.
	Begin(ctx context.Context, h trees.Head) error
	// Take makes a writer the one of an open shard whose epoch is still this, and returns
	// the head under the next epoch. Of racing calls one wins.
	Take(ctx context.Context, origin string, epoch uint64, writer string) (trees.Head, error)
	// Record records a larger tree of an open shard whose epoch is that of the head, or
	// the same tree again.
	Record(ctx context.Context, h trees.Head) error
	// Miss notes from which place on entries of a shard may have no row in the database, as
	// the head says, if the tree and the epoch in it are those that are recorded.
	Miss(ctx context.Context, h trees.Head) error
	// Close ends an open shard of this epoch at the recorded size.
	Close(ctx context.Context, origin string, epoch uint64) error
}

// ShardsOptions says where the shards of a site are, and who keeps their heads.
type ShardsOptions struct {
	// Archive is where the shards are.
	Archive *Archive
	Heads   Heads
	// Writer names this node's state folder: a shard that it wrote must be here whole, and
	// one that another wrote is closed where it is not.
	Writer string
	// Key chooses the key of a shard: the one of a verifier key, or the active one where
	// that is empty, or is of no key that is there any more.
	Key func(origin, vkey string) (Key, error)
	// KnownSize is one more than the highest place the database knows in a shard.
	KnownSize func(ctx context.Context, origin string) (uint64, error)
	// Anchors are checkpoints that were kept elsewhere; the shards must hold their trees.
	Anchors []proof.Checkpoint
	// Explain is as in [Options], for a shard; whoever writes a log needs it.
	Explain func(ctx context.Context, origin string, first uint64, leaves [][]byte) ([]uint64, error)
	// Copies is as in [Options], for a shard.
	Copies func(ctx context.Context, origin string, first uint64, leaves [][]byte) (map[uint64][]byte, error)
	// Counted, if not nil, hears of each entry that was given a place, before that is told.
	Counted func(at audit.Place, entry audit.Entry)
	// Holds, if not nil, returns an error when another node may be the writer by now.
	Holds func() error
	// CheckpointInterval is as in [Options].
	CheckpointInterval time.Duration
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// ErrReplaced means that another node writes the log by now.
var ErrReplaced = errors.New("another node writes this log now")

// Shards is the log of a site as its writer has it: the shard of this quarter, which takes
// entries, and those of before. It rolls over while it runs. It is safe for concurrent use.
type Shards struct {
	o        ShardsOptions
	replaced atomic.Pointer[error]
	current  atomic.Pointer[shard]
	outage   atomic.Pointer[outage] // while the log is out: see [Shards.Again]
	grown    sync.Map               // by origin, the trees that shards which are to be opened again had in memory

	// without are the entries that have no row, by their shards.
	without atomic.Pointer[[]Unexplained]
	finding sync.Mutex

	rolling sync.Mutex
	ending  sync.WaitGroup // shards that are being closed
	stop    context.CancelFunc
	stopped chan struct{}
}

// shard is one that is open for writing.
type shard struct {
	*Log
	name  Name
	epoch uint64
	*standing
}

// standing is what is told of a shard while it is written.
type standing struct {
	over    atomic.Bool // it was let go of, and what it could not record says nothing
	missing atomic.Pointer[uint64]
}

// OpenShards opens the shard of this quarter, ends those of before that were left open,
// and rolls over from now on. A shard that another node wrote and that is not here whole
// is closed where it was recorded last, and the next part of the quarter begins; one that
// this node wrote must be here whole.
func OpenShards(ctx context.Context, o ShardsOptions) (*Shards, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Explain == nil {
		return nil, errors.New("opening a log: nobody looks for the rows of its entries")
	}
	s := &Shards{o: o, stopped: make(chan struct{})}
	heads, err := s.heads(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.o.anchored(heads); err != nil {
		return nil, err
	}
	current, err := s.open(ctx, Shard(o.Now()), heads)
	if err != nil {
		return nil, err
	}
	s.current.Store(current)
	if err := s.stillMissing(ctx, heads); err != nil {
		return nil, errors.Join(err, current.Close(context.WithoutCancel(ctx)))
	}
	s.endBefore(ctx, current, heads)
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	go s.run(background)
	return s, nil
}

// endBefore ends the shards of quarters before that are still open.
func (s *Shards) endBefore(ctx context.Context, current *shard, heads map[Name]trees.Head) {
	for name, head := range heads {
		if !head.Closed && name.Quarter < current.name.Quarter {
			s.ending.Go(func() { s.end(context.WithoutCancel(ctx), name, head) })
		}
	}
}

func (s *Shards) heads(ctx context.Context) (map[Name]trees.Head, error) {
	list, err := s.o.Heads.Shards(ctx, s.o.Archive.Log)
	if err != nil {
		return nil, err
	}
	heads := make(map[Name]trees.Head, len(list))
	for _, h := range list {
		if h.Altered {
			return nil, fmt.Errorf("%w: shard %s: %w; see hopnhat log --help", ErrDamaged, h.Origin, trees.ErrAltered)
		}
		n, err := ParseName(s.o.Archive.Log, h.Origin)
		if err != nil {
			return nil, err
		}
		heads[n] = h
	}
	return heads, nil
}

// open opens the newest part of a quarter, or the first one after it where that is closed
// or cannot be gone on with.
func (s *Shards) open(ctx context.Context, quarter string, heads map[Name]trees.Head) (*shard, error) {
	name := Name{s.o.Archive.Log, quarter, 1}
	for {
		head, begun := heads[name]
		if begun && head.Closed {
			name.Part++
			continue
		}
		var opened *shard
		var taken trees.Head
		var err error
		if begun {
			opened, taken, err = s.take(ctx, name, head)
		} else if opened, err = s.begin(ctx, name, len(heads) > 0); err != nil {
			return nil, err
		}
		if err == nil {
			s.found(opened.Unexplained())
			next := Name{name.Log, name.Quarter, name.Part + 1}
			if _, known := heads[next]; known || !s.o.Archive.Has(next) {
				return opened, nil
			}
			slog.Warn("the database is older than the log: a shard that it has as open was ended", "origin", opened.Origin())
			if err := s.close(ctx, opened); err != nil {
				return nil, err
			}
			name = next
			continue
		}
		if head.Writer == s.o.Writer || taken.Epoch == 0 || !elsewhere(err) {
			return nil, err
		}
		slog.Warn("a shard of the log was written by another node and is not here as it was recorded; it ends there, and another begins",
			"origin", head.Origin, "size", taken.Size, "error", err)
		if err := s.o.Heads.Close(ctx, head.Origin, taken.Epoch); err != nil {
			return nil, err
		}
		name.Part++
	}
}

// begin begins a shard, or records one that is here from before there were heads.
func (s *Shards) begin(ctx context.Context, name Name, others bool) (*shard, error) {
	known, err := s.o.Archive.Key(name.Origin())
	if err != nil && !errors.Is(err, authz.ErrNotFound) {
		return nil, err
	}
	key, vkey, err := s.o.key(name.Origin(), known)
	if err != nil {
		return nil, err
	}
	head := trees.Head{Log: name.Log, Origin: name.Origin(), Epoch: 1, VerifierKey: vkey, Writer: s.o.Writer, Root: emptyRoot()}
	if s.o.Archive.Has(name) {
		raw, c, err := readCheckpoint(ctx, name.Dir(s.o.Archive.Dir), vkey)
		if err != nil {
			return nil, fmt.Errorf("opening the log %s in %s: %w", name.Origin(), name.Dir(s.o.Archive.Dir), err)
		}
		if c.Size > 0 {
			head.Size, head.Root, head.Checkpoint = c.Size, c.Root, string(raw)
		}
		if others { // until it is known that they have rows
			known, err := s.o.KnownSize(ctx, head.Origin)
			if err != nil {
				return nil, err
			}
			head.Missing = &known
		}
	}
	if err := s.o.Heads.Begin(ctx, head); err != nil {
		return nil, err
	}
	return s.write(ctx, name, head, key)
}

// take goes on with a shard. What it returns beside an error is the head, if this node has
// become its writer.
func (s *Shards) take(ctx context.Context, name Name, head trees.Head) (*shard, trees.Head, error) {
	taken, err := s.o.Heads.Take(ctx, head.Origin, head.Epoch, s.o.Writer)
	if err != nil {
		return nil, trees.Head{}, err
	}
	if head.Writer != s.o.Writer && !s.o.Archive.Has(name) {
		return nil, taken, fmt.Errorf("opening the log %s in %s: %w", head.Origin, name.Dir(s.o.Archive.Dir), errElsewhere)
	}
	key, _, err := s.o.key(head.Origin, head.VerifierKey)
	if err != nil {
		return nil, taken, err
	}
	opened, err := s.write(ctx, name, taken, key)
	return opened, taken, err
}

// errElsewhere means that the folder of a shard is not here.
var errElsewhere = errors.New("its folder is not here")

// elsewhere reports whether a shard is not here as it was recorded: there is no folder, or
// another one, or a process has it that no longer is the writer. That keys or database
// cannot be used is no such reason.
func elsewhere(err error) bool {
	var other *OtherLogError
	return errors.Is(err, errElsewhere) || errors.Is(err, ErrOlder) || errors.Is(err, ErrDamaged) || errors.Is(err, ErrLocked) ||
		errors.Is(err, proof.ErrUnknownKey) || errors.Is(err, proof.ErrSignature) || errors.As(err, &other)
}

// key chooses the key of a shard and gives its verifier key.
func (o *ShardsOptions) key(origin, vkey string) (Key, string, error) {
	key, err := o.Key(origin, vkey)
	if err != nil {
		return Key{}, "", err
	}
	vkey, err = VerifierKey(origin, key.Public)
	return key, vkey, err
}

// write opens a shard of which this node is the writer.
func (s *Shards) write(ctx context.Context, name Name, head trees.Head, key Key) (*shard, error) {
	known, err := s.o.KnownSize(ctx, head.Origin)
	if err != nil {
		return nil, err
	}
	var unrecorded atomic.Pointer[error] // Tessera passes its text on alone
	var grown proof.Checkpoint
	was, again := s.grown.Load(head.Origin)
	if again {
		grown = was.(proof.Checkpoint)
	}
	st := &standing{}
	st.missing.Store(head.Missing)
	log, err := Open(ctx, Options{
		Grown: grown, Whole: again,
		Dir: name.Dir(s.o.Archive.Dir), Origin: head.Origin, Public: key.Public, Sign: key.Sign,
		KnownSize: known, Recorded: proof.Checkpoint{Origin: head.Origin, Size: head.Size, Root: proof.Hash(head.Root)},
		Anchor: s.o.anchor(head.Origin), Missing: head.Missing, Explain: s.o.explain(head.Origin), Miss: st.miss(s.o.Heads, head),
		Copies: s.o.copies(head.Origin), Record: s.record(head, &unrecorded, st), Holds: s.holds, Once: true,
		CheckpointInterval: s.o.CheckpointInterval,
	})
	if err != nil {
		if cause := unrecorded.Load(); cause != nil {
			err = fmt.Errorf("%w: %w", *cause, err)
		}
		return nil, err
	}
	head.Missing = st.missing.Load()
	if err := errors.Join(s.o.Archive.AddKeys(log.VerifierKey()), recordSigned(ctx, s.o.Heads, log, head)); err != nil {
		return nil, errors.Join(err, log.Close(ctx))
	}
	s.grown.Delete(head.Origin)
	return &shard{log, name, head.Epoch, st}, nil
}

// recordSigned records what was signed and is not in the database, since that is older than
// the log: no other checkpoint may come for it.
func recordSigned(ctx context.Context, heads Heads, log *Log, head trees.Head) error {
	raw, c, err := log.checkpoint(ctx)
	if err != nil || c.Size <= head.Size {
		return err
	}
	head.Size, head.Root, head.Checkpoint = c.Size, c.Root, string(raw)
	if err := heads.Record(ctx, head); err != nil && !errors.Is(err, authz.ErrConflict) { // a newer one came meanwhile
		return err
	}
	return nil
}

// record records a checkpoint before it is published, and leaves the cause where it cannot.
// One that loses says that this node was replaced, unless its tree is not the one that was
// gone on from, or its writer is over and another of this process goes on.
func (s *Shards) record(
	from trees.Head, cause *atomic.Pointer[error], st *standing,
) func(context.Context, proof.Checkpoint, []byte) error {
	return func(ctx context.Context, c proof.Checkpoint, signed []byte) error {
		head := from
		head.Missing = st.missing.Load()
		head.Size, head.Root, head.Checkpoint = c.Size, c.Root, string(signed)
		err := s.o.Heads.Record(ctx, head)
		switch {
		case err == nil:
			return nil
		case c.Size < from.Size:
			err = fmt.Errorf("%w: %d entries of %s where %d are recorded", ErrOlder, c.Size, c.Origin, from.Size)
		case c.Size == from.Size && c.Root != proof.Hash(from.Root):
			err = fmt.Errorf("%w: another root for %d entries of %s than is recorded", ErrDamaged, c.Size, c.Origin)
		case errors.Is(err, authz.ErrConflict):
			err = fmt.Errorf("%w: the checkpoint of %d entries of %s was not recorded", ErrReplaced, c.Size, c.Origin)
			if !st.over.Load() {
				s.replaced.CompareAndSwap(nil, &err)
			}
		}
		cause.Store(&err)
		return err
	}
}

// holds returns an error when another node may write the log.
func (s *Shards) holds() error {
	if replaced := s.replaced.Load(); replaced != nil {
		return *replaced
	}
	if s.o.Holds == nil {
		return nil
	}
	return s.o.Holds()
}

// end ends a shard that takes no more entries: a checkpoint covers its last entry, and
// nothing is recorded after it.
func (s *Shards) end(ctx context.Context, name Name, head trees.Head) {
	ctx, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	opened, taken, err := s.take(ctx, name, head)
	if err == nil {
		s.found(opened.Unexplained())
		err = s.close(ctx, opened)
	} else if head.Writer != s.o.Writer && taken.Epoch > 0 && elsewhere(err) {
		err = s.o.Heads.Close(ctx, head.Origin, taken.Epoch)
	}
	if err != nil {
		slog.Error("a shard of the log was not ended; the next start tries again", "origin", head.Origin, "error", err)
	}
}

// endPatience bounds the last checkpoint of a shard.
const endPatience = 30 * time.Second

func (s *Shards) close(ctx context.Context, old *shard) error {
	old.groups.Close()
	size, err := old.Size(ctx)
	if err == nil && size > 0 {
		_, _, err = old.covering(ctx, size-1)
	}
	if err = errors.Join(err, old.Close(ctx)); err != nil {
		return err
	}
	return s.o.Heads.Close(ctx, old.Origin(), old.epoch)
}

// run looks each second whether a new quarter has begun.
func (s *Shards) run(ctx context.Context) {
	defer close(s.stopped)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.lookAfter(ctx)
		if err := s.Roll(ctx); err != nil {
			slog.Error("the shard of the new quarter cannot be begun; the one before goes on", "error", err)
		}
		if n%lookAgain == 0 {
			if err := s.LookAgain(ctx); err != nil {
				slog.Error("the rows of the log's entries could not be looked for", "error", err)
			}
		}
		if n%fillAgain == 0 {
			if err := s.Current().fill(ctx); err != nil {
				slog.Error("copies of events could not be put beside the log; it is tried again", "error", err)
			}
		}
	}
}

// Roll opens the shard of this quarter if another is open, lets new entries go there, and
// ends the old one. Where that fails the old one goes on.
func (s *Shards) Roll(ctx context.Context) error {
	s.rolling.Lock()
	defer s.rolling.Unlock()
	old, quarter := s.current.Load(), Shard(s.o.Now())
	if quarter <= old.name.Quarter || s.out() != nil {
		return nil
	}
	heads, err := s.heads(ctx)
	if err != nil {
		return err
	}
	next, err := s.open(ctx, quarter, heads)
	if err != nil {
		return err
	}
	s.current.Store(next)
	s.ending.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endPatience)
		defer cancel()
		if err := s.close(ctx, old); err != nil {
			slog.Error("a shard of the log was not ended; the next start tries again", "origin", old.Origin(), "error", err)
		}
	})
	return nil
}

// Append adds an entry to the shard of this quarter. When it returns nil the entry is on
// disk with its place, and survives a crash of the process and of the machine. An entry
// that is appended again gets the place it has.
func (s *Shards) Append(ctx context.Context, entry audit.Entry) (audit.Place, error) {
	if err := s.stops(entry.Leaf); err != nil {
		return audit.Place{}, err
	}
	for {
		current := s.current.Load()
		place, err := current.Append(ctx, entry)
		if errors.Is(err, ErrClosed) && s.current.Load() != current {
			continue // it rolled over in between
		}
		if err == nil && s.o.Counted != nil {
			s.o.Counted(place, entry)
		}
		if out := s.out(); out != nil && errors.Is(err, ErrClosed) {
			err = out
		}
		return place, err
	}
}

// Current is the shard that takes entries.
func (s *Shards) Current() *Log { return s.current.Load().Log }

// Reader reads a shard: the one that takes entries, or one of before.
func (s *Shards) Reader(ctx context.Context, origin string) (*Reader, error) {
	if current := s.current.Load(); origin == current.Origin() {
		return current.Reader, nil
	}
	return s.o.Archive.Reader(ctx, origin)
}

// Health returns why the log cannot take entries now, nil if it can: see [Log.Health].
func (s *Shards) Health(ctx context.Context) error {
	if out := s.out(); out != nil {
		return out
	}
	return s.Current().Health(ctx)
}

// Close takes no more entries and lets go of the folders. The shard stays open in the
// database: the next start goes on with it.
func (s *Shards) Close(ctx context.Context) error {
	s.stop()
	<-s.stopped
	s.ending.Wait()
	return s.Current().Close(ctx)
}

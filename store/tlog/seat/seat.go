// Package seat is the release log of a site as one of its nodes has it: the node that has
// the lease of the site writes the log, and the others append to it there (package
// remote). When the writer is gone, one of the others takes its seat.
//
//	follows ── lease taken, shards opened ──▶ writes
//	writes ── lease lost ──▶ follows
//
// A node that follows and cannot reach the writer answers [authz.ErrUnavailable], and so
// does one that writes and cannot show that it has the lease.
package seat

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/authz"
	"hopnhat/authz/audit"
	"hopnhat/authz/audit/trees"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/remote"
)

// ErrTaken means that another node has the lease of the site.
var ErrTaken = errors.New("another node writes the release log of this site")

// Lease says which node of a site writes its log.
type Lease interface {
	// Take makes this node the writer if none is, or the one that is has not shown itself
	// for long; ErrTaken otherwise. Of racing calls one wins.
	Take(ctx context.Context) error
	// Leave lets another node be the writer at once.
	Leave(ctx context.Context) error
	// Writer is the address of the node that has the lease, empty if it has none.
	Writer(ctx context.Context) (address string, err error)
}

// Options are what a node needs for its log.
type Options struct {
	Lease   Lease
	Archive *tlog.Archive
	// Open opens the shards for writing, once the lease was taken.
	Open func(ctx context.Context) (*tlog.Shards, error)
	// Dial makes a client of the writer at an address.
	Dial func(address string) *remote.Client
	// Key is that of a shard, for notes that a node signs which does not write.
	Key func(origin, vkey string) (tlog.Key, error)
	// Heads are the recorded heads of the shards.
	Heads tlog.Heads
	// Peers are the addresses of the nodes of the site that do not write; nil if shards are
	// read at the writer alone.
	Peers func(ctx context.Context) ([]string, error)
	// Writes says that this node may be the writer, Candidate that it may become it while it
	// runs, since the others reach it.
	Writes, Candidate bool
}

// Log is the log of the site. It is safe for concurrent use.
type Log struct {
	o     Options
	now   atomic.Pointer[state]
	steps sync.Mutex // one change of state at a time

	dialling sync.Mutex // of peers
	peers    map[string]*remote.Client
}

// state is how this node has the log: one of both.
type state struct {
	writes  *tlog.Shards
	follows *following
}

// following is a log that another node writes.
type following struct {
	client *remote.Client
	status atomic.Pointer[remote.Status] // as it was told last
	// broken is why this node, whose turn it would be, cannot write; nil where it is not its
	// turn. It tries again at retry.
	broken error
	retry  time.Time
}

// retryEvery is how long a log that could not be opened is left alone: reading it to its end
// takes a while, and an operator may be mending it.
const retryEvery = 15 * time.Second

// mends reports whether an error is about what is in the folder: a person has to look at it,
// and everything but the log goes on meanwhile.
func mends(err error) bool {
	return errors.Is(err, tlog.ErrDamaged) || errors.Is(err, tlog.ErrOlder)
}

// Open takes the seat of the writer if it is free, and otherwise follows the writer, if
// that can be reached by others; ErrTaken if it cannot. A node that may not write follows
// whichever comes.
func Open(ctx context.Context, o Options) (*Log, error) {
	l := &Log{o: o}
	err := ErrTaken
	if o.Writes {
		err = o.Lease.Take(ctx)
	}
	switch {
	case err == nil:
		shards, err := o.Open(ctx)
		if err != nil {
			err = errors.Join(err, o.Lease.Leave(context.WithoutCancel(ctx)))
			if !mends(err) {
				return nil, err
			}
			slog.Error("the release log cannot be written; everything but what waits for it goes on", "error", err)
			l.breakDown(err)
			return l, nil
		}
		l.now.Store(&state{writes: shards})
		return l, nil
	case !errors.Is(err, ErrTaken):
		return nil, err
	}
	address, lookErr := o.Lease.Writer(ctx)
	if lookErr != nil || address == "" && o.Writes {
		return nil, errors.Join(err, lookErr)
	}
	l.follow(address)
	l.mend(ctx)
	if err := l.Health(ctx); err != nil {
		slog.Warn("the node that writes the release log does not answer yet", "address", address, "error", err)
	}
	return l, nil
}

// mend looks after shards that this node wrote before it was replaced.
func (l *Log) mend(ctx context.Context) {
	if err := l.o.Archive.Mend(ctx, l.o.Heads); err != nil {
		slog.Warn("a shard of the release log that is closed has no last checkpoint here", "error", err)
	}
}

func (l *Log) follow(address string) {
	f := &following{client: l.o.Dial(address)}
	f.status.Store(&remote.Status{})
	l.now.Store(&state{follows: f})
}

// breakDown makes this node one that has no log, until it can be opened.
func (l *Log) breakDown(err error) {
	f := &following{client: l.o.Dial(""), broken: err, retry: time.Now().Add(retryEvery)}
	f.status.Store(&remote.Status{})
	l.now.Store(&state{follows: f})
}

// stepEvery is how often a node looks which node is the writer.
const stepEvery = 2 * time.Second

// Run looks again and again which node is the writer, and takes the seat when it is free.
func (l *Log) Run(ctx context.Context) {
	tick := time.NewTicker(stepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := l.Step(ctx); err != nil && ctx.Err() == nil {
			slog.Error("the writer of the release log could not be looked for", "error", err)
		}
	}
}

// Step looks once.
func (l *Log) Step(ctx context.Context) error {
	l.steps.Lock()
	defer l.steps.Unlock()
	f := l.now.Load().follows
	if f == nil {
		return nil
	}
	if l.o.Writes && (l.o.Candidate || f.broken != nil) && !time.Now().Before(f.retry) {
		err := l.o.Lease.Take(ctx)
		if err == nil {
			return l.promote(ctx, f)
		}
		if !errors.Is(err, ErrTaken) {
			return err
		}
	}
	address, err := l.o.Lease.Writer(ctx)
	if err != nil || address == "" || address == f.client.Address() {
		return err
	}
	slog.Info("another node writes the release log now", "address", address)
	l.follow(address)
	f.client.Close()
	return l.Health(ctx)
}

func (l *Log) promote(ctx context.Context, f *following) error {
	shards, err := l.o.Open(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("taking over the release log: %w", err), l.o.Lease.Leave(context.WithoutCancel(ctx)))
		if f.broken != nil || mends(err) {
			l.breakDown(err)
			f.client.Close()
		}
		return err
	}
	slog.Warn("this node writes the release log of the site from now on", "origin", shards.Current().Origin())
	l.now.Store(&state{writes: shards})
	f.client.Close()
	return nil
}

// Lost says that another node has the lease: this one writes no more, and follows. It
// reports whether it can; it cannot where the other node is not reached by others.
func (l *Log) Lost(ctx context.Context) bool {
	l.steps.Lock()
	defer l.steps.Unlock()
	shards := l.now.Load().writes
	if shards == nil {
		return true
	}
	address, err := l.o.Lease.Writer(ctx)
	if err != nil || address == "" {
		return false
	}
	slog.Error("another node took the release log over; this one writes it no more", "address", address)
	l.follow(address)
	// What is in work is written to a shard that takes no more, and is not acknowledged.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := shards.Close(ending); err != nil {
		slog.Info("the release log was left without a last checkpoint, which is the other node's to make", "error", err)
	}
	l.mend(context.WithoutCancel(ctx))
	return true
}

// Writes reports whether this node is the writer.
func (l *Log) Writes() bool { return l.now.Load().writes != nil }

// Append adds an entry, here or at the writer.
func (l *Log) Append(ctx context.Context, entry audit.Entry) (audit.Place, error) {
	now := l.now.Load()
	if now.writes != nil {
		return now.writes.Append(ctx, entry)
	}
	if now.follows.broken != nil {
		return audit.Place{}, fmt.Errorf("appending to the log: %w: %w", authz.ErrUnavailable, now.follows.broken)
	}
	return now.follows.client.Append(ctx, entry)
}

// Explained returns [tlog.ErrUnexplained] while entries of the log have no row in the
// database and no operator has decided: nothing is released meanwhile.
func (l *Log) Explained() error {
	now := l.now.Load()
	if now.writes != nil {
		return now.writes.Explained()
	}
	if without := now.follows.status.Load().Unexplained; without != "" {
		return fmt.Errorf("%w: %s", tlog.ErrUnexplained, without)
	}
	return nil
}

// Health returns why the log cannot take entries now, nil if it can.
func (l *Log) Health(ctx context.Context) error {
	now := l.now.Load()
	if now.writes != nil {
		return now.writes.Health(ctx)
	}
	if now.follows.broken != nil {
		return now.follows.broken
	}
	if now.follows.client.Address() == "" {
		return fmt.Errorf("%w: %w: no node writes it", tlog.ErrUnreached, authz.ErrUnavailable)
	}
	status, err := now.follows.client.Status(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", tlog.ErrUnreached, err)
	}
	if err := l.o.Archive.AddKeys(status.Keys...); err != nil {
		return err
	}
	now.follows.status.Store(&status)
	if status.Cause == "" {
		return nil
	}
	return fmt.Errorf("the log at %s: %w: %s", now.follows.client.Address(), tlog.OfCode(status.Code), status.Cause)
}

// Origin is the shard that takes entries; empty as long as the writer was not reached.
func (l *Log) Origin() string {
	now := l.now.Load()
	if now.writes != nil {
		return now.writes.Current().Origin()
	}
	return now.follows.status.Load().Origin
}

// VerifierKey is the key of the shard that takes entries; empty as long as the writer was
// not reached.
func (l *Log) VerifierKey() string {
	key, err := l.o.Archive.Key(l.Origin())
	if err != nil {
		return ""
	}
	return key
}

// Key is the verifier key of a shard; authz.ErrNotFound if there is none. One that this
// node was not told yet is that of the recorded head, if it is a key of the keyring: whoever
// can write a row must not choose what proofs are verified by.
func (l *Log) Key(ctx context.Context, origin string) (string, error) {
	vkey, unknown := l.o.Archive.Key(origin)
	if !errors.Is(unknown, authz.ErrNotFound) {
		return vkey, unknown
	}
	heads, err := l.o.Heads.Shards(ctx, l.o.Archive.Log)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(heads, func(h trees.Head) bool { return h.Origin == origin })
	if i < 0 {
		return "", unknown
	}
	key, err := l.o.Key(origin, heads[i].VerifierKey)
	if err != nil {
		return "", err
	}
	vkey, err = tlog.VerifierKey(origin, key.Public)
	if err != nil {
		return "", err
	}
	if vkey != heads[i].VerifierKey {
		return "", unknown
	}
	return vkey, l.o.Archive.AddKeys(vkey)
}

// Reader reads a shard: here where it is, and otherwise at the writer or at another node of
// the site, which wrote it before.
func (l *Log) Reader(ctx context.Context, origin string) (*tlog.Reader, error) {
	now := l.now.Load()
	name, err := tlog.ParseName(l.o.Archive.Log, origin)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", authz.ErrNotFound, err)
	}
	switch {
	case now.writes != nil && (origin == now.writes.Current().Origin() || l.o.Archive.Has(name)):
		return now.writes.Reader(ctx, origin)
	case l.o.Archive.Has(name):
		return l.o.Archive.Reader(ctx, origin)
	}
	vkey, err := l.Key(ctx, origin)
	if err != nil {
		return nil, err
	}
	if now.writes == nil && (origin == now.follows.status.Load().Origin || l.o.Peers == nil) {
		return tlog.OpenGrowing(now.follows.client.Files(name.Shard()), vkey)
	}
	return l.elsewhere(ctx, name, vkey)
}

// elsewhere reads a shard that takes no more entries, at the node that has it.
func (l *Log) elsewhere(ctx context.Context, name tlog.Name, vkey string) (*tlog.Reader, error) {
	failed := fmt.Errorf("shard %s is at no node that is reached: %w", name.Origin(), authz.ErrUnavailable)
	now := l.now.Load()
	var at []*remote.Client
	if now.writes == nil {
		at = append(at, now.follows.client)
	}
	if l.o.Peers != nil {
		addresses, err := l.o.Peers(ctx)
		if err != nil {
			return nil, err
		}
		for _, address := range addresses {
			at = append(at, l.peer(address))
		}
	}
	for _, client := range at {
		r, err := tlog.OpenReader(ctx, client.Files(name.Shard()), vkey)
		if err == nil {
			return r, nil
		}
		failed = errors.Join(failed, err)
	}
	return nil, failed
}

// peer is a client of another node, which is kept.
func (l *Log) peer(address string) *remote.Client {
	l.dialling.Lock()
	defer l.dialling.Unlock()
	if l.peers[address] == nil {
		if l.peers == nil {
			l.peers = map[string]*remote.Client{}
		}
		l.peers[address] = l.o.Dial(address)
	}
	return l.peers[address]
}

// Checkpoint is the newest signed tree head of the shard that takes entries.
func (l *Log) Checkpoint(ctx context.Context) ([]byte, error) {
	r, err := l.Reader(ctx, l.Origin())
	if err != nil {
		return nil, err
	}
	return r.Checkpoint(ctx)
}

// CheckpointAge is how old the newest checkpoint is.
func (l *Log) CheckpointAge(ctx context.Context, now time.Time) (time.Duration, error) {
	r, err := l.Reader(ctx, l.Origin())
	if err != nil {
		return 0, err
	}
	return r.CheckpointAge(ctx, now)
}

// Signing is what signs notes in the name of the shard that takes entries, and its
// verifier keys: any node of the site may use the key.
func (l *Log) Signing() (sign func(text string) ([]byte, error), vkeys []string, err error) {
	now := l.now.Load()
	if now.writes != nil {
		current := now.writes.Current()
		return current.Sign, current.SigningKeys(), nil
	}
	origin, vkey := l.Origin(), l.VerifierKey()
	key, err := l.o.Key(origin, vkey)
	if err != nil {
		return nil, nil, err
	}
	return func(text string) ([]byte, error) { return tlog.SignNote(origin, key, text) }, []string{vkey}, nil
}

// Status is what this node tells others of the log that it writes.
func (l *Log) Status(ctx context.Context) (remote.Status, error) {
	now := l.now.Load()
	if now.writes == nil {
		return remote.Status{}, fmt.Errorf("%w: this node does not write it", ErrTaken)
	}
	keys, err := l.o.Archive.Keys()
	if err != nil {
		return remote.Status{}, err
	}
	s := remote.Status{Origin: now.writes.Current().Origin(), Keys: keys}
	if err := now.writes.Health(ctx); err != nil {
		s.Cause, s.Code = err.Error(), tlog.Code(err)
	}
	if err := now.writes.Explained(); err != nil {
		s.Unexplained = err.Error()
	}
	return s, nil
}

// Files are those of a shard that is here.
func (l *Log) Files(shard string) (tlog.Files, error) {
	name, err := tlog.ParseName(l.o.Archive.Log, l.o.Archive.Log+"/"+shard)
	if err != nil || !l.o.Archive.Has(name) {
		return nil, fmt.Errorf("shard %q is not here: %w", shard, authz.ErrNotFound)
	}
	return tlog.Folder(name.Dir(l.o.Archive.Dir)), nil
}

// Erase is [tlog.Shards.Erase], if the shard is here; authz.ErrNotFound if it is not.
func (l *Log) Erase(ctx context.Context, from audit.Place, n uint64, leaf [sha256.Size]byte) error {
	if now := l.now.Load(); now.writes != nil {
		return now.writes.Erase(ctx, from, n, leaf)
	}
	return l.o.Archive.Erase(ctx, from, n, leaf)
}

// Served is the log as other nodes are let to use it: one that does not write refuses.
func (l *Log) Served() remote.Writer { return served{l} }

type served struct{ *Log }

func (s served) Append(ctx context.Context, entry audit.Entry) (audit.Place, error) {
	now := s.now.Load()
	if now.writes == nil {
		return audit.Place{}, fmt.Errorf("%w: this node does not write it", ErrTaken)
	}
	return now.writes.Append(ctx, entry)
}

// Close takes no more entries.
func (l *Log) Close(ctx context.Context) error {
	l.steps.Lock()
	defer l.steps.Unlock()
	l.dialling.Lock()
	for _, client := range l.peers {
		client.Close()
	}
	l.peers = nil
	l.dialling.Unlock()
	now := l.now.Load()
	if now.writes == nil {
		now.follows.client.Close()
		return nil
	}
	return errors.Join(now.writes.Close(ctx), l.o.Lease.Leave(ctx))
}

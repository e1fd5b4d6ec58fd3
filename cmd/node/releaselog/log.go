// Package releaselog is the release log of a site as one node has it: the node that has the
// lease of the site in the database writes the log and lets the others append to it, which
// follow ([hopnhat/store/tlog/seat]). It knows which node this is, shows that it lives, and
// proves entries to the pages.
//
// What is recorded, and when, it leaves to package audit.
package releaselog

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path"
	"sync"
	"sync/atomic"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/authz/audit/witness"
	"hopnhat/keys"
	"hopnhat/store"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/remote"
	"hopnhat/store/tlog/seat"
)

// Options say which log of which site a node has, and where.
type Options struct {
	Site string
	// State is the folder of this node, in which its own name and the keys of the log stand.
	State string
	// Origin is the name of the log without the shard, Folder that of its shards.
	Origin, Folder string
	// Listen is host:port for the other nodes of the site, empty if they may not append
	// here; Address is host:port under which they reach it.
	Listen, Address string
	// Writes says that this node may write the log.
	Writes bool

	Sites store.Sites
	Heads tlog.Heads
	// KnownSize is as in [tlog.ShardsOptions].
	KnownSize func(ctx context.Context, origin string) (uint64, error)
	// Explain is as in [tlog.ShardsOptions].
	Explain func(ctx context.Context, origin string, first uint64, leaves [][]byte) ([]uint64, error)
	// Copies is as in [tlog.ShardsOptions].
	Copies func(ctx context.Context, origin string, first uint64, leaves [][]byte) (map[uint64][]byte, error)
	// Counted is as in [tlog.ShardsOptions].
	Counted func(at audit.Place, entry audit.Entry)
	// Anchor is a file of checkpoints that were kept elsewhere, empty if there is none: see
	// [ReadAnchors].
	Anchor string
	Ring   Ring
	// Witnesses cosign checkpoints; nil if none are asked.
	Witnesses *witness.Circle
}

// Ring has the keys that sign checkpoints, and the secret of the nodes of the site.
type Ring interface {
	Derive(ctx context.Context, use keys.Use, label string) ([]byte, error)
	Published(use keys.Use) ([]keys.PublicKey, error)
	Active(use keys.Use, alg keys.Algorithm) (keys.Handle, error)
	Sign(ctx context.Context, jobs ...keys.Job) ([][]byte, error)
}

// Log is the release log, with the consent log beside it. It is safe for concurrent use.
type Log struct {
	*seat.Log
	consents *seat.Log
	o        Options
	anchors  []proof.Checkpoint

	self  store.Node
	taken chan error   // has an error once another node has the site
	seen  atomic.Int64 // when this node last showed that it has the site, Unix ns

	servers []*http.Server // for other nodes, and for tools on this machine
	stop    context.CancelFunc
	looking sync.WaitGroup

	cosigning *cosigning
}

// Open opens the log, which this node writes if it has the lease of the site and another
// one otherwise. [Log.Close] ends it.
func Open(ctx context.Context, o Options) (*Log, error) {
	self, err := nameSelf(o)
	if err != nil {
		return nil, err
	}
	identity, err := identify(ctx, o.Ring, o.Site)
	if err != nil {
		return nil, err
	}
	anchors, err := ReadAnchors(o.Anchor)
	if err != nil {
		return nil, err
	}
	archive := Archives(o.State, o.Origin, o.Folder)[0]
	l := &Log{o: o, anchors: anchors, self: self, taken: make(chan error, 1)}
	l.Log, err = seat.Open(ctx, seat.Options{
		Lease: lease{l}, Archive: archive, Heads: o.Heads, Key: l.checkpointKey, Writes: o.Writes, Candidate: o.Listen != "",
		Peers: peersOf(l.o),
		Dial:  func(address string) *remote.Client { return remote.Dial(address, identity) },
		Open:  func(ctx context.Context) (*tlog.Shards, error) { return l.openShards(ctx, archive) },
	})
	if other := (*tlog.OtherLogError)(nil); errors.As(err, &other) {
		return nil, fmt.Errorf("%w. A log keeps its name, which was made of issuer and site when it began: to go on with it set log_origin: %s; if the issuer or the site is wrong, mend that", err, path.Dir(other.Origin))
	}
	if err != nil {
		return nil, err
	}
	if err := l.openConsents(ctx, identity); err != nil {
		return nil, errors.Join(err, l.Log.Close(context.WithoutCancel(ctx)))
	}
	background, stop := context.WithCancel(context.Background())
	l.stop = stop
	l.looking.Go(func() { l.Run(background) })
	l.looking.Go(func() { l.consents.Run(background) })
	l.cosigning = newCosigning(l)
	if o.Witnesses != nil {
		l.looking.Go(func() { l.cosigning.run(background) })
	}
	if err := errors.Join(l.serve(identity), l.answerTools(identity)); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// openShards opens the shards of a log that this node writes.
func (l *Log) openShards(ctx context.Context, archive *tlog.Archive) (*tlog.Shards, error) {
	return tlog.OpenShards(ctx, tlog.ShardsOptions{
		Archive: archive, Heads: l.o.Heads, Writer: l.self.Folder, Key: l.checkpointKey, KnownSize: l.o.KnownSize,
		Explain: l.o.Explain, Copies: l.o.Copies, Counted: l.o.Counted, Anchors: l.anchors, Holds: l.holdsSite,
	})
}

// peersOf tells where the other nodes of the site are reached.
func peersOf(o Options) func(ctx context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) { return o.Sites.Peers(ctx, o.Site) }
}

// Listen opens the port for the other nodes of the site.
func Listen(address string) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w; choose another with --log-listen", address, err)
	}
	return listener, nil
}

// serve lets the other nodes of the site append.
func (l *Log) serve(identity *remote.Identity) error {
	if l.o.Listen == "" || !l.o.Writes {
		return nil
	}
	listener, err := Listen(l.o.Listen)
	if err != nil {
		return err
	}
	l.servers = append(l.servers, remote.Serve(listener, identity, l.Served(), l.below()))
	return nil
}

// Close lets the other nodes append no more, and leaves the site to them.
func (l *Log) Close() error {
	err := l.closeServer()
	l.stop()
	l.looking.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return errors.Join(err, l.consents.Close(ctx), l.Log.Close(ctx))
}

func (l *Log) closeServer() error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var failed error
	for _, server := range l.servers {
		if err := server.Shutdown(ctx); err != nil {
			failed = errors.Join(failed, server.Close()) // another node waits for an answer; it asks again
		}
	}
	l.servers = nil
	return failed
}

package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path"
	"path/filepath"
	"sync"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/keys"
	"hopnhat/store"
	"hopnhat/store/tlog"
	"hopnhat/store/tlog/remote"
	"hopnhat/store/tlog/seat"
	"hopnhat/web"
)

// openLog opens the release log, which this node writes if it has the lease of the site
// and another one otherwise, and brings into it what a crash left out.
func (n *Node) openLog(ctx context.Context) error {
	identity, err := n.logIdentity(ctx)
	if err != nil {
		return err
	}
	archive := &tlog.Archive{Log: n.Config.LogOrigin, Dir: n.Config.LogFolder, KeyFile: filepath.Join(n.Config.State, "log.vkey")}
	n.log, err = seat.Open(ctx, seat.Options{
		Lease: lease{n}, Archive: archive, Heads: n.DB.Heads, Key: n.checkpointKey, Writes: n.has(web.LogWriter), Candidate: n.Config.LogListen != "",
		Dial: func(address string) *remote.Client { return remote.Dial(address, identity) },
		Open: func(ctx context.Context) (*tlog.Shards, error) {
			return tlog.OpenShards(ctx, tlog.ShardsOptions{
				Archive: archive, Heads: n.DB.Heads, Writer: n.self.Folder, Key: n.checkpointKey,
				KnownSize: n.DB.KnownLogSize, Holds: n.holdsSite,
			})
		},
	})
	if other := (*tlog.OtherLogError)(nil); errors.As(err, &other) {
		return fmt.Errorf("%w. A log keeps its name, which was made of issuer and site when it began: to go on with it set log_origin: %s; if the issuer or the site is wrong, mend that", err, path.Dir(other.Origin))
	}
	if err != nil {
		return err
	}
	n.archive = archive
	n.closers = append(n.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return n.log.Close(ctx)
	})
	if err := n.serveLog(identity); err != nil {
		return err
	}
	n.recorder = audit.NewRecorderWith(n.DB, n.log, audit.Options{Site: n.Config.Site})
	n.scribe = &audit.Scribe{Rows: n.DB, Leaves: n.recorder, Pseudonyms: n.Pseudonyms, Site: n.Config.Site}
	n.closers = append(n.closers, n.recorder.Close) // before the log's, which is below it
	logged, err := n.recorder.Recover(ctx)
	switch {
	case errors.Is(err, audit.ErrRow):
		// Whoever can write a row must not be able to keep a node from starting.
		slog.Error("the database holds events that are no evidence; somebody altered or added them", "error", err)
	case err != nil && n.log.Writes():
		return err
	case err != nil: // the recorder tries again while the node runs
		slog.Warn("events without a log entry could not be logged yet", "error", err)
	}
	if logged > 0 {
		slog.Info("events without a log entry were found and logged", "events", logged)
	}
	return nil
}

// logIdentity is how this node shows the others of its site that it is one of them. Nodes of
// the nation have its keys; which site it is says the label.
func (b *Base) logIdentity(ctx context.Context) (*remote.Identity, error) {
	secret, err := b.Ring.Derive(ctx, keys.Secrets, "release log of site "+b.Config.Site)
	if err != nil {
		return nil, err
	}
	return remote.NewIdentity(secret, b.Config.Site, time.Now)
}

// serveLog lets the other nodes of the site append, and looks for a writer that is gone.
func (n *Node) serveLog(identity *remote.Identity) error {
	background, stop := context.WithCancel(context.Background())
	var looking sync.WaitGroup
	looking.Go(func() { n.log.Run(background) })
	n.closers = append(n.closers, func() error { stop(); looking.Wait(); return nil })
	if n.Config.LogListen == "" || !n.has(web.LogWriter) {
		return nil
	}
	listener, err := net.Listen("tcp", n.Config.LogListen)
	if err != nil {
		return fmt.Errorf("listening on %s: %w; choose another with --log-listen", n.Config.LogListen, err)
	}
	server := remote.Serve(listener, identity, n.log.Served())
	n.closers = append(n.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			return server.Close() // another node waits for an answer; it asks again
		}
		return nil
	})
	return nil
}

// lease is the lease of the site, in the database.
type lease struct{ n *Node }

// Take takes the site if no other node has it.
func (l lease) Take(ctx context.Context) error {
	now := time.Now()
	err := l.n.DB.TakeSite(ctx, l.n.Config.Site, l.n.self)
	if errors.Is(err, store.ErrSiteTaken) {
		return fmt.Errorf("%w: %w", seat.ErrTaken, err)
	}
	if err == nil {
		l.n.seen.Store(now.UnixNano())
	}
	return err
}

// Leave lets another node have the site at once.
func (l lease) Leave(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return l.n.DB.LeaveSite(ctx, l.n.Config.Site, l.n.self)
}

// Writer is where other nodes reach the log of the node that has the site.
func (l lease) Writer(ctx context.Context) (string, error) {
	holder, err := l.n.DB.Holder(ctx, l.n.Config.Site)
	return holder.Address, err
}

// checkpointKey is the key of a shard: the one its checkpoints were signed with
// so far, and for a new shard the active one. So a key that was rotated signs
// from the next quarter on, and a shard has one key.
func (b *Base) checkpointKey(origin, vkey string) (tlog.Key, error) {
	published, err := b.Ring.Published(keys.LogCheckpoint)
	if err != nil {
		return tlog.Key{}, err
	}
	chosen, err := b.Ring.Active(keys.LogCheckpoint, keys.EdDSA)
	if err != nil {
		return tlog.Key{}, err
	}
	var key tlog.Key
	for _, k := range published {
		public, ok := k.Key.(ed25519.PublicKey)
		if !ok {
			continue
		}
		if of, err := tlog.VerifierKey(origin, public); err != nil {
			return tlog.Key{}, err
		} else if of == vkey {
			chosen, key.Public = k.Handle, public
			break
		}
		if k.KeyID == chosen.KeyID {
			key.Public = public
		}
	}
	key.Sign = func(ctx context.Context, message []byte) ([]byte, error) {
		signatures, err := b.Ring.Sign(ctx, keys.Job{Key: chosen, Input: message})
		if err != nil {
			return nil, err
		}
		return signatures[0], nil
	}
	return key, nil
}

// shards proves entries of this quarter's log and of earlier ones.
type shards struct{ n *Node }

func (s shards) Checkpoint(ctx context.Context) ([]byte, error) { return s.n.log.Checkpoint(ctx) }
func (s shards) VerifierKey() string                            { return s.n.log.VerifierKey() }
func (s shards) Origin() string                                 { return s.n.log.Origin() }

// KeyOf is the verifier key of a shard; empty if it is not known here.
func (s shards) KeyOf(origin string) string {
	key, err := s.n.archive.Key(origin)
	if err != nil {
		return ""
	}
	return key
}

// Proof proves an entry, and names the key of the shard it is in. It waits for
// the checkpoint that covers the entry, a few seconds at most.
func (s shards) Proof(ctx context.Context, origin string, index uint64) (proof.Inclusion, string, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	log, err := s.n.log.Reader(ctx, origin)
	if err != nil {
		return proof.Inclusion{}, "", err
	}
	in, err := log.Proof(ctx, index)
	return in, log.VerifierKey(), err
}

// Bundle makes an export of a shard; the log that is written now signs it.
func (s shards) Bundle(ctx context.Context, origin string, query []byte, made time.Time, shown map[uint64]proof.Record) ([]byte, error) {
	log, err := s.n.log.Reader(ctx, origin)
	if err != nil {
		return nil, err
	}
	const whole = 1000 // entries between the first and the last that are carried as leaves
	export, err := proof.Assemble(ctx, log, query, made, shown, whole)
	if err != nil {
		return nil, err
	}
	sign, vkeys, err := s.n.log.Signing()
	if err != nil {
		return nil, err
	}
	return export.Marshal(sign, vkeys...)
}

package node

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"path/filepath"
	"time"

	"hopnhat/authz/audit"
	"hopnhat/authz/audit/proof"
	"hopnhat/keys"
	"hopnhat/store/tlog"
)

// openLog opens the release log and brings into it what a crash left out.
func (n *Node) openLog(ctx context.Context) error {
	n.archive = &tlog.Archive{Log: n.Config.LogOrigin, Dir: filepath.Join(n.Config.State, "tlog"), KeyFile: filepath.Join(n.Config.State, "log.vkey")}
	var err error
	n.log, err = tlog.OpenShards(ctx, tlog.ShardsOptions{
		Archive: n.archive, Heads: n.DB.Heads, Writer: n.self.Folder, Key: n.checkpointKey,
		KnownSize: n.DB.KnownLogSize, Holds: n.holdsSite,
	})
	if other := (*tlog.OtherLogError)(nil); errors.As(err, &other) {
		return fmt.Errorf("%w. A log keeps its name, which was made of issuer and site when it began: to go on with it set log_origin: %s; if the issuer or the site is wrong, mend that", err, path.Dir(other.Origin))
	}
	if err != nil {
		return err
	}
	n.closers = append(n.closers, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		return n.log.Close(ctx)
	})
	n.recorder = audit.NewRecorderWith(n.DB, n.log, audit.Options{Site: n.Config.Site})
	n.scribe = &audit.Scribe{Rows: n.DB, Leaves: n.recorder, Pseudonyms: n.Pseudonyms, Site: n.Config.Site}
	n.closers = append(n.closers, n.recorder.Close) // before the log's, which is below it
	logged, err := n.recorder.Recover(ctx)
	if errors.Is(err, audit.ErrRow) {
		// Whoever can write a row must not be able to keep a node from starting.
		slog.Error("the database holds events that are no evidence; somebody altered or added them", "error", err)
	} else if err != nil {
		return err
	}
	if logged > 0 {
		slog.Info("events without a log entry were found and logged", "events", logged)
	}
	return nil
}

// checkpointKey is the key of a shard: the one its checkpoints were signed with
// so far, and for a new shard the active one. So a key that was rotated signs
// from the next quarter on, and a shard has one key.
func (n *Node) checkpointKey(origin, vkey string) (tlog.Key, error) {
	published, err := n.Ring.Published(keys.LogCheckpoint)
	if err != nil {
		return tlog.Key{}, err
	}
	chosen, err := n.Ring.Active(keys.LogCheckpoint, keys.EdDSA)
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
		signatures, err := n.Ring.Sign(ctx, keys.Job{Key: chosen, Input: message})
		if err != nil {
			return nil, err
		}
		return signatures[0], nil
	}
	return key, nil
}

// shards proves entries of this quarter's log and of earlier ones.
type shards struct{ n *Node }

func (s shards) Checkpoint(ctx context.Context) ([]byte, error) {
	return s.n.log.Current().Checkpoint(ctx)
}

func (s shards) VerifierKey() string { return s.n.log.Current().VerifierKey() }
func (s shards) Origin() string      { return s.n.log.Current().Origin() }

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
	signing := s.n.log.Current()
	return export.Marshal(signing.Sign, signing.SigningKeys()...)
}
